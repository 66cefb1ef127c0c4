//! Runs that did not dial every pair say so, and miss none that they were to dial.
use flatnet_model::coverage::{Covering, ends, pairs};

use super::*;
use crate::example::build::Cluster;

/// A healthy cluster of four nodes with three pods each, of which the covering's pairs were dialled.
fn part(coverage: Covering) -> Observations {
    let mut o = Cluster::new(Style::Direct, 4, 3).observe();
    o.coverage = coverage;
    let ends = ends(&o.pods, &o.nodes);
    let rows = pairs(&ends, coverage);
    let mut planned = BTreeSet::new();
    for (from, row) in ends.iter().zip(&rows) {
        planned.extend(
            row.iter()
                .map(|to| (from.endpoint.clone(), ends[*to].endpoint.clone())),
        );
    }
    o.dials.retain(|dial| {
        let gateway = !o
            .nodes
            .iter()
            .any(|n| n.object.internal_ips.contains(&dial.request.address))
            && matches!(dial.to, Endpoint::Node(_));
        gateway || planned.contains(&(dial.from.clone(), dial.to.clone()))
    });
    o
}

fn first_fact(id: &str, o: &Observations) -> String {
    match judge(id, o) {
        Verdict::Pass { facts } => facts[0].clone(),
        other => panic!("{id}: {other:?}"),
    }
}

#[test]
fn the_verdict_names_what_was_covered() {
    let o = part(Covering::Nodes { seed: 3 });
    assert_red(&o, &[], &[]);
    // 4 × 3 pairs of nodes; each of 12 pods and 4 hostNetwork pods took part; 16 × 15 - 4 × 3 pairs, 48 of them on one node.
    let fact = first_fact("cross-node", &o);
    assert_contains(
        &fact,
        "; every ordered pair of 4 nodes; 16 of 16 pods both ways; ",
    );
    assert_contains(&fact, " of 180 pod pairs (coverage nodes, seed 3)");
    let fact = first_fact("same-node", &o);
    assert_contains(&fact, " of 48 pod pairs (coverage nodes, seed 3)");
    let sample = part(Covering::Sampled { seed: 3, pairs: 30 });
    assert_red(&sample, &[], &[]);
    let fact = first_fact("cross-node", &sample);
    assert_contains(&fact, " of 12 ordered pairs of nodes; ");
    assert!(!first_fact("cross-node", &part(Covering::Full)).contains("coverage"));
}

#[test]
fn a_pod_that_did_not_make_its_part_of_the_dials_is_told() {
    let mut o = part(Covering::Nodes { seed: 3 });
    o.dials
        .retain(|dial| bare(&dial.from) != "busybox-2" || dial.from == dial.to);
    for id in ["same-node", "cross-node"] {
        let Verdict::Broken { error, .. } = judge(id, &o) else {
            panic!("{id} is not broken");
        };
        assert_contains(&error, "pod busybox-2 did not make ");
    }
}

#[test]
fn a_node_is_blamed_from_one_pair_of_each_two_nodes() {
    let mut o = part(Covering::Nodes { seed: 3 });
    lost(&mut o, |e| {
        e.crosses() && e.to_node == "node2" && !e.to_host
    });
    let Verdict::Fail { evidence } = judge("cross-node", &o) else {
        panic!("cross-node is not red");
    };
    let text = Words::of_report(Some(&o), None).text(&evidence[0]);
    assert_eq!(text.culprit.as_deref(), Some("node2"), "{text:?}");
}
