//! `flatnet exec`: a command in a pod or on a node, on this process's own streams, or on a terminal of its own.
mod pty;
mod terminal;

use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};

use clap::{ArgAction, Args};
use flatnet_lab::{Lab, LabTarget, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;

use super::which::ClusterArg;
use crate::session::run_until_interrupted;
use crate::{Error, Result};
use flatnet_cluster::kind::{self, engine::Engine};
use flatnet_cluster::lab::failure_of_found_lab;
use flatnet_cluster::running::Running;
use flatnet_cluster::{PodRef, Process, Target, kube};
use flatnet_model::naming::Names;
use pty::Pty;
use terminal::Terminal;

/// Options of `flatnet exec`.
#[derive(Args, Clone)]
#[command(
    after_help = "Examples:\n  flatnet exec busybox-1 -- ip route                      show the routes of a pod\n  flatnet exec node1 -- ip addr show type bridge          show the bridges of a node\n  flatnet exec --cluster demo node2 -- ls /etc/cni/net.d  list the CNI configurations of a node\n  flatnet exec wire -- ip route                           show the routes between the nodes of a lab\n  flatnet exec busybox-1 -- sh                            an interactive shell\n\nThe command gets its own terminal when standard input, output and error are terminals: Ctrl-C then reaches the command, and stderr is merged into stdout. Otherwise, or with --tty=false, it uses flatnet's streams directly.\n\nExit code: that of the command; 2 if the cluster, pod, node or program does not exist"
)]
pub(super) struct ExecArgs {
    /// Pod (busybox-1, pod/busybox-1, NAMESPACE/busybox-1) or node (its name; node1, node2, … count the nodes of any cluster);
    /// in a lab also `wire`, the network that connects the nodes
    #[arg(value_name = "POD|NODE")]
    target: String,
    /// Command to run, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// Give the command a terminal of its own, or not [default: where standard input, output and error are terminals]
    #[arg(
        long,
        short,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = ArgAction::Set
    )]
    tty: Option<bool>,
    /// Accepted as in kubectl and docker; standard input is always passed on
    #[arg(long, short)]
    interactive: bool,
    #[command(flatten)]
    cluster: ClusterArg,
}

pub(super) fn run(args: &ExecArgs) -> Result<u8> {
    let on_terminal = terminal::is_wanted(args.tty)?;
    let code = run_until_interrupted(async {
        match args.cluster.find().await? {
            Running::Lab(name) => on_lab(name, args, on_terminal).await,
            Running::Kind { name, engine } => on_kind(&name, &engine, args, on_terminal).await,
        }
    })?;
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

async fn on_lab(name: String, args: &ExecArgs, on_terminal: bool) -> Result<i32> {
    let own = |fd: std::io::Result<OwnedFd>| {
        fd.map_err(|e| Error::failed("duplicate this terminal's streams", e))
    };
    let mut env = Vec::new();
    let (stdio, pty) = if on_terminal {
        let (pty, stdio) = Pty::open()?;
        env.extend(terminal::kind().map(|kind| ("TERM".to_owned(), kind)));
        (stdio, Some(pty))
    } else {
        let stdio = Stdio {
            stdin: own(stdin().as_fd().try_clone_to_owned())?,
            stdout: own(stdout().as_fd().try_clone_to_owned())?,
            stderr: own(stderr().as_fd().try_clone_to_owned())?,
        };
        (stdio, None)
    };
    let (target, command) = (args.target.clone(), args.command.clone());
    let running = spawn_blocking(move || {
        let lab = Lab::connect(&name).map_err(failure_of_found_lab)?;
        let place = place(&lab, &name, &target)?;
        lab.exec(&place, &command, &env, stdio)
            .map_err(failure_of_found_lab)
    });
    let ended = async {
        let ended = running.await;
        ended.map_err(|e| Error::failed("wait for the command", e))?
    };
    match pty {
        Some(pty) => {
            let _raw = Terminal::raw()?;
            pty.relay_until(ended).await
        }
        None => ended.await,
    }
}

/// Where a lab has `target`.
fn place(lab: &Lab, name: &str, target: &str) -> Result<LabTarget> {
    if target == "wire" {
        return Ok(LabTarget::Wire);
    }
    let info = lab.info().map_err(failure_of_found_lab)?;
    let nodes: Vec<String> = info.spec.nodes.into_iter().map(|node| node.name).collect();
    let pods = info.pods.iter().filter_map(|pod| pod.split_once('/'));
    let pods: Vec<PodRef> = pods
        .map(|(namespace, name)| PodRef::new(namespace, name))
        .collect();
    Ok(match find(target, &format!("lab {name}"), &nodes, &pods)? {
        Target::Node(node) => LabTarget::Node(node),
        Target::Pod(pod) => LabTarget::Pod(pod.namespace, pod.name),
    })
}

async fn on_kind(name: &str, engine: &Engine, args: &ExecArgs, on_terminal: bool) -> Result<i32> {
    let connection = kind::connection(engine, name).await?;
    let client = &connection.client;
    let (nodes, pods) = tokio::try_join!(kube::nodes(client), kube::pod_refs(client))?;
    let nodes: Vec<String> = nodes
        .into_iter()
        .filter_map(|node| node.metadata.name)
        .collect();
    let target = find(&args.target, &format!("kind cluster {name}"), &nodes, &pods)?;
    let (process, _raw) = match (target, on_terminal) {
        (Target::Node(node), true) => {
            // The engine's client makes the terminal raw and follows its size; it cannot put it back where it is killed.
            let _saved = Terminal::save()?;
            let kind = terminal::kind();
            let on_terminal = engine.exec_on_terminal(&node, &args.command, kind.as_deref());
            return on_terminal.await;
        }
        (Target::Pod(pod), true) => {
            let sizes = terminal::sizes()?;
            let started = kube::start_on_terminal(client, &pod, &args.command, sizes).await?;
            (started, Some(Terminal::raw()?))
        }
        (Target::Node(node), false) => (engine.exec(&node, &args.command)?, None),
        (Target::Pod(pod), false) => (kube::start_in(client, &pod, &args.command).await?, None),
    };
    connect(process, &args.target).await
}

/// Joins this process's streams with those of a command in `target`, until that ends; its exit code.
async fn connect(mut process: Process, target: &str) -> Result<i32> {
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
    .map_err(|e| Error::failed(format!("exec in {target}"), e))?;
    process.exit.await
}

/// Resolves `target`; an error calls the cluster `cluster`.
fn find(target: &str, cluster: &str, nodes: &[String], pods: &[PodRef]) -> Result<Target> {
    Names { nodes, pods }.find(&format!("{target:?} on {cluster}"), target)
}
