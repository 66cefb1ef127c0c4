//! When the thread that follows the API wakes the daemon.
use std::time::Duration;

use flatnet_agent::node::{Node, NodesFile};
use flatnet_agent::source::{Access, KubernetesSource, NodeSource, Timeouts};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::api::Api;
use crate::wire::{Families, TestNode, Wire, as_root};

/// The next list or error of a source; the test's own time limit is the runner's.
fn next(source: &mut KubernetesSource) -> Result<NodesFile, String> {
    loop {
        match source.changed() {
            Ok(Some(list)) => return Ok(list),
            Err(error) => return Err(error.to_string()),
            Ok(None) => {}
        }
        let mut fds = [PollFd::new(source.wake(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE).unwrap();
    }
}

fn silent(source: &KubernetesSource) -> bool {
    let mut fds = [PollFd::new(source.wake(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() == 0
}

fn names(list: &NodesFile) -> Vec<&str> {
    list.nodes.iter().map(|n| n.name.as_str()).collect()
}

/// Follows an API from that node.
fn follow(node: &TestNode, api: &Api, timeouts: Timeouts) -> KubernetesSource {
    let access = Access::Kubeconfig(api.kubeconfig(node));
    let pod_network = vec!["10.244.0.0/16".parse().unwrap()];
    node.ns
        .within(|| KubernetesSource::open(&access, pod_network, timeouts))
        .unwrap()
}

#[test]
fn an_api_that_falls_silent_is_asked_again() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::V4));
        let mut api = Api::new(&a);
        api.apply(&a.entry);
        api.start(&a);
        api.mute_all(true);
        let timeouts = Timeouts {
            answer: Duration::from_millis(300),
            silence: Duration::from_millis(300),
        };
        let mut source = follow(&a, &api, timeouts);
        let error = next(&mut source).unwrap_err();
        assert!(
            error.contains("cannot be asked (list nodes: no answer within "),
            "{error}"
        );
        api.mute_all(false);
        until(&mut source, &["node2"]);
        // The watch is established; now its connection falls silent, as behind a firewall that forgot it.
        api.mute();
        api.apply(&b.entry);
        until(&mut source, &["node2", "node3"]);
        drop(source);
        api.stop(&a);
    });
}

/// The list of these nodes, whatever comes before it.
fn until(source: &mut KubernetesSource, wanted: &[&str]) {
    while !next(source).is_ok_and(|list| names(&list) == wanted) {}
}

#[test]
fn a_heartbeat_does_not_wake_the_agent() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::V4));
        let mut api = Api::new(&a);
        api.apply(&a.entry);
        api.start(&a);
        let mut source = follow(&a, &api, Timeouts::default());
        assert_eq!(names(&next(&mut source).unwrap()), ["node2"]);
        for _ in 0..50 {
            api.apply(&a.entry);
        }
        api.apply(&b.entry);
        // Events arrive in order: if one of the others had woken the daemon, there would have been a list before.
        assert_eq!(names(&next(&mut source).unwrap()), ["node2", "node3"]);
        assert!(silent(&source));
        drop(source);
        api.stop(&a);
    });
}

#[test]
fn a_large_cluster_comes_in_pages_and_is_one_list() {
    as_root(|| {
        let a = Wire::new().on_segment(2, Families::V4);
        let mut api = Api::new(&a);
        for n in 0..1201u32 {
            api.apply(&Node {
                name: format!("node{n}"),
                addresses: vec![],
                pod_cidrs: vec![],
            });
        }
        api.start(&a);
        let mut source = follow(&a, &api, Timeouts::default());
        let list = next(&mut source).unwrap();
        assert_eq!(list.nodes.len(), 1201);
        assert_eq!(list.pod_network, ["10.244.0.0/16".parse().unwrap()]);
        assert_eq!(api.listed(), 3);
        drop(source);
        api.stop(&a);
    });
}
