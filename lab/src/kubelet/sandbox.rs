//! A pod's sandbox: the namespaces that its containers share, and their tie to the pod network.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flatnet_model::cni::NetworkList;
use flatnet_netlink::{Request, Route};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

use super::manifest::Plan;
use crate::cni::{self, Attachment};
use crate::node::Node;
use crate::node_root::{self, Namespace};
use crate::underlay::{LOOPBACK, sysctl};
use crate::{Error, Result, identifier};

/// The interface that Kubernetes has CNI make.
pub(super) const IFNAME: &str = "eth0";
/// Where containerd keeps network namespaces. /var/run is /run.
const NETNS_DIR: &str = "/var/run/netns";

/// Namespaces of a pod.
pub(super) struct Sandbox {
    pub(super) id: String,
    pub(super) netns: Arc<OwnedFd>,
    ipc: Arc<OwnedFd>,
    uts: Arc<OwnedFd>,
    /// Its tie to the pod network; none for a hostNetwork pod.
    pub(super) attachment: Option<Attachment>,
    /// "The runtime must not invoke parallel operations for the same container" (spec section 3).
    operation: Mutex<()>,
}

/// Why there is none.
pub(super) enum Trouble {
    /// The node has no network to offer: the kubelet's message.
    NetworkNotReady(String),
    /// It was tried: the container runtime's message.
    Failed(String),
}

impl Sandbox {
    /// The namespaces of the pod's plan, with the node's network or a new one.
    pub(super) fn create(plan: &Plan, node: &Node) -> Result<Sandbox> {
        let id = identifier::hex::<32>().map_err(|e| Error::failed("make an id", e))?;
        if plan.host_network {
            let (net, uts) = (
                node.root.namespace(CloneFlags::CLONE_NEWNET)?,
                node.root.namespace(CloneFlags::CLONE_NEWUTS)?,
            );
            let ipc = node_root::on_thread(|| {
                unshare(CloneFlags::CLONE_NEWIPC)
                    .map_err(|e| Error::failed("create an ipc namespace", e.desc()))?;
                node_root::own_namespace("ipc")
            })??;
            return Ok(Sandbox {
                id,
                netns: net,
                ipc: Arc::new(ipc),
                uts,
                attachment: None,
                operation: Mutex::default(),
            });
        }
        let uuid = identifier::uuid().map_err(|e| Error::failed("make an id", e))?;
        let path = Path::new(NETNS_DIR).join(format!("cni-{uuid}"));
        let made = node
            .root
            .enter(|| make_namespaces(&plan.hostname, &path))
            .map_err(|e| Error::failed(format!("enter {}", node.name), e))?;
        let [netns, ipc, uts] = made?.map(Arc::new);
        let attachment = Some(attachment(plan, &id, &path));
        Ok(Sandbox {
            id,
            netns,
            ipc,
            uts,
            attachment,
            operation: Mutex::default(),
        })
    }

    /// The tie to the pod network, and the addresses that it gives.
    pub(super) fn connect(
        &self,
        node: &Node,
        network: &NetworkList,
    ) -> Result<Vec<IpAddr>, Trouble> {
        let Some(attachment) = &self.attachment else {
            return Ok(Vec::new());
        };
        let id = &self.id;
        let failed = |why: String| {
            Trouble::Failed(format!("failed to setup network for sandbox {id:?}: {why}"))
        };
        let _alone = self.alone();
        let result = node
            .network
            .runtime
            .add(network, attachment)
            .map_err(|e| failed(e.to_string()))?;
        match result.ips(IFNAME) {
            Ok(ips) if ips.is_empty() => Err(failed(format!(
                "failed to find network info for sandbox {id:?}"
            ))),
            Ok(ips) => Ok(ips),
            Err(why) => Err(failed(why)),
        }
    }

