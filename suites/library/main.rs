//! `flatnet::testing` as another repository uses it: what holds on a healthy lab, and what each assertion says of a fault.
mod baseline;
mod boots;
mod change;
mod ends;
mod faults;
mod page;
mod programs;
#[path = "../started.rs"]
#[expect(dead_code, reason = "other suites use more of it")]
mod started;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use flatnet::testing::Cluster;
use rstest::{fixture, rstest};

/// Two nodes with one pod each, on the reference plugins: no agent puts right what a test breaks.
#[fixture]
fn lab() -> Cluster {
    let options = Cluster::lab().nodes(2).pods_per_node(1);
    options.cni("reference").boot()
}

/// What an assertion that must fail says.
#[track_caller]
fn said(assertion: impl FnOnce()) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(assertion)) else {
        panic!("the assertion holds")
    };
    match panic.downcast::<String>() {
        Ok(words) => *words,
        Err(panic) => (*panic.downcast_ref::<&str>().expect("words")).to_owned(),
    }
}

/// Fails unless each of these is in the text.
#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

fn flatnet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
    started::unchosen(&mut command);
    command
}

/// The clusters on this machine, as flatnet itself lists them.
fn clusters() -> String {
    let listed = flatnet().arg("list").output().expect("flatnet starts");
    String::from_utf8_lossy(&listed.stdout).into_owned()
}

#[rstest]
fn on_a_healthy_lab_every_assertion_holds(#[by_ref] lab: &Cluster) {
    let (one, two) = (lab.node("node1"), lab.node("node2"));
    let (a, b) = (one.pod(1), lab.pod("busybox-2"));
    for (from, to) in [(a, b), (b, a)] {
        assert_eq!(from.reaches(&to).without_nat().seen_as(), from.ips());
    }
    assert_eq!((lab.pods().len(), lab.nodes().len()), (2, 2));
    for check in ["pod-ip-unique", "no-nat", "node-routes", "mtu", "subnet"] {
        lab.check(check);
    }
    one.has_route(two.pod_cidrs()[0], two.ips()[0]);
    // Seen by iproute2, which took no part in it.
    let shown = one.exec("ip route; ip -6 route");
    let has_route = |to: &str| shown.lines().any(|line| line.split(' ').next() == Some(to));
    for text in one.routes().iter().map(ToString::to_string) {
        let to = text.split(' ').next().unwrap_or_default();
        assert!(has_route(to), "{text}: {shown}");
    }
    let gateway = b.routes().into_iter().find_map(|route| route.via);
    let gateway = gateway.expect("a default route").to_string();
    has(
        &b.exec("ip route"),
        &[&format!("default via {gateway} dev eth0")],
    );
    assert!(two.exec("ip -o addr show cni0").contains(&gateway));
    assert_eq!(a.output("exit 3").code, 3);
}

#[rstest]
fn facts_are_in_normal_form(#[by_ref] lab: &Cluster) {
    let facts = lab.facts();
    let of = |id: &str, subject: &str| {
        let mut found = facts
            .iter()
            .filter(|fact| fact.id == id && fact.subject == subject);
        found.find_map(|fact| fact.value.clone())
    };
    assert_eq!(
        of("path-mtu", "node1->node2").as_deref(),
        Some("1500"),
        "{facts:#?}"
    );
    let text = facts[0].to_string();
    has(&text, &[&facts[0].id, &facts[0].subject]);
}

#[tokio::test]
async fn a_test_may_have_a_runtime_of_its_own() {
    let lab = lab();
    lab.pod("busybox-1").reaches(&lab.pod("busybox-2"));
}

#[rstest]
fn who_is_not_there_is_said_with_those_who_are(#[by_ref] lab: &Cluster) {
    let pod = |name| said(|| assert_eq!(lab.pod(name).name(), name));
    let nobody = ["\"busybox-7\": no pod or node of that name", "busybox-2"];
    has(&pod("busybox-7"), &nobody);
    has(&pod("node1"), &["node1 is a node", "busybox-1"]);
    let node = |name| said(|| assert_eq!(lab.node(name).name(), name));
    has(&node("busybox-1"), &["busybox-1 is a pod", "node2"]);
    let second = said(|| assert_eq!(lab.node("node1").pod(2).name(), ""));
    let few = "node1 has 1 pod with a network of its own, and no pod 2; the first is 1";
    has(&second, &[few]);
}
