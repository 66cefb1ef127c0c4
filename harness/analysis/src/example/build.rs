//! Synthetic observations of a healthy cluster, as the lab would give them.
use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_model::capabilities::Capabilities;
use flatnet_model::coverage::Covering;
use flatnet_model::kernel::{BridgePort, FdbEntry, MacAddr, VxlanInfo};
use flatnet_model::probe::{CniFiles, ConfFile, Facts, MtuTrial, Transfer};
use ipnet::IpNet;

use super::pieces::{
    address, bridge_mac, cidr, empty_facts, gateway, in_default, internal, link, neighbour, net,
    pod_ip, route, vtep_mac,
};
use super::talk::{first_series, talk};
use flatnet_model::observations::{MtuRun, Observations, ObservedNode, ObservedPod};
use flatnet_model::snapshot::{Condition, NodeInfo, NodeInside, NodeSnapshot, PodSnapshot};

/// How nodes reach each other's pods, and what pods are given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// flatnet over VXLAN: /32 addresses, permanent neighbour for the gateway.
    Vxlan,
    /// flatnet with plain routes.
    Direct,
    /// The reference plugins: /24 addresses, plain routes.
    Reference,
    /// As Weave Net: one range for the whole cluster on every node's bridge, on one Ethernet segment that spans the nodes.
    Weave,
}

pub const ETH0: u32 = 2;
pub const CNI0: u32 = 3;
pub const VXLAN: u32 = 4;
/// Host ends follow, one per pod.
const FIRST_VETH: u32 = 10;

/// A healthy cluster: `pods_per_node` pods and one hostNetwork pod on each node. `busybox-N` is on node ((N-1) mod nodes)+1.
#[derive(Clone, Copy)]
pub struct Cluster {
    pub style: Style,
    pub nodes: u8,
    pub pods_per_node: u8,
    pub dual: bool,
}

/// Three nodes with two pods each, IPv4.
pub fn healthy(style: Style) -> Observations {
    Cluster::new(style, 3, 2).observe()
}

impl Cluster {
    /// IPv4 only.
    pub fn new(style: Style, nodes: u8, pods_per_node: u8) -> Self {
        Cluster {
            style,
            nodes,
            pods_per_node,
            dual: false,
        }
    }

    /// IPv4 and IPv6.
    pub fn dual(self) -> Self {
        Cluster { dual: true, ..self }
    }

    pub fn observe(self) -> Observations {
        let mut observations = Observations {
            nodes: (1..=self.nodes).map(|n| self.node(n)).collect(),
            pods: self.pods(),
            dials: Vec::new(),
            coverage: Covering::Full,
            received: BTreeMap::new(),
            denied: Vec::new(),
            control_plane: None,
            translated: None,
            following: Default::default(),
            changes: Vec::new(),
            repeated_answers: BTreeMap::new(),
            series: Vec::new(),
            mtu: Vec::new(),
            pod_network: self.families().map(pod_network).collect(),
            cni: if self.style == Style::Reference {
                "reference"
            } else {
                "flatnet"
            }
            .to_owned(),
            namespace: "default".to_owned(),
            provider: "lab".to_owned(),
            booted: None,
            capabilities: Capabilities::lab(),
        };
        talk(&mut observations);
        observations.mtu = self.mtu(&observations.pods);
        observations.series = first_series(&observations);
        observations
    }

    fn families(self) -> impl Iterator<Item = bool> {
        [false, true]
            .into_iter()
            .filter(move |v6| self.dual || !*v6)
    }

    /// What a node's bridge takes for its own segment.
    fn segment(self, n: u8, v6: bool) -> IpNet {
        match self.style {
            Style::Weave => pod_network(v6),
            _ => cidr(n, v6),
        }
    }

    /// Of a range for the whole cluster, an address that lies in another node's podCIDR by chance.
    fn pod_ip(self, n: u8, slot: u8, v6: bool) -> IpAddr {
        match self.style {
            Style::Weave => pod_ip(n % self.nodes + 1, slot + 100, v6),
            _ => pod_ip(n, slot, v6),
        }
    }

    fn interface_mtu(self) -> u32 {
        if self.style == Style::Vxlan {
            1450
        } else {
            1500
        }
    }

