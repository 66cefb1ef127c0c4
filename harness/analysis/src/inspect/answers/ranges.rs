//! Address ranges of nodes, pods and services, and whether they keep apart.
use flatnet_model::nodes_file::NodesFile;
use flatnet_model::probe::FileContent;
use ipnet::IpNet;

use super::control_plane::component;
use super::findings::Findings;
use flatnet_model::components::{flags, paths};
use flatnet_model::inspection::{Fact, Outcome, Source};
use flatnet_model::snapshot::NodeInside;
use flatnet_model::view::{ApiObjects, View};

/// Whose addresses a range holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    /// Nodes: the subnet of an InternalIP.
    Nodes,
    /// Pods of the whole cluster.
    Pods,
    /// Pods of one node.
    NodePods(String),
    /// Services.
    Services,
}

impl Whose {
    fn words(&self) -> String {
        match self {
            Whose::Nodes => "nodes".to_owned(),
            Whose::Pods => "pods".to_owned(),
            Whose::NodePods(node) => format!("pods of {node}"),
            Whose::Services => "services".to_owned(),
        }
    }

    /// Whether addresses of both may not be the same. A node's podCIDR is a part of the cluster's range.
    fn must_differ_from(&self, other: &Whose) -> bool {
        match (self, other) {
            (Whose::NodePods(a), Whose::NodePods(b)) => a != b,
            (Whose::Pods, Whose::NodePods(_)) | (Whose::NodePods(_), Whose::Pods) => false,
            _ => self != other,
        }
    }
}

/// One range as one source has it.
struct Range {
    of: Whose,
    net: IpNet,
    set_by: String,
    node: Option<String>,
    source: Source,
}

pub(in crate::inspect) fn answer(view: &View) -> Outcome {
    let mut findings = Findings::default();
    let mut ranges = Vec::new();
    let insides = findings.insides(view);
    for (node, inside) in &insides {
        let name = &node.object.name;
        if let Some(facts) = findings.observed(name, "addresses", inside.facts()) {
            let held = facts
                .addresses
                .iter()
                .filter(|a| node.object.internal_ips.contains(&a.net.addr()));
            ranges.extend(held.map(|address| Range {
                of: Whose::Nodes,
                net: address.net.trunc(),
                set_by: "the InternalIP's prefix".to_owned(),
                node: Some(name.clone()),
                source: Source::command("ip addr"),
            }));
        }
        from_components(name, inside, &mut ranges, &mut findings);
        from_lab(name, inside, &mut ranges, &mut findings);
    }
    let source = match view.capabilities.kubectl.is_present() {
        false => Source::command("flatnet list --output json"),
        true => Source::api("kubectl get nodes -o jsonpath='{.items[*].spec.podCIDRs}'"),
    };
    for object in &view.objects {
        ranges.extend(object.pod_cidrs.iter().map(|net| Range {
            of: Whose::NodePods(object.name.clone()),
            net: *net,
            set_by: "podCIDR".to_owned(),
            node: None,
            source: source.clone(),
        }));
    }
    if let Some(api) = findings.available("service ranges", &view.api) {
        from_api(api, &mut ranges, &mut findings);
    }
    judge(&ranges, &mut findings);
    findings.outcome(|| "the cluster tells no range".to_owned())
}

/// Flags of the control plane: comma-separated, one per family.
fn from_components(
    node: &str,
    inside: &NodeInside,
    ranges: &mut Vec<Range>,
    findings: &mut Findings,
) {
    for (program, flag, of) in [
        (
            "kube-apiserver",
            "service-cluster-ip-range",
            Whose::Services,
        ),
        (
            "kube-controller-manager",
            "service-cluster-ip-range",
            Whose::Services,
        ),
        ("kube-controller-manager", "cluster-cidr", Whose::Pods),
        ("kube-proxy", "cluster-cidr", Whose::Pods),
    ] {
        let Some(component) = component(node, inside, program, findings) else {
            continue;
        };
        let Some(list) = flags::value(&component.argv, flag) else {
            continue;
        };
        for text in list.split(',') {
            match text.trim().parse() {
                Ok(net) => ranges.push(Range {
                    of: of.clone(),
                    net,
                    set_by: format!("{program} --{flag}"),
                    node: Some(node.to_owned()),
                    source: component.source.clone(),
                }),
                Err(_) => findings.problem(
                    Some(node),
                    component.source.text(),
                    format!("--{flag} has {text:?}, which is not a range"),
                ),
            }
        }
    }
}

