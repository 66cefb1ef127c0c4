//! Dials made again while every namespace on their way is watched.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flatnet_model::follow::{Burst, Followed, Outcomes, Place, Wanted};
use flatnet_model::kernel::Flow;
use flatnet_model::kernel::netfilter::FOLLOWING;
use flatnet_model::observations::Observed;
use flatnet_model::probe::{DialRequest, Facts, Question, RouteOutcome, TRANSFER_BYTES, ask};
use flatnet_model::reference::Netns;
use tokio::sync::Mutex;

use super::conversation::Conversation;
use super::fleet::{Fleet, READ_WITHIN};
use super::once::start_on_wire;
use crate::Cluster;

/// Dials of a burst: enough to tell loss from a packet that was lost once, and to tell counters that moved by themselves.
const FEW: usize = 5;
/// Dials of which one in ten fails: that none of so many does has a probability of two in a thousand.
const MANY: usize = 60;
/// How long an answer is waited for, milliseconds: before TCP sends a segment again, so that one dial is one packet.
const ANSWER_MS: u32 = 400;
/// What was sent last is still under way when the last dial is given up.
const SETTLE: Duration = Duration::from_millis(30);

/// Follows dials, one after the other: counters belong to one dial only as long as no other is made.
pub struct Follower {
    fleet: Arc<Fleet>,
    /// What joins the nodes, where that can be looked at.
    wire: Option<Mutex<Conversation>>,
    /// Name of the table that is added to nodes for the time of a burst: the run's own.
    table: String,
}

impl Follower {
    /// With the probes of that fleet, and one on the wire where there is one; `run` tells runs apart.
    pub async fn start(cluster: &Arc<dyn Cluster>, fleet: Arc<Fleet>, run: &str) -> Follower {
        let wire = match cluster.capabilities().wire.is_present() {
            true => start_on_wire(&**cluster).await.ok(),
            false => None,
        };
        Follower {
            fleet,
            wire: wire.map(|process| Mutex::new(Conversation::with(process))),
            table: format!("{FOLLOWING}{run}"),
        }
    }

    /// What joins the nodes, as it is now.
    pub async fn wire(&self) -> Option<Observed<Facts>> {
        let wire = self.wire.as_ref()?;
        Some(wire.lock().await.ask(&ask::Facts {}, READ_WITHIN).await)
    }

    /// Dials a burst while `places` are watched.
    pub async fn burst(&self, dial: Wanted, places: &[Netns]) -> Followed {
        // One node tells of the whole machine.
        let is_node = |netns: &Netns| matches!(netns, Netns::Node(_));
        let first = places.iter().position(is_node);
        let starting = places.iter().enumerate().map(|(at, netns)| {
            let question = ask::Watch {
                ports: vec![dial.request.port],
                rules: Some(self.table.clone()),
                drops: first == Some(at),
            };
            async move { self.ask(netns, &question).await }
        });
        let watching = futures::future::join_all(starting).await;
        let outcomes = self.send(&dial).await;
        tokio::time::sleep(SETTLE).await;
        let ending = places
            .iter()
            .map(|netns| async move { self.ask(netns, &ask::WatchEnd {}).await });
        let watched = futures::future::join_all(ending).await;
        let places =
            places
                .iter()
                .zip(watching)
                .zip(watched)
                .map(|((netns, watching), watched)| Place {
                    netns: netns.clone(),
                    watching,
                    watched,
                });
        Followed {
            dial,
            outcomes,
            places: places.collect(),
            routes: Vec::new(),
            found: None,
        }
    }

    async fn send(&self, dial: &Wanted) -> Observed<Outcomes> {
        let DialRequest { address, port, .. } = dial.request;
        let dials = match dial.burst {
            Burst::Few => FEW,
            Burst::Many => MANY,
            Burst::Filled => {
                let question = ask::Transfer {
                    targets: vec![SocketAddr::new(address, port); FEW],
                    bytes: TRANSFER_BYTES,
                    // They were seen to stall: what is sent again once shows where.
                    stall_ms: ANSWER_MS,
                    at_once: FEW,
                };
                let answer = self.fleet.ask_one(&dial.from, &question, READ_WITHIN).await;
                return answer.map(|answer| Outcomes::Transfers(answer.transfers));
            }
            Burst::Sized { bytes } => {
                let target = ask::SizedRequest {
                    address,
                    port,
                    bytes,
                };
                let question = ask::PathMtu {
                    targets: vec![target; FEW],
                    timeout_ms: ANSWER_MS.into(),
                    sends: 1,
                };
                let answer = self.fleet.ask_one(&dial.from, &question, READ_WITHIN).await;
                return answer.map(|answer| Outcomes::Sizes(answer.trials));
            }
        };
        let question = ask::Dial {
            targets: vec![dial.request; dials],
            at_once: dials,
            timeout_ms: ANSWER_MS.into(),
            attempts: 1,
        };
        let answer = self.fleet.ask_one(&dial.from, &question, READ_WITHIN).await;
        answer.map(|answer| Outcomes::Dials(answer.results))
    }

    /// Which route a namespace's kernel gives a packet.
    pub async fn route(&self, netns: &Netns, flow: Flow) -> Observed<RouteOutcome> {
        let question = ask::Routes { flows: vec![flow] };
        let mut answer = self.ask(netns, &question).await?;
        let outcome = answer.routes.pop();
        outcome.ok_or_else(|| format!("the kernel of {netns} gave no route"))
    }

    async fn ask<Q: Question>(&self, netns: &Netns, question: &Q) -> Observed<Q::Answer> {
        let Some(endpoint) = netns.endpoint() else {
            let wire = self.wire.as_ref().ok_or("it cannot be looked at")?;
            return wire.lock().await.ask(question, READ_WITHIN).await;
        };
        self.fleet.ask_one(&endpoint, question, READ_WITHIN).await
    }
}
