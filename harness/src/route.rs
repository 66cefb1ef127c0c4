//! Looks at what a trace needs, follows the packet, and asks the kernels on its path whether they would do the same.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use flatnet_model::probe::{self, Facts, RouteOutcome, ask};
use flatnet_netlink::Flow;

use crate::session::attach::Attached;
use crate::{Error, Result};
use flatnet_analysis::trace::found::Found;
use flatnet_analysis::trace::model::{Ending, Netns, Trace};
use flatnet_analysis::trace::parties::{Parties, Party, address};
use flatnet_analysis::trace::{Kernels, ObservedNetwork, Request, Rewrite, from_node, trace};
use flatnet_cluster::observe::gather::observed_nodes;
use flatnet_cluster::observe::once::{self, Probes};
use flatnet_cluster::status;
use flatnet_cluster::{Cluster, Target};
use flatnet_model::observations::{Observed, ObservedPod};

/// Each answer of a kernel may lead to a namespace that was not on the path before, no more of them than this.
const MOST_ROUNDS: usize = 32;

/// What is asked.
pub struct Question<'a> {
    /// A pod or node.
    pub from: &'a str,
    /// A pod, node or address.
    pub to: &'a str,
    /// The return path too.
    pub both: bool,
}

/// What was found, and what it was found in.
pub struct Looked {
    /// The answer.
    pub found: Found,
    /// Every namespace that was looked at.
    pub network: ObservedNetwork,
    /// The two ends, where they are a pod or a node.
    pub ends: (Netns, Option<Netns>),
    /// The address that the packet is for.
    pub address: IpAddr,
}

/// Answers a question on a running cluster.
///
/// # Errors
/// [`Error::Input`] for an unknown name; otherwise what keeps nodes and pods from being listed. What cannot be looked
/// into is part of the answer.
pub async fn find(attached: &Attached, question: &Question<'_>) -> Result<Looked> {
    let mut nodes = observed_nodes(&attached.cluster.nodes().await?)?;
    let pod = |object| Ok(ObservedPod::new(status::pod(object)?));
    let pods = attached.cluster.pods().await?;
    let mut pods: Vec<ObservedPod> = pods.iter().map(pod).collect::<Result<_>>()?;
    let parties = Parties {
        nodes: &nodes,
        pods: &pods,
    };
    let from = parties.find("--from", question.from)?;
    let goal = match address("--to", question.to)? {
        Some(address) => Goal {
            address,
            party: None,
        },
        None => Goal::of(parties.find("--to", question.to)?, &from)?,
    };
    let service = match &goal.party {
        None => attached.cluster.service_at(goal.address).await?,
        Some(_) => None,
    };
    let rewrite = service.as_ref().map(|service| Rewrite {
        service: service.address,
        endpoint: service.endpoints.first().copied(),
    });
    let endpoint = rewrite.as_ref().and_then(|rewrite| rewrite.endpoint);
    let last = endpoint.unwrap_or(goal.address);
    pods.retain(ObservedPod::runs);
    let look = Look::at(attached);
    let concerned = |pod: &ObservedPod| {
        Netns::Pod(pod.reference().clone()) == from.netns
            || pod.object.ips.contains(&last)
            || look.runs_everywhere()
    };
    let own_network = pods.iter().filter(|pod| !pod.object.host_network);
    let in_pods = own_network
        .filter(|pod| concerned(pod))
        .map(|pod| Netns::Pod(pod.reference().clone()));
    let namespaces = nodes
        .iter()
        .map(|node| Netns::Node(node.object.name.clone()))
        .chain(in_pods);
    let (mut facts, wire) = tokio::join!(look.facts(namespaces.collect()), look.wire());
    for node in &mut nodes {
        if let Some(seen) = facts.remove(&Netns::Node(node.object.name.clone())) {
            node.inside.facts = Some(seen);
        }
    }
    let mut unasked = BTreeSet::new();
    for pod in &mut pods {
        let netns = Netns::Pod(pod.reference().clone());
        match facts.remove(&netns) {
            Some(Err(error)) => {
                pod.facts = look.seen_by_its_node(pod, error).await;
                unasked.insert(netns);
            }
            Some(Ok(seen)) => pod.facts = Ok(seen),
            None => {}
        }
    }
    let observed = ObservedNetwork { nodes, pods, wire };
    let there = Request {
        from: from.netns.clone(),
        destination: goal.address,
        wanted: goal.party.as_ref().map(|party| party.netns.clone()),
        rewrite,
        carries: None,
        marks: BTreeMap::new(),
    };
    let mut asked = Asked {
        kernels: Kernels::new(),
        unasked,
    };
    let there = look.follow(&observed, &mut asked, &there).await?;
    let back = match (question.both, way_back(&there)) {
        (true, Some(request)) => Some(look.follow(&observed, &mut asked, &request).await?),
        _ => None,
    };
    let ends = (
        from.netns,
        goal.party.as_ref().map(|party| party.netns.clone()),
    );
    let found = Found {
        from: from.name,
        to: match goal.party {
            Some(party) => format!("{} ({})", party.name, goal.address),
            None => goal.address.to_string(),
        },
        service,
        there,
        back,
    };
    Ok(Looked {
        found,
        network: observed,
        ends,
        address: goal.address,
    })
}

/// Where a packet is to go.
struct Goal {
    address: IpAddr,
    party: Option<Party>,
}

