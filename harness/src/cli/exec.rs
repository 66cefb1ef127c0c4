//! `flatnet exec`: a command in a pod or on a node, on this terminal's own streams.
use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};

use clap::Args;
use flatnet_lab::{Lab, LabTarget, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;

use super::which::ClusterArg;
use crate::session::run_until_interrupted;
use crate::{Error, Result};
use flatnet_cluster::kind::{self, engine::Engine};
use flatnet_cluster::running::Running;
use flatnet_cluster::{PodRef, Target, kube};
use flatnet_model::naming::Names;

/// Options of `flatnet exec`.
#[derive(Args, Clone)]
#[command(
    after_help = "Examples:\n  flatnet exec busybox-1 -- ip route                      show the routes of a pod\n  flatnet exec node1 -- ip addr show type bridge          show the bridges of a node\n  flatnet exec --cluster demo node2 -- ls /etc/cni/net.d  list the CNI configurations of a node\n  flatnet exec wire -- ip route                           show the routes between the nodes of a lab\n\nExit code: that of the command; 2 if the cluster, pod, node or program does not exist"
)]
pub(super) struct ExecArgs {
    /// Pod (busybox-1, pod/busybox-1, NAMESPACE/busybox-1) or node (its name; node1, node2, … count the nodes of any cluster);
    /// in a lab also `wire`, the network that connects the nodes
    #[arg(value_name = "POD|NODE")]
    target: String,
    /// Command to run, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    cluster: ClusterArg,
}

pub(super) fn run(args: &ExecArgs) -> Result<u8> {
    let code = run_until_interrupted(async {
        match args.cluster.find().await? {
            Running::Lab(name) => {
                let args = args.clone();
                let running = spawn_blocking(move || on_lab(&name, &args));
                let doing = "wait for the command";
                running.await.map_err(|e| Error::failed(doing, e))?
            }
            Running::Kind { name, engine } => on_kind(&name, &engine, args).await,
        }
    })?;
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

fn on_lab(name: &str, args: &ExecArgs) -> Result<i32> {
    let lab = Lab::connect(name)?;
    let place = match args.target.as_str() {
        "wire" => LabTarget::Wire,
        target => {
            let info = lab.info()?;
            let nodes: Vec<String> = info.spec.nodes.into_iter().map(|node| node.name).collect();
            let pods = info.pods.iter().filter_map(|pod| pod.split_once('/'));
            let pods: Vec<PodRef> = pods
                .map(|(namespace, name)| PodRef::new(namespace, name))
                .collect();
            match find(target, &format!("lab {name}"), &nodes, &pods)? {
                Target::Node(node) => LabTarget::Node(node),
                Target::Pod(pod) => LabTarget::Pod(pod.namespace, pod.name),
            }
        }
    };
    let own = |fd: std::io::Result<OwnedFd>| {
        fd.map_err(|e| Error::failed("duplicate this terminal's streams", e))
    };
    let stdio = Stdio {
        stdin: own(stdin().as_fd().try_clone_to_owned())?,
        stdout: own(stdout().as_fd().try_clone_to_owned())?,
        stderr: own(stderr().as_fd().try_clone_to_owned())?,
    };
    Ok(lab.exec(&place, &args.command, &[], stdio)?)
}

async fn on_kind(name: &str, engine: &Engine, args: &ExecArgs) -> Result<i32> {
    let connection = kind::connection(engine, name).await?;
    let client = &connection.client;
    let (nodes, pods) = tokio::try_join!(kube::nodes(client), kube::pod_refs(client))?;
    let nodes: Vec<String> = nodes
        .into_iter()
        .filter_map(|node| node.metadata.name)
        .collect();
    let mut process = match find(&args.target, &format!("kind cluster {name}"), &nodes, &pods)? {
        Target::Node(node) => engine.exec(&node, &args.command)?,
        Target::Pod(pod) => kube::start_in(client, &pod, &args.command).await?,
    };
    // A read from a terminal cannot be cancelled, so it must not be waited for.
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut process.stdin).await;
        let _ = process.stdin.shutdown().await;
    });
    let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
    tokio::try_join!(
        tokio::io::copy(&mut process.stdout, &mut out),
        tokio::io::copy(&mut process.stderr, &mut err)
    )
    .map_err(|e| Error::failed(format!("exec in {}", args.target), e))?;
    process.exit.await
}

/// Resolves `target`; an error calls the cluster `cluster`.
fn find(target: &str, cluster: &str, nodes: &[String], pods: &[PodRef]) -> Result<Target> {
    Names { nodes, pods }.find(&format!("{target:?} on {cluster}"), target)
}
