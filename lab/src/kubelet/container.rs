//! A container: a process in the sandbox's namespaces, with a root and a pid namespace of its own.
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Mode, OFlags};

use super::manifest::{ContainerPlan, Plan};
use super::pod::Inside;
use super::sandbox::Sandbox;
use super::variables::Facts;
use crate::launch::{Launch, Streams, base_env};
use crate::node::{FILE_BYTES, Node};
use crate::node_root::{self, Namespace};
use crate::roots::{Base, Identity};
use crate::spawn::Child;
use crate::{Error, Result};

/// How much of the output is kept to explain a failure, bytes.
const TAIL_BYTES: u64 = 2048;

/// One that runs. Its worker alone reaps it.
pub(super) struct Container {
    pub(super) child: Child,
    pub(super) inside: Inside,
    log: PathBuf,
}

/// What a container is started for.
pub(super) struct Home<'a> {
    pub(super) base: &'a Base,
    pub(super) node: &'a Node,
    pub(super) plan: &'a Plan,
    pub(super) sandbox: &'a Sandbox,
    pub(super) facts: Facts,
}

impl Home<'_> {
    /// Starts a container of the pod; `restarts` tells its logs apart.
    ///
    /// # Errors
    /// In runc's words.
    pub(super) fn start(
        &self,
        container: &ContainerPlan,
        restarts: i32,
    ) -> Result<Container, String> {
        let hostname = if self.plan.host_network {
            &self.node.name
        } else {
            &self.plan.hostname
        };
        let (env, argv) = container.resolve(&self.facts, base_env(hostname));
        let mut launch = Launch::new(&argv, env.clone());
        launch.directory = container.directory.as_ref().map(PathBuf::from);
        launch.mount_proc = true;
        let name = &self.plan.name;
        let dir = format!(
            "/var/log/pods/{}_{}_{}/{}",
            name.namespace, name.name, self.plan.uid, container.name
        );
        let log = PathBuf::from(format!("{dir}/{restarts}.log"));
        let output = self
            .node
            .root
            .append_to(&log)
            .map_err(|e| format!("open {}: {e}", log.display()))?;
        let hosts = self.hosts_file();
        let identity = Identity {
            hostname,
            hosts: &hosts,
        };
        let started = node_root::on_thread(|| self.launch(&identity, &launch, output));
        let (child, own) = started
            .and_then(|started| started)
            .map_err(|e| e.to_string())?;
        let mut namespaces = own;
        namespaces.splice(1..1, self.sandbox.namespaces());
        Ok(Container {
            child,
            inside: Inside {
                namespaces: Arc::new(namespaces),
                env,
            },
            log,
        })
    }

    /// On a thread of its own: the process, and its pid and mount namespaces.
    fn launch(
        &self,
        identity: &Identity<'_>,
        launch: &Launch,
        output: File,
    ) -> Result<(Child, Vec<Namespace>)> {
        let failed = |what: &'static str| move |e: std::io::Error| Error::failed(what, e);
        let containers = Namespace {
            kind: CloneFlags::CLONE_NEWNS,
            fd: self.base.containers.clone(),
        };
        let mut shared = vec![containers];
        shared.extend(self.sandbox.namespaces());
        node_root::join(&shared).map_err(failed("enter the sandbox"))?;
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)
            .map_err(|e| Error::failed("create mount and pid namespaces", e.desc()))?;
        self.base.container(identity)?;
        let mount = node_root::own_namespace("mnt")?;
        // The process covers /proc with its own, in which this thread does not exist.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mine = rustix::fs::open("/proc/thread-self/ns", flags, Mode::empty())
            .map_err(|e| failed("open /proc/thread-self/ns")(e.into()))?;
        let stderr = output.try_clone().map_err(failed("open the log"))?;
        let streams = Streams {
            stdin: None,
            stdout: output.into(),
            stderr: stderr.into(),
        };
        let mut child = launch
            .start(streams)
            .map_err(|what| Error::Invalid { what })?;
        let pid = rustix::fs::openat(
            &mine,
            "pid_for_children",
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let pid = pid.or_else(|e| {
            child
                .kill()
                .and_then(|()| child.wait())
                .map_err(failed("end a container that cannot be reached"))?;
            Err(failed("open the pid namespace")(e.into()))
        })?;
        let namespace = |kind, fd| Namespace {
            kind,
            fd: Arc::new(fd),
        };
        Ok((
            child,
            vec![
                namespace(CloneFlags::CLONE_NEWPID, pid),
                namespace(CloneFlags::CLONE_NEWNS, mount),
            ],
        ))
    }

    /// As the kubelet writes it; a hostNetwork pod has its node's.
    fn hosts_file(&self) -> String {
        if self.plan.host_network {
            let hosts = self
                .node
                .root
                .read("/etc/hosts".as_ref(), FILE_BYTES)
                .unwrap_or_default();
            return String::from_utf8_lossy(&hosts).into_owned();
        }
        let mut text = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
        for ip in &self.facts.pod_ips {
            text.push_str(&format!("{ip}\t{}\n", self.plan.hostname));
        }
        text
    }
}

impl Container {
    /// The end of what it printed, if anything.
    pub(super) fn tail(&self, node: &Node) -> Option<String> {
        let tail = node.root.read_end(&self.log, TAIL_BYTES);
        let tail = tail.ok().filter(|bytes| !bytes.is_empty())?;
        Some(String::from_utf8_lossy(&tail).into_owned())
    }
}
