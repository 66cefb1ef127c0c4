//! Limits of one kernel under all nodes.
use flatnet_model::capabilities::Capability;

use super::*;
use crate::example::build::{Style, healthy};

/// A neighbour table of the machine refused `times` entries while packets were sent.
fn full(o: &mut Observations, table: &str, times: u64) {
    let counter = format!("{table}.table_fulls");
    for node in &mut o.nodes {
        node.counters_before.insert(counter.clone(), 7);
        let facts = found(&mut node.inside.facts);
        facts.counters.insert(counter.clone(), 7 + times);
    }
}

fn with_losses() -> Observations {
    let mut o = healthy(Style::Direct);
    lost(&mut o, |e| {
        e.crosses() && e.to_node == "node2" && !e.to_host
    });
    o
}

#[test]
fn packets_that_a_full_neighbour_table_may_have_lost_are_no_fault_of_the_network() {
    let mut o = with_losses();
    full(&mut o, "arp_cache", 37);
    assert_red(&o, &[], &["cross-node"]);
    assert_eq!(
        broken("cross-node", &o),
        "packets may have been lost to a kernel limit: the IPv4 neighbour table of this machine, which all its network namespaces share, \
         was full 37 times; raise net.ipv4.neigh.default.gc_thresh3, or end what else fills it, and run again"
    );
    let mut o = with_losses();
    full(&mut o, "ndisc_cache", 1);
    assert_contains(
        &broken("cross-node", &o),
        "net.ipv6.neigh.default.gc_thresh3",
    );
}

#[test]
fn a_table_that_was_not_full_excuses_nothing_and_a_full_one_takes_no_answer_away() {
    let mut o = with_losses();
    full(&mut o, "arp_cache", 0);
    assert_red(&o, &["cross-node"], &[]);
    let mut o = healthy(Style::Vxlan);
    full(&mut o, "arp_cache", 5);
    assert_red(&o, &[], &[]);
}

#[test]
fn nodes_with_kernels_of_their_own_answer_for_their_own_tables() {
    let mut o = with_losses();
    full(&mut o, "arp_cache", 37);
    o.capabilities.own_kernels = Capability::Present;
    assert_red(&o, &["cross-node"], &[]);
}

#[test]
fn a_cause_that_was_seen_is_told_however_full_a_table_was() {
    let mut o = with_losses();
    full(&mut o, "arp_cache", 37);
    node_facts(&mut o, "node2")
        .sysctls
        .insert("ipv4.ip_forward".to_owned(), "0".to_owned());
    assert_eq!(causes("cross-node", &o), [CauseId::ForwardingOff]);
}
