//! The server: boots nodes, and answers the one request of each connection on its own thread.
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ipnet::IpNet;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use serde_json::Value;

use crate::kubelet::Kubelet;
use crate::launch::{Launch, Streams, node_env};
use crate::node::{self, Node};
use crate::node_root::NodeRoot;
use crate::protocol::{self, Frame, PodName, Received, Request};
use crate::roots::Base;
use crate::{Change, Error, LabInfo, LabSpec, LabTarget, Result, changes, exec, underlay};

/// The wire's host name.
const WIRE: &str = "wire";

/// A running lab.
struct Server {
    spec: Mutex<LabSpec>,
    pid: u32,
    started: u64,
    kubelet: Arc<Kubelet>,
    wire: NodeRoot,
}

/// Boots the lab, reports that it is ready, and serves until a shutdown request.
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
                // Without a thread there is no answer: the client sees the connection close.
                let _ = std::thread::Builder::new()
                    .stack_size(512 << 10)
                    .spawn(move || server.answer(stream));
            }
            // Out of descriptors, most likely: some command's end gives them back.
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
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
                .spawn(|| node::prepare_root(&base, WIRE, &node::hosts_file(&spec), || Ok(())));
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
        let kubelet = Kubelet::start(nodes.into_iter().map(Arc::new).collect(), base)?;
        Ok(Server {
            spec: Mutex::new(spec),
            pid,
            started,
            kubelet,
            wire,
        })
    }

    fn answer(&self, stream: UnixStream) {
        // A stranger learns nothing, not even why.
        let peer = getsockopt(&stream, PeerCredentials);
        if !peer.is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw()) {
            return;
        }
        let Ok(Frame { message, body, fds }) = protocol::receive(&stream) else {
            return;
        };
        // A client that is gone reads nothing; its request is carried out all the same.
        let _ = protocol::send(&stream, &Received, &[], &[]);
        let ends = matches!(message, Request::Shutdown);
        let reply = self.handle(message, body, fds, &stream);
        // A client that is gone needs no answer.
        let _ = protocol::send(&stream, &reply, &[], &[]);
        if ends {
            // Init ends with the server, and with it everything.
            std::process::exit(0);
        }
    }

    fn handle(
        &self,
        request: Request,
        body: Vec<u8>,
        fds: Vec<OwnedFd>,
        client: &UnixStream,
    ) -> Result<Value> {
        let kubelet = &self.kubelet;
        match request {
            Request::Info => reply(&self.info()),
            Request::Nodes => reply(
                &kubelet
                    .nodes()
                    .iter()
                    .map(|node| node.object())
                    .collect::<Vec<_>>(),
            ),
            Request::ApplyPod(pod) => reply(&kubelet.apply(*pod)?),
            Request::Pod(name) => reply(&kubelet.get(&name)?),
            Request::WaitPod { pod, limit } => reply(&kubelet.wait(&pod, limit)?),
            Request::Pods => reply(&kubelet.list()?),
            Request::Events(name) => reply(&kubelet.events(&name)),
            Request::DeletePod(name) => reply(&kubelet.delete(&name)?),
            Request::CheckPod(name) => reply(&kubelet.check(&name)?),
            Request::Gc { node } => reply(&kubelet.gc(&node)?),
            Request::Exec { target, argv, env } => {
                reply(&self.exec(&target, &argv, env, fds, client)?)
            }
            Request::Change { target, changes } => reply(&self.change(&target, &changes)?),
            Request::StartDaemon { node, name, argv } => {
                let node = kubelet.node(&node)?;
                reply(&node.daemons.start(&node.root, &node.name, &name, &argv)?)
            }
            Request::StopDaemon { node, name } => reply(&kubelet.node(&node)?.daemons.stop(&name)?),
            Request::DaemonLog { node, name } => reply(&kubelet.node(&node)?.daemons.log(&name)?),
            Request::StoppedDaemon { node, name } => {
                reply(&kubelet.node(&node)?.daemons.stopped(&name)?)
            }
            Request::WriteFile { node, path, mode } => {
                let written = kubelet
                    .node(&node)?
                    .root
                    .write(absolute(&path)?, &body, mode);
                reply(&written.map_err(|e| Error::failed(format!("write {path} on {node}"), e))?)
            }
            Request::RemoveFile { node, path } => {
                let removed = kubelet.node(&node)?.root.remove(absolute(&path)?);
                reply(&removed.map_err(|e| Error::failed(format!("remove {path} on {node}"), e))?)
            }
            Request::Record { labels, pod_cidrs } => reply(&self.record(labels, pod_cidrs)?),
            Request::Shutdown => reply(&()),
        }
    }

    fn spec(&self) -> MutexGuard<'_, LabSpec> {
        self.spec.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All or nothing: a node that is not there leaves the others as they are.
    fn record(
        &self,
        labels: BTreeMap<String, String>,
        pod_cidrs: BTreeMap<String, Vec<IpNet>>,
    ) -> Result<()> {
        let mut spec = self.spec();
        let mut wanted = spec.clone();
        wanted.labels = labels;
        for (name, cidrs) in &pod_cidrs {
            self.kubelet.node(name)?;
            let node = wanted.nodes.iter_mut().find(|node| node.name == *name);
            if let Some(node) = node {
                node.pod_cidrs.clone_from(cidrs);
            }
        }
        wanted.validate()?;
        for (name, cidrs) in pod_cidrs {
            self.kubelet.node(&name)?.set_pod_cidrs(cidrs);
        }
        *spec = wanted;
        Ok(())
    }

    fn info(&self) -> LabInfo {
        LabInfo {
            spec: self.spec().clone(),
            pid: self.pid,
            started: self.started,
            pods: self.kubelet.names(),
        }
    }

    fn exec(
        &self,
        target: &LabTarget,
        argv: &[String],
        env: Vec<(String, String)>,
        fds: Vec<OwnedFd>,
        client: &UnixStream,
    ) -> Result<i32> {
        let fds: [OwnedFd; 3] = fds
            .try_into()
            .map_err(|_| Error::invalid("exec needs three standard streams"))?;
        let [stdin, stdout, stderr] = fds;
        let streams = Streams {
            stdin: Some(stdin),
            stdout,
            stderr,
        };
        let (hostname, root) = match target {
            LabTarget::Node(name) => {
                let node = self.kubelet.node(name)?;
                (node.name.as_str(), &*node.root)
            }
            LabTarget::Wire => (WIRE, &self.wire),
            LabTarget::Pod(namespace, name) => {
                let inside = self.kubelet.inside(&PodName::new(namespace, name))?;
                let mut all = inside.env;
                all.extend(env);
                return exec::run(&inside.namespaces, &Launch::new(argv, all), streams, client);
            }
        };
        let mut all = node_env(hostname);
        all.extend(env);
        exec::run(root.namespaces(), &Launch::new(argv, all), streams, client)
    }

    fn change(&self, target: &LabTarget, changes: &[Change]) -> Result<()> {
        match target {
            LabTarget::Node(name) => changes::make(self.kubelet.node(name)?.netns()?, changes),
            LabTarget::Pod(namespace, name) => changes::make(
                self.kubelet.netns(&PodName::new(namespace, name))?.as_fd(),
                changes,
            ),
            LabTarget::Wire => {
                let netns = self
                    .wire
                    .netns()
                    .ok_or_else(|| Error::invalid("the wire has no net namespace"))?;
                changes::make(netns, changes)
            }
        }
    }
}

fn absolute(path: &str) -> Result<&Path> {
    let path = Path::new(path);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(Error::invalid(format!(
            "{} is not an absolute path",
            path.display()
        )))
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
