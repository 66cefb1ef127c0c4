//! A cluster that somebody changed, beside its baseline.
use std::process::Output;

use rstest::rstest;

use super::{Lab, Reports, all, flatnet, stdout};

/// Keeps the node's agent from putting right what is changed.
pub(super) const STOP_AGENT: &str = "for p in $(ps -o pid,args | awk '/flatnet-agent/ && !/awk/ {print $1}'); do [ \"$(readlink /proc/$p/ns/net)\" = \"$(readlink /proc/self/ns/net)\" ] && kill $p; done; true";

#[track_caller]
fn differs(output: &Output, says: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", all(output));
    assert!(
        stdout(output).contains(says),
        "{says:?} is not in {}",
        all(output)
    );
}

#[rstest]
#[case::mtu_by_eight(
    &[("node2", "ip link set cni0 mtu 1492")],
    "MTU of cni0: 1500 → 1492 bytes (node2 only)"
)]
#[case::masquerade_on(
    &[("node2", "nft add table ip oops; nft 'add chain ip oops post { type nat hook postrouting priority 100; }'; nft add rule ip oops post ip saddr 10.244.0.0/16 oifname eth0 masquerade")],
    "client seen as its node's InternalIP (from node2 to every other node)"
)]
#[case::second_conflist(
    &[("node3", "sed 's/\"name\":[^,]*/\"name\": \"other\"/' /etc/cni/net.d/10-flatnet.conflist > /etc/cni/net.d/20-other.conflist")],
    "CNI configurations: new: 20-other.conflist (node3 only)"
)]
#[case::route_missing(
    &[("node1", STOP_AGENT), ("node1", "ip route del 10.244.1.0/24")],
    "route to the other node's pods, IPv4: via the other node's InternalIP, dev eth0 → not there (node1 to node2 only)"
)]
#[case::hairpin_off(
    &[("node1", "sed -i 's/\"hairpinMode\": *true/\"hairpinMode\": false/' /etc/cni/net.d/10-flatnet.conflist")],
    "host end: hairpin on → hairpin off (every pod of node1)"
)]
#[case::gateway_moved(
    &[("node2", STOP_AGENT), ("node2", "ip addr add 10.244.1.254/24 dev cni0"), ("node2", "sed -i 's|\"subnet\": *\"10.244.1.0/24\"|\"subnet\": \"10.244.1.0/24\", \"gateway\": \"10.244.1.254\"|' /etc/cni/net.d/10-flatnet.conflist")],
    "→ via an address of its node's podCIDR, dev eth0 (every pod of node2)"
)]
#[case::one_node_left_behind(
    &[("node3", "sed -i 's/\"mtu\": *1500/\"mtu\": 1400/' /etc/cni/net.d/10-flatnet.conflist")],
    "CNI configuration key plugins[0].mtu: 1500 → 1400 (node3 only)"
)]
#[case::plugin_version(
    &[("node1", "cd /opt/cni/bin && mv flatnet-cni real && printf '#!/bin/sh\\n[ -z \"$CNI_COMMAND\" ] && echo \"CNI plugin flatnet-cni 9.9.9\" >&2 && exit 1\\nexec /opt/cni/bin/real\\n' > flatnet-cni && chmod +x flatnet-cni")],
    "version of plugin flatnet-cni: 0.1.0 → 9.9.9 (node1 only)"
)]
fn a_change_by_hand_is_caught(#[case] changes: &[(&str, &str)], #[case] says: &str) {
    let reports = Reports::new();
    let file = reports.path("lab.yaml");
    let lab = Lab::up("hand", &[]);
    lab.baseline(&file);
    let before = lab.test(&file, &[]);
    assert_eq!(before.status.code(), Some(0), "{}", all(&before));
    for (at, line) in changes {
        lab.exec(at, line);
    }
    differs(&lab.test(&file, &[]), says);
    assert!(reports.path("lab.yaml.new").is_file());
}

#[test]
fn what_differs_can_be_accepted_and_then_is_expected() {
    let reports = Reports::new();
    let file = reports.path("lab.yaml");
    let lab = Lab::up("accept", &[]);
    lab.baseline(&file);
    lab.exec(
        "node2",
        "sysctl -q -w net.ipv4.conf.all.arp_ignore=1; cp /etc/cni/net.d/10-flatnet.conflist /etc/cni/net.d/20-other.conflist",
    );
    differs(
        &lab.test(&file, &[]),
        "sysctl net.ipv4.conf.all.arp_ignore: 0 → 1 (node2 only)",
    );
    let accept = |options: &[&str]| {
        let mut command = flatnet();
        command
            .args(["baseline", "accept"])
            .arg(&file)
            .args(options);
        command.output().expect("flatnet starts")
    };
    let one = accept(&["--only", "setting", "--reason", "on purpose"]);
    assert!(one.status.success(), "{}", all(&one));
    let still = lab.test(&file, &[]);
    differs(
        &still,
        "CNI configurations: new: 20-other.conflist (node2 only)",
    );
    assert!(!stdout(&still).contains("arp_ignore"), "{}", all(&still));
    // A check fails now: that is accepted with a reason only, and then is no difference.
    let bare = accept(&[]);
    assert_eq!(bare.status.code(), Some(2));
    assert!(
        all(&bare).contains("checks fail that do not in"),
        "{}",
        all(&bare)
    );
    assert!(
        accept(&["--reason", "until the move is over"])
            .status
            .success()
    );
    let now = lab.test(&file, &[]);
    assert_eq!(now.status.code(), Some(0), "{}", all(&now));
    assert!(
        stdout(&now).contains("what fails does so as"),
        "{}",
        all(&now)
    );
    assert!(!reports.path("lab.yaml.new").exists());
    let text = std::fs::read_to_string(&file).expect("the baseline");
    assert!(
        text.contains("facts: [setting], reason: on purpose}"),
        "{text}"
    );
    let wrong = accept(&["--only", "settings"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        all(&wrong).contains("did you mean \"setting\"?"),
        "{}",
        all(&wrong)
    );
}

#[test]
fn what_differs_among_runs_is_flaky() {
    let lab = Lab::up("flaky", &[]);
    // Each look of the kernel's at the time changes it: an address that comes and goes.
    lab.exec(
        "node2",
        "(while ip link show cni0 >/dev/null 2>&1; do ip link set cni0 mtu 1490; sleep 0.4; ip link set cni0 mtu 1500; sleep 0.4; done) >/dev/null 2>&1 &",
    );
    let mut command = flatnet();
    command.args([
        "test",
        "--quiet",
        "--cluster",
        &lab.0,
        "--runs",
        "12",
        "--only",
        "subnet",
    ]);
    let output = command.output().expect("flatnet starts");
    differs(&output, "flaky, differs among 12 runs: ");
    assert!(stdout(&output).contains("MTU of cni0"), "{}", all(&output));
}
