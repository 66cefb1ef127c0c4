//! Namespaces joined by a wire, built with `ip`. Everything is gone when the values are: namespaces live by their open
//! files only.
use std::fs::File;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::process::{Command, Output};
use std::time::Duration;

use flatnet_agent::conflist::CniVersion;
use flatnet_agent::desired::{Backend, Settings};
use flatnet_agent::node::{Node, NodesFile};
use flatnet_agent::pass::Pass;
use flatnet_agent::reconcile::{Reconciler, Runtime};
use flatnet_agent::sysctl::Sysctl;
use flatnet_netlink::netns::within;
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

/// Runs a test that needs namespaces: as it is for root, else once more as root of a new user namespace.
pub(crate) fn as_root<F: FnOnce()>(test: F) {
    if nix::unistd::geteuid().is_root() {
        return test();
    }
    // The closure's type is named after the test it is in: crate::module::test::{{closure}}.
    let path: Vec<_> = std::any::type_name::<F>().split("::").collect();
    let name = path[1..path.len() - 1].join("::");
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net"])
        .arg(program)
        .args(["--exact", &name, "--nocapture"])
        .output()
        .expect("unshare (util-linux) is needed to be root in a namespace");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{name}: {said}"
    );
}

/// How long an answer is waited for before the question is asked again.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often it is asked.
const TRIES: u32 = 20;

/// A network namespace.
pub(crate) struct Ns(File);

impl Ns {
    pub(crate) fn new() -> Self {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let ns = Ns(made.join().unwrap());
        ns.run("ip link set lo up");
        ns
    }

    /// Something in it; sockets that are returned stay in it.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(self.0.as_fd(), work).unwrap()
    }

    /// A command in it, words separated by spaces; its standard output.
    pub(crate) fn run(&self, command: &str) -> String {
        let output = self.try_run(command);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn try_run(&self, command: &str) -> Output {
        let mut words = command.split_whitespace();
        let program = words.next().unwrap();
        self.within(|| Command::new(program).args(words).output())
            .unwrap_or_else(|e| panic!("cannot run {program} (Debian: iproute2, nftables): {e}"))
    }

    /// What `ip link … netns` takes.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    pub(crate) fn sysctl(&self, key: &str) -> String {
        let path = format!("/proc/sys/net/{key}");
        self.within(|| std::fs::read_to_string(path))
            .unwrap()
            .trim()
            .to_owned()
    }

    pub(crate) fn set_sysctl(&self, key: &str, value: &str) {
        let path = format!("/proc/sys/net/{key}");
        self.within(|| std::fs::write(path, value)).unwrap();
    }

    fn udp(&self, address: SocketAddr) -> UdpSocket {
        let socket = self
            .within(|| UdpSocket::bind(address))
            .unwrap_or_else(|e| panic!("bind {address}: {e}"));
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }
}

/// Sends a datagram from one namespace to an address of another and back; the client's address as the server saw it.
/// The answer must come from the address that was dialled.
pub(crate) fn talk(client: &Ns, server: &Ns, address: &str) -> IpAddr {
    let address: IpAddr = address.parse().unwrap();
    let any: SocketAddr = if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    }
    .parse()
    .unwrap();
    let listening = server.udp(SocketAddr::new(address, 0));
    let dialling = client.udp(any);
    let dialled = listening.local_addr().unwrap();
    let mut buffer = [0; 16];
    // Asked again as a resolver would: a device whose carrier has just come drops what the kernel sends before its
    // link watch has run.
    for _ in 0..TRIES {
        dialling
            .send_to(b"question", dialled)
            .unwrap_or_else(|e| panic!("send to {dialled}: {e}"));
        let Ok((_, seen)) = listening.recv_from(&mut buffer) else {
            continue;
        };
        listening.send_to(b"answer", seen).unwrap();
        let Ok((_, from)) = dialling.recv_from(&mut buffer) else {
            continue;
        };
        assert_eq!(from, dialled, "the answer comes from elsewhere");
        return seen.ip();
    }
    panic!("{dialled} cannot be reached");
}

/// What joins the nodes: a bridge, a router, or both. It also has an address in no network of theirs.
pub(crate) struct Wire {
    ns: Ns,
    ports: u32,
}

/// Outside of pods' and nodes' networks.
pub(crate) const OUTSIDE: &str = "198.51.100.1";

