//! Two nodes on one segment with one pod each, joined by one way of getting packets across.
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};

use flatnet_netlink::request::{NewRoute, Veth};
use flatnet_netlink::{MacAddr, Request};
use ipnet::{IpNet, Ipv4Net};
use serde_json::json;

use crate::outcome::{Failure, Result};
use crate::sandbox::{self, Netns};

const AGENT: &str = env!("CARGO_BIN_EXE_flatnet-agent");
const PLUGIN: &str = env!("CARGO_BIN_EXE_flatnet-cni");
/// The pods' bridge, for every plugin.
const BRIDGE: &str = "cni0";
/// MTU of the segment, bytes.
const UNDERLAY_MTU: u32 = 1500;
/// RTPROT_STATIC (linux/rtnetlink.h).
const PROTOCOL_STATIC: u8 = 4;

/// How the nodes reach each other's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A kernel VXLAN device made with `ip` commands.
    HandBuilt,
    /// The agent, told to use VXLAN.
    Vxlan { masquerade: bool },
    /// The agent, left to choose.
    Auto { masquerade: bool },
}

/// A pair of nodes, each with a pod.
pub(super) struct Pair {
    pub(super) pods: [Netns; 2],
    /// They exist as long as a descriptor of them is open.
    _nodes: [Netns; 2],
}

impl Pair {
    pub(super) fn new(way: Way, ip: &Path) -> Result<Pair> {
        let nodes = [Netns::new()?, Netns::new()?];
        join_nodes(&nodes)?;
        for (index, node) in nodes.iter().enumerate() {
            match way {
                Way::HandBuilt => by_hand(node, index, ip)?,
                Way::Vxlan { masquerade } => by_agent(node, index, "vxlan", masquerade)?,
                Way::Auto { masquerade } => by_agent(node, index, "auto", masquerade)?,
            }
            let tunnelled = node
                .route()?
                .links()
                .map_err(Failure::broken("list a node's links"))?
                .iter()
                .any(|link| link.vxlan.is_some());
            if tunnelled == matches!(way, Way::Auto { .. }) {
                return Err(Failure::Broken(format!(
                    "{way:?}: a node has {} VXLAN device",
                    if tunnelled { "a" } else { "no" }
                )));
            }
        }
        let pods = [pod(&nodes[0], 0)?, pod(&nodes[1], 1)?];
        Ok(Pair {
            pods,
            _nodes: nodes,
        })
    }
}

/// Address of the pod on a node.
pub(super) fn pod_address(node: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 244, node as u8 + 1, 10))
}

fn gateway(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 244, node as u8 + 1, 1)
}

fn node_address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(172, 18, 0, node as u8 + 2)
}

fn pod_cidr(node: usize) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(10, 244, node as u8 + 1, 0), 24)
}

/// A wire between the two, which is their uplink.
fn join_nodes(nodes: &[Netns; 2]) -> Result<()> {
    let mut first = nodes[0].route()?;
    first
        .send(Request::add_veth(&Veth {
            name: "eth0",
            master: None,
            mtu: Some(UNDERLAY_MTU),
            mac: None,
            up: false,
            peer_name: "eth0",
            peer_ns: Some(nodes[1].fd()),
            peer_mac: None,
        }))
        .map_err(Failure::broken("join the nodes"))?;
    for (index, node) in nodes.iter().enumerate() {
        let mut route = node.route()?;
        let link = route
            .link("eth0")
            .map_err(Failure::broken("find eth0"))?
            .ok_or_else(|| Failure::Broken("eth0 is gone".to_owned()))?;
        let address = IpNet::V4(Ipv4Net::new_assert(node_address(index), 16));
        let mut batch = route.batch();
        batch.push(Request::add_address(link.index, address, false));
        batch.push(Request::set_up(link.index));
        batch.commit().map_err(Failure::broken("bring eth0 up"))?;
    }
    Ok(())
}

