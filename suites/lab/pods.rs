//! Pods through Debian's reference plugins.
use flatnet_lab::{IpFamily, LabSpec, NodeFile};
use k8s_openapi::api::core::v1::Pod;

use crate::support::*;

#[test]
fn pods_get_addresses_from_real_plugins_and_reach_each_other() {
    let lab = boot(&spec("pods", 1));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    let (a, b) = (
        started(&lab, &pod("a", 1, SLEEPER)),
        started(&lab, &pod("b", 1, SLEEPER)),
    );
    assert_ne!(ip(&a), ip(&b));
    ok(&lab, &pod_place("a"), &["ping", "-c1", "-W5", &ip(&b)]);
    // What a person sees in the study notes.
    let routes = ok(&lab, &pod_place("a"), &["ip", "route"]);
    assert!(
        routes.contains("default via 10.244.1.1 dev eth0"),
        "{routes}"
    );
    assert_eq!(ok(&lab, &pod_place("a"), &["hostname"]), "a\n");
    assert!(
        ok(&lab, &pod_place("a"), &["cat", "/proc/1/cmdline"]).starts_with("sleep"),
        "its own pid namespace"
    );
    assert!(
        ok(&lab, &pod_place("a"), &["ls", "/sys/class/net"]).contains("eth0"),
        "its own devices"
    );
    let reasons: Vec<_> = lab
        .events("default", "a")
        .unwrap()
        .into_iter()
        .filter_map(|e| e.reason)
        .collect();
    assert_eq!(reasons, ["Scheduled", "Pulled", "Created", "Started"]);
    lab.check_pod("default", "a").unwrap();
    lab.apply_pod(&pod("a", 1, SLEEPER)).unwrap();
    let other = pod("a", 1, "containers: [{name: busybox, image: busybox}]");
    assert!(
        lab.apply_pod(&other)
            .unwrap_err()
            .to_string()
            .contains("another spec")
    );
}

#[test]
fn deleting_a_pod_runs_del_and_frees_its_address() {
    let lab = boot(&spec("delete", 1));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    let a = started(&lab, &pod("a", 1, SLEEPER));
    let reservations = || ok(&lab, &node(1), &["ls", "/var/lib/cni/networks/ref"]);
    assert!(reservations().contains(&ip(&a)), "{}", reservations());
    assert_eq!(ok(&lab, &node(1), &["ls", "/run/netns"]).lines().count(), 1);
    lab.delete_pod("default", "a").unwrap();
    lab.delete_pod("default", "a").unwrap();
    assert!(!reservations().contains(&ip(&a)), "{}", reservations());
    assert_eq!(ok(&lab, &node(1), &["ls", "/run/netns"]), "");
    assert_eq!(ok(&lab, &node(1), &["ls", "/var/lib/cni/results"]), "");
    assert!(!ok(&lab, &node(1), &["ip", "-br", "link"]).contains("veth"));
    assert!(lab.pod("default", "a").unwrap().is_none());
}

#[test]
fn a_host_network_pod_is_its_nodes() {
    let lab = boot(&spec("hostnet", 2));
    let pod = started(
        &lab,
        &pod("host", 2, &format!("hostNetwork: true, {SLEEPER}")),
    );
    let status = pod.status.as_ref().unwrap();
    assert_eq!(
        (status.pod_ip.as_deref(), status.host_ip.as_deref()),
        (Some("172.18.0.3"), Some("172.18.0.3"))
    );
    assert!(ok(&lab, &pod_place("host"), &["ip", "addr"]).contains("172.18.0.3/16"));
    assert_eq!(ok(&lab, &pod_place("host"), &["hostname"]), "node2\n");
    lab.delete_pod("default", "host").unwrap();
    ok(&lab, &node(2), &["ping", "-c1", "-W5", "node1"]);
}