impl Wire {
    pub(crate) fn new() -> Self {
        let ns = Ns::new();
        for command in [
            &format!("ip addr add {OUTSIDE}/32 dev lo"),
            "ip link add name segment type bridge",
            "ip link set segment addrgenmode none",
            "ip link set segment up",
            "ip addr add 172.18.0.1/16 dev segment",
            "ip addr add fd00:18::1/64 dev segment nodad",
        ] {
            ns.run(command);
        }
        ns.set_sysctl("ipv4/ip_forward", "1");
        ns.set_sysctl("ipv6/conf/all/forwarding", "1");
        for dev in ["all", "default"] {
            ns.set_sysctl(&format!("ipv4/conf/{dev}/rp_filter"), "0");
        }
        Wire { ns, ports: 0 }
    }

    pub(crate) fn ns(&self) -> &Ns {
        &self.ns
    }

    /// A node on the common segment: 172.18.0.N, fd00:18::N.
    pub(crate) fn on_segment(&mut self, n: u8, families: Families) -> TestNode {
        let addresses = families.pick(format!("172.18.0.{n}/16"), format!("fd00:18::{n}/64"));
        let node = self.join(n, &addresses, families);
        self.ns
            .run(&format!("ip link set port{} master segment", self.ports));
        node
    }

    /// A node in a subnet of its own behind the router: 172.18.N.2 of 172.30.N.0/24, fd00:30:N::2.
    pub(crate) fn behind_router(&mut self, n: u8, families: Families) -> TestNode {
        let addresses = families.pick(format!("172.30.{n}.2/24"), format!("fd00:30:{n}::2/64"));
        let node = self.join(n, &addresses, families);
        for gateway in families.pick(format!("172.30.{n}.1/24"), format!("fd00:30:{n}::1/64")) {
            self.ns.run(&format!(
                "ip addr add {gateway} dev port{} nodad",
                self.ports
            ));
        }
        node
    }

