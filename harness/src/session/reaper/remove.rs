//! How each thing is taken away, and what counts as gone already.
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Command;

use super::{ClusterRef, Reap};
use crate::cni::{KindCluster, kind_change, lab_change};
use crate::programs::Programs;
use crate::{Error, Result};
use flatnet_cluster::kind::{self, engine::Engine, program::run_within};
use flatnet_cluster::kube::{NamespacePlan, connect};
use flatnet_cluster::lab::LabCluster;

/// How long the engine may be busy after its client was killed.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);
/// How long the engine may take to delete a cluster or a container.
const DELETES_WITHIN: Duration = Duration::from_secs(120);
/// How long kind may take for the containers of a cluster whose API is silent already.
const DELETED_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a cluster is deleted before it is called stubborn.
const DELETIONS: usize = 10;

/// As [`super::take_away`], on the runtime that is there.
///
/// # Errors
/// As there.
pub async fn remove(thing: &Reap) -> Result<()> {
    match thing {
        Reap::ProcessGroup { group } => {
            if let Ok(group) = i32::try_from(*group) {
                // Gone already is what is wanted.
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            Ok(())
        }
        Reap::KindCluster { kind, engine, name } => {
            let delete = KindDelete { kind, engine, name };
            delete.run().await?;
            // The engine may still be busy with what a killed `kind create` had asked it for.
            for _ in 0..DELETIONS {
                tokio::time::sleep(SETTLES_WITHIN).await;
                if !delete.still_there().await? {
                    return Ok(());
                }
                delete.run().await?;
            }
            Err(Error::Failed(format!(
                "kind cluster {name} reappears after each deletion; to see its nodes: kind get nodes --name {name}"
            )))
        }
        Reap::Container { engine, name } => {
            let doing = format!("remove container {name}");
            let mut command = Command::new(engine);
            command.args(["rm", "--force", "--volumes", name]);
            let said = run_within(DELETES_WITHIN, &mut command, &doing).await?;
            // Already gone, or being deleted by another, is what is wanted.
            let going = ["no such container", "already in progress"];
            let lower = said.stderr.to_lowercase();
            if said.code == 0 || going.iter().any(|sign| lower.contains(sign)) {
                Ok(())
            } else {
                Err(Error::failed(doing, said.stderr.trim()))
            }
        }
        Reap::LabChange { lab } => {
            let undone = async { lab_change::undo(&LabCluster::connect(lab).await?).await };
            match undone.await {
                Err(_) if LabCluster::has_ended(lab).await => Ok(()),
                undone => undone,
            }
        }
        Reap::CniChange { of } => undo_change(of).await,
        Reap::LabPods { lab, namespace } => {
            let cleared = async { LabCluster::connect(lab).await?.clear(namespace).await };
            match cleared.await {
                // A lab that is gone, or goes meanwhile, takes its pods along.
                Err(_) if LabCluster::has_ended(lab).await => Ok(()),
                cleared => cleared,
            }
        }
        Reap::Namespace { of, namespace } => release(of, namespace).await,
    }
}

/// `kind delete cluster` and a look at what is left.
struct KindDelete<'a> {
    kind: &'a Path,
    engine: &'a str,
    name: &'a str,
}

impl KindDelete<'_> {
    async fn call(&self, args: &[&str]) -> Result<String> {
        let doing = format!("kind {}", args.join(" "));
        let mut command = Command::new(self.kind);
        command
            .args(args)
            .env("KIND_EXPERIMENTAL_PROVIDER", self.engine);
        let said = run_within(DELETES_WITHIN, &mut command, &doing).await?;
        if said.code == 0 {
            return Ok(said.stdout);
        }
        Err(Error::failed(doing, said.stderr.trim()))
    }

    async fn run(&self) -> Result<()> {
        // Deleting rewrites the kubeconfig the cluster is in; it is in none.
        let aside = ["--kubeconfig", "/dev/null"];
        let delete = [&["delete", "cluster", "--name", self.name][..], &aside].concat();
        self.call(&delete).await.map(drop)
    }

    async fn still_there(&self) -> Result<bool> {
        let clusters = self.call(&["get", "clusters"]).await?;
        Ok(clusters.lines().any(|line| line == self.name))
    }
}

/// Puts back what a cluster had before a change of its CNI, unless the whole cluster goes meanwhile.
async fn undo_change(of: &ClusterRef) -> Result<()> {
    let programs = Programs::locate()?;
    match of {
        ClusterRef::Kubeconfig { file, context } => {
            let connection = connect::connect(file.as_deref(), context.as_deref()).await?;
            // Only objects are put back there: nothing is run on nodes.
            let onto = KindCluster::of_others(connection, programs).await?;
            kind_change::undo(&onto).await.map(drop)
        }
        ClusterRef::Kind { name } => {
            let undone = async |engine: &Engine| {
                let connection = kind::connection(engine, name).await?;
                let onto = KindCluster::at(engine, name, connection, programs).await?;
                kind_change::undo(&onto).await.map(drop)
            };
            unless_deleted(name, undone).await
        }
    }
}

/// Takes a run's namespace away, unless its whole cluster goes meanwhile.
async fn release(of: &ClusterRef, namespace: &NamespacePlan) -> Result<()> {
    match of {
        ClusterRef::Kubeconfig { file, context } => {
            let connection = connect::connect(file.as_deref(), context.as_deref()).await?;
            namespace.release(&connection.client).await
        }
        ClusterRef::Kind { name } => {
            let closed = async |engine: &Engine| {
                let connection = kind::connection(engine, name).await?;
                namespace.release(&connection.client).await
            };
            unless_deleted(name, closed).await
        }
    }
}

/// Does something to a kind cluster; that it fails because the cluster goes is fine.
async fn unless_deleted(
    cluster: &str,
    work: impl AsyncFnOnce(&Engine) -> Result<()>,
) -> Result<()> {
    let engine = Engine::find().await?;
    match work(&engine).await {
        Err(_) if is_deleted(&engine, cluster).await? => Ok(()),
        done => done,
    }
}

/// Whether a cluster is gone, or goes within a few seconds: its API is silent some time before kind knows it no more.
async fn is_deleted(engine: &Engine, cluster: &str) -> Result<bool> {
    let start = Instant::now();
    while kind::clusters(engine)
        .await?
        .iter()
        .any(|name| name == cluster)
    {
        if start.elapsed() > DELETED_WITHIN {
            return Ok(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(true)
}
