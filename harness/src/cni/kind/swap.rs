//! Takes a CNI off a kind cluster so that nothing of it is left: its pods' networks with it while it still can, then its
//! objects, then what it left on nodes.
use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::record::Record;
use super::removal::Removal;
use super::snapshot::{self, Snapshot};
use super::{KindCluster, agents, in_use};
use crate::events::{Event, Observer};
use crate::{Error, Result};
use flatnet_cluster::kube::objects::Objects;
use flatnet_cluster::kube::{FIELD_MANAGER, delete, denied};
use flatnet_cluster::limit::until_gone;
use flatnet_cluster::{Cluster, Target};
use flatnet_model::naming::listed;

/// How long pods and objects may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(120);
/// Marks a node that this module has cordoned, apart from those a person has.
const CORDONED: &str = "flatnet/cordoned";

/// Takes the CNI of `record` off. The record goes last, and every step accepts that its object is already gone: what fails can be
/// repeated until nothing is left. Nodes stay cordoned until [`uncordon`].
///
/// # Errors
/// When something of it stays: what, and on which node.
pub(super) async fn take_off(
    onto: &KindCluster,
    record: &Record,
    observer: &Observer,
) -> Result<()> {
    let client = onto.client();
    in_use::wait_for_other_runs(client, &onto.name, onto.cluster.namespace()).await?;
    let objects = Objects::parse("the CNI on the cluster", &record.manifest)?;
    cordon(client).await?;
    // While its plugin and agents are there: only they know how to undo a pod's network.
    delete_networked_pods(client).await?;
    objects.delete(client).await?;
    wait_gone(client, &objects).await?;
    clean_all(onto, record, observer).await?;
    Record::delete(client).await
}

/// Cleans every node that was there when the CNI was installed, each to its end: one that fails leaves no other half cleaned.
async fn clean_all(onto: &KindCluster, record: &Record, observer: &Observer) -> Result<()> {
    let there = nodes(&Api::all(onto.client().clone())).await?;
    let there: Vec<String> = there.iter().map(Node::name_any).collect();
    let later: Vec<&String> = there
        .iter()
        .filter(|node| !record.nodes.contains_key(*node))
        .collect();
    if !later.is_empty() {
        observer(&Event::Note(format!(
            "{} joined the cluster after its CNI was installed: what that CNI added there is not known, and stays",
            listed(later.iter())
        )));
    }
    // With a node that has left went what it had.
    let known = record.nodes.iter().filter(|(node, _)| there.contains(node));
    let cleaning =
        known.map(async |(node, before)| (node, clean(onto, node, before, &record.paths).await));
    let mut unlisted: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    let mut failed = Vec::new();
    for (node, cleaned) in join_all(cleaning).await {
        match cleaned {
            Ok(missing) => missing
                .into_iter()
                .for_each(|program| unlisted.entry(program).or_default().push(node)),
            Err(e) => failed.push(e),
        }
    }
    for (program, nodes) in unlisted {
        observer(&Event::Note(stays_unseen(&program, &nodes)));
    }
    failed.into_iter().reduce(Error::then).map_or(Ok(()), Err)
}

/// What a program that is missing would have listed.
fn stays_unseen(program: &str, nodes: &[&String]) -> String {
    let what = match program {
        "ipset" => "IP sets",
        "nft" => "nftables tables",
        "ip" => "routes and rules",
        _ => "iptables rules",
    };
    format!(
        "{what} of {} cannot be listed, because {program} is not installed there: any that the removed CNI made would stay",
        listed(nodes.iter())
    )
}

/// Refuses a cluster whose CNI flatnet did not install: only what was recorded can be removed cleanly.
pub(super) async fn refuse_foreign(onto: &KindCluster) -> Result<()> {
    let bare = without_conflist(onto).await?;
    let nodes = onto.cluster.nodes().await?;
    if bare.len() == nodes.len() {
        return Ok(());
    }
    Err(Error::Input(format!(
        "cluster {}: /etc/cni/net.d of its nodes is not empty, and flatnet did not install that CNI; check it as it is with --cni none, or remove it first",
        onto.name
    )))
}

