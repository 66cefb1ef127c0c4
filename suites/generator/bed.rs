//! A lab in which faults are planted, its oracle, and flatnet's verdicts on it.
use std::collections::BTreeMap;
use std::sync::Arc;

use flatnet::config::RunArgs;
use flatnet::session::Session;
use flatnet_analysis::checks::catalogue;
use flatnet_cluster::lab::{AGENT, LabCluster};
use flatnet_cluster::{Cluster, status};
use flatnet_lab::spec::LabSpec;
use flatnet_model::verdict::Verdict;
use flatnet_model::{IpFamily, Underlay};
use futures::future::{join_all, try_join_all};
use tokio::runtime::Runtime;

use crate::ground::{Ground, Node, Pod, Spot};
use crate::listing::Listing;
use crate::shell::sh;
use crate::voice::{Voice, put_oracle};

/// What a lab is like where it matters to a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) underlay: Underlay,
    pub(crate) family: IpFamily,
    pub(crate) backend: &'static str,
}

/// A fault's seed chooses one of these.
pub(crate) const SHAPES: [Shape; 6] = [
    Shape {
        underlay: Underlay::L2,
        family: IpFamily::Ipv4,
        backend: "routes",
    },
    Shape {
        underlay: Underlay::Routed,
        family: IpFamily::Ipv4,
        backend: "vxlan",
    },
    Shape {
        underlay: Underlay::L2,
        family: IpFamily::Dual,
        backend: "routes",
    },
    Shape {
        underlay: Underlay::L2,
        family: IpFamily::Dual,
        backend: "vxlan",
    },
    Shape {
        underlay: Underlay::L2,
        family: IpFamily::Ipv6,
        backend: "routes",
    },
    Shape {
        underlay: Underlay::Routed,
        family: IpFamily::Ipv6,
        backend: "vxlan",
    },
];

type Verdicts = BTreeMap<&'static str, Verdict>;

/// Gone with this value.
pub(crate) struct Bed {
    runtime: Runtime,
    session: Option<Session>,
    pub(crate) ground: Ground,
    oracles: Vec<Voice>,
    baseline: BTreeMap<Spot, Listing>,
}

impl Bed {
    pub(crate) fn new(shape: Shape) -> Bed {
        let mut args = RunArgs::from_env().expect("FLATNET_* variables that fit");
        args.cni = Some("flatnet".to_owned());
        args.lab.underlay = Some(shape.underlay);
        args.ip_family = Some(shape.family);
        args.backend = Some(shape.backend.to_owned());
        args.nodes = Some(3);
        args.pods_per_node = Some(2);
        let runtime = flatnet::session::runtime().expect("a runtime");
        let (session, ground, oracles, baseline) = runtime.block_on(async {
            let session = Session::start(&args, None, Arc::new(|_| {})).await;
            let session = session.expect("a lab");
            let name = session.plan().source.name().expect("a name").to_owned();
            let lab = LabCluster::connect(&name).await.expect("the same lab");
            let cluster = session.cluster();
            let mut ground = survey(&session, shape).await;
            for node in &ground.nodes {
                // It would repair what is broken.
                lab.stop_daemon(&node.name, AGENT).await.expect("no agent");
            }
            for spot in 0..ground.pods.len() {
                locate(cluster, &mut ground, spot).await;
            }
            let spots: Vec<Spot> = ground.spots().collect();
            let listing = |spot| Listing::of(cluster, &ground, spot);
            let listed = || spots.iter().copied().chain([Spot::Wire]);
            let listings = join_all(listed().map(listing)).await;
            let baseline: BTreeMap<Spot, Listing> = listed().zip(listings).collect();
            let routes: Vec<_> = (0..ground.nodes.len())
                .map(|node| baseline[&Spot::Node(node)].routes_to(&ground.nodes))
                .collect();
            for (node, routes) in ground.nodes.iter_mut().zip(routes) {
                node.routes = routes;
            }
            let vxlan = baseline[&Spot::Node(0)].vxlan();
            ground.vxlan = vxlan;
            let programs = ground
                .nodes
                .iter()
                .map(|node| put_oracle(cluster, &node.name));
            join_all(programs).await;
            let voices = spots
                .iter()
                .map(|spot| Voice::start(cluster, &ground, *spot));
            let oracles = join_all(voices).await;
            (session, ground, oracles, baseline)
        });
        Bed {
            runtime,
            session: Some(session),
            ground,
            oracles,
            baseline,
        }
    }

    fn session(&self) -> &Session {
        self.session
            .as_ref()
            .expect("a session until it is dropped")
    }

    /// Runs a line of shell in a namespace, with the programs of its node; what it printed.
    ///
    /// # Errors
    /// What it complained of.
    pub(crate) fn sh(&self, spot: Spot, line: &str) -> Result<String, String> {
        let cluster = self.session().cluster();
        self.runtime.block_on(sh(cluster, &self.ground, spot, line))
    }

    /// What is not flat, by the oracle.
    pub(crate) fn ask_oracle(&mut self) -> Vec<String> {
        let asking = self.oracles.iter_mut().map(Voice::ask);
        let answers = self.runtime.block_on(try_join_all(asking));
        answers.expect("the oracle answers").concat()
    }

    /// What flatnet says.
    pub(crate) fn judge(&self) -> Verdicts {
        let observations = self.runtime.block_on(self.session().observe());
        let observations = observations.expect("observations");
        let judged = catalogue::all().iter();
        judged
            .map(|check| (check.id, check.judge(&observations)))
            .collect()
    }

