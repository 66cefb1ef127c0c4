//! The network add-on: its agents, its pod range, its tunnels.
use std::collections::BTreeMap;

use flatnet_model::probe::FileContent;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::cni_config::in_use;
use super::findings::Findings;
use super::weave_log;
use flatnet_model::cni::{CONF_DIR, NetworkList};
use flatnet_model::components::{flags, paths};
use flatnet_model::inspection::{Fact, Outcome, Source};
use flatnet_model::observations::Availability;
use flatnet_model::snapshot::NodeInside;
use flatnet_model::view::{AddOnAgent, View};

/// Add-ons by the plugin that their configuration calls first.
const ADDONS: &[(&str, &str)] = &[
    ("aws-cni", "Amazon VPC CNI"),
    ("antrea", "Antrea"),
    ("azure-vnet", "Azure CNI"),
    ("calico", "Calico"),
    ("cilium-cni", "Cilium"),
    ("flannel", "flannel"),
    ("flatnet-cni", "flatnet"),
    ("kube-ovn", "Kube-OVN"),
    ("ptp", "the reference plugin ptp (kindnet's, among others)"),
    ("bridge", "the reference plugin bridge"),
    ("weave-net", "Weave Net"),
];

pub(in crate::inspect) fn answer(view: &View) -> Outcome {
    let mut findings = Findings::default();
    let insides = findings.insides(view);
    for (node, inside) in &insides {
        let name = &node.object.name;
        match in_use(inside) {
            Ok(Some((file, config))) => {
                let plugin = config.kinds().next().unwrap_or_default();
                let addon = ADDONS.iter().find(|(kind, _)| *kind == plugin).map_or(plugin, |(_, addon)| addon);
                findings.fact(
                    Fact::new("add-on", addon, Source::File(format!("{CONF_DIR}/{file}")))
                        .on(name)
                        .with("network", config.name.as_str())
                        .with("plugins", config.kinds().collect::<Vec<_>>()),
                );
                conflist_ranges(name, file, &config, &mut findings);
            }
            Ok(None) => findings.problem(Some(name), CONF_DIR, "no network configuration: no add-on is installed on the node, or its agent has not got that far"),
            Err((file, why)) => findings.problem(Some(name), &format!("{CONF_DIR}/{file}"), why),
        }
    }
    if let Availability::Found(api) = &view.api
        && let Some(agents) = findings.available("DaemonSets", &api.agents)
    {
        if agents.is_empty() {
            findings.problem(None, "DaemonSet", "none mounts /etc/cni/net.d or /opt/cni/bin of its nodes: the add-on came there another way");
        }
        for agent in agents {
            daemon_set(view, agent, &mut findings);
            configured(agent, &mut findings);
        }
    }
    for (node, inside) in &insides {
        let name = &node.object.name;
        if view.capabilities.programs_in_view.is_present() {
            lab_agent(name, inside, &mut findings);
        }
        subnet_env(name, inside, &mut findings);
        tunnels(name, inside, &mut findings);
    }
    findings.outcome(|| "there is no node to look at".to_owned())
}

/// The DaemonSet, and one of its pods on each node.
fn daemon_set(view: &View, agent: &AddOnAgent, findings: &mut Findings) {
    let set = &agent.set;
    let (namespace, name) = (&set.namespace, &set.name);
    findings.fact(
        Fact::new(
            "daemonset",
            format!("{namespace}/{name}"),
            Source::Api(format!("kubectl -n {namespace} get daemonset {name}")),
        )
        .with("desired", set.desired)
        .with("ready", set.pods.iter().filter(|pod| pod.ready).count())
        .with("images", agent.images.clone()),
    );
    let source = Source::Api(format!("kubectl -n {namespace} get pods -o wide"));
    for node in &view.nodes {
        let node = &node.object.name;
        let mut on_node = set.pods.iter().filter(|pod| pod.node == *node).peekable();
        if on_node.peek().is_none() {
            findings.problem(
                Some(node),
                name,
                "no agent pod of this DaemonSet is on the node",
            );
        }
        for pod in on_node {
            findings.fact(
                Fact::new("agent", &pod.name, source.clone())
                    .on(node)
                    .with("status", pod.phase.as_str())
                    .with("ready", pod.ready),
            );
            if !pod.ready {
                findings.problem(
                    Some(node),
                    &pod.name,
                    format!("the agent is not ready: {}", pod.phase),
                );
            }
        }
    }
}