/// What the lab tells flatnet's agents.
fn from_lab(node: &str, inside: &NodeInside, ranges: &mut Vec<Range>, findings: &mut Findings) {
    let path = paths::FLATNET_NODES;
    let Some(FileContent::Text(text)) = inside.files().ok().and_then(|files| files.get(path))
    else {
        return;
    };
    match serde_json::from_str::<NodesFile>(text) {
        Ok(file) => ranges.extend(file.pod_network.into_iter().map(|net| Range {
            of: Whose::Pods,
            net,
            set_by: "podNetwork".to_owned(),
            node: Some(node.to_owned()),
            source: Source::File(path.to_owned()),
        })),
        Err(error) => findings.problem(Some(node), path, format!("it does not parse: {error}")),
    }
}

fn from_api(api: &ApiObjects, ranges: &mut Vec<Range>, findings: &mut Findings) {
    if let Some(kubeadm) = findings.available("ConfigMap kube-system/kubeadm-config", &api.kubeadm)
    {
        for (of, nets, key) in [
            (Whose::Pods, &kubeadm.pods, "podSubnet"),
            (Whose::Services, &kubeadm.services, "serviceSubnet"),
        ] {
            ranges.extend(nets.iter().map(|net| Range {
                of: of.clone(),
                net: *net,
                set_by: format!("kubeadm's {key}"),
                node: None,
                source: Source::api("kubectl -n kube-system get configmap kubeadm-config -o yaml"),
            }));
        }
    }
    if let Some(objects) = findings.available("ServiceCIDR objects", &api.service_cidrs) {
        for (name, nets) in objects {
            ranges.extend(nets.iter().map(|net| Range {
                of: Whose::Services,
                net: *net,
                set_by: format!("ServiceCIDR {name}"),
                node: None,
                source: Source::Api(format!("kubectl get servicecidr {name}")),
            }));
        }
    }
}

fn judge(ranges: &[Range], findings: &mut Findings) {
    for range in ranges {
        let fact = Fact::new("range", range.net.to_string(), range.source.clone())
            .with("of", range.of.words())
            .with(
                "family",
                if range.net.addr().is_ipv6() {
                    "IPv6"
                } else {
                    "IPv4"
                },
            )
            .with("set-by", range.set_by.as_str());
        findings.fact(match &range.node {
            Some(node) => fact.on(node),
            None => fact,
        });
    }
    disagreements(ranges, findings);
    let mut apart = true;
    for (at, one) in ranges.iter().enumerate() {
        for other in &ranges[at + 1..] {
            let shared = one.net.contains(&other.net) || other.net.contains(&one.net);
            if shared && one.of.must_differ_from(&other.of) {
                apart = false;
                findings.problem(
                    None,
                    &one.net.to_string(),
                    format!(
                        "the range of {} ({}) overlaps {} of {} ({})",
                        one.of.words(),
                        one.set_by,
                        other.net,
                        other.of.words(),
                        other.set_by
                    ),
                );
            }
        }
        let whole: Vec<&Range> = ranges
            .iter()
            .filter(|r| r.of == Whose::Pods && r.net.addr().is_ipv6() == one.net.addr().is_ipv6())
            .collect();
        if matches!(one.of, Whose::NodePods(_))
            && !whole.is_empty()
            && !whole.iter().any(|whole| whole.net.contains(&one.net))
        {
            findings.problem(
                None,
                &one.net.to_string(),
                format!(
                    "the podCIDR for {} lies outside the cluster's pod range {}",
                    one.of.words(),
                    whole[0].net
                ),
            );
        }
    }
    if !ranges.is_empty() {
        let mut kinds: Vec<&str> = Vec::new();
        for range in ranges {
            let kind = match range.of {
                Whose::Nodes => "nodes",
                Whose::Pods | Whose::NodePods(_) => "pods",
                Whose::Services => "services",
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let source = Source::command("flatnet inspect ranges");
        findings.fact(Fact::new("ranges-of", kinds.join(", "), source).with("overlap", !apart));
    }
}

/// Two sources should tell the same range of the services, and of all pods.
fn disagreements(ranges: &[Range], findings: &mut Findings) {
    for of in [Whose::Services, Whose::Pods] {
        for v6 in [false, true] {
            let mut same = ranges
                .iter()
                .filter(|r| r.of == of && r.net.addr().is_ipv6() == v6);
            let Some(first) = same.next() else {
                continue;
            };
            // ServiceCIDR objects may add ranges to the first.
            for other in same
                .filter(|other| other.net != first.net && !other.set_by.starts_with("ServiceCIDR"))
            {
                findings.problem(
                    None,
                    &other.net.to_string(),
                    format!(
                        "{} gives {} this range, {} gives them {}",
                        other.set_by,
                        of.words(),
                        first.set_by,
                        first.net
                    ),
                );
            }
        }
    }
}
