//! Nodes from inside, through the probe and two short commands.
use flatnet_model::snapshot::NodeSnapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flatnet_model::probe::{CniFiles, Facts};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Node;

use super::{name_of, note};
use crate::observe::fleet::Fleet;
use crate::observe::gather::{cni_files, facts};
use crate::{Cluster, Target};
use flatnet_model::cni::{NetworkList, in_use};
use flatnet_model::diagnosis::Unread;
use flatnet_model::observations::{Endpoint, Observed};
use flatnet_model::symptoms::{Lease, NodeSymptoms};

/// Prints the file where there is one.
const SUBNET_ENV: &str = "[ ! -e /run/flannel/subnet.env ] || cat /run/flannel/subnet.env";
/// Prints every reservation's path.
const LEASES: &str = "for f in /var/lib/cni/networks/*/*; do [ ! -f \"$f\" ] || echo \"$f\"; done";

/// Asks each plugin named which versions it speaks; the answer may be several lines of JSON.
const VERSIONS: &str = "for p in \"$@\"; do [ ! -x \"/opt/cni/bin/$p\" ] || \
    echo \"$p $(echo '{\"cniVersion\": \"1.0.0\"}' | CNI_COMMAND=VERSION \"/opt/cni/bin/$p\" 2>/dev/null | tr '\\n' ' ')\"; done";

/// Every node, those of `concerned` from inside too.
pub(super) async fn read(
    cluster: &Arc<dyn Cluster>,
    objects: &[Node],
    snapshots: Vec<NodeSnapshot>,
    concerned: &BTreeSet<String>,
    unread: &mut Vec<Unread>,
) -> Vec<NodeSymptoms> {
    let looked: Vec<Node> = objects
        .iter()
        .filter(|node| concerned.contains(&name_of(node)))
        .cloned()
        .collect();
    let (mut files, mut views) = inside(cluster, &looked, unread).await;
    let nodes = snapshots.into_iter().map(|object| {
        let at = Endpoint::Node(object.name.clone());
        let (cni, facts) = (files.remove(&at), views.remove(&at));
        read_one(cluster, object, cni, facts)
    });
    let nodes = join_all(nodes).await;
    for node in nodes.iter().filter(|node| node.looked_at) {
        let said = [
            ("CNI files", node.cni.as_ref().err()),
            ("interfaces and routes", node.facts.as_ref().err()),
            ("what the plugins speak", node.spoken.as_ref().err()),
            ("/run/flannel/subnet.env", node.subnet_env.as_ref().err()),
            ("/var/lib/cni/networks", node.leases.as_ref().err()),
        ];
        for file in node.cni.iter().flat_map(|files| &files.conf) {
            if let Err(why) = &file.content {
                unread.push(Unread {
                    what: format!("/etc/cni/net.d/{} of node {}", file.name, node.object.name),
                    why: why.clone(),
                });
            }
        }
        // One reason for all is said once.
        let mut told: Vec<&String> = Vec::new();
        for (what, why) in said {
            if let Some(why) = why.filter(|why| !told.contains(why)) {
                told.push(why);
                unread.push(Unread {
                    what: format!("{what} of node {}", node.object.name),
                    why: why.clone(),
                });
            }
        }
    }
    nodes
}

type At<T> = BTreeMap<Endpoint, Observed<T>>;

async fn inside(
    cluster: &Arc<dyn Cluster>,
    nodes: &[Node],
    unread: &mut Vec<Unread>,
) -> (At<CniFiles>, At<Facts>) {
    if nodes.is_empty() {
        return Default::default();
    }
    match Fleet::start(Arc::clone(cluster), nodes, &[], None).await {
        Ok(fleet) => {
            let names = nodes.iter().map(name_of);
            let files = cni_files(&fleet, names, cluster.node_root()).await;
            (files, facts(&fleet).await)
        }
        Err(e) => {
            unread.push(note("nodes from inside", &e));
            let each = || {
                nodes
                    .iter()
                    .map(|node| (Endpoint::Node(name_of(node)), e.to_string()))
            };
            let none = |(at, why)| (at, Err(why));
            (
                each().map(none).collect(),
                each().map(|(at, why)| (at, Err(why))).collect(),
            )
        }
    }
}

