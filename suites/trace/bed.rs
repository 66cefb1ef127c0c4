//! A lab to trace packets in, and an observer that looks at it with other programs.
use std::sync::Arc;

use flatnet::config::RunArgs;
use flatnet::plant::Fault;
use flatnet::route::{self, Question};
use flatnet::session::Session;
use flatnet::session::attach::{Attached, Visit, Which};
use flatnet_analysis::trace::Netns;
use flatnet_analysis::trace::found::Found;
use flatnet_cluster::Target;
use flatnet_cluster::observe::once::Probes;
use flatnet_model::probe::{DialOutcome, DialRequest, Transport, ask};
use flatnet_model::{IpFamily, Underlay};
use tokio::runtime::Runtime;

/// What a lab is like where it matters to a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) cni: &'static str,
    pub(crate) underlay: Underlay,
    pub(crate) family: IpFamily,
}

pub(crate) const ONE_SEGMENT: Shape = Shape {
    cni: "flatnet",
    underlay: Underlay::L2,
    family: IpFamily::Ipv4,
};
/// VXLAN between nodes.
pub(crate) const BEHIND_ROUTERS: Shape = Shape {
    underlay: Underlay::Routed,
    ..ONE_SEGMENT
};
pub(crate) const ROUTERS_V6: Shape = Shape {
    family: IpFamily::Ipv6,
    ..BEHIND_ROUTERS
};
pub(crate) const SEGMENT_V6: Shape = Shape {
    family: IpFamily::Ipv6,
    ..ONE_SEGMENT
};
pub(crate) const REFERENCE: Shape = Shape {
    cni: "reference",
    ..ONE_SEGMENT
};
pub(crate) const REFERENCE_ROUTED: Shape = Shape {
    cni: "reference",
    ..BEHIND_ROUTERS
};

/// A lab with three nodes, two pods and a hostNetwork pod on each; gone with this value.
pub(crate) struct Bed {
    runtime: Runtime,
    session: Option<Session>,
    attached: Attached,
}

impl Bed {
    #[track_caller]
    pub(crate) fn new(shape: Shape) -> Bed {
        Bed::start(shape, None)
    }

    #[track_caller]
    pub(crate) fn broken(shape: Shape, fault: &'static Fault) -> Bed {
        Bed::start(shape, Some(fault))
    }

    #[track_caller]
    fn start(shape: Shape, fault: Option<&'static Fault>) -> Bed {
        let mut args = RunArgs::from_env().expect("FLATNET_* variables that fit");
        args.cni = Some(shape.cni.to_owned());
        args.lab.underlay = Some(shape.underlay);
        args.ip_family = Some(shape.family);
        args.nodes = Some(3);
        args.pods_per_node = Some(2);
        let runtime = flatnet::session::runtime().expect("a runtime");
        let (session, attached) = runtime.block_on(async {
            let session = Session::start(&args, fault, Arc::new(|_| {}))
                .await
                .expect("a lab");
            let name = session.plan().source.name().expect("a name").to_owned();
            let attached = Attached::to(&Which::Lab(name), Visit::Look)
                .await
                .expect("the same lab");
            (session, attached)
        });
        Bed {
            runtime,
            session: Some(session),
            attached,
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.attached.cluster.name()
    }

    /// The path there and back.
    #[track_caller]
    pub(crate) fn trace(&self, from: &str, to: &str) -> Found {
        let question = Question {
            from,
            to,
            both: true,
        };
        let found = route::find(&self.attached, &question);
        self.runtime.block_on(found).expect("an answer").found
    }

    /// What a command printed in a namespace.
    #[track_caller]
    pub(crate) fn run(&self, netns: &Netns, command: &str) -> String {
        let argv = ["sh", "-c", command].map(str::to_owned);
        let done = self.runtime.block_on(async {
            let cluster = &self.attached.cluster;
            let process = match target(netns) {
                Some(target) => cluster.start(&target, &argv).await?,
                None => cluster.start_on_wire(&argv).await?,
            };
            process.finish("a test", b"").await
        });
        let done = done.unwrap_or_else(|e| panic!("{command} in {netns}: {e}"));
        assert_eq!(
            done.code, 0,
            "{command} in {netns}: {}{}",
            done.stdout, done.stderr
        );
        done.stdout
    }

    /// Every namespace of the lab.
    pub(crate) fn namespaces(&self) -> Vec<Netns> {
        let (nodes, pods) = self.runtime.block_on(async {
            let nodes = self.attached.cluster.nodes().await.expect("nodes");
            let pods = self.attached.cluster.pods().await.expect("pods");
            (nodes, pods)
        });
        let nodes = nodes
            .into_iter()
            .filter_map(|node| node.metadata.name.map(Netns::Node));
        let snapshots = pods
            .iter()
            .map(|pod| flatnet_cluster::status::pod(pod).expect("a pod"));
        let own_network = snapshots.filter(|pod| !pod.host_network);
        let pods = own_network.map(|pod| Netns::Pod(pod.reference));
        nodes.chain(pods).chain([Netns::Wire]).collect()
    }

    /// Sends so many echo requests from a pod or node to an address; all must be answered.
    #[track_caller]
    pub(crate) fn ping(&self, from: &Netns, to: std::net::IpAddr, count: usize) {
        let target = target(from).expect("nothing pings from the wire");
        let echo = DialRequest {
            address: to,
            transport: Transport::Icmp,
            port: 0,
        };
        let question = ask::Dial {
            targets: vec![echo; count],
            at_once: 8,
            timeout_ms: 5_000,
            attempts: 1,
        };
        let probes = Probes::on(Arc::clone(&self.attached.cluster));
        let answer = probes.ask(&target, &question);
        let answer = self.runtime.block_on(answer).expect("a probe");
        let lost = answer
            .results
            .iter()
            .find(|result| !matches!(result, DialOutcome::Answered { .. }));
        assert!(lost.is_none(), "{from} to {to}: {lost:?}");
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            let closed = self.runtime.block_on(session.close());
            if !std::thread::panicking() {
                closed.expect("the lab ends");
            }
        }
    }
}

/// Where a command can be run; nothing for the wire, which is neither.
fn target(netns: &Netns) -> Option<Target> {
    match netns {
        Netns::Pod(pod) => Some(Target::Pod(pod.clone())),
        Netns::Node(node) => Some(Target::Node(node.clone())),
        Netns::Wire => None,
    }
}
