//! Pods that run and are not reached.
use flatnet_cluster::Target;
use flatnet_cluster::status::pod_ref;
use flatnet_model::PodRef;
use flatnet_model::cause::{Cause, CauseId};
use flatnet_model::diagnosis::Finding;
use flatnet_model::evidence::{PodAt, Subject};

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
fn two_faults_at_once_explain_each_what_follows_from_it() {
    let ground = Ground::with("two", "flatnet", |args| {
        args.nodes = Some(3);
        args.backend = Some("vxlan".to_owned());
    });
    let peer = PodRef::new("default", "busybox-1");
    ground.at(&Target::Pod(peer), &["ip", "route", "del", "default"]);
    let rules = "table ip fault { chain tunnel { type filter hook input priority 0; udp dport 8472 drop; }; }";
    ground.on("node3", &["nft", rules]);

    let (code, said) = ground.diagnose(&["busybox-2"]);

    assert_eq!(code, 1);
    let told = |findings: &[Finding], named: CauseId| -> Vec<Finding> {
        let of = |finding: &&Finding| finding.evidence.cause().map(Cause::id) == Some(named);
        findings.iter().filter(of).cloned().collect()
    };
    let findings = &said.subjects[0].findings;
    let route = told(findings, CauseId::DefaultRouteMissing);
    let rule = told(findings, CauseId::DroppedByRule);
    assert!(!route.is_empty() && !rule.is_empty(), "{findings:#?}");
    assert_eq!(route.len() + rule.len(), findings.len(), "{findings:#?}");
    let culprits = |finding: &Finding| finding.evidence.deviation.culprits.clone();
    // Of its node no other pod was tried: the node is not to blame for what one pod lacks.
    let peer = PodAt::new(PodRef::new("default", "busybox-1"), "node1");
    assert_eq!(culprits(&route[0]), [Subject::Pod(peer)]);
    assert_eq!(culprits(&rule[0]), [Subject::node_of("node3")]);

    // Each mend is of its own fault: without the first, the second alone is left; without both, nothing.
    ground.remedy(route[0].evidence.remediation.as_ref().expect("a mend"));
    let (_, left) = ground.diagnose(&["busybox-2"]);
    let findings = &left.subjects[0].findings;
    assert_eq!(told(findings, CauseId::DroppedByRule).len(), findings.len());
    ground.remedy(rule[0].evidence.remediation.as_ref().expect("a mend"));
    let (code, well) = ground.diagnose(&["busybox-2"]);
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

/// Pods reach each other by their own addresses, and are reached by others.
#[test]
fn a_pod_whose_node_drops_what_it_translates() {
    let ground = Ground::new("translated", "flatnet");
    ground.apply(SLEEPER);
    ground.runs();
    let (code, well) = ground.diagnose(&["app"]);
    let tried = well.subjects[0].tried.as_ref().expect("what was tried");
    assert_eq!((code, tried.service), (0, Some(true)), "{well:#?}");
    let chain = "type filter hook forward priority 0";
    let rules =
        format!("table ip fault {{ chain translated {{ {chain}; ct status dnat drop; }}; }}");
    ground.on("node1", &["nft", &rules]);

    let first = ground.first_is(CauseId::Unreachable, &["app", "node1", "service"]);
    assert_eq!(first.cause(), Some(CauseId::TranslatedLost));

    ground.on("node1", &["nft", "delete table ip fault"]);
    let (code, well) = ground.diagnose(&["app"]);
    assert_eq!(code, 0, "{well:#?}");
}
