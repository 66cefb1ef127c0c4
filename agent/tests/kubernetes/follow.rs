//! What the agent makes of what the API says.

use flatnet_agent::Error;
use flatnet_agent::node::NodesFile;
use flatnet_agent::source::{Access, KubernetesSource, NodeSource, Patience};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::json;

use crate::api::{Api, node};

fn source(api: &Api) -> KubernetesSource {
    let access = Access::Kubeconfig(api.kubeconfig());
    KubernetesSource::open(&access, Vec::new(), Patience::default()).unwrap()
}

/// The next thing the daemon is woken for.
fn next(source: &mut KubernetesSource) -> Result<NodesFile, Error> {
    loop {
        let mut fds = [PollFd::new(source.wake(), PollFlags::POLLIN)];
        let woken = poll(&mut fds, PollTimeout::from(20_000_u16)).unwrap();
        assert_eq!(woken, 1, "nothing was told");
        match source.changed() {
            Ok(Some(list)) => return Ok(list),
            Ok(None) => {}
            Err(e) => return Err(e),
        }
    }
}

fn names(list: &NodesFile) -> Vec<&str> {
    list.nodes.iter().map(|n| n.name.as_str()).collect()
}

fn silent(source: &KubernetesSource) -> bool {
    let mut fds = [PollFd::new(source.wake(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() == 0
}

#[test]
fn nodes_that_come_change_and_go_are_followed() {
    let api = Api::start();
    api.will_list("10", &[node("a", "192.0.2.1", "10.244.0.0/24", "5")]);
    let watch = api.will_watch();
    let mut source = source(&api);

    let list = next(&mut source).unwrap();
    assert_eq!(names(&list), ["a"]);
    assert_eq!(list.nodes[0].pod_cidrs, ["10.244.0.0/24".parse().unwrap()]);
    assert!(api.asked().starts_with("/api/v1/nodes?"));
    let asked = api.asked();
    assert!(
        asked.contains("watch=true") && asked.contains("resourceVersion=10"),
        "{asked}"
    );

    watch.tell("ADDED", node("b", "192.0.2.2", "10.244.1.0/24", "11"));
    assert_eq!(names(&next(&mut source).unwrap()), ["a", "b"]);

    watch.tell("MODIFIED", node("b", "192.0.2.9", "10.244.7.0/24", "12"));
    let list = next(&mut source).unwrap();
    assert_eq!(
        list.nodes[1].addresses,
        ["192.0.2.9".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(list.nodes[1].pod_cidrs, ["10.244.7.0/24".parse().unwrap()]);

    watch.tell("DELETED", node("b", "192.0.2.9", "10.244.7.0/24", "13"));
    assert_eq!(names(&next(&mut source).unwrap()), ["a"]);
}

#[test]
fn a_heartbeat_wakes_nobody() {
    let api = Api::start();
    let a = node("a", "192.0.2.1", "10.244.0.0/24", "5");
    api.will_list("10", std::slice::from_ref(&a));
    let watch = api.will_watch();
    let mut source = source(&api);
    next(&mut source).unwrap();
    let mut beat = a.clone();
    beat["status"]["conditions"] = json!([{ "type": "Ready", "status": "True" }]);
    beat["metadata"]["resourceVersion"] = json!("11");
    watch.tell("MODIFIED", beat);
    watch.tell("ADDED", node("b", "192.0.2.2", "10.244.1.0/24", "12"));
    // One wake-up for both: the second event is known only after the first was heard.
    assert_eq!(names(&next(&mut source).unwrap()), ["a", "b"]);
    assert!(silent(&source));
}

#[test]
fn an_api_that_goes_away_takes_nothing_with_it() {
    let api = Api::start();
    let nodes = [
        node("a", "192.0.2.1", "10.244.0.0/24", "5"),
        node("b", "192.0.2.2", "10.244.1.0/24", "6"),
    ];
    api.will_list("10", &nodes);
    let watch = api.will_watch();
    let mut source = source(&api);
    assert_eq!(names(&next(&mut source).unwrap()), ["a", "b"]);
    let (_, _) = (api.asked(), api.asked());

    // The watch breaks off, and the next attempt finds nobody.
    api.will_hang_up();
    let again = api.will_watch();
    drop(watch);
    assert!(api.asked().contains("resourceVersion=10"));
    let error = next(&mut source).unwrap_err();
    assert!(matches!(error, Error::ApiAway { .. }), "{error}");

    // It goes on where it was: nothing is listed anew, nothing was lost.
    let asked = api.asked();
    assert!(
        asked.contains("watch=true") && asked.contains("resourceVersion=10"),
        "{asked}"
    );
    again.tell("ADDED", node("c", "192.0.2.3", "10.244.2.0/24", "11"));
    let mut list = next(&mut source).unwrap();
    if names(&list) == ["a", "b"] {
        // That the trouble is over is told by the list before, if the event came later.
        list = next(&mut source).unwrap();
    }
    assert_eq!(names(&list), ["a", "b", "c"]);
}

#[test]
fn changes_that_are_compacted_away_are_made_up_for_by_a_list() {
    let api = Api::start();
    api.will_list("10", &[node("a", "192.0.2.1", "10.244.0.0/24", "5")]);
    let watch = api.will_watch();
    let mut source = source(&api);
    next(&mut source).unwrap();
    let (_, _) = (api.asked(), api.asked());

    api.will_list("900", &[node("z", "192.0.2.26", "10.244.25.0/24", "890")]);
    let _again = api.will_watch();
    watch.tell(
        "ERROR",
        json!({ "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old resource version" }),
    );
    assert_eq!(names(&next(&mut source).unwrap()), ["z"]);
    assert!(!api.asked().contains("watch=true"));
    assert!(api.asked().contains("resourceVersion=900"));
}

#[test]
fn a_missing_right_is_told_with_the_rule_that_grants_it() {
    for (code, remedy) in [(403, "ClusterRole"), (401, "token")] {
        let api = Api::start();
        api.will_refuse(code, "nodes is forbidden: User \"x\" cannot list resource");
        api.will_list("10", &[node("a", "192.0.2.1", "10.244.0.0/24", "5")]);
        let _watch = api.will_watch();
        let mut source = source(&api);

        let error = next(&mut source).unwrap_err().to_string();

        assert!(error.contains("cannot list resource"), "{error}");
        assert!(error.contains(remedy), "{error}");
        // Granted meanwhile, it goes on by itself.
        assert_eq!(names(&next(&mut source).unwrap()), ["a"]);
    }
}

#[test]
fn a_node_without_pod_cidr_is_no_reason_to_forget_the_others() {
    let api = Api::start();
    let nodes = [
        node("a", "192.0.2.1", "10.244.0.0/24", "5"),
        node("bare", "192.0.2.2", "", "6"),
    ];
    api.will_list("10", &nodes);
    let watch = api.will_watch();
    let mut source = source(&api);

    let list = next(&mut source).unwrap();
    assert!(names(&list).contains(&"a"));

    watch.tell("MODIFIED", node("bare", "192.0.2.2", "10.244.1.0/24", "11"));
    let list = next(&mut source).unwrap();
    let bare = list.nodes.iter().find(|n| n.name == "bare").unwrap();
    assert_eq!(bare.pod_cidrs, ["10.244.1.0/24".parse().unwrap()]);
}
