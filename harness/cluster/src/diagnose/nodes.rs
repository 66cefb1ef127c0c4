//! Nodes from inside, as far as an unhealthy pod or node concerns them.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Node;

use super::name_of;
use crate::observe::inside::{self, Extent};
use crate::{Cluster, Target};
use flatnet_model::diagnosis::Unread;
use flatnet_model::observations::Availability;
use flatnet_model::snapshot::{NodeInside, NodeSnapshot};
use flatnet_model::symptoms::NodeSymptoms;

/// Every node, those of `concerned` from inside too.
pub(super) async fn read(
    cluster: &Arc<dyn Cluster>,
    objects: &[Node],
    snapshots: Vec<NodeSnapshot>,
    concerned: &BTreeSet<String>,
    unread: &mut Vec<Unread>,
) -> Vec<NodeSymptoms> {
    let concerns = |node: &&Node| concerned.contains(&name_of(node));
    let looked: Vec<Node> = objects.iter().filter(concerns).cloned().collect();
    let mut insides = match looked.is_empty() {
        true => BTreeMap::new(),
        false => inside::look(Arc::clone(cluster), &looked, Extent::PodNetworks).await,
    };
    let nodes = snapshots.into_iter().map(|object| {
        let inside = insides.remove(&object.name);
        let read = match inside {
            None => Ok(None),
            Some(Availability::Found(inside)) => Ok(Some(inside)),
            Some(Availability::Absent { why } | Availability::Lost { error: why }) => Err(why),
        };
        async move {
            let silent = concerned.contains(&object.name) && object.is_silent();
            let kubelet = match silent {
                true => kubelet(cluster, &object.name).await,
                false => None,
            };
            (object, read, kubelet)
        }
    });
    let mut symptoms = Vec::new();
    for (object, read, kubelet) in join_all(nodes).await {
        let inside = match read {
            Ok(Some(inside)) => {
                unread.extend(missing(&object.name, &inside));
                inside
            }
            Ok(None) => NodeInside::default(),
            Err(why) => {
                unread.push(Unread {
                    what: format!("node {} from inside", object.name),
                    why,
                });
                NodeInside::default()
            }
        };
        symptoms.push(NodeSymptoms {
            object,
            inside,
            kubelet,
        });
    }
    symptoms
}

/// What of a node could not be read; one reason for several parts is reported once.
fn missing(node: &str, inside: &NodeInside) -> Vec<Unread> {
    let files = inside.cni().into_iter().flat_map(|files| &files.conf);
    let mut unread: Vec<Unread> = files
        .filter_map(|file| {
            Some(Unread {
                what: format!("/etc/cni/net.d/{} of node {node}", file.name),
                why: file.content.as_ref().err()?.clone(),
            })
        })
        .collect();
    let parts = [
        ("CNI files", inside.cni().err()),
        ("interfaces and routes", inside.facts().err()),
        ("what the plugins speak", inside.plugins().err()),
        ("/var/lib/cni/networks", inside.files().err()),
    ];
    let mut told: Vec<&str> = Vec::new();
    for (what, why) in parts {
        if let Some(why) = why.filter(|why| !told.contains(why)) {
            told.push(why);
            unread.push(Unread {
                what: format!("{what} of node {node}"),
                why: why.to_owned(),
            });
        }
    }
    unread
}

/// systemd's word on the kubelet, where systemd can be asked; its exit code only repeats the word.
async fn kubelet(cluster: &Arc<dyn Cluster>, node: &str) -> Option<String> {
    let argv = ["systemctl", "is-active", "kubelet"].map(str::to_owned);
    let target = Target::Node(node.to_owned());
    let said = cluster.exec(&target, &argv, b"").await.ok()?;
    Some(said.stdout.trim().to_owned()).filter(|word| !word.is_empty())
}
