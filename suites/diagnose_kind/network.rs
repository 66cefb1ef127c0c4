//! What is wrong with a node and its network.
use flatnet_analysis::words::Words;
use flatnet_model::cause::CauseId;
use flatnet_model::diagnosis::Kind;

use crate::cluster::{Cluster, SLEEPER};

const CONFLIST: &str = "/etc/cni/net.d/10-flannel.conflist";
const BRIDGE: &str = "/opt/cni/bin/bridge";
/// On the same file system, and in no folder that a runtime reads.
const AWAY: &str = "/root/diagnose-away";
const FLANNEL: [&str; 3] = ["-n", "kube-flannel", "daemonset/kube-flannel-ds"];

impl Cluster {
    /// The pod `app` on the broken node, hanging with an event of that reason.
    fn hangs(&self, reason: &str) {
        self.apply(Some(&self.worker()), SLEEPER);
        self.warned(reason);
    }

    /// The configuration as it was, written: containerd does not see a file that is moved.
    fn give_back(&self, node: &str) {
        self.on(node, &["cp", AWAY, CONFLIST]);
    }

    /// Keeps a copy of the configuration.
    fn keep_conflist(&self, node: &str) {
        self.on(node, &["cp", CONFLIST, AWAY]);
        let back = format!("cp {AWAY} {CONFLIST}");
        self.afterwards(node, &back);
    }

    /// Until flannel's agent works on every node.
    fn flannel_is_back(&self) {
        let status = ["rollout", "status", "--timeout=120s"];
        self.kubectl(&[&status[..], &FLANNEL].concat(), "");
        self.ready_is(&self.worker(), "True");
    }
}

#[test]
fn no_conflist() {
    let cluster = Cluster::mine();
    let node = cluster.worker();
    cluster.keep_conflist(&node);
    cluster.on(&node, &["rm", CONFLIST]);
    cluster.hangs("NetworkNotReady");

    cluster.first_is(CauseId::NoConflist, &[&node, "/etc/cni/net.d"]);
    cluster.ready_is(&node, "False");
    let (code, all) = cluster.diagnose(&[]);

    assert_eq!(code, 1);
    let subject = all
        .subjects
        .iter()
        .find(|s| s.kind == Kind::Node)
        .expect("the node");
    let ids: Vec<CauseId> = subject.findings.iter().map(|f| f.id).collect();
    assert_eq!(
        (subject.name.as_str(), &ids[..]),
        (
            node.as_str(),
            &[CauseId::NoConflist, CauseId::NodeNotReady][..]
        )
    );
    cluster.give_back(&node);
    cluster.runs();
    cluster.ready_is(&node, "True");
}

#[test]
fn a_conflist_that_the_runtime_has_not_taken_up() {
    let cluster = Cluster::mine();
    let node = cluster.worker();
    cluster.keep_conflist(&node);
    cluster.on(&node, &["rm", CONFLIST]);
    cluster.ready_is(&node, "False");
    let unseen = format!("[ -e {AWAY} ] || mv {CONFLIST} {AWAY}");
    cluster.afterwards(&node, &unseen);
    cluster.on(&node, &["mv", AWAY, CONFLIST]);
    cluster.hangs("NetworkNotReady");

    let first = cluster.first_is(
        CauseId::ConflistNotLoaded,
        &[&node, CONFLIST, "not initialized"],
    );

    assert!(
        first.fix().ends_with("systemctl restart containerd"),
        "{first:#?}"
    );
    cluster.on(&node, &["systemctl", "restart", "containerd"]);
    cluster.runs();
    cluster.ready_is(&node, "True");
}

#[test]
fn a_plugin_missing() {
    let cluster = Cluster::mine();
    let node = cluster.worker();
    let back = format!("[ -e {BRIDGE} ] || mv {AWAY} {BRIDGE}");
    cluster.afterwards(&node, &back);
    cluster.on(&node, &["mv", BRIDGE, AWAY]);
    cluster.hangs("FailedCreatePodSandBox");

    cluster.first_is(CauseId::PluginMissing, &[&node, "bridge", CONFLIST]);

    cluster.on(&node, &["mv", AWAY, BRIDGE]);
    cluster.runs();
}

