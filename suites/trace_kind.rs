//! Packets followed on a real kind cluster, whatever its CNI: faults that `docker exec` plants on nodes, each told by
//! `flatnet inspect route --live` with its node and its rule, route or setting; nothing of flatnet's stays on a node.
//! `FLATNET_CLUSTER` names the cluster, which has a control plane and two workers (`make test-kind`).
use std::process::{Command, Output};

use serde_json::{Value, json};

const NAMESPACE: &str = "flatnet-trace-kind";

/// What a fault is told as, in the JSON of the outcome over one transport.
enum Told {
    /// The packets ended: the cause.
    Ended(&'static str),
    /// They were rewritten and came through.
    Rewritten,
}

struct Fault {
    name: &'static str,
    /// On the node of the pod that is dialled; else of the one that dials.
    at_goal: bool,
    /// Shell lines: `A` and `B` are the pods' addresses, `N` that of the other node, `DEV` the device by which other nodes' packets come in.
    plant: &'static str,
    undo: &'static str,
    over: &'static str,
    told: Told,
    /// Values below the cause (or the rule), by JSON pointer.
    with: &'static [(&'static str, &'static str)],
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "the last rule of firewalld",
        at_goal: true,
        plant: "iptables -A FORWARD -d B -j REJECT --reject-with icmp-host-prohibited; iptables -I FORWARD 1 -d B -j REJECT --reject-with icmp-host-prohibited",
        undo: "iptables -D FORWARD 1; iptables -D FORWARD -d B -j REJECT --reject-with icmp-host-prohibited",
        over: "tcp",
        told: Told::Ended("dropped-by-rule"),
        with: &[
            ("/rule/family", "ip"),
            ("/rule/table", "filter"),
            ("/rule/chain", "FORWARD"),
            (
                "/rule/text",
                "ip daddr B counter xt target \"REJECT\" with icmp-host-prohibited",
            ),
        ],
    },
    Fault {
        name: "a policy of DROP",
        at_goal: true,
        plant: "nft 'table ip flt { chain forwarded { type filter hook forward priority 10; policy drop; ip daddr != B accept; }; }'",
        undo: "nft delete table ip flt",
        over: "icmp",
        told: Told::Ended("dropped-by-rule"),
        with: &[
            ("/rule/table", "flt"),
            ("/rule/chain", "forwarded"),
            ("/rule/text", "policy drop"),
        ],
    },
    Fault {
        name: "a drop of UDP before routing",
        at_goal: true,
        plant: "iptables -t raw -I PREROUTING -p udp -d B -j DROP",
        undo: "iptables -t raw -D PREROUTING -p udp -d B -j DROP",
        over: "udp",
        told: Told::Ended("dropped-by-rule"),
        with: &[("/rule/table", "raw"), ("/rule/chain", "PREROUTING")],
    },
    Fault {
        name: "a rule of legacy iptables",
        at_goal: true,
        plant: "iptables-legacy -I FORWARD -p icmp -d B -j DROP",
        undo: "iptables-legacy -D FORWARD -p icmp -d B -j DROP",
        over: "icmp",
        told: Told::Ended("dropped-by-rule"),
        with: &[
            ("/rule/table", "filter"),
            ("/rule/text", "-A FORWARD -d B/32 -p icmp -j DROP"),
        ],
    },
    Fault {
        name: "a masquerade",
        at_goal: false,
        plant: "iptables -t nat -I POSTROUTING 1 -s A -d B -j MASQUERADE",
        undo: "iptables -t nat -D POSTROUTING 1",
        over: "tcp",
        told: Told::Rewritten,
        with: &[
            ("/table", "nat"),
            ("/chain", "POSTROUTING"),
            (
                "/text",
                "ip saddr A ip daddr B counter xt target \"MASQUERADE\"",
            ),
        ],
    },
    Fault {
        name: "a redirect",
        at_goal: false,
        plant: "iptables -t nat -I PREROUTING 1 -s A -p tcp -j REDIRECT --to-ports 9",
        undo: "iptables -t nat -D PREROUTING 1",
        over: "tcp",
        told: Told::Ended("rewritten-by-rule"),
        with: &[("/rule/table", "nat"), ("/rule/chain", "PREROUTING")],
    },
    Fault {
        name: "forwarding off on one interface",
        at_goal: true,
        plant: "sysctl -qw net/ipv4/conf/DEV/forwarding=0",
        undo: "sysctl -qw net/ipv4/conf/DEV/forwarding=1",
        over: "udp",
        told: Told::Ended("forwarding-off"),
        with: &[("/key", "ipv4.conf.DEV.forwarding")],
    },
    Fault {
        name: "a wrong permanent neighbour",
        at_goal: false,
        plant: "ip neigh replace N lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
        undo: "ip neigh del N dev eth0",
        over: "icmp",
        told: Told::Ended("neighbour-wrong"),
        with: &[
            ("/hop", "N"),
            ("/device", "eth0"),
            ("/mac", "02:00:00:00:00:99"),
        ],
    },
    Fault {
        name: "a blackhole route",
        at_goal: true,
        plant: "ip route add blackhole B/32",
        undo: "ip route del blackhole B/32",
        over: "udp",
        told: Told::Ended("route-refuses"),
        with: &[("/to", "B")],
    },
    Fault {
        name: "an unreachable route of a policy rule's table",
        at_goal: false,
        plant: "ip route add unreachable default table 5182; ip rule add from A lookup 5182 priority 100",
        undo: "ip rule del priority 100; ip route flush table 5182",
        over: "tcp",
        told: Told::Ended("route-refuses"),
        with: &[("/to", "B")],
    },
];

