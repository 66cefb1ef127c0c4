//! Pods that run and are not reached.
use flatnet_cluster::Target;
use flatnet_cluster::status::pod_ref;
use flatnet_model::cause::Cause;

use crate::ground::{Ground, SLEEPER};

#[test]
fn a_pod_without_its_default_route() {
    let ground = Ground::new("wiring", "flatnet");
    ground.apply(SLEEPER);
    let app = pod_ref(&ground.runs());
    let done = ground.run(&Target::Pod(app), &["ip", "route", "del", "default"]);
    assert_eq!(done.code, 0, "{done:?}");

    ground.first_is(Cause::Wiring, &["app", "node1", "default route"]);
    let (code, all) = ground.diagnose(&[]);

    // Whoever runs is looked into only where named.
    assert_eq!((code, all.subjects.len()), (0, 0));
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

    ground.first_is(Cause::Unreachable, &["app", "node1"]);

    ground.on("node1", &["nft", "delete table ip fault"]);
    let (code, well) = ground.diagnose(&["app"]);
    assert_eq!(code, 0, "{well:#?}");
}