impl Goal {
    /// An address of a family that the sender has too, the receiver's first where that is possible.
    fn of(party: Party, from: &Party) -> Result<Goal> {
        let shared = |address: &&IpAddr| {
            from.addresses
                .iter()
                .any(|own| own.is_ipv4() == address.is_ipv4())
        };
        let addresses = &party.addresses;
        let address = addresses.iter().find(shared).or(addresses.first()).copied();
        let Some(address) = address else {
            return Err(Error::Input(format!(
                "--to: {} has no address; give an address instead",
                party.name
            )));
        };
        Ok(Goal {
            address,
            party: Some(party),
        })
    }
}

/// From who got the packet to who sent it.
fn way_back(there: &Trace) -> Option<Request> {
    let from = match &there.ending {
        Ending::Delivered { to, .. } => to.clone(),
        _ => return None,
    };
    Some(Request {
        from,
        destination: there.source?,
        wanted: Some(there.from.clone()),
        rewrite: None,
        carries: None,
        marks: BTreeMap::new(),
    })
}

/// What kernels said, and which are not to be asked.
struct Asked {
    kernels: Kernels,
    /// Places whose tables have to do: no program runs there.
    unasked: BTreeSet<Netns>,
}

/// Asks namespaces on an attached cluster.
struct Look<'a> {
    attached: &'a Attached,
    probes: Arc<Probes>,
}

impl<'a> Look<'a> {
    fn at(attached: &'a Attached) -> Self {
        Look {
            attached,
            probes: Arc::new(Probes::on(Arc::clone(&attached.cluster))),
        }
    }

    /// Whether every pod has the probe in view already, so that all can be asked at once.
    fn runs_everywhere(&self) -> bool {
        let capabilities = self.attached.cluster.capabilities();
        capabilities.programs_in_view.is_present()
    }

    async fn wire(&self) -> Option<Observed<Facts>> {
        let cluster = &*self.attached.cluster;
        match cluster.capabilities().wire.is_present() {
            true => {
                let facts = ask_wire(cluster, &ask::Facts {}).await;
                Some(facts.map_err(|e| e.to_string()))
            }
            false => None,
        }
    }

    /// Pods and nodes from inside, all at once.
    async fn facts(&self, namespaces: Vec<Netns>) -> BTreeMap<Netns, Observed<Facts>> {
        let asking = namespaces.into_iter().map(|netns| async move {
            let facts = match target(&netns) {
                Some(target) => {
                    let facts = self.probes.ask(&target, &ask::Facts {}).await;
                    facts.map_err(|e| e.to_string())
                }
                None => Err("no program runs there".to_owned()),
            };
            (netns, facts)
        });
        futures::future::join_all(asking)
            .await
            .into_iter()
            .collect()
    }

    /// A pod in which no probe could run, as its node sees it in /proc; else why not.
    async fn seen_by_its_node(&self, pod: &ObservedPod, inside: String) -> Observed<Facts> {
        let question = ask::NetworkNamespaces {
            proc: "/proc".to_owned(),
        };
        let node = Target::Node(pod.object.node.clone());
        match self.probes.ask(&node, &question).await {
            Ok(found) => from_node::facts(pod, &found.namespaces).ok_or(inside),
            Err(_) => Err(inside),
        }
    }

    /// Follows a packet until every kernel on its path has been asked.
    async fn follow(
        &self,
        observed: &ObservedNetwork,
        asked: &mut Asked,
        request: &Request,
    ) -> Result<Trace> {
        for _ in 0..MOST_ROUNDS {
            let (mut trace, mut questions) = trace(observed, &asked.kernels, request);
            questions.retain(|(netns, _)| !asked.unasked.contains(netns));
            if questions.is_empty() {
                let silent = asked.unasked.iter();
                let passed =
                    silent.filter(|netns| trace.hops.iter().any(|hop| hop.netns == **netns));
                let remarks: Vec<String> = passed
                    .map(|netns| {
                        format!("no program can be run in {netns}: it was observed from its node")
                    })
                    .collect();
                trace.remarks.extend(remarks);
                return Ok(trace);
            }
            let asking = questions.into_iter().map(|(netns, flow)| async move {
                let outcome = self.ask_kernel(&netns, flow).await;
                (netns, flow, outcome)
            });
            for (netns, flow, outcome) in futures::future::join_all(asking).await {
                asked.kernels.insert((netns, flow), outcome?);
            }
        }
        Err(Error::Failed(format!(
            "the routes to {} changed {MOST_ROUNDS} times while they were read; ask again",
            request.destination
        )))
    }

    async fn ask_kernel(&self, netns: &Netns, flow: Flow) -> Result<RouteOutcome> {
        let question = ask::Routes { flows: vec![flow] };
        let mut answer = match target(netns) {
            Some(target) => self.probes.ask(&target, &question).await?,
            None => ask_wire(&*self.attached.cluster, &question).await?,
        };
        answer.routes.pop().ok_or_else(|| {
            Error::Failed(format!(
                "the kernel of {netns} was asked for a route and gave none"
            ))
        })
    }
}

/// Where a probe can be put.
fn target(netns: &Netns) -> Option<Target> {
    match netns {
        Netns::Node(node) => Some(Target::Node(node.clone())),
        Netns::Pod(pod) => Some(Target::Pod(pod.clone())),
        Netns::Wire => None,
    }
}

async fn ask_wire<Q: probe::Question>(cluster: &dyn Cluster, question: &Q) -> Result<Q::Answer> {
    let process = once::start_on_wire(cluster).await?;
    let done = process
        .finish("look at the wire", &once::line(question)?)
        .await?;
    once::answer(question, &done, "wire")
}