    /// Takes the tie away; `network` is for a sandbox whose ADD failed, and is otherwise the one of its ADD.
    pub(super) fn disconnect(
        &self,
        node: &Node,
        network: Option<&NetworkList>,
    ) -> Result<(), cni::Error> {
        let _alone = self.alone();
        self.attachment.as_ref().map_or(Ok(()), |attachment| {
            node.network.runtime.del(network, attachment)
        })
    }

    /// CNI CHECK; `None` for a sandbox that has nothing to check.
    pub(super) fn check(&self, node: &Node) -> Option<Result<(), cni::Error>> {
        let attachment = self.attachment.as_ref()?;
        let _alone = self.alone();
        Some(node.network.runtime.check(attachment))
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.operation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the namespace's name away; the namespaces go with the last who holds them.
    pub(super) fn unlink(&self, node: &Node) -> Result<()> {
        let Some(attachment) = &self.attachment else {
            return Ok(());
        };
        let path = PathBuf::from(&attachment.netns);
        let failed = |e: std::io::Error| Error::failed(format!("remove {}", path.display()), e);
        let unmounted = node
            .root
            .enter(|| umount2(&path, MntFlags::MNT_DETACH))
            .map_err(failed)?;
        match unmounted {
            // Somebody else took it away (`ip netns delete`).
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => node.root.remove(&path).map_err(failed),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    /// What its containers share.
    pub(super) fn namespaces(&self) -> [Namespace; 3] {
        [
            Namespace {
                kind: CloneFlags::CLONE_NEWNET,
                fd: self.netns.clone(),
            },
            Namespace {
                kind: CloneFlags::CLONE_NEWIPC,
                fd: self.ipc.clone(),
            },
            Namespace {
                kind: CloneFlags::CLONE_NEWUTS,
                fd: self.uts.clone(),
            },
        ]
    }
}

/// New net, ipc and uts namespaces, the first bound to `path` so that plugins find it; the calling thread is in the node.
fn make_namespaces(hostname: &str, path: &Path) -> Result<[OwnedFd; 3]> {
    let new = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    unshare(new).map_err(|e| Error::failed("create net, ipc and uts namespaces", e.desc()))?;
    nix::unistd::sethostname(hostname).map_err(|e| Error::failed("set the host name", e.desc()))?;
    sysctl("ipv4/ping_group_range", "0 0")?;
    if Path::new("/proc/sys/net/ipv6").exists() {
        // Addresses here are the plugin's to give: nothing is to be detected, and DAD takes a second.
        sysctl("ipv6/conf/all/accept_dad", "0")?;
        sysctl("ipv6/conf/default/accept_dad", "0")?;
    }
    let up = Route::open().and_then(|mut route| route.send(Request::set_up(LOOPBACK)));
    up.map_err(|e| Error::failed("bring up the loopback device", e))?;
    std::fs::File::create_new(path)
        .map_err(|e| Error::failed(format!("create {}", path.display()), e))?;
    mount(
        Some("/proc/thread-self/ns/net"),
        path,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(|e| {
        Error::failed(
            format!("bind a network namespace to {}", path.display()),
            e.desc(),
        )
    })?;
    Ok([
        node_root::own_namespace("net")?,
        node_root::own_namespace("ipc")?,
        node_root::own_namespace("uts")?,
    ])
}

/// As containerd calls plugins for the kubelet.
fn attachment(plan: &Plan, id: &str, netns: &Path) -> Attachment {
    let args = [
        ("IgnoreUnknown", "1"),
        ("K8S_POD_NAMESPACE", &plan.name.namespace),
        ("K8S_POD_NAME", &plan.name.name),
        ("K8S_POD_INFRA_CONTAINER_ID", id),
        ("K8S_POD_UID", &plan.uid),
    ];
    let mut capabilities = BTreeMap::new();
    if !plan.port_mappings.is_empty() {
        capabilities.insert(
            "portMappings".to_owned(),
            Value::Array(plan.port_mappings.clone()),
        );
    }
    Attachment {
        container_id: id.to_owned(),
        ifname: IFNAME.to_owned(),
        netns: netns.display().to_string(),
        args: args
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec(),
        capabilities,
    }
}