/// Nodes whose `/etc/cni/net.d` holds nothing.
pub(super) async fn without_conflist(onto: &KindCluster) -> Result<Vec<String>> {
    let mut bare = Vec::new();
    for node in onto.cluster.nodes().await? {
        let name = node.name_any();
        let list = "[ ! -d /etc/cni/net.d ] || ls -A /etc/cni/net.d";
        let argv = ["sh", "-c", list].map(str::to_owned);
        let target = Target::Node(name.clone());
        let done = onto.cluster.exec(&target, &argv, b"").await?;
        if done.code != 0 {
            return Err(Error::Failed(format!(
                "list /etc/cni/net.d of node {name}: {}",
                done.stderr.trim()
            )));
        }
        if done.stdout.trim().is_empty() {
            bare.push(name);
        }
    }
    Ok(bare)
}

/// Deletes pods whose network the CNI made, and waits until they are gone.
async fn delete_networked_pods(client: &Client) -> Result<()> {
    let all: Api<Pod> = Api::all(client.clone());
    let look = || async {
        let list = all.list(&ListParams::default()).await;
        let mut left = list.map_err(|e| denied("list pods", e))?.items;
        // A pod that waits for a node to be uncordoned has no network.
        left.retain(is_networked);
        for pod in left
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        {
            let api: Api<Pod> =
                Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
            let params = DeleteParams::default().grace_period(1);
            let name = pod.name_any();
            delete(&api, &name, &params, &format!("delete pod {name}")).await?;
        }
        Ok(left)
    };
    until_gone(GONE_WITHIN, look, |left| {
        let names: Vec<String> = left.iter().map(Pod::name_any).collect();
        format!(
            "pods of the removed CNI are still there: {}; to see why: kubectl get pods -A -o wide",
            names.join(", ")
        )
    })
    .await
}

pub(super) fn is_networked(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    spec.is_some_and(|spec| spec.node_name.is_some() && spec.host_network != Some(true))
}

/// Waits until the objects and the pods of their DaemonSets are gone.
pub(super) async fn wait_gone(client: &Client, objects: &Objects) -> Result<()> {
    let look = || async {
        let mut left = objects.remaining(client).await?;
        for set in objects.daemon_sets() {
            let pods = agents::pods_of(client, &set).await?;
            left.extend(pods.iter().map(|pod| format!("Pod {}", pod.name_any())));
        }
        Ok(left)
    };
    until_gone(GONE_WITHIN, look, |left| {
        format!("the CNI cannot be removed: {}", left.join(", "))
    })
    .await
}

/// Takes off a node what it has more than before, and looks whether it is gone. Returns the programs that the node lacks for that.
async fn clean(
    onto: &KindCluster,
    node: &str,
    before: &Snapshot,
    paths: &[String],
) -> Result<Vec<String>> {
    let left = snapshot::take(onto, node, paths).await?.since(before);
    let said = Removal::of(&left).run(&onto.cluster, node).await?;
    let now = snapshot::take(onto, node, paths).await?;
    let still = now.since(before);
    if still.is_empty() {
        return Ok(now.missing().map(str::to_owned).collect());
    }
    let listed: Vec<String> = still
        .iter()
        .map(|(section, line)| format!("{}: {line}", section.name()))
        .collect();
    Err(Error::Failed(format!(
        "node {node} still has parts of the removed CNI: {}; the commands that should delete them said: {}",
        listed.join("; "),
        said.trim()
    )))
}

/// Keeps new pods from the nodes while there is no CNI.
async fn cordon(client: &Client) -> Result<()> {
    let api: Api<Node> = Api::all(client.clone());
    for node in nodes(&api).await? {
        let already = node.spec.as_ref().and_then(|s| s.unschedulable) == Some(true);
        if !already {
            mark(&api, &node.name_any(), true).await?;
        }
    }
    Ok(())
}

/// Lets pods onto the nodes again that [`take_off`] kept them from.
pub(super) async fn uncordon(client: &Client) -> Result<()> {
    let api: Api<Node> = Api::all(client.clone());
    for node in nodes(&api).await? {
        if node.annotations().contains_key(CORDONED) {
            mark(&api, &node.name_any(), false).await?;
        }
    }
    Ok(())
}

pub(super) async fn nodes(api: &Api<Node>) -> Result<Vec<Node>> {
    let list = api.list(&ListParams::default()).await;
    Ok(list.map_err(|e| denied("list nodes", e))?.items)
}

async fn mark(api: &Api<Node>, node: &str, cordoned: bool) -> Result<()> {
    let patch = json!({
        "metadata": { "annotations": { CORDONED: cordoned.then_some("true") } },
        "spec": { "unschedulable": cordoned.then_some(true) },
    });
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch(node, &params, &Patch::Merge(patch))
        .await
        .map_err(|e| denied(&format!("cordon or uncordon node {node}"), e))?;
    Ok(())
}