#[test]
fn a_malformed_conflist() {
    let cluster = Cluster::mine();
    let node = cluster.worker();
    cluster.keep_conflist(&node);
    cluster.write(&node, CONFLIST, "{\n  \"name\": ,\n}");
    cluster.hangs("NetworkNotReady");

    cluster.first_is(CauseId::ConflistMalformed, &[&node, CONFLIST, "line 2"]);

    cluster.give_back(&node);
    cluster.runs();
    cluster.ready_is(&node, "True");
}

#[test]
fn a_version_that_the_runtime_does_not_support() {
    let cluster = Cluster::mine();
    let node = cluster.worker();
    cluster.keep_conflist(&node);
    let edit = r#"s/"cniVersion": *"[^"]*"/"cniVersion": "9.9.9"/"#;
    cluster.on(&node, &["sed", "-i", edit, CONFLIST]);
    cluster.apply(Some(&node), SLEEPER);
    cluster.until("a failure", |cluster| cluster.has_event("type=Warning"));

    cluster.first_is(CauseId::CniVersion, &[&node, CONFLIST, "9.9.9"]);

    cluster.give_back(&node);
    cluster.runs();
    cluster.ready_is(&node, "True");
}

/// Weave's own plugin is not available here: a stand-in program gives its answer, word for word, so that kubelet, runtime,
/// event and diagnosis are the real ones. Its file sorts before flannel's, as that of an add-on that was there before.
#[test]
fn two_conflists_and_weaves_agent_refuses_connections() {
    let cluster = Cluster::mine();
    let node = cluster.worker();
    let plugin = "#!/bin/sh\n[ \"$CNI_COMMAND\" = ADD ] || exit 0\n\
        echo '{\"cniVersion\": \"0.3.0\", \"code\": 100, \"msg\": \"unable to allocate IP address: Post \\\"http://127.0.0.1:6784/ip/'$CNI_CONTAINERID'\\\": dial tcp 127.0.0.1:6784: connect: connection refused\"}'\n\
        exit 1\n";
    let away = "rm -f /etc/cni/net.d/05-weave.conflist /opt/cni/bin/weave-net";
    cluster.afterwards(&node, away);
    cluster.write(&node, "/opt/cni/bin/weave-net", plugin);
    cluster.on(&node, &["chmod", "755", "/opt/cni/bin/weave-net"]);
    let conflist = r#"{"cniVersion": "0.3.0", "name": "weave", "plugins": [{"name": "weave", "type": "weave-net", "hairpinMode": true}, {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}]}"#;
    cluster.write(&node, "/etc/cni/net.d/05-weave.conflist", conflist);
    cluster.hangs("FailedCreatePodSandBox");

    cluster.first_is(
        CauseId::TwoConflists,
        &["05-weave.conflist", "10-flannel.conflist", &node],
    );
    let (_, diagnosis) = cluster.diagnose(&["default/app"]);

    let agent = diagnosis.subjects[0]
        .findings
        .iter()
        .find(|f| f.id == CauseId::AgentDown);
    let agent = agent.expect("weave's agent after it");
    assert!(
        Words::of_diagnosis(&diagnosis)
            .text(&agent.evidence)
            .observed
            .contains("127.0.0.1:6784"),
        "{agent:#?}"
    );
    cluster.on(&node, &["sh", "-c", away]);
    cluster.runs();
}

#[test]
fn no_address_left() {
    let cluster = Cluster::mine();
    let node = cluster.worker();
    let fill = "mkdir -p /var/lib/cni/networks/cbr0 && cd /var/lib/cni/networks/cbr0 && \
        net=$(sed -n 's/^FLANNEL_SUBNET=\\(.*\\)\\.[0-9]*\\/.*/\\1/p' /run/flannel/subnet.env) && \
        for i in $(seq 2 254); do [ -e $net.$i ] || echo planted > $net.$i; done";
    let empty = "cd /var/lib/cni/networks/cbr0 && grep -l planted * | xargs rm -f";
    cluster.afterwards(&node, empty);
    cluster.on(&node, &["sh", "-c", fill]);
    cluster.hangs("FailedCreatePodSandBox");

    cluster.first_is(
        CauseId::AddressesExhausted,
        &[&node, "no IP addresses available", "not given back"],
    );

    cluster.on(&node, &["sh", "-c", empty]);
    cluster.runs();
}