/// What shell lines and expectations stand for.
struct Scene {
    cluster: String,
    nodes: [String; 2],
    pods: [String; 2],
    addresses: [String; 2],
    device: String,
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let done = command.output().expect("the program starts");
    assert!(done.status.success(), "{command:?}: {done:?}");
    String::from_utf8(done.stdout).expect("text")
}

/// The control plane's own kubectl.
fn kubectl(cluster: &str, arguments: &[&str]) -> Command {
    let node = format!("{cluster}-control-plane");
    let mut command = Command::new("docker");
    command
        .args(["exec", &node, "kubectl"])
        .args(["--kubeconfig", "/etc/kubernetes/admin.conf"])
        .args(arguments);
    command
}

impl Scene {
    fn new() -> Scene {
        let cluster = std::env::var("FLATNET_CLUSTER")
            .expect("FLATNET_CLUSTER, the name of a running kind cluster (make test-kind sets it)");
        let nodes = ["worker", "worker2"].map(|end| format!("{cluster}-{end}"));
        let pod = |name: &str, node: &String| {
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": NAMESPACE },
                "spec": { "nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [{
                    "name": "c", "image": "busybox:1.36", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "infinity"] }] }
            })
        };
        let namespace =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
        let list = json!({ "apiVersion": "v1", "kind": "List",
            "items": [namespace, pod("a", &nodes[0]), pod("b", &nodes[1])] });
        let apply = format!(
            "kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f - <<'END'\n{list}\nEND"
        );
        on(&format!("{cluster}-control-plane"), &apply);
        let ready = [
            "wait",
            "--for=condition=Ready",
            "--timeout=90s",
            "pod/a",
            "pod/b",
        ];
        run(kubectl(&cluster, &["-n", NAMESPACE]).args(ready));
        let address = |pod: &str| {
            let mut get = kubectl(&cluster, &["-n", NAMESPACE, "get", "pod", pod]);
            run(get.args(["-o", "jsonpath={.status.podIP}"]))
        };
        let pods = [address("a"), address("b")];
        let addresses = [0, 1].map(|at: usize| {
            let text = on(&nodes[at], "ip -4 -o addr show dev eth0");
            let network = text
                .split_whitespace()
                .skip_while(|word| *word != "inet")
                .nth(1);
            let (address, _) = network.and_then(|n| n.split_once('/')).expect("an address");
            address.to_owned()
        });
        // By which the other node's packets come: the device of the route back.
        let back = on(&nodes[1], &format!("ip route get {}", pods[0]));
        let device = back
            .split_whitespace()
            .skip_while(|word| *word != "dev")
            .nth(1);
        Scene {
            device: device.expect("a device").to_owned(),
            cluster,
            nodes,
            pods,
            addresses,
        }
    }

    /// The names in a line, replaced.
    fn fill(&self, fault: &Fault, line: &str) -> String {
        let other = &self.addresses[usize::from(!fault.at_goal)];
        let words = [
            ("DEV", &self.device),
            ("A", &self.pods[0]),
            ("B", &self.pods[1]),
            ("N", other),
        ];
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut filled = String::new();
        for part in line.split_inclusive(|c| !is_name(c)) {
            let word = part.trim_end_matches(|c| !is_name(c));
            match words.iter().find(|(name, _)| *name == word) {
                Some((_, with)) => filled.push_str(&part.replacen(word, with, 1)),
                None => filled.push_str(part),
            }
        }
        filled
    }

    fn live(&self) -> (Output, Value) {
        let ends = ["a", "b"].map(|pod| format!("{NAMESPACE}/{pod}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
        let output = command
            .args(["inspect", "route", "--live", "--output", "json"])
            .args(["--cluster", &format!("kind/{}", self.cluster)])
            .args(["--from", &ends[0], "--to", &ends[1]])
            .output()
            .expect("flatnet starts");
        let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output, report)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = kubectl(
            &self.cluster,
            &["delete", "namespace", NAMESPACE, "--wait=false"],
        )
        .output();
    }
}

