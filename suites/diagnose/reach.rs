//! Pods that run and are not reached.
use flatnet_cluster::Target;
use flatnet_cluster::status::pod_ref;
use flatnet_model::cause::CauseId;

use crate::ground::{Ground, SLEEPER};

#[test]
fn a_pod_without_its_default_route() {
    let ground = Ground::new("wiring", "flatnet");
    ground.apply(SLEEPER);
    let app = pod_ref(&ground.runs());
    ground.at(&Target::Pod(app), &["ip", "route", "del", "default"]);

    let first = ground.first_is(CauseId::Wiring, &["app", "node1", "default route"]);
    // The same that the check `gateway` names for this fault, see `suites/sabotage`.
    assert_eq!(first.cause(), Some(CauseId::DefaultRouteMissing));
    let (code, all) = ground.diagnose(&[]);

    // Whoever runs is looked into only where named.
    assert_eq!((code, all.subjects.len()), (0, 0));

    // The pod is mended, not the lab booted again.
    let mend = "default/app -- ip route add default via 10.244.0.1";
    assert!(first.fix().ends_with(mend), "{}", first.fix());
    ground.mend(&first);
    let (code, well) = ground.diagnose(&["app"]);
    assert_eq!(code, 0, "{well:#?}");
}

#[test]
fn a_pod_whose_packets_are_dropped() {
    let ground = Ground::new("unreachable", "flatnet");
    ground.apply(SLEEPER);
    let app = ground.runs();
    let address = app.status.and_then(|s| s.pod_ip).expect("an address");
    let chain = "type filter hook prerouting priority -300";
    let rules = format!(
        "table ip fault {{ chain dropped {{ {chain}; ip saddr {address} ip daddr != 10.244.0.1 drop; }}; }}"
    );
    ground.on("node1", &["nft", &rules]);

    ground.first_is(CauseId::Unreachable, &["app", "node1"]);

    ground.on("node1", &["nft", "delete table ip fault"]);
    let (code, well) = ground.diagnose(&["app"]);
    assert_eq!(code, 0, "{well:#?}");
}
