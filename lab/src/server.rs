//! The server: boots nodes, and answers each connection's one request on a thread of its own.
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::sync::Arc;
use std::time::SystemTime;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use serde_json::Value;

use crate::launch::{Launch, Streams, node_env};
use crate::node::{self, Node};
use crate::protocol::{self, Frame, Request};
use crate::roots::Base;
use crate::site::Site;
use crate::{Error, LabInfo, LabSpec, Place, Result, changes, exec, underlay};

/// A running lab.
struct Server {
    spec: LabSpec,
    pid: u32,
    started: u64,
    nodes: Vec<Arc<Node>>,
    wire: Site,
}

/// Boots the lab, says so, and serves until it is told to shut down.
pub(crate) fn run(
    spec: LabSpec,
    pid: u32,
    listener: UnixListener,
    ready: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let server = Arc::new(Server::boot(spec, pid)?);
    ready()?;
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                let server = server.clone();
                // Without a thread nobody can be answered: the client sees the connection close.
                let _ = std::thread::Builder::new()
                    .stack_size(512 << 10)
                    .spawn(move || server.answer(stream));
            }
            // Out of descriptors, for now; or the client has gone again.
            Err(_) => std::thread::yield_now(),
        }
    }
    Ok(())
}

impl Server {
    fn boot(spec: LabSpec, pid: u32) -> Result<Server> {
        let started = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let base = Base::prepare(&spec)?;
        let (nodes, wire) = std::thread::scope(|scope| {
            let wire = scope
                .spawn(|| node::prepare_site(&base, "wire", &node::hosts_file(&spec), || Ok(())));
            let (base, spec) = (&base, &spec);
            let nodes: Vec<_> = (0..spec.nodes.len())
                .map(|index| scope.spawn(move || Node::prepare(spec, index, base)))
                .collect();
            let nodes: Result<Vec<Node>> = nodes.into_iter().map(join).collect();
            Ok::<_, Error>((nodes?, join(wire)?))
        })?;
        let netns = nodes.iter().map(Node::netns).collect::<Result<Vec<_>>>()?;
        underlay::lay(&spec, &netns)?;
        drop(netns);
        Ok(Server {
            spec,
            pid,
            started,
            nodes: nodes.into_iter().map(Arc::new).collect(),
            wire,
        })
    }

    fn answer(&self, mut stream: UnixStream) {
        // A stranger learns nothing, not even why.
        let peer = getsockopt(&stream, PeerCredentials);
        if !peer.is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw()) {
            return;
        }
        let Ok(Frame { message, body, fds }) = protocol::receive(&mut stream) else {
            return;
        };
        let ends = matches!(message, Request::Shutdown);
        let reply = self.handle(message, body, fds, &stream);
        // A client that is gone needs no answer.
        let _ = protocol::send(&mut stream, &reply, &[], &[]);
        if ends {
            // Init ends with the server, and with it everything.
            std::process::exit(0);
        }
    }

    fn handle(
        &self,
        request: Request,
        body: Vec<u8>,
        fds: Vec<std::os::fd::OwnedFd>,
        stream: &UnixStream,
    ) -> Result<Value> {
        match request {
            Request::Info => reply(&LabInfo {
                spec: self.spec.clone(),
                pid: self.pid,
                started: self.started,
                pods: Vec::new(),
            }),
            Request::Nodes => reply(
                &self
                    .nodes
                    .iter()
                    .map(|node| node.object())
                    .collect::<Vec<_>>(),
            ),
            Request::Exec { place, argv, env } => {
                reply(&self.exec(&place, &argv, env, fds, stream)?)
            }
            Request::StartDaemon { node, name, argv } => {
                let node = self.node(&node)?;
                reply(&node.daemons.start(&node.site, &node.name, &name, &argv)?)
            }
            Request::StopDaemon { node, name } => reply(&self.node(&node)?.daemons.stop(&name)?),
            Request::DaemonLog { node, name } => reply(&self.node(&node)?.daemons.log(&name)?),
            Request::WriteFile { node, path, mode } => {
                let written = self.node(&node)?.site.write(path.as_ref(), &body, mode);
                reply(&written.map_err(|e| Error::failed(format!("write {path} on {node}"), e))?)
            }
            Request::RemoveFile { node, path } => {
                let removed = self.node(&node)?.site.remove(path.as_ref());
                reply(&removed.map_err(|e| Error::failed(format!("remove {path} on {node}"), e))?)
            }
            Request::Shutdown => reply(&()),
            _ => Err(Error::invalid("not yet")),
        }
    }

    fn node(&self, name: &str) -> Result<&Arc<Node>> {
        self.nodes
            .iter()
            .find(|node| node.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
                Error::invalid(format!(
                    "there is no node {name:?}; the nodes are {}",
                    names.join(", ")
                ))
            })
    }

    fn exec(
        &self,
        place: &Place,
        argv: &[String],
        env: Vec<(String, String)>,
        fds: Vec<std::os::fd::OwnedFd>,
        client: &UnixStream,
    ) -> Result<i32> {
        let [stdin, stdout, stderr] = <[_; 3]>::try_from(fds)
            .map_err(|_| Error::invalid("exec needs three standard streams"))?
            .map(Stdio::from);
        let streams = Streams {
            stdin,
            stdout,
            stderr,
        };
        let (hostname, site) = match place {
            Place::Node(name) => {
                let node = self.node(name)?;
                (node.name.as_str(), &*node.site)
            }
            Place::Wire => ("wire", &self.wire),
            Place::Pod(..) => return Err(Error::invalid("not yet")),
        };
        let mut all = node_env(hostname);
        all.extend(env);
        exec::run_at(site, &Launch::new(argv, all), streams, client)
    }
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn reply<T: serde::Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| Error::failed("write the answer", e))
}
