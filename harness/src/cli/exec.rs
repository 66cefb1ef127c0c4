//! `flatnet exec`: a command in a pod or on a node, on this terminal's own streams.
use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};

use clap::Args;
use flatnet_lab::{Lab, Place, Stdio};
use tokio::io::AsyncWriteExt;

use super::clusters::{Running, meant};
use crate::{Error, Result, session};
use flatnet_cluster::kind::{self, engine::Engine};
use flatnet_cluster::kube;

/// Options of `flatnet exec`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet exec busybox-1 -- ip route\n  flatnet exec node1 -- ip addr show type bridge\n  flatnet exec wire -- ip route"
)]
pub(super) struct ExecArgs {
    /// A pod (busybox-1, pod/busybox-1, NAMESPACE/busybox-1), a node (node1, node/node1), or `wire`: what joins the nodes
    target: String,
    /// Which cluster [default: the only one that runs]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn run(args: &ExecArgs) -> Result<u8> {
    let code = match meant(args.name.as_deref())? {
        Running::Lab(info) => on_lab(&info.spec.name, args)?,
        Running::Kind { name, engine, .. } => {
            session::runtime()?.block_on(on_kind(&name, engine, args))?
        }
    };
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

fn on_lab(name: &str, args: &ExecArgs) -> Result<i32> {
    let lab = Lab::connect(name)?;
    let place = find(&lab, &args.target)?;
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

async fn on_kind(name: &str, engine: Engine, args: &ExecArgs) -> Result<i32> {
    let connection = kind::connection(&engine, name).await?;
    let nodes: Vec<String> = kube::nodes(&connection.client)
        .await?
        .into_iter()
        .filter_map(|node| node.metadata.name)
        .collect();
    let wanted = args.target.strip_prefix("node/").unwrap_or(&args.target);
    let process = if !args.target.starts_with("pod/") && nodes.iter().any(|n| n == wanted) {
        engine.exec(wanted, &args.command)?
    } else {
        let pod = kube::find_pod(&connection.client, &args.target, &nodes).await?;
        kube::start_in(&connection.client, &pod, &args.command).await?
    };
    let mut process = process;
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

fn find(lab: &Lab, target: &str) -> Result<Place> {
    if target == "wire" {
        return Ok(Place::Wire);
    }
    let info = lab.info()?;
    let node = target.strip_prefix("node/").unwrap_or(target);
    if !target.starts_with("pod/") && info.spec.nodes.iter().any(|n| n.name == node) {
        return Ok(Place::Node(node.to_owned()));
    }
    let pod = target.strip_prefix("pod/").unwrap_or(target);
    let (namespace, name) = pod.split_once('/').unwrap_or(("default", pod));
    if info.pods.contains(&format!("{namespace}/{name}")) {
        return Ok(Place::Pod(namespace.to_owned(), name.to_owned()));
    }
    let nodes: Vec<&str> = info.spec.nodes.iter().map(|n| n.name.as_str()).collect();
    Err(Error::Input(format!(
        "no pod or node {target:?} in cluster {}; nodes: {}; pods: {}",
        info.spec.name,
        nodes.join(", "),
        info.pods.join(", ")
    )))
}