    fn node(self, n: u8) -> ObservedNode {
        let facts = self.node_facts(n);
        ObservedNode {
            object: NodeSnapshot {
                name: format!("node{n}"),
                internal_ips: self.families().map(|v6| internal(n, v6)).collect(),
                pod_cidrs: self.families().map(|v6| cidr(n, v6)).collect(),
                ready: Some(ready()),
                info: NodeInfo::default(),
                images: Vec::new(),
            },
            counters_before: facts.counters.clone(),
            before_pods: None,
            netfilter_before_pods: None,
            inside: NodeInside {
                facts: Some(Ok(facts)),
                cni: Some(Ok(self.cni(n))),
                ..NodeInside::default()
            },
        }
    }

    fn cni(self, n: u8) -> CniFiles {
        let (kind, file) = match self.style {
            Style::Reference => ("bridge", "10-reference.conflist"),
            Style::Weave => return weave(),
            _ => ("flatnet-cni", "10-flatnet.conflist"),
        };
        let text = format!(
            r#"{{"cniVersion":"1.0.0","name":"podnet","plugins":[{{"type":"{kind}","ipam":{{"type":"host-local","ranges":[[{{"subnet":"{}"}}]]}}}},{{"type":"portmap"}}]}}"#,
            cidr(n, false)
        );
        let mut programs = vec!["bridge", "host-local", "loopback", "portmap"];
        if kind == "flatnet-cni" {
            programs = vec!["flatnet-cni", "portmap"];
        }
        CniFiles {
            conf: vec![ConfFile {
                name: file.to_owned(),
                content: Ok(text),
            }],
            programs: programs.into_iter().map(str::to_owned).collect(),
        }
    }

    fn node_facts(self, n: u8) -> Facts {
        let mut facts = empty_facts(&format!("node{n}"));
        facts
            .links
            .push(link(ETH0, "eth0", "veth", [2, 0, 0, 0, 0, n]));
        facts
            .links
            .push(link(CNI0, "cni0", "bridge", bridge_mac(n)));
        for pod in 0..self.pods_per_node {
            let mut veth = link(
                FIRST_VETH + u32::from(pod),
                &format!("veth{pod}"),
                "veth",
                [2, 2, 0, 0, n, pod],
            );
            veth.master = Some(CNI0);
            veth.link = Some(ETH0);
            veth.link_netnsid = Some(i32::from(pod));
            veth.port = Some(BridgePort {
                hairpin: true,
                ..BridgePort::default()
            });
            facts.links.push(veth);
        }
        if self.style == Style::Vxlan {
            let mut vxlan = link(VXLAN, "flatnet.1", "vxlan", vtep_mac(n));
            vxlan.vxlan = Some(VxlanInfo {
                vni: 1,
                port: 8472,
                local: Some(internal(n, false)),
                learning: false,
            });
            facts.links.push(vxlan);
        }
        for v6 in self.families() {
            facts
                .addresses
                .push(address(ETH0, internal(n, v6), if v6 { 64 } else { 16 }));
            facts.addresses.push(address(
                CNI0,
                gateway(n, v6),
                self.segment(n, v6).prefix_len(),
            ));
            facts.routes.push(route(
                if v6 { "fd00:18::/64" } else { "172.18.0.0/16" },
                None,
                ETH0,
                2,
            ));
            facts
                .routes
                .push(route(&self.segment(n, v6).to_string(), None, CNI0, 2));
            for other in (1..=self.nodes).filter(|other| *other != n) {
                self.to_node(&mut facts, other, v6);
            }
        }
        facts
    }

    /// Route, neighbour and forwarding entry to another node.
    fn to_node(self, facts: &mut Facts, other: u8, v6: bool) {
        let to = cidr(other, v6);
        if self.style == Style::Weave {
            return;
        }
        if self.style != Style::Vxlan {
            facts
                .routes
                .push(route(&to.to_string(), Some(internal(other, v6)), ETH0, 4));
            return;
        }
        let mut through = route(&to.to_string(), Some(to.network()), VXLAN, 4);
        through.onlink = true;
        facts.routes.push(through);
        facts
            .neighbours
            .push(neighbour(VXLAN, to.network(), vtep_mac(other), "PERMANENT"));
        if !v6 {
            facts.fdb.push(FdbEntry {
                index: VXLAN,
                mac: MacAddr(vtep_mac(other)),
                dst: Some(internal(other, false)),
                master: None,
                state: "PERMANENT".to_owned(),
            });
        }
    }

