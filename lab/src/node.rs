//! A node: namespaces with the real paths, a CNI runtime, daemons, and the object that Kubernetes would show for it.
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::{
    Node as NodeObject, NodeAddress, NodeCondition, NodeSpec as NodeObjectSpec, NodeStatus,
    NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use nix::sched::{CloneFlags, unshare};

use crate::cni::Runtime;
use crate::daemon::Daemons;
use crate::network::Network;
use crate::node_root::{self, NodeRoot};
use crate::roots::{Base, Identity};
use crate::{Error, LabSpec, Result, underlay};

/// The longest file of a node's `/etc` that is read, bytes.
pub(crate) const FILE_BYTES: u64 = 64 << 10;

/// One node of a running lab.
pub(crate) struct Node {
    pub(crate) name: String,
    /// Its addresses on the wire, with the prefix length.
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) root: std::sync::Arc<NodeRoot>,
    pub(crate) network: Network,
    pub(crate) daemons: Daemons,
    pod_cidrs: Mutex<Vec<IpNet>>,
    uid: String,
    created: Time,
}

impl Node {
    /// Makes the namespaces and the root of the spec's node `index`; the wire comes later.
    pub(crate) fn prepare(spec: &LabSpec, index: usize, base: &Base) -> Result<Node> {
        let name = &spec.nodes[index].name;
        let root = prepare_root(base, name, &hosts_file(spec), || {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|e| Error::failed("create a net namespace", e.desc()))?;
            underlay::set_sysctls(spec)
        })?;
        let root = std::sync::Arc::new(root);
        Ok(Node {
            name: name.clone(),
            addresses: underlay::node_addresses(spec, index),
            network: Network::new(Runtime::new(root.clone())),
            root,
            daemons: Daemons::default(),
            pod_cidrs: Mutex::new(spec.nodes[index].pod_cidrs.clone()),
            uid: crate::identifier::uuid().map_err(|e| Error::failed("make a uid", e))?,
            created: now(),
        })
    }

    pub(crate) fn netns(&self) -> Result<BorrowedFd<'_>> {
        self.root.netns().ok_or_else(|| Error::Failed {
            what: format!("node {} has no net namespace", self.name),
        })
    }

    /// As if the Node object were deleted and came back with others.
    pub(crate) fn set_pod_cidrs(&self, cidrs: Vec<IpNet>) {
        *self
            .pod_cidrs
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = cidrs;
    }

    /// As `kubectl get node -o yaml` shows it.
    pub(crate) fn object(&self) -> NodeObject {
        let cidrs = self
            .pod_cidrs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let cidrs: Vec<String> = cidrs.iter().map(ToString::to_string).collect();
        let mut labels = BTreeMap::new();
        for (key, value) in [
            ("kubernetes.io/hostname", self.name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", architecture()),
        ] {
            labels.insert(key.to_owned(), value.to_owned());
        }
        let address = |kind: &str, address: String| NodeAddress {
            type_: kind.to_owned(),
            address,
        };
        let mut addresses: Vec<_> = self
            .addresses
            .iter()
            .map(|net| address("InternalIP", net.addr().to_string()))
            .collect();
        addresses.push(address("Hostname", self.name.clone()));
        NodeObject {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                uid: Some(self.uid.clone()),
                creation_timestamp: Some(self.created.clone()),
                labels: Some(labels),
                ..Default::default()
            },
            spec: Some(NodeObjectSpec {
                pod_cidr: cidrs.first().cloned(),
                pod_cidrs: (!cidrs.is_empty()).then_some(cidrs),
                ..Default::default()
            }),
            status: Some(NodeStatus {
                addresses: Some(addresses),
                conditions: Some(vec![self.ready_condition()]),
                node_info: Some(self.system_info()),
                ..Default::default()
            }),
        }
    }

    fn ready_condition(&self) -> NodeCondition {
        let ready = self.network.ready();
        let (status, reason, message) = match ready {
            Ok(()) => (
                "True",
                "KubeletReady",
                "the lab's kubelet is posting ready status".to_owned(),
            ),
            Err(why) => ("False", "KubeletNotReady", why),
        };
        NodeCondition {
            type_: "Ready".to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_heartbeat_time: Some(now()),
            ..Default::default()
        }
    }

    fn system_info(&self) -> NodeSystemInfo {
        let read = |path: &str| {
            std::fs::read_to_string(path)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let release = ["/etc/os-release", "/usr/lib/os-release"]
            .into_iter()
            .find_map(|path| self.root.read(path.as_ref(), FILE_BYTES).ok());
        let release = String::from_utf8_lossy(&release.unwrap_or_default()).into_owned();
        let pretty = release
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let version = format!("flatnet-lab://{}", env!("CARGO_PKG_VERSION"));
        NodeSystemInfo {
            architecture: architecture().to_owned(),
            boot_id: read("/proc/sys/kernel/random/boot_id"),
            container_runtime_version: version.clone(),
            kernel_version: read("/proc/sys/kernel/osrelease"),
            kubelet_version: version,
            machine_id: self.uid.replace('-', ""),
            operating_system: "linux".to_owned(),
            os_image: pretty.unwrap_or("Linux").trim_matches('"').to_owned(),
            system_uuid: self.uid.clone(),
            ..Default::default()
        }
    }
}

/// A node's namespaces and root, made on a short-lived thread; `enter_net` puts that thread into its net namespace.
pub(crate) fn prepare_root(
    base: &Base,
    hostname: &str,
    hosts: &str,
    enter_net: impl FnOnce() -> Result<()> + Send,
) -> Result<NodeRoot> {
    node_root::on_thread(|| {
        enter_net()?;
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)
            .map_err(|e| Error::failed("create mount and uts namespaces", e.desc()))?;
        nix::unistd::sethostname(hostname)
            .map_err(|e| Error::failed("set the host name", e.desc()))?;
        base.node(&Identity { hostname, hosts })?;
        NodeRoot::of_this_thread()
    })?
    .map_err(|e| match e {
        Error::Failed { what } => Error::failed(format!("prepare {hostname}"), what),
        other => other,
    })
}

/// /etc/hosts with every node.
pub(crate) fn hosts_file(spec: &LabSpec) -> String {
    let mut text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    for (index, node) in spec.nodes.iter().enumerate() {
        for address in underlay::node_addresses(spec, index) {
            text.push_str(&format!("{}\t{}\n", address.addr(), node.name));
        }
    }
    text
}

/// As Go, and so Kubernetes, calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The time, to the second, as Kubernetes keeps it.
pub(crate) fn now() -> Time {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}
