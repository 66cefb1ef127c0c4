//! `flatnet exec`: a command in a pod or on a node, on this terminal's own streams.
use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};

use clap::Args;
use flatnet_lab::{Lab, LabTarget, Stdio};
use tokio::io::AsyncWriteExt;

use super::which::ClusterArg;
use crate::{Error, Result, session};
use flatnet_cluster::kind::{self, engine::Engine};
use flatnet_cluster::running::Running;
use flatnet_cluster::{PodRef, Target, kube};
use flatnet_model::naming::Names;

/// Options of `flatnet exec`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet exec busybox-1 -- ip route\n  flatnet exec node1 -- ip addr show type bridge\n  flatnet exec --cluster demo node2 -- ls /etc/cni/net.d\n  flatnet exec wire -- ip route\n\nExit code: the command's own; 2 where the cluster, pod or node is not there"
)]
pub(super) struct ExecArgs {
    /// A pod (busybox-1, pod/busybox-1, NAMESPACE/busybox-1), a node (its name, or node1, node2, … which count them), or, in a
    /// lab, `wire`: what joins the nodes
    target: String,
    #[command(flatten)]
    cluster: ClusterArg,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn run(args: &ExecArgs) -> Result<u8> {
    let cluster = args.cluster.find()?;
    let code = match &cluster {
        Running::Lab(info) => on_lab(&info.spec.name, args)?,
        Running::Kind { name, engine } => {
            session::runtime()?.block_on(on_kind(name, engine, args))?
        }
    };
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
    // Reading a terminal cannot be given up, so it must not be waited for: the runtime is left with it.
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

/// Who is meant; `cluster` is what an error calls the place where nobody is.
fn find(target: &str, cluster: &str, nodes: &[String], pods: &[PodRef]) -> Result<Target> {
    Names { nodes, pods }.find(&format!("{target:?} on {cluster}"), target)
}