    fn pods(self) -> Vec<ObservedPod> {
        let mut pods = Vec::new();
        for number in 1..=self.nodes * self.pods_per_node {
            let (n, slot) = ((number - 1) % self.nodes + 1, (number - 1) / self.nodes);
            let name = format!("busybox-{number}");
            let facts = self.pod_facts(&name, n, slot);
            pods.push(pod(
                &name,
                n,
                false,
                self.families().map(|v6| self.pod_ip(n, slot, v6)).collect(),
                facts,
            ));
        }
        for n in 1..=self.nodes {
            let ips = self.families().map(|v6| internal(n, v6)).collect();
            pods.push(pod(&format!("host-{n}"), n, true, ips, self.node_facts(n)));
        }
        pods
    }

    fn pod_facts(self, name: &str, n: u8, slot: u8) -> Facts {
        let mut facts = empty_facts(name);
        let mut eth0 = link(ETH0, "eth0", "veth", [2, 1, 0, 0, n, slot]);
        eth0.mtu = self.interface_mtu();
        eth0.link = Some(FIRST_VETH + u32::from(slot));
        eth0.link_netnsid = Some(0);
        facts.links.push(eth0);
        for v6 in self.families() {
            let (ip, hop) = (self.pod_ip(n, slot, v6), gateway(n, v6));
            if matches!(self.style, Style::Reference | Style::Weave) {
                facts
                    .addresses
                    .push(address(ETH0, ip, self.segment(n, v6).prefix_len()));
                facts
                    .routes
                    .push(route(&self.segment(n, v6).to_string(), None, ETH0, 2));
                facts
                    .neighbours
                    .push(neighbour(ETH0, hop, bridge_mac(n), "REACHABLE"));
            } else {
                facts
                    .addresses
                    .push(address(ETH0, ip, if v6 { 128 } else { 32 }));
                facts
                    .routes
                    .push(route(&IpNet::from(hop).to_string(), None, ETH0, 4));
                facts
                    .neighbours
                    .push(neighbour(ETH0, hop, bridge_mac(n), "PERMANENT"));
            }
            facts.routes.push(route(
                if v6 { "::/0" } else { "0.0.0.0/0" },
                Some(hop),
                ETH0,
                4,
            ));
        }
        facts
    }

    fn mtu(self, pods: &[ObservedPod]) -> Vec<MtuRun> {
        let interface_mtu = self.interface_mtu();
        let mut runs = Vec::new();
        let networked = || pods.iter().filter(|pod| !pod.object.host_network);
        let pairs = networked().flat_map(|from| networked().map(move |to| (from, to)));
        for (from, to) in pairs.filter(|(from, to)| from.reference() != to.reference()) {
            for ip in &to.object.ips {
                let trial = |size, arrived| MtuTrial {
                    size,
                    arrived,
                    detail: (!arrived).then(|| "message too long".to_owned()),
                };
                runs.push(MtuRun {
                    from: from.endpoint(),
                    to: to.endpoint(),
                    address: *ip,
                    port: 7411,
                    interface_mtu,
                    trials: Ok(vec![
                        trial(interface_mtu, true),
                        trial(interface_mtu + 1, false),
                    ]),
                    learned: None,
                    transfers: vec![Ok(Transfer::Passed)],
                });
            }
        }
        runs
    }
}

fn pod(name: &str, n: u8, host_network: bool, ips: Vec<IpAddr>, facts: Facts) -> ObservedPod {
    ObservedPod {
        object: PodSnapshot {
            reference: in_default(name),
            node: format!("node{n}"),
            host_network,
            phase: "Running".to_owned(),
            ips,
            ..PodSnapshot::default()
        },
        status: "Running".to_owned(),
        facts: Ok(facts),
        warnings: Vec::new(),
    }
}

fn pod_network(v6: bool) -> IpNet {
    net(if v6 { "fd00:244::/56" } else { "10.244.0.0/16" })
}

fn weave() -> CniFiles {
    let text = r#"{"cniVersion":"1.0.0","name":"weave","plugins":[{"name":"weave","type":"weave-net","hairpinMode":true},{"type":"portmap","capabilities":{"portMappings":true},"snat":true}]}"#;
    let programs = ["loopback", "portmap", "weave-net"];
    CniFiles {
        conf: vec![ConfFile {
            name: "10-weave.conflist".to_owned(),
            content: Ok(text.to_owned()),
        }],
        programs: programs.map(str::to_owned).into(),
    }
}

fn ready() -> Condition {
    Condition {
        kind: "Ready".to_owned(),
        status: "True".to_owned(),
        ..Condition::default()
    }
}
