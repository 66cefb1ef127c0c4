//! `flatnet exec`: a command in a pod or on a node, on this terminal's own streams.
use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};

use clap::Args;
use flatnet_lab::{Lab, Place, Stdio};

use super::labs::meant;
use crate::{Error, Result};

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
    let lab = Lab::connect(&meant(args.name.as_deref())?)?;
    let place = find(&lab, &args.target)?;
    let own = |fd: std::io::Result<OwnedFd>| {
        fd.map_err(|e| Error::failed("duplicate this terminal's streams", e))
    };
    let stdio = Stdio {
        stdin: own(stdin().as_fd().try_clone_to_owned())?,
        stdout: own(stdout().as_fd().try_clone_to_owned())?,
        stderr: own(stderr().as_fd().try_clone_to_owned())?,
    };
    let code = lab.exec(&place, &args.command, &[], stdio)?;
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
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
