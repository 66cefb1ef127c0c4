//! Each assertion about a network, with a fault that makes it fail.
use flatnet::testing::Cluster;
use rstest::rstest;

use super::{has, lab, said};

/// What is said of commands, as the cluster goes with the test.
const KEEP: &str = "run the test again with FLATNET_KEEP=true";

#[rstest]
fn a_pod_that_is_not_reached(#[by_ref] lab: &Cluster) {
    let (a, b) = (lab.pod("busybox-1"), lab.pod("busybox-2"));
    let ip = b.ips()[0];
    lab.node("node2").exec(&format!(
        "nft add table ip oops; nft 'add chain ip oops f {{ type filter hook forward priority 0; }}'; nft add rule ip oops f ip daddr {ip} drop"
    ));
    let words = said(|| drop(a.reaches(&b)));
    let ends = format!(
        "busybox-1 (node1, {}) does not reach busybox-2 (node2, {ip})",
        a.ips()[0]
    );
    has(
        &words,
        &[
            &ends,
            &format!("sent      tcp, udp, icmp to {ip}: no answer within"),
            "arrived   nothing",
            "FAIL    cross-node",
            "drop` of chain f in table ip oops",
            "look      flatnet exec node2 -- nft -a list chain ip oops f",
            KEEP,
        ],
    );
}

#[test]
fn the_same_on_one_node() {
    let lab = Cluster::lab()
        .nodes(1)
        .pods_per_node(2)
        .cni("reference")
        .boot();
    let (a, b) = (lab.pod("busybox-1"), lab.pod("busybox-2"));
    a.reaches(&b).without_nat();
    b.exec("ip link set eth0 down");
    has(
        &said(|| drop(a.reaches(&b))),
        &[
            "busybox-1 (node1, ",
            ") does not reach busybox-2 (node1, ",
            "FAIL    same-node",
        ],
    );
    has(
        &said(|| drop(a.reaches(&a))),
        &["check(\"hairpin\") is about that"],
    );
}

#[rstest]
fn one_direction_alone(#[by_ref] lab: &Cluster) {
    let (a, b) = (lab.pod("busybox-1"), lab.pod("busybox-2"));
    // Requests of the other side, not its answers.
    lab.node("node1").exec("nft add table ip oops; nft 'add chain ip oops f { type filter hook forward priority 0; }'; nft add rule ip oops f iifname eth0 meta l4proto { tcp, udp } th dport 7411 drop; nft add rule ip oops f iifname eth0 icmp type echo-request drop");
    a.reaches(&b).without_nat();
    has(
        &said(|| drop(b.reaches(&a))),
        &["busybox-2 (node2, ", ") does not reach busybox-1 (node1, "],
    );
}

#[rstest]
fn a_pod_that_is_reached_through_nat(#[by_ref] lab: &Cluster) {
    let (a, b) = (lab.pod("busybox-1"), lab.pod("busybox-2"));
    lab.node("node1").exec("nft add table ip oops; nft 'add chain ip oops post { type nat hook postrouting priority 100; }'; nft add rule ip oops post ip saddr 10.244.0.0/16 oifname eth0 masquerade");
    let reached = a.reaches(&b);
    let (own, node) = (a.ips()[0], lab.node("node1").ips()[0]);
    assert_eq!(reached.seen_as(), [node]);
    let words = said(|| drop(reached.without_nat()));
    has(
        &words,
        &[
            &format!("busybox-1 (node1, {own}) reaches busybox-2 (node2, "),
            &format!("tcp from {node}, udp from {node}"),
            "), but not without NAT",
            "FAIL    no-nat",
            &own.to_string(),
            "masquerade",
            "look      flatnet exec node1 -- ",
            KEEP,
        ],
    );
    // What goes back is not translated.
    b.reaches(&a).without_nat();
}

#[rstest]
fn a_check_that_fails_or_cannot_be_judged(#[by_ref] lab: &Cluster) {
    lab.node("node1").exec("ip route del 10.244.1.0/24");
    has(
        &said(|| lab.check("node-routes")),
        &[
            "FAIL    node-routes",
            "node1",
            "10.244.1.0/24",
            "look      flatnet exec node1 -- ",
            KEEP,
        ],
    );
    let skipped = said(|| lab.check("dns"));
    has(&skipped, &["SKIP    dns", "no control plane"]);
    assert!(!skipped.contains(KEEP), "{skipped}");
    has(&said(|| lab.check("no-nut")), &["no-nut", "no-nat"]);
}

#[rstest]
fn a_route_that_is_not_there(#[by_ref] lab: &Cluster) {
    let (one, two) = (lab.node("node1"), lab.node("node2"));
    let (to, via) = (two.pod_cidrs()[0], two.ips()[0]);
    one.exec(&format!("ip route replace {to} via {via} mtu 1400"));
    one.has_route(to, via);
    one.exec(&format!("ip route replace {to} dev eth0"));
    let wrong = said(|| one.has_route(to, via));
    has(
        &wrong,
        &[
            "node node1 does not have the route",
            &format!("expected  {to} via {via}"),
            &format!("observed  {to} dev eth0"),
            "look      flatnet exec node1 -- ip route",
        ],
    );
    one.exec(&format!("ip route del {to}"));
    has(
        &said(|| one.has_route(to, via)),
        &[&format!("observed  none to {to}; there are "), "dev cni0"],
    );
}

#[rstest]
fn a_command_that_fails(#[by_ref] lab: &Cluster) {
    has(
        &said(|| drop(lab.node("node2").exec("echo before; echo why >&2; exit 7"))),
        &["on node node2, ", "ended with exit code 7", "before", "why"],
    );
    has(
        &said(|| drop(lab.pod("busybox-1").exec("false"))),
        &["on pod default/busybox-1, \"false\" ended with exit code 1"],
    );
}
