//! Names: each mutation turns `dns` red.
use flatnet_model::probe::Resolved;

use flatnet_model::PodRef;
use flatnet_model::skip::SkipReason;

use super::*;
use crate::example::plane::{answer_of, had, ip, plane, real};

/// Answers of the pods on node2 become these.
fn answers(o: &mut Observations, over: &[flatnet_model::probe::Protocol], with: &Resolved) {
    let there: Vec<PodRef> = o
        .pods
        .iter()
        .filter(|pod| pod.object.node == "node2")
        .map(|pod| pod.reference().clone())
        .collect();
    for client in &mut had(&mut plane(o).dns).clients {
        for (lookup, resolved) in client.answers.iter_mut().flatten() {
            if there.contains(&client.pod) && over.contains(&lookup.over) {
                *resolved = with.clone();
            }
        }
    }
}

#[test]
fn questions_lost_on_one_node_blame_it_and_the_way_they_travel() {
    let mut o = real();
    let lost = Resolved::Failed {
        kind: Failure::TimedOut,
        detail: "no answer within 1000 ms".to_owned(),
        attempts: 2,
    };
    answers(&mut o, &[flatnet_model::probe::Protocol::Udp], &lost);
    assert_red(&o, &["dns"], &[]);
    let e = sole("dns", &o);
    assert_eq!(e.culprit.as_deref(), Some("node2"));
    assert!(e.what.ends_with("asked over udp"), "{}", e.what);
    assert_contains(&e.observed, " asked for flatnet-shared.");
    assert_contains(&e.cause.unwrap(), "packet filter on node2");
}

#[test]
fn a_wrong_address_and_an_unknown_name_are_told() {
    let both = [
        flatnet_model::probe::Protocol::Udp,
        flatnet_model::probe::Protocol::Tcp,
    ];
    let mut o = real();
    answers(&mut o, &both, &answer_of(vec![ip("192.0.2.1")]));
    let e = sole("dns", &o);
    assert_contains(&e.observed, "192.0.2.1, expected");
    assert_contains(&e.cause.unwrap(), "the server answers");
    let mut o = real();
    let unknown = Resolved::Answered {
        code: "NXDOMAIN".to_owned(),
        addresses: Vec::new(),
        truncated: false,
        rtt_us: 1,
        attempts: 1,
    };
    answers(&mut o, &both, &unknown);
    assert_contains(&sole("dns", &o).observed, "NXDOMAIN");
}

#[test]
fn a_dns_service_without_pods_is_the_cause() {
    let mut o = real();
    let dns = had(&mut plane(&mut o).dns);
    dns.servers = Ok(Vec::new());
    for client in &mut dns.clients {
        for (_, resolved) in client.answers.iter_mut().flatten() {
            *resolved = Resolved::Failed {
                kind: Failure::Refused,
                detail: "connection refused".to_owned(),
                attempts: 2,
            };
        }
    }
    let e = sole("dns", &o);
    assert_eq!(e.culprit, None);
    assert_contains(&e.cause.unwrap(), "kube-dns is ready");
}

#[test]
fn pods_without_the_clusters_resolver_are_skipped() {
    let mut o = real();
    for client in &mut had(&mut plane(&mut o).dns).clients {
        client.answers = Ok(Vec::new());
    }
    assert!(with("skip", &o).contains("dns"));
}

/// A right that is missing is no fault of the cluster's; what is wrong all the same is told.
#[test]
fn names_whose_addresses_the_account_may_not_read_are_skipped_unless_something_is_wrong() {
    let mut o = real();
    let dns = had(&mut plane(&mut o).dns);
    let why = "read service default/kubernetes: not allowed: services \"kubernetes\" is forbidden: User \"u\" cannot get resource \"services\"";
    dns.names
        .insert("kubernetes.default.svc".to_owned(), Err(why.to_owned()));
    dns.denied = Some(why.to_owned());
    let verdict = find("dns").unwrap().judge(&o);
    assert!(
        matches!(&verdict, Verdict::Skip { reason: SkipReason::NotAvailable { why: said } } if said == why),
        "{verdict:?}"
    );
    let both = [
        flatnet_model::probe::Protocol::Udp,
        flatnet_model::probe::Protocol::Tcp,
    ];
    answers(&mut o, &both, &answer_of(vec![ip("192.0.2.1")]));
    assert_contains(&sole("dns", &o).observed, "192.0.2.1, expected");
}

/// Whatever the server says: there is nothing to compare it with.
#[test]
fn names_of_which_the_api_tells_no_address_are_broken() {
    let mut o = real();
    let names = &mut had(&mut plane(&mut o).dns).names;
    let why = "services is forbidden".to_owned();
    *names.values_mut().next().unwrap() = Err(why);
    assert_contains(
        &broken("dns", &o),
        "which addresses flatnet-shared.x.svc.cluster.local has: services is forbidden",
    );
}