    /// Puts back what went with a fault (addresses of a device that was down, routes through it); whether the namespaces are now
    /// as they were when the lab was new, and else what differs.
    pub(crate) fn restore(&mut self, spots: &[Spot]) -> Result<(), String> {
        for spot in spots {
            let Spot::Pod(pod) = *spot else { continue };
            let Pod { node, pid, .. } = self.ground.pods[pod];
            if self
                .sh(Spot::Node(node), &format!("kill -0 {pid}"))
                .is_err()
            {
                // It was killed, and another one runs.
                let cluster = self.session.as_ref().expect("a session").cluster();
                let located = locate(cluster, &mut self.ground, pod);
                self.runtime.block_on(located);
            }
        }
        let cluster = self.session().cluster();
        for spot in spots {
            let baseline = &self.baseline[spot];
            let mut difference = String::new();
            for _ in 0..4 {
                let listing = Listing::of(cluster, &self.ground, *spot);
                let now = self.runtime.block_on(listing);
                difference = now.difference(baseline);
                if difference.is_empty() {
                    break;
                }
                let repairs = now.repairs(baseline);
                let _ = self.sh(*spot, &repairs.join("; "));
            }
            if !difference.is_empty() {
                return Err(format!("{}: {difference}", self.ground.netns(*spot)));
            }
        }
        // Neighbours that were learned while something was broken; permanent ones stay.
        let flush = "ip -4 route flush cache; ip -6 route flush cache; ip -4 neigh flush all; ip -6 neigh flush all";
        let spots: Vec<Spot> = self.ground.spots().chain([Spot::Wire]).collect();
        let flushes = spots
            .iter()
            .map(|spot| sh(cluster, &self.ground, *spot, flush));
        let _ = self.runtime.block_on(join_all(flushes));
        Ok(())
    }

    /// Whether a host-network pod of that name is one of the lab's, and its node.
    pub(crate) fn node_of_host_pod(&self, pod: &flatnet_model::PodRef) -> Option<String> {
        let mut pods = self.session().pods().iter();
        let found = pods.find(|found| found.host_network && found.reference == *pod)?;
        Some(found.node.clone())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.oracles.clear();
        if let Some(session) = self.session.take() {
            let closed = self.runtime.block_on(session.close());
            if !std::thread::panicking() {
                closed.expect("the lab ends");
            }
        }
    }
}

async fn survey(session: &Session, shape: Shape) -> Ground {
    let by_family = |mut ips: Vec<std::net::IpAddr>| {
        ips.sort_by_key(std::net::IpAddr::is_ipv6);
        ips
    };
    let nodes = session.cluster().nodes().await.expect("nodes");
    let nodes = nodes.iter().map(|node| status::node(node).expect("a node"));
    let nodes: Vec<Node> = nodes
        .map(|node| {
            let mut cidrs = node.pod_cidrs;
            cidrs.sort_by_key(|cidr| cidr.addr().is_ipv6());
            Node {
                wire_port: LabSpec::wire_port(&node.name),
                name: node.name,
                ips: by_family(node.internal_ips),
                cidrs,
                routes: Vec::new(),
            }
        })
        .collect();
    let pods = session.pods().iter().filter(|pod| !pod.host_network);
    let number = |name: &str| nodes.iter().position(|node| node.name == name);
    let pods = pods.map(|pod| Pod {
        reference: pod.reference.clone(),
        node: number(&pod.node).expect("a node of the lab"),
        ips: by_family(pod.ips.clone()),
        pid: 0,
        host_end: String::new(),
    });
    let mut pods: Vec<Pod> = pods.collect();
    // Pods start side by side, and which of a node's gets which address is chance: a seed draws the address.
    pods.sort_by(|a, b| a.ips.cmp(&b.ips));
    let mut counts = vec![0; nodes.len()];
    pods.sort_by_cached_key(|pod| {
        counts[pod.node] += 1;
        (counts[pod.node], pod.node)
    });
    Ground {
        nodes,
        pods,
        vxlan: None,
        is_routed: shape.underlay == Underlay::Routed,
    }
}

/// Finds the pod's process by its address, and the node's end of its veth; waits up to 10 s for a process that is started again.
async fn locate(cluster: &Arc<dyn Cluster>, ground: &mut Ground, number: usize) {
    let pod = &ground.pods[number];
    let line = format!(
        "for t in $(seq 100); do for p in /proc/[0-9]*; do p=${{p#/proc/}}; grep -q oracle /proc/$p/cmdline && continue; \
         l=$(nsenter -t $p -n ip -o addr show dev eth0 2>/dev/null) || continue; \
         case \"$l\" in *' {ip}/'*) i=$(nsenter -t $p -n cat /sys/class/net/eth0/iflink 2>/dev/null); \
         i=$(nsenter -t $p -n ip -o link show dev eth0 | sed 's/.*eth0@if\\([0-9]*\\):.*/\\1/'); \
         echo $p $(ip -o link | sed -n \"s/^$i: \\([^@:]*\\).*/\\1/p\"); exit 0;; esac; done; sleep 0.1; done 2>/dev/null; exit 1",
        ip = pod.ips[0]
    );
    let said = sh(cluster, ground, Spot::Node(pod.node), &line).await;
    let said = said.expect("a process of the pod");
    let (pid, host_end) = said.trim().split_once(' ').expect("a pid and a device");
    let pod = &mut ground.pods[number];
    pod.pid = pid.parse().expect("a pid");
    pod.host_end = host_end.to_owned();
}