/// What a person types (and flannel does): one route, one permanent neighbour, one forwarding entry to the other node.
fn by_hand(node: &Netns, index: usize, ip: &Path) -> Result<()> {
    let other = 1 - index;
    let mac = |node: usize| MacAddr::from_ip(IpAddr::V4(pod_cidr(node).network()));
    let script = format!(
        "link add {BRIDGE} type bridge\n\
         link set {BRIDGE} mtu 1450 up\n\
         address add {gateway}/24 dev {BRIDGE}\n\
         link add vxlan1 address {mac} type vxlan id 1 local {local} remote {remote} dev eth0 dstport 8472 nolearning\n\
         link set vxlan1 mtu 1450 up\n\
         address add {base}/32 dev vxlan1\n\
         neighbour add {far} lladdr {far_mac} dev vxlan1 nud permanent\n\
         route add {cidr} via {far} dev vxlan1 onlink\n",
        gateway = gateway(index),
        mac = mac(index),
        local = node_address(index),
        remote = node_address(other),
        base = pod_cidr(index).network(),
        far = pod_cidr(other).network(),
        far_mac = mac(other),
        cidr = pod_cidr(other),
    );
    node.within(|| {
        fs::write("/proc/sys/net/ipv4/ip_forward", "1")
            .map_err(Failure::broken("let the node forward"))?;
        finish(Command::new(ip).args(["-batch", "-"]), script.as_bytes())
    })
}

/// One pass of the agent.
fn by_agent(node: &Netns, index: usize, backend: &str, masquerade: bool) -> Result<()> {
    let folder = sandbox::folder()?;
    let nodes: Vec<_> = (0..2)
        .map(|i| json!({ "name": format!("node{i}"), "addresses": [node_address(i)], "podCIDRs": [pod_cidr(i)] }))
        .collect();
    let file = folder.path().join("nodes.json");
    let list = json!({ "podNetwork": ["10.244.0.0/16"], "nodes": nodes }).to_string();
    fs::write(&file, list).map_err(Failure::broken("write the node list"))?;
    let mut agent = Command::new(AGENT);
    agent.args([
        "--once",
        "--node",
        &format!("node{index}"),
        "--backend",
        backend,
        "--bridge",
        BRIDGE,
    ]);
    agent.args([
        "--nodes-file".as_ref(),
        file.as_os_str(),
        "--install-plugin".as_ref(),
        PLUGIN.as_ref(),
    ]);
    agent
        .arg("--conf-dir")
        .arg(folder.path().join("net.d"))
        .arg("--bin-dir")
        .arg(folder.path().join("bin"));
    agent.args((!masquerade).then_some("--no-masquerade"));
    node.within(|| finish(&mut agent, b""))
}

/// A pod as the plugin leaves it, in as far as traffic is concerned: a veth pair, one end on the bridge with its MTU.
fn pod(node: &Netns, index: usize) -> Result<Netns> {
    let pod = Netns::new()?;
    let wire = || -> flatnet_netlink::Result<()> {
        let mut host = flatnet_netlink::Route::open_in(node.fd())?;
        let Some(bridge) = host.link(BRIDGE)? else {
            return Ok(());
        };
        host.send(Request::add_veth(&Veth {
            name: "pod",
            master: Some(bridge.index),
            mtu: Some(bridge.mtu),
            mac: None,
            up: true,
            peer_name: "eth0",
            peer_ns: Some(pod.fd()),
            peer_mac: None,
        }))?;
        let mut inside = flatnet_netlink::Route::open_in(pod.fd())?;
        let Some(link) = inside.link("eth0")? else {
            return Ok(());
        };
        let mut batch = inside.batch();
        batch.push(Request::add_address(
            link.index,
            IpNet::new_assert(pod_address(index), 24),
            false,
        ));
        batch.push(Request::set_up(link.index));
        batch.push(Request::add_route(&NewRoute {
            dst: IpNet::V4(Ipv4Net::default()),
            gateway: Some(IpAddr::V4(gateway(index))),
            oif: Some(link.index),
            onlink: false,
            scope_link: false,
            src: None,
            protocol: PROTOCOL_STATIC,
            metric: None,
            mtu: None,
        }));
        batch.commit()
    };
    wire().map_err(Failure::broken("wire a pod"))?;
    Ok(pod)
}

/// Runs a command to its end; what it said is the error if it fails.
fn finish(command: &mut Command, input: &[u8]) -> Result<()> {
    let doing = Failure::broken(format!("run {:?}", command.get_program()));
    let run = |command: &mut Command| -> std::io::Result<std::process::Output> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input)?;
        }
        child.wait_with_output()
    };
    let output = run(command).map_err(doing)?;
    if output.status.success() {
        return Ok(());
    }
    let says = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Broken(format!(
        "{:?} ended with {}: {}",
        command.get_program(),
        output.status,
        says.trim()
    )))
}