async fn read_one(
    cluster: &Arc<dyn Cluster>,
    object: NodeSnapshot,
    cni: Option<Observed<CniFiles>>,
    facts: Option<Observed<Facts>>,
) -> NodeSymptoms {
    let unasked = || "not asked".to_owned();
    let looked_at = cni.is_some();
    let mut node = NodeSymptoms {
        object,
        looked_at,
        cni: cni.unwrap_or_else(|| Err(unasked())),
        facts: facts.unwrap_or_else(|| Err(unasked())),
        spoken: Err(unasked()),
        subnet_env: Err(unasked()),
        leases: Err(unasked()),
        kubelet: None,
    };
    if !looked_at {
        return node;
    }
    let silent = node.ready().0 == "Unknown";
    let sh = |script: &str| ["sh", "-c", script].map(str::to_owned).to_vec();
    let systemd = ["systemctl", "is-active", "kubelet"].map(str::to_owned);
    let programs = programs(&node);
    let (spoken, env, leases, kubelet) = tokio::join!(
        ask(cluster, &node.object.name, programs),
        ask(cluster, &node.object.name, sh(SUBNET_ENV)),
        ask(cluster, &node.object.name, sh(LEASES)),
        async {
            match silent {
                // Its exit code only repeats the word.
                true => said(cluster, &node.object.name, &systemd).await.ok(),
                false => None,
            }
        }
    );
    node.spoken = spoken.map(|text| text.lines().filter_map(spoken_by).collect());
    node.subnet_env = env.map(|text| Some(text).filter(|text| !text.trim().is_empty()));
    node.leases = leases.map(|text| text.lines().filter_map(lease).collect());
    node.kubelet = kubelet.map(|(_, word)| word.trim().to_owned());
    node.kubelet = node.kubelet.filter(|word| !word.is_empty());
    node
}

async fn said(
    cluster: &Arc<dyn Cluster>,
    node: &str,
    argv: &[String],
) -> crate::Result<(i32, String)> {
    let target = Target::Node(node.to_owned());
    let done = cluster.exec(&target, argv, b"").await?;
    Ok((done.code, done.stdout))
}

async fn ask(cluster: &Arc<dyn Cluster>, node: &str, argv: Vec<String>) -> Observed<String> {
    match said(cluster, node, &argv).await {
        Ok((0, text)) => Ok(text),
        Ok((code, _)) => Err(format!("{} ended with exit code {code}", argv.join(" "))),
        Err(e) => Err(e.to_string()),
    }
}

/// The question to the plugins of the configuration in use.
fn programs(node: &NodeSymptoms) -> Vec<String> {
    let network = node.cni.as_ref().ok().and_then(in_use);
    let programs = network.iter().flat_map(NetworkList::programs);
    ["sh", "-c", VERSIONS, "sh"]
        .into_iter()
        .chain(programs)
        .map(str::to_owned)
        .collect()
}

/// A plugin's name and its answer to VERSION (CNI specification, section 2).
fn spoken_by(line: &str) -> Option<(String, Vec<String>)> {
    let (plugin, answer) = line.split_once(' ')?;
    let answer: serde_json::Value = serde_json::from_str(answer).ok()?;
    let versions = answer.get("supportedVersions")?.as_array()?.iter();
    let versions = versions.filter_map(|version| version.as_str().map(str::to_owned));
    Some((plugin.to_owned(), versions.collect()))
}

/// Other files there are locks, hints and records.
fn lease(path: &str) -> Option<Lease> {
    let mut parts = path.rsplit('/');
    let address = parts.next()?.parse().ok()?;
    Some(Lease {
        network: parts.next()?.to_owned(),
        address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_answer_is_read_and_anything_else_is_none() {
        let answer =
            r#"bridge {"cniVersion": "1.0.0",  "supportedVersions": ["0.4.0", "1.0.0"] } "#;
        let (plugin, versions) = spoken_by(answer).unwrap();
        assert_eq!((plugin.as_str(), versions.len()), ("bridge", 2));
        assert_eq!(spoken_by("weave-net {\"code\": 4}"), None);
        assert_eq!(spoken_by("weave-net "), None);
    }

    #[test]
    fn files_named_after_an_address_are_reservations() {
        let of = |name: &str| lease(&format!("/var/lib/cni/networks/cbr0/{name}"));
        let lease = of("10.244.1.7").unwrap();
        assert_eq!(
            (lease.network.as_str(), lease.address.to_string().as_str()),
            ("cbr0", "10.244.1.7")
        );
        assert_eq!(of("fd00:1::7").unwrap().address.to_string(), "fd00:1::7");
        for other in ["lock", "last_reserved_ip.0", "last@0", "owner@abc@eth0"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