#[track_caller]
fn on(node: &str, line: &str) -> String {
    run(Command::new("docker").args(["exec", node, "sh", "-ec", line]))
}

/// What became of the burst over one transport.
fn outcome<'a>(report: &'a Value, over: &str) -> &'a Value {
    let answers = report["answers"].as_array().into_iter().flatten();
    let facts = answers.flat_map(|answer| answer["facts"].as_array().into_iter().flatten());
    let mut outcomes = facts.filter(|fact| fact["topic"] == "outcome" && fact["about"] == over);
    outcomes.next().map_or(&Value::Null, |fact| &fact["values"])
}

/// What is not as it should be.
fn complaint(scene: &Scene, fault: &Fault, report: &Value) -> Option<String> {
    let outcome = outcome(report, fault.over);
    let node = &scene.nodes[usize::from(fault.at_goal)];
    let (found, node_at, with_at) = match fault.told {
        Told::Ended(id) => {
            let cause = &outcome["found"]["fate"]["cause"];
            if cause["id"] != id || cause["basis"] != "seen" {
                return Some(format!("expected {id}, seen: {outcome:#}"));
            }
            let at = cause.pointer("/at/node").or_else(|| cause.get("node"));
            (cause, at, cause)
        }
        Told::Rewritten => {
            let rewrite = &outcome["found"]["rewrites"][0];
            (rewrite, rewrite.pointer("/at/node"), &rewrite["by"])
        }
    };
    if node_at.and_then(Value::as_str) != Some(node) {
        return Some(format!("expected {node}: {found:#}"));
    }
    fault.with.iter().find_map(|(pointer, expected)| {
        let expected = scene.fill(fault, expected);
        let value = with_at.pointer(pointer).and_then(Value::as_str);
        (value != Some(&expected)).then(|| format!("expected {pointer} {expected}: {found:#}"))
    })
}

#[test]
fn each_fault_is_told_with_its_node_and_what_ends_packets_there() {
    let scene = Scene::new();
    let tables = |scene: &Scene| {
        scene
            .nodes
            .each_ref()
            .map(|node| on(node, "nft list tables"))
    };
    let before = tables(&scene);
    let (output, report) = scene.live();
    assert_eq!(output.status.code(), Some(0), "without a fault: {output:?}");
    for over in ["tcp", "udp", "icmp"] {
        assert_eq!(outcome(&report, over)["answered"], 5, "{over}: {report:#}");
    }
    let mut complaints = Vec::new();
    for fault in FAULTS {
        let node = &scene.nodes[usize::from(fault.at_goal)];
        on(node, &scene.fill(fault, fault.plant));
        let (output, report) = scene.live();
        on(node, &scene.fill(fault, fault.undo));
        let words = String::from_utf8_lossy(&output.stderr);
        if let Some(complaint) = complaint(&scene, fault, &report) {
            complaints.push(format!("{}: {complaint}\n{words}", fault.name));
        }
        if output.status.code() != Some(1) {
            complaints.push(format!("{}: ended with {}", fault.name, output.status));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
    let (output, _) = scene.live();
    assert_eq!(output.status.code(), Some(0), "all taken away: {output:?}");
    // iptables made tables where there were none; flatnet's own are gone.
    let own = |tables: &String| tables.matches("flatnet").count();
    assert_eq!(
        tables(&scene).each_ref().map(own),
        before.each_ref().map(own)
    );
}
