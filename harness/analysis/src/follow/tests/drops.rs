//! What the machine's kernel dropped, and whether it was the burst.
use flatnet_model::cause::Cause;
use flatnet_model::evidence::Basis;
use flatnet_model::probe::watch::Drop;

use super::{Ground, node, to_node2};

const MS: u64 = 1_000_000;

fn dropped(reason: &str, at_ns: &[u64]) -> Drop {
    Drop {
        reason: reason.to_owned(),
        place: "ip_rcv_finish_core".to_owned(),
        packets: at_ns.len() as u64,
        at_ns: at_ns.to_vec(),
    }
}

/// The packets of the burst are last seen at 40 and 41 ns.
fn told(drops: Vec<Drop>) -> Option<String> {
    let mut scene = to_node2();
    scene.watched(&node("node1")).drops = drops;
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let cause = found.fate.expect("an end").cause?;
    assert_eq!(cause.basis, Basis::Inferred);
    match cause.cause {
        Cause::CountedDrop { counter, .. } => Some(counter),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_dropped_as_often_and_soon_after_it_was_seen_may_be_the_burst() {
    let burst = dropped("IP_RPFILTER", &[60, MS]);
    let named = Some("kfree_skb IP_RPFILTER in ip_rcv_finish_core".to_owned());
    assert_eq!(told(vec![burst.clone()]), named);
    let others = dropped("UDP_CSUM", &[MS, 2 * MS, 3 * MS]);
    assert_eq!(told(vec![burst, others]), named);
}

#[test]
fn others_packets_are_not_the_burst() {
    for at_ns in [
        &[20, 60][..],
        &[60, 300 * MS],
        &[60],
        &[60, 70, 80],
        &[100 * MS, 100 * MS + 1],
    ] {
        assert_eq!(told(vec![dropped("IP_RPFILTER", at_ns)]), None, "{at_ns:?}");
    }
}

#[test]
fn two_reasons_at_a_time_tell_nothing() {
    let drops = ["IP_RPFILTER", "UDP_CSUM"].map(|reason| dropped(reason, &[60, 70]));
    assert_eq!(told(drops.into()), None);
}