/// flannel's Network (flannel, Documentation/configuration.md).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetConf {
    network: Option<String>,
    #[serde(rename = "IPv6Network")]
    ipv6_network: Option<String>,
    backend: Option<Backend>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Backend {
    #[serde(rename = "Type")]
    kind: String,
}

/// Pod ranges that the agent is configured with.
fn configured(agent: &AddOnAgent, findings: &mut Findings) {
    let files = findings.available("ConfigMaps of the agent", &agent.config);
    for file in files
        .into_iter()
        .flatten()
        .filter(|file| file.key == "net-conf.json")
    {
        let about = format!("{}/{} {}", file.namespace, file.map, file.key);
        let source = Source::Api(format!(
            "kubectl -n {} get configmap {} -o yaml",
            file.namespace, file.map
        ));
        match serde_json::from_str::<NetConf>(&file.text) {
            Ok(conf) => {
                let backend = conf.backend.map(|backend| backend.kind);
                for range in conf.network.into_iter().chain(conf.ipv6_network) {
                    findings.fact(
                        Fact::new("pod-range", range, source.clone())
                            .with("told-by", "flannel's net-conf.json")
                            .with("backend", backend.clone()),
                    );
                }
            }
            Err(error) => findings.problem(None, &about, format!("it does not parse: {error}")),
        }
    }
    match &agent.weave_log {
        Some(Ok((pod, log))) => {
            let about = format!("log of pod {}/{pod}", agent.set.namespace);
            let source = Source::Api(format!(
                "kubectl -n {} logs {pod} -c weave",
                agent.set.namespace
            ));
            match weave_log::options(log).map(|mut options| options.remove("ipalloc-range")) {
                Some(Some(range)) => findings.fact(
                    Fact::new("pod-range", range, source).with("told-by", "weave's ipalloc-range"),
                ),
                Some(None) => {
                    findings.problem(None, &about, "weave's options name no ipalloc-range")
                }
                None => findings.problem(
                    None,
                    &about,
                    "its beginning does not hold weave's command line options; the log was rotated",
                ),
            }
        }
        Some(Err(why)) => findings.problem(None, "weave's log", why),
        None => {}
    }
}

/// What the configuration itself says of ranges: `ipam` of any plugin has the node's own (CNI, host-local), and flatnet's agent
/// writes those of all pods, among which the plugin must not masquerade.
fn conflist_ranges(node: &str, file: &str, config: &NetworkList, findings: &mut Findings) {
    let source = Source::File(format!("{CONF_DIR}/{file}"));
    for plugin in &config.plugins {
        let conf = &plugin.conf;
        let network: Vec<&str> = conf
            .get("podNetwork")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for range in &network {
            findings.fact(
                Fact::new("pod-range", *range, source.clone())
                    .on(node)
                    .with("told-by", "podNetwork, written by flatnet's agent"),
            );
        }
        for subnet in own_subnets(conf) {
            let whole = match network[..] {
                // Without --pod-network the agent goes by the podCIDRs of all nodes.
                [] => {
                    (plugin.kind == "flatnet-cni").then(|| "the podCIDRs of all nodes".to_owned())
                }
                _ => Some(network.join(", ")),
            };
            findings.fact(
                Fact::new("node-subnet", subnet, source.clone())
                    .on(node)
                    .with("pod-range", whole)
                    .with("mtu", conf.get("mtu").cloned().unwrap_or_default()),
            );
        }
    }
}

/// `ipam.subnet`, and the subnets of `ipam.ranges` (CNI, host-local plugin).
fn own_subnets(conf: &Map<String, Value>) -> Vec<&str> {
    let Some(ipam) = conf.get("ipam") else {
        return Vec::new();
    };
    let sets = ipam.get("ranges").and_then(Value::as_array);
    let ranges = sets
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .flatten();
    let single = std::iter::once(ipam);
    single
        .chain(ranges)
        .filter_map(|range| range.get("subnet")?.as_str())
        .collect()
}

