//! A cluster of a control-plane node and a worker with flannel, as the probes of a healthy one tell it.
use std::net::IpAddr;

use flatnet_model::kernel::{Address, Link, MacAddr, RouteEntry, VxlanInfo};
use flatnet_model::probe::{
    BoundSocket, CniFiles, ConfFile, Connection, Facts, FileContent, NamespaceInterface,
    NamespaceRoute, NetworkNamespace, NodeProcess, Owner, PluginVersion, Protocol, Sockets,
    VersionResult,
};

use flatnet_model::PodRef;
use flatnet_model::observations::{AgentPod, AgentSet, Availability};
use flatnet_model::snapshot::{Condition, NodeSnapshot};
use flatnet_model::snapshot::{NodeInside, PodSnapshot};
use flatnet_model::view::Ranges;
use flatnet_model::view::{AddOnAgent, ApiObjects, ConfigFile, InspectedNode, View};

use crate::example::pieces;

pub(super) const ETH0: u32 = 2;
pub(super) const CNI0: u32 = 3;
pub(super) const VETH: u32 = 7;
pub(super) const FLANNEL: u32 = 5;

pub(super) const CONFLIST: &str = r#"{"name":"cbr0","cniVersion":"0.3.1","plugins":[{"type":"flannel","delegate":{"hairpinMode":true,"isDefaultGateway":true}},{"type":"portmap","capabilities":{"portMappings":true}}]}"#;
const APISERVER: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver}\nspec:\n  containers:\n  - name: kube-apiserver\n    command: [kube-apiserver, --service-cluster-ip-range=10.96.0.0/16]\n";
const MANAGER: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-controller-manager}\nspec:\n  containers:\n  - name: kube-controller-manager\n    command: [kube-controller-manager, --cluster-cidr=10.244.0.0/16, --service-cluster-ip-range=10.96.0.0/16]\n";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn link(index: u32, name: &str, kind: &str) -> Link {
    serde_json::from_value(serde_json::json!({
        "index": index, "name": name, "kind": kind, "mac": MacAddr([2, 0, 0, 0, 0, index as u8]), "mtu": 1450, "up": true,
        "lower_up": true, "operstate": "UP", "master": null, "link": null, "link_netnsid": null, "port": null, "vxlan": null,
        "stats": flatnet_model::kernel::LinkStats::default(),
    }))
    .unwrap()
}

fn address(index: u32, net: &str) -> Address {
    Address {
        index,
        net: net.parse().unwrap(),
        scope: "global".to_owned(),
        dad_failed: false,
    }
}

pub(super) fn route(dst: &str, gateway: Option<&str>, oif: u32) -> RouteEntry {
    RouteEntry {
        onlink: oif == FLANNEL,
        scope: "global".to_owned(),
        ..pieces::route(dst, gateway.map(ip), oif, 3)
    }
}

pub(super) fn bound(local: &str, program: &str) -> BoundSocket {
    let owner = Owner {
        pid: 100,
        program: program.to_owned(),
    };
    BoundSocket {
        protocol: Protocol::Tcp,
        local: local.parse().unwrap(),
        owner: Some(owner),
    }
}

pub(super) fn connection(local: &str, remote: &str, program: &str) -> Connection {
    Connection {
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
        owner: Some(Owner {
            pid: 9,
            program: program.to_owned(),
        }),
    }
}