#[test]
fn dual_stack_pods_have_an_address_of_each_family() {
    let lab = boot(&LabSpec {
        family: IpFamily::Dual,
        ..spec("dual", 1)
    });
    install_reference(&lab, 1, &["10.244.1.0/24", "fd00:244:1::/64"], "1.0.0");
    let (a, b) = (
        started(&lab, &pod("a", 1, SLEEPER)),
        started(&lab, &pod("b", 1, SLEEPER)),
    );
    let ips = |pod: &Pod| {
        pod.status
            .as_ref()
            .unwrap()
            .pod_ips
            .iter()
            .flatten()
            .map(|ip| ip.ip.clone())
            .collect::<Vec<_>>()
    };
    assert!(
        ips(&a)[0].starts_with("10.244.1.") && ips(&a)[1].starts_with("fd00:244:1:"),
        "{:?}",
        ips(&a)
    );
    for ip in ips(&b) {
        ok(&lab, &pod_place("a"), &["ping", "-c1", "-W5", &ip]);
    }
}

#[test]
fn gc_removes_what_no_pod_has_and_leaves_the_rest() {
    let lab = boot(&spec("gc", 1));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    let a = started(&lab, &pod("a", 1, SLEEPER));
    // An attachment whose pod is gone, as a crash of the runtime leaves it.
    let results = "/var/lib/cni/results";
    let mine = ok(&lab, &node(1), &["ls", results]);
    let kept = ok(
        &lab,
        &node(1),
        &["cat", &format!("{results}/{}", mine.trim())],
    );
    let mut stale: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let id = "0".repeat(64);
    stale["containerId"] = id.as_str().into();
    let path = format!("{results}/ref-{id}-eth0");
    lab.write_file(
        "node1",
        &NodeFile {
            path: &path,
            content: stale.to_string().as_bytes(),
            mode: 0o600,
        },
    )
    .unwrap();
    lab.write_file(
        "node1",
        &NodeFile {
            path: "/var/lib/cni/networks/ref/10.244.1.77",
            content: format!("{id}\r\neth0").as_bytes(),
            mode: 0o644,
        },
    )
    .unwrap();
    lab.gc("node1").unwrap();
    let reservations = ok(&lab, &node(1), &["ls", "/var/lib/cni/networks/ref"]);
    assert!(
        reservations.contains(&ip(&a)) && !reservations.contains("10.244.1.77"),
        "{reservations}"
    );
    assert_eq!(ok(&lab, &node(1), &["ls", results]), mine);
}

#[test]
fn without_busybox_the_hosts_programs_are_the_pods_root() {
    let lab = boot(&LabSpec {
        busybox: None,
        ..spec("nobox", 1)
    });
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    started(&lab, &pod("a", 1, SLEEPER));
    let routes = ok(&lab, &pod_place("a"), &["ip", "route"]);
    assert!(routes.contains("default via 10.244.1.1"), "{routes}");
    assert_ne!(run(&lab, &pod_place("a"), &["touch", "/usr/x"]).0, 0);
    ok(&lab, &pod_place("a"), &["touch", "/tmp/x"]);
}

#[test]
fn many_pods_and_many_callers_at_once() {
    let lab = boot(&spec("many", 2));
    for i in 1..=2 {
        install_reference(&lab, i, &[&format!("10.244.{i}.0/24")], "1.0.0");
    }
    let names: Vec<String> = (0..40).map(|i| format!("p{i}")).collect();
    let mut ips: Vec<String> = std::thread::scope(|scope| {
        let pods: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(i, name)| (i, name, &lab))
            .collect();
        let threads: Vec<_> = pods
            .into_iter()
            .map(|(i, name, lab)| {
                scope.spawn(move || ip(&started(lab, &pod(name, i % 2 + 1, SLEEPER))))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    ips.sort();
    ips.dedup();
    assert_eq!(
        ips.len(),
        names.len(),
        "every pod has an address of its own"
    );
    std::thread::scope(|scope| {
        let threads: Vec<_> = names
            .iter()
            .map(|name| {
                (
                    name,
                    scope.spawn(|| ok(&lab, &pod_place(name), &["hostname"])),
                )
            })
            .collect();
        for (name, thread) in threads {
            assert_eq!(thread.join().unwrap().trim(), name);
        }
    });
    assert_eq!(lab.pods().unwrap().len(), names.len());
}