    fn join(&mut self, n: u8, addresses: &[String], families: Families) -> TestNode {
        self.ports += 1;
        let port = self.ports;
        let ns = Ns::new();
        self.ns.run(&format!(
            "ip link add name port{port} type veth peer name eth0 netns {}",
            ns.path()
        ));
        self.ns
            .run(&format!("ip link set port{port} addrgenmode none"));
        ns.run("ip link set eth0 addrgenmode none");
        ns.run("ip link set eth0 up");
        // Without one, the kernel does not resolve the next hop of an IPv6 packet that it forwards.
        ns.run(&format!("ip addr add fe80::{n}/64 dev eth0 nodad"));
        self.ns
            .run(&format!("ip addr add fe80::ff{n}/64 dev port{port} nodad"));
        self.ns.run(&format!("ip link set port{port} up"));
        for address in addresses {
            ns.run(&format!("ip addr add {address} dev eth0 nodad"));
            // The router has the first address of each subnet.
            let (prefix, _) = address.rsplit_once(['.', ':']).unwrap();
            let (family, gateway) = if address.contains('.') {
                ("-4", format!("{prefix}.1"))
            } else {
                ("-6", format!("{prefix}:1"))
            };
            ns.run(&format!(
                "ip {family} route add default via {gateway} dev eth0"
            ));
        }
        let strip = |net: &String| net.split('/').next().unwrap().parse().unwrap();
        let pod_cidrs = families.pick(format!("10.244.{n}.0/24"), format!("fd00:10:244:{n}::/64"));
        let entry = Node {
            name: format!("node{n}"),
            addresses: addresses.iter().map(strip).collect(),
            pod_cidrs: pod_cidrs.iter().map(|c| c.parse().unwrap()).collect(),
        };
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        flatnet_agent::install::ensure_file(&bin.join("flatnet-cni"), b"not run here", 0o755)
            .unwrap();
        TestNode { ns, entry, dir }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Families {
    V4,
    V6,
    Dual,
}

impl Families {
    fn pick(self, v4: String, v6: String) -> Vec<String> {
        match self {
            Families::V4 => vec![v4],
            Families::V6 => vec![v6],
            Families::Dual => vec![v4, v6],
        }
    }
}

/// A node: its namespace, its entry in the list, its directories.
pub(crate) struct TestNode {
    pub(crate) ns: Ns,
    pub(crate) entry: Node,
    pub(crate) dir: TempDir,
}

impl TestNode {
    /// A new agent on it, as after a restart.
    pub(crate) fn agent(&self, backend: Backend) -> Reconciler {
        self.agent_with(Settings {
            backend,
            ..settings()
        })
    }

    pub(crate) fn agent_with(&self, settings: Settings) -> Reconciler {
        Reconciler::new(
            self.entry.name.clone(),
            settings,
            self.runtime(),
            Sysctl::default(),
        )
    }

    /// What is installed for the container runtime.
    pub(crate) fn runtime(&self) -> Runtime {
        Runtime {
            conf_dir: self.dir.path().join("conf"),
            bin_dir: self.dir.path().join("bin"),
            install_plugin: None,
            network_name: "flatnet".into(),
            cni_version: CniVersion::V1_1_0,
            hairpin: true,
            portmap: true,
        }
    }

    /// A pass that must not fail in anything.
    #[track_caller]
    pub(crate) fn pass(&self, agent: &mut Reconciler, list: &NodesFile) -> Vec<String> {
        let pass = self.any_pass(agent, list);
        assert!(
            pass.failures.is_empty() && pass.ready,
            "{:?}",
            pass.failures
        );
        pass.changes
    }

    pub(crate) fn any_pass(&self, agent: &mut Reconciler, list: &NodesFile) -> Pass {
        self.ns.within(|| agent.pass(list))
    }

    pub(crate) fn conflist(&self) -> serde_json::Value {
        let text =
            std::fs::read_to_string(self.dir.path().join("conf/10-flatnet.conflist")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// A pod on its bridge, with the first free address of each podCIDR.
    pub(crate) fn pod(&self) -> Ns {
        let pod = Ns::new();
        self.ns.run(&format!(
            "ip link add name pod type veth peer name eth0 netns {}",
            pod.path()
        ));
        self.ns
            .run("ip link set pod addrgenmode none master cni0 up");
        pod.run("ip link set eth0 addrgenmode none");
        pod.run("ip link set eth0 up");
        let bridge_mac = &self.ns.json("ip -j link show cni0")[0]["address"];
        let pod_mac = &pod.json("ip -j link show eth0")[0]["address"];
        for cidr in &self.entry.pod_cidrs {
            let (address, gateway) = (
                self.pod_address(cidr.addr().is_ipv6(), 2),
                self.pod_address(cidr.addr().is_ipv6(), 1),
            );
            pod.run(&format!(
                "ip addr add {address}/{} dev eth0 nodad",
                cidr.prefix_len()
            ));
            pod.run(&format!("ip route add default via {gateway} dev eth0"));
            // As the plugin does: no resolution, so that no link-local address is needed on the bridge.
            pod.run(&format!(
                "ip neigh replace {gateway} lladdr {} dev eth0",
                bridge_mac.as_str().unwrap()
            ));
            self.ns.run(&format!(
                "ip neigh replace {address} lladdr {} dev cni0",
                pod_mac.as_str().unwrap()
            ));
        }
        pod
    }

    /// The nth address of its podCIDR of that family.
    pub(crate) fn pod_address(&self, v6: bool, n: u8) -> String {
        let cidr = self
            .entry
            .pod_cidrs
            .iter()
            .find(|c| c.addr().is_ipv6() == v6)
            .unwrap();
        match cidr.network() {
            IpAddr::V4(base) => {
                std::net::Ipv4Addr::from(u32::from(base) + u32::from(n)).to_string()
            }
            IpAddr::V6(base) => {
                std::net::Ipv6Addr::from(u128::from(base) + u128::from(n)).to_string()
            }
        }
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        backend: Backend::Auto,
        vni: 1,
        port: 8472,
        mtu: None,
        bridge: "cni0".into(),
        masquerade: true,
    }
}

/// The list of these nodes.
pub(crate) fn list<'a>(nodes: impl IntoIterator<Item = &'a TestNode>) -> NodesFile {
    let pod_network = ["10.244.0.0/16", "fd00:10:244::/48"]
        .map(|n| n.parse().unwrap())
        .to_vec();
    NodesFile {
        pod_network,
        nodes: nodes.into_iter().map(|n| n.entry.clone()).collect(),
    }
}