pub(super) fn process(program: &str, argv: &[&str]) -> NodeProcess {
    NodeProcess {
        pid: 100,
        program: program.to_owned(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
    }
}

pub(super) fn text(text: &str) -> FileContent {
    FileContent::Text(text.to_owned())
}

fn node(name: &str, at: u8) -> NodeSnapshot {
    NodeSnapshot {
        name: name.to_owned(),
        internal_ips: vec![ip(&format!("172.18.0.{}", at + 2))],
        pod_cidrs: vec![format!("10.244.{at}.0/24").parse().unwrap()],
        ready: Some(Condition {
            kind: "Ready".to_owned(),
            status: "True".to_owned(),
            ..Condition::default()
        }),
        ..NodeSnapshot::default()
    }
}

fn facts(at: u8) -> Facts {
    let other = 1 - at;
    let mut veth = link(VETH, &format!("veth{at}"), "veth");
    (veth.master, veth.link, veth.link_netnsid) = (Some(CNI0), Some(2), Some(0));
    let mut tunnel = link(FLANNEL, "flannel.1", "vxlan");
    tunnel.vxlan = Some(VxlanInfo {
        vni: 1,
        port: 8472,
        local: Some(ip(&format!("172.18.0.{}", at + 2))),
        learning: false,
    });
    Facts {
        rules: Vec::new(),
        other_tables: Vec::new(),
        hostname: String::new(),
        links: vec![
            link(ETH0, "eth0", ""),
            link(CNI0, "cni0", "bridge"),
            tunnel,
            veth,
        ],
        addresses: vec![
            address(ETH0, &format!("172.18.0.{}/16", at + 2)),
            address(CNI0, &format!("10.244.{at}.1/24")),
        ],
        routes: vec![
            route("0.0.0.0/0", Some("172.18.0.1"), ETH0),
            route(&format!("10.244.{at}.0/24"), None, CNI0),
            route(
                &format!("10.244.{other}.0/24"),
                Some(&format!("10.244.{other}.0")),
                FLANNEL,
            ),
        ],
        neighbours: Vec::new(),
        fdb: Vec::new(),
        sysctls: Default::default(),
        counters: Default::default(),
    }
}

fn namespace(at: u8) -> NetworkNamespace {
    NetworkNamespace {
        pid: 500,
        addresses: vec![ip(&format!("10.244.{at}.9"))],
        routes: vec![NamespaceRoute {
            dst: "0.0.0.0/0".parse().unwrap(),
            gateway: Some(ip(&format!("10.244.{at}.1"))),
            device: "eth0".to_owned(),
        }],
        interfaces: vec![NamespaceInterface {
            name: "eth0".to_owned(),
            index: 2,
            peer: VETH,
            mac: None,
            mtu: 1500,
            up: true,
        }],
    }
}

fn plugin(name: &str) -> PluginVersion {
    let versions = VersionResult {
        cni_version: "1.1.0".to_owned(),
        supported_versions: vec!["0.3.1".to_owned(), "1.0.0".to_owned()],
    };
    PluginVersion {
        name: name.to_owned(),
        versions: Ok(versions),
        about: Some(format!("CNI {name} plugin v1.9.0")),
    }
}

fn inside_of(at: u8) -> NodeInside {
    let kubelet = process(
        "kubelet",
        &["/usr/bin/kubelet", "--config=/var/lib/kubelet/config.yaml"],
    );
    let files = [
        (
            "/var/lib/kubelet/config.yaml",
            text(
                "kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n",
            ),
        ),
        (
            "/etc/containerd/config.toml",
            text(
                "version = 3\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = 'registry.k8s.io/pause:3.10'\n",
            ),
        ),
        (
            "/run/flannel/subnet.env",
            text(&format!(
                "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.{at}.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
            )),
        ),
    ];
    let plane = [
        (
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
            text(APISERVER),
        ),
        (
            "/etc/kubernetes/manifests/kube-controller-manager.yaml",
            text(MANAGER),
        ),
    ];
    let here = if at == 0 { plane.to_vec() } else { Vec::new() };
    let mut sockets = Sockets {
        bound: vec![
            bound("127.0.0.1:10248", "kubelet"),
            bound("[::]:10250", "kubelet"),
        ],
        ..Sockets::default()
    };
    if at == 0 {
        sockets.bound.extend([
            bound("127.0.0.1:2379", "etcd"),
            bound("172.18.0.2:2379", "etcd"),
            bound("172.18.0.2:2380", "etcd"),
            bound("127.0.0.1:10259", "kube-scheduler"),
        ]);
        sockets.connections = vec![
            connection("127.0.0.1:2379", "127.0.0.1:40000", "etcd"),
            connection("127.0.0.1:40000", "127.0.0.1:2379", "kube-apiserver"),
        ];
    }
    NodeInside {
        facts: Some(Ok(facts(at))),
        sockets: Some(Ok(sockets)),
        processes: Some(Ok(vec![
            kubelet,
            process("containerd", &["/usr/bin/containerd"]),
        ])),
        namespaces: Some(Ok(vec![namespace(at)])),
        files: Some(Ok(files
            .into_iter()
            .chain(here)
            .map(|(path, content)| (path.to_owned(), content))
            .collect())),
        netfilter: None,
        cni: Some(Ok(CniFiles {
            conf: vec![ConfFile {
                name: "10-flannel.conflist".to_owned(),
                content: Ok(CONFLIST.to_owned()),
            }],
            programs: Vec::new(),
        })),
        plugins: Some(Ok([
            "bridge",
            "flannel",
            "host-local",
            "loopback",
            "portmap",
        ]
        .map(plugin)
        .to_vec())),
    }
}

fn agent(node: &str) -> AgentPod {
    AgentPod {
        name: format!("kube-flannel-{node}"),
        node: node.to_owned(),
        ready: true,
        phase: "Running".to_owned(),
    }
}

/// Healthy in all.
pub(super) fn view() -> View {
    let objects = vec![node("cp", 0), node("w1", 1)];
    let nodes = objects
        .iter()
        .enumerate()
        .map(|(at, object)| InspectedNode {
            object: object.clone(),
            inside: Availability::Found(inside_of(at as u8)),
        });
    let pod = |name: &str, node: &str, at: u8| PodSnapshot {
        reference: PodRef::new("default", name),
        node: node.to_owned(),
        ips: vec![ip(&format!("10.244.{at}.9"))],
        ..PodSnapshot::default()
    };
    View {
        provider: "kind".to_owned(),
        capabilities: flatnet_model::capabilities::Capabilities::kind(),
        cluster: "made-up".to_owned(),
        nodes: nodes.collect(),
        objects,
        pods: Availability::Found(vec![pod("a", "cp", 0), pod("b", "w1", 1)]),
        api: Availability::Found(ApiObjects {
            kubeadm: Availability::Found(Ranges {
                pods: vec!["10.244.0.0/16".parse().unwrap()],
                services: vec!["10.96.0.0/16".parse().unwrap()],
            }),
            service_cidrs: Availability::Found(vec![(
                "kubernetes".to_owned(),
                vec!["10.96.0.0/16".parse().unwrap()],
            )]),
            agents: Availability::Found(vec![AddOnAgent {
                set: AgentSet {
                    namespace: "kube-flannel".to_owned(),
                    name: "kube-flannel-ds".to_owned(),
                    desired: 2,
                    pods: vec![agent("cp"), agent("w1")],
                },
                images: vec!["flannel:v0.28.4".to_owned()],
                config: Availability::Found(vec![ConfigFile {
                    namespace: "kube-flannel".to_owned(),
                    map: "kube-flannel-cfg".to_owned(),
                    key: "net-conf.json".to_owned(),
                    text: r#"{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}"#.to_owned(),
                }]),
                weave_log: None,
            }]),
        }),
    }
}

/// A node to change: 0 the control plane, 1 the worker.
pub(super) fn inside(view: &mut View, at: usize) -> &mut NodeInside {
    match &mut view.nodes[at].inside {
        Availability::Found(inside) => inside,
        other => panic!("{other:?}"),
    }
}

/// The API's part, to change.
pub(super) fn api(view: &mut View) -> &mut ApiObjects {
    match &mut view.api {
        Availability::Found(api) => api,
        other => panic!("{other:?}"),
    }
}

/// The only DaemonSet, to change.
pub(super) fn daemon_set(view: &mut View) -> &mut AddOnAgent {
    match &mut api(view).agents {
        Availability::Found(agents) => &mut agents[0],
        other => panic!("{other:?}"),
    }
}
