//! The largest packet that fits, between one pod of each node and one of every node.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flatnet_model::probe::{Facts, ask};

use tokio::task::JoinSet;

use super::fleet::{Fleet, POD_PORT};
use flatnet_model::observations::{Endpoint, MtuRun, Observed, ObservedPod};

/// Wait for one acknowledgement, milliseconds.
const TRIAL_MS: u64 = 300;
/// All trials of one question, retries included.
const WITHIN: Duration = Duration::from_secs(20);
/// The datagram every IPv4 host must accept (RFC 791, section 3.1); the search looks no lower.
const SMALLEST: u32 = 576;

/// One run for each ordered pair of nodes (a node with itself included, where it has two pods) and each family.
pub(super) async fn paths(
    fleet: &Arc<Fleet>,
    pods: &[ObservedPod],
    facts: &BTreeMap<Endpoint, Observed<Facts>>,
) -> Vec<MtuRun> {
    let mut on_node: BTreeMap<&str, Vec<&ObservedPod>> = BTreeMap::new();
    for pod in pods
        .iter()
        .filter(|p| !p.object.host_network && fleet.port(&p.endpoint()).is_some())
    {
        on_node.entry(&pod.object.node).or_default().push(pod);
    }
    let mut runs = Vec::new();
    for (from_node, clients) in &on_node {
        for (to_node, servers) in &on_node {
            let (client, server) = (
                clients[0],
                if from_node == to_node {
                    servers.get(1)
                } else {
                    servers.first()
                },
            );
            let Some(server) = server else { continue };
            let from = client.endpoint();
            let Some(Ok(facts)) = facts.get(&from) else {
                continue;
            };
            for address in &server.object.ips {
                let Some(interface_mtu) = interface_mtu(facts, client, address) else {
                    continue;
                };
                let to = server.endpoint();
                runs.push(MtuRun {
                    from: from.clone(),
                    to,
                    address: *address,
                    interface_mtu,
                    trials: Ok(Vec::new()),
                });
            }
        }
    }
    // A probe answers one question at a time: runs of one client follow each other, clients go side by side.
    let mut rows: BTreeMap<Endpoint, Vec<MtuRun>> = BTreeMap::new();
    for run in runs {
        rows.entry(run.from.clone()).or_default().push(run);
    }
    let mut measuring = JoinSet::new();
    for row in rows.into_values() {
        let fleet = Arc::clone(fleet);
        measuring.spawn(async move {
            let mut done = Vec::new();
            for run in row {
                done.push(measure(&fleet, run).await);
            }
            done
        });
    }
    let mut runs = measuring.join_all().await.concat();
    runs.sort_by(|a, b| (&a.from, &a.to, a.address).cmp(&(&b.from, &b.to, b.address)));
    runs
}

/// MTU of the interface that holds the client's own address of that family.
fn interface_mtu(facts: &Facts, client: &ObservedPod, to: &IpAddr) -> Option<u32> {
    let own = client
        .object
        .ips
        .iter()
        .find(|ip| ip.is_ipv4() == to.is_ipv4())?;
    facts.holder(*own).map(|link| link.mtu)
}

fn next_size(run: &MtuRun) -> Option<u32> {
    let trials = run.trials.as_ref().ok()?;
    if trials.first().is_none_or(|trial| trial.arrived) {
        return None;
    }
    let fits = trials
        .iter()
        .filter(|t| t.arrived)
        .map(|t| t.size)
        .max()
        .unwrap_or(SMALLEST - 1);
    let fails = trials.iter().filter(|t| !t.arrived).map(|t| t.size).min()?;
    (fails > fits + 1).then(|| fits + (fails - fits) / 2)
}

/// The trials of one run: the interface MTU and one byte more; where the MTU does not pass, the interval is halved until
/// the largest size that does is found.
async fn measure(fleet: &Fleet, mut run: MtuRun) -> MtuRun {
    let mut sizes = vec![run.interface_mtu, run.interface_mtu + 1];
    while !sizes.is_empty() {
        let question = ask::PathMtu {
            address: run.address,
            port: POD_PORT,
            sizes,
            timeout_ms: TRIAL_MS,
        };
        match fleet.ask_one(&run.from, &question, WITHIN).await {
            Ok(more) => run
                .trials
                .iter_mut()
                .for_each(|trials| trials.extend(more.trials.clone())),
            Err(why) => run.trials = Err(why),
        }
        sizes = next_size(&run).into_iter().collect();
    }
    run
}