#[test]
fn a_kubelet_that_is_stopped() {
    let cluster = Cluster::mine();
    let node = cluster.worker();
    cluster.afterwards(&node, "systemctl start kubelet");
    cluster.on(&node, &["systemctl", "stop", "kubelet"]);
    cluster.ready_is(&node, "Unknown");
    cluster.apply(Some(&node), SLEEPER);

    let first = cluster.first_is(
        CauseId::KubeletSilent,
        &[&node, "NodeStatusUnknown", "inactive"],
    );
    let (_, all) = cluster.diagnose(&[]);

    assert!(
        first.fix().ends_with("systemctl restart kubelet"),
        "{first:#?}"
    );
    let subject = all
        .subjects
        .iter()
        .find(|s| s.name == node)
        .expect("the node");
    assert_eq!(subject.first().expect("a cause").id, CauseId::KubeletSilent);
    cluster.on(&node, &["systemctl", "start", "kubelet"]);
    cluster.ready_is(&node, "True");
    cluster.runs();
}

/// The Node object is recreated, first without a controller that assigns ranges, then with one: it gets another range, and the bridge keeps the
/// address of the first.
#[test]
fn a_node_without_a_pod_cidr_and_with_another_one() {
    const MANAGER: &str = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
    let cluster = Cluster::mine();
    let (node, control) = (cluster.worker(), cluster.control_plane());
    let range = |cluster: &Cluster| cluster.get(&["node", &node])["spec"]["podCIDR"].clone();
    let before = range(&cluster);
    let assigns = |on: bool| {
        let (from, to) = (!on, on);
        let edit = format!("s/--allocate-node-cidrs={from}/--allocate-node-cidrs={to}/");
        cluster.on(&control, &["sed", "-i", &edit, MANAGER]);
        cluster.until("the controller manager to be another one", |cluster| {
            let pod = format!("kube-controller-manager-{control}");
            let pod = cluster.get(&["-n", "kube-system", "pod", &pod]);
            let args = pod["spec"]["containers"][0]["command"].to_string();
            args.contains(&format!("--allocate-node-cidrs={to}"))
                && pod["status"]["containerStatuses"][0]["ready"] == true
        });
    };
    let assign =
        format!("sed -i s/--allocate-node-cidrs=false/--allocate-node-cidrs=true/ {MANAGER}");
    cluster.afterwards(&control, &assign);
    let gone = "kubectl --kubeconfig /etc/kubernetes/admin.conf delete node --ignore-not-found diagnose-placeholder";
    cluster.afterwards(&control, gone);
    // A bridge with the first range's address, before it goes.
    cluster.apply(Some(&node), SLEEPER);
    cluster.runs();
    assigns(false);
    cluster.kubectl(&["delete", "node", &node], "");
    cluster.on(&node, &["systemctl", "restart", "kubelet"]);
    cluster.until("the node to come again", |cluster| {
        cluster.get(&["node", &node]).is_object()
    });
    // Its agent restarts and finds no range; what the earlier one wrote is gone, as after a reboot.
    cluster.on(&node, &["rm", "-f", "/run/flannel/subnet.env"]);
    let on_node = format!("spec.nodeName={node}");
    let agents = [
        "-n",
        "kube-flannel",
        "delete",
        "pod",
        "--field-selector",
        &on_node,
    ];
    cluster.kubectl(&agents, "");
    cluster.remove_app();
    cluster.hangs("FailedCreatePodSandBox");

    cluster.first_is(CauseId::PodCidrMissing, &[&node, "podCIDR"]);

    // A controller manager that starts gives out the first range that is free: another node has this node's range for a moment.
    let range_text = before.as_str().expect("a range");
    let taken = format!(
        "{{apiVersion: v1, kind: Node, metadata: {{name: diagnose-placeholder}}, spec: {{unschedulable: true, podCIDR: {range_text}, podCIDRs: [{range_text}]}}}}"
    );
    cluster.kubectl(&["apply", "-f", "-"], &taken);
    assigns(true);
    cluster.until("another range", |cluster| {
        let now = range(cluster);
        now.is_string() && now != before
    });
    cluster.kubectl(&["delete", "node", "diagnose-placeholder"], "");
    let restart = ["rollout", "restart"];
    cluster.kubectl(&[&restart[..], &FLANNEL].concat(), "");
    cluster.flannel_is_back();
    cluster.remove_app();
    cluster.hangs("FailedCreatePodSandBox");

    let first = cluster.first_is(CauseId::StaleBridge, &[&node, "cni0", "different from"]);

    assert!(first.fix().contains("ip link delete cni0"), "{first:#?}");
    cluster.on(&node, &["ip", "link", "delete", "cni0"]);
    cluster.runs();
}
