//! A node that forwards nothing begins to while it is observed, as where an agent puts it right.
use std::sync::Arc;

use flatnet::plant::{self, LabContext};
use flatnet::session::Session;
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::{Cluster, PodRef, Target};
use flatnet_lab::Lab;
use flatnet_model::cause::{Basis, CauseId};
use flatnet_model::evidence::{Evidence, State};
use flatnet_model::observations::{Change, Item, Moment, Observations};
use flatnet_model::reference::Netns;
use flatnet_model::verdict::Verdict;

use crate::bed;
use crate::heard::verdicts;

const NODE: &str = "node2";
/// The kernel counts what it would have to forward and does not as addressed to somebody else.
const REFUSED: &str = r#"awk '$1 == "Ip:" && $6 ~ /[0-9]/ { print $6 }' /proc/net/snmp"#;
const ON: &str = "sysctl -qw net.ipv4.ip_forward=1";

/// It forwards once it has refused a packet.
pub(crate) fn while_dialled() -> Result<(), String> {
    let line = format!("first=$({REFUSED}); until [ $({REFUSED}) -gt $first ]; do :; done; {ON}");
    let seen = observed(Some(&line))?;
    is_change(&seen, Moment::DialsBegan)?;
    for (check, verdict) in verdicts(&seen.observations) {
        match verdict {
            Verdict::Fail { evidence } => {
                evidence.iter().try_for_each(|one| is_told(check, one))?;
            }
            Verdict::Pass { facts } if check == "cross-node" => {
                let told = facts
                    .iter()
                    .any(|fact| fact.contains("was 0 when the dials began and is 1 now"));
                check_that(told, || {
                    format!("cross-node passes and does not say it: {facts:#?}")
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// It forwards once a dial was followed: what was seen then is so no more.
pub(crate) fn while_followed() -> Result<(), String> {
    let tables = "nft list tables | grep -q flatnet-follow";
    let line = format!("until {tables}; do :; done; while {tables}; do :; done; {ON}");
    let seen = observed(Some(&line))?;
    is_change(&seen, Moment::DialsEnded)?;
    let cross_node = of_cross_node(&seen.observations)?;
    for one in &cross_node {
        is_told("cross-node", one)?;
        let found = one.deviation.finding.found();
        let is_inferred = found.is_some_and(|found| {
            found.cause.id() == CauseId::ForwardingOff && found.basis == Basis::Inferred
        });
        check_that(is_inferred && one.remediation.is_none(), || {
            format!("{one:#?}")
        })?;
    }
    Ok(())
}

/// Without anybody who changes it, no verdict says that it changed.
pub(crate) fn not_at_all() -> Result<(), String> {
    let seen = observed(None)?;
    check_that(seen.forwards == "0", || {
        format!("ip_forward is {}", seen.forwards)
    })?;
    let changes = &seen.observations.changes;
    check_that(changes.is_empty(), || format!("{changes:#?}"))?;
    for one in of_cross_node(&seen.observations)? {
        let found = one.deviation.finding.found();
        let is_seen = found.is_some_and(|found| found.basis == Basis::Seen);
        check_that(is_seen && one.remediation.is_some(), || format!("{one:#?}"))?;
    }
    Ok(())
}

struct Seen {
    observations: Observations,
    /// What `cat` read on the node afterwards.
    forwards: String,
}

/// Observes a lab of which a node forwards nothing, and on which that line of shell runs meanwhile.
fn observed(line: Option<&str>) -> Result<Seen, String> {
    let runtime = flatnet::session::runtime().map_err(|e| e.to_string())?;
    let observing = async {
        let session = Session::start(&bed::args(), None, Arc::new(|_| {})).await?;
        let seen = in_lab(&session, line).await;
        let closed = session.close().await;
        seen.and_then(|seen| closed.map(|()| seen))
    };
    runtime
        .block_on(observing)
        .map_err(|e: flatnet::Error| e.to_string())
}

async fn in_lab(session: &Session, line: Option<&str>) -> flatnet::Result<Seen> {
    let name = session.plan().source.name().expect("a lab has a name");
    let lab = LabCluster::connect(name).await?;
    let pods: Vec<PodRef> = session
        .pods()
        .iter()
        .map(|pod| pod.reference.clone())
        .collect();
    let context = LabContext::of(&lab, &pods, session.scope().pod_network).await?;
    plant::find("forwarding-off")?
        .plant_in_lab(&lab, &context)
        .await?;
    if let Some(line) = line {
        let argv = ["sh", "-c", line].map(str::to_owned);
        let direct = Lab::connect(name).expect("the lab");
        direct
            .start_daemon(NODE, "changing", &argv)
            .expect("a shell");
    }
    let observations = session.observe().await?;
    let argv = ["cat", "/proc/sys/net/ipv4/ip_forward"].map(str::to_owned);
    let read = lab.exec(&Target::Node(NODE.to_owned()), &argv, b"").await?;
    Ok(Seen {
        observations,
        forwards: read.stdout.trim().to_owned(),
    })
}

/// That is the one change, and so it is on the node.
fn is_change(seen: &Seen, since: Moment) -> Result<(), String> {
    let expected = Change {
        at: Netns::Node(NODE.to_owned()),
        item: Item::Setting {
            key: "ipv4.ip_forward".to_owned(),
        },
        since,
        before: Some("0".to_owned()),
        now: Some(seen.forwards.clone()),
    };
    check_that(seen.forwards == "1", || {
        format!("ip_forward is {}", seen.forwards)
    })?;
    let changes = &seen.observations.changes;
    check_that(*changes == [expected], || format!("{changes:#?}"))
}

fn of_cross_node(observations: &Observations) -> Result<Vec<Evidence>, String> {
    match verdicts(observations).remove("cross-node") {
        Some(Verdict::Fail { evidence }) => Ok(evidence),
        other => Err(format!("cross-node is not red: {other:#?}")),
    }
}

fn is_told(check: &str, evidence: &Evidence) -> Result<(), String> {
    let mut observed = evidence.deviation.observed.iter();
    let told = observed.any(|state| matches!(state, State::ChangedMeanwhile { .. }));
    check_that(told, || format!("{check} does not say it: {evidence:#?}"))
}

fn check_that(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    match is_so {
        true => Ok(()),
        false => Err(otherwise()),
    }
}