/// On the lab the agent is a process of its own on each node, where flatnet's CNI is.
fn lab_agent(node: &str, inside: &NodeInside, findings: &mut Findings) {
    let Some(processes) = findings.observed(node, "processes", inside.processes()) else {
        return;
    };
    if let Some(agent) = processes
        .iter()
        .find(|process| process.program == "flatnet-agent")
    {
        // Without the option, the agent chooses by itself.
        let backend = flags::value(&agent.argv, "backend").unwrap_or_else(|| "auto".to_owned());
        findings.fact(
            Fact::new("agent", "flatnet-agent", Source::command("ps -ww -o args"))
                .on(node)
                .with("status", "Running")
                .with("pid", agent.pid)
                .with("backend", backend),
        );
    } else if matches!(in_use(inside), Ok(Some((_, config))) if config.kinds().any(|kind| kind == "flatnet-cni"))
    {
        findings.problem(
            Some(node),
            "flatnet-agent",
            "the agent does not run on the node",
        );
    }
}

/// What flanneld writes for the flannel plugin: `NAME=value` lines (flannel, Documentation/running.md).
fn subnet_env(node: &str, inside: &NodeInside, findings: &mut Findings) {
    let path = paths::FLANNEL_SUBNET;
    let uses_flannel = matches!(in_use(inside), Ok(Some((_, config))) if config.kinds().any(|kind| kind == "flannel"));
    let Some(files) = findings.observed(node, "files", inside.files()) else {
        return;
    };
    match files.get(path) {
        Some(FileContent::Text(text)) => {
            let variables: BTreeMap<&str, &str> = text
                .lines()
                .filter_map(|line| line.trim().split_once('='))
                .collect();
            let get = |name: &str| variables.get(name).copied();
            for (network, subnet) in [
                ("FLANNEL_NETWORK", "FLANNEL_SUBNET"),
                ("FLANNEL_IPV6_NETWORK", "FLANNEL_IPV6_SUBNET"),
            ] {
                if let Some(network) = get(network) {
                    findings.fact(
                        Fact::new(
                            "node-subnet",
                            get(subnet).unwrap_or(network),
                            Source::File(path.to_owned()),
                        )
                        .on(node)
                        .with("pod-range", network)
                        .with(
                            "mtu",
                            get("FLANNEL_MTU").and_then(|mtu| mtu.parse::<u32>().ok()),
                        )
                        .with("masquerade", get("FLANNEL_IPMASQ")),
                    );
                }
            }
            if get("FLANNEL_SUBNET").is_none() && get("FLANNEL_IPV6_SUBNET").is_none() {
                findings.problem(Some(node), path, "it names no FLANNEL_SUBNET");
            }
        }
        Some(FileContent::Unreadable(why)) => {
            findings.problem(Some(node), path, format!("it cannot be read: {why}"))
        }
        Some(FileContent::Folder(_)) => findings.problem(Some(node), path, "it is a folder"),
        Some(FileContent::Absent) | None => {
            if uses_flannel {
                findings.problem(Some(node), path, "it is not there: flanneld has not run on the node, and without it the flannel plugin networks no pod");
            }
        }
    }
}

fn tunnels(node: &str, inside: &NodeInside, findings: &mut Findings) {
    let Some(facts) = findings.observed(node, "interfaces", inside.facts()) else {
        return;
    };
    for link in &facts.links {
        let Some(vxlan) = &link.vxlan else {
            continue;
        };
        let under = vxlan.local.and_then(|local| facts.holder(local));
        findings.fact(
            Fact::new(
                "tunnel",
                &link.name,
                Source::command("ip -d link show type vxlan"),
            )
            .on(node)
            .with("kind", "vxlan")
            .with("vni", vxlan.vni)
            .with("port", vxlan.port)
            .with("local", vxlan.local.map(|local| local.to_string()))
            .with("mtu", link.mtu)
            .with("mtu-below", under.map(|under| under.mtu))
            .with("up", link.up),
        );
        if !link.up {
            findings.problem(
                Some(node),
                &link.name,
                "the tunnel is administratively down: pods of other nodes are not reached",
            );
        }
    }
}
