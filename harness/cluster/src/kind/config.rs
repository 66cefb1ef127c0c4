//! kind's configuration (`kind.x-k8s.io/v1alpha4`, kind `Cluster`): the default one, and a user's, validated before anything
//! starts. kind stops at the first thing it does not like, some of it minutes into the boot; here everything is told at once.
//!
//! A configuration stays the text it was: what this module does not understand better than the user (patches, mounts) reaches
//! kind as written.
mod kubeadm;
mod label;
mod networking;
mod node;
mod port;
mod problem;
mod walk;

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use ipnet::IpNet;
use serde_yaml::{Mapping, Value};

pub use problem::{Problem, Problems};

use flatnet_model::IpFamily as Family;
use networking::Networking;
use node::Role;
use walk::{Findings, Spot};

/// The default cluster, also what a person hands to kind by hand.
const DEFAULT: &str = include_str!("../../../../kind-config.yaml");
const DEFAULT_NAME: &str = "kind-config.yaml";

const API_VERSION: &str = "kind.x-k8s.io/v1alpha4";

/// A validated configuration.
#[derive(Clone, Debug)]
pub struct KindConfig {
    text: String,
    roles: Vec<Role>,
    networking: Networking,
}

/// How the default cluster is to be changed.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// Nodes in all; the first is the control plane.
    pub nodes: NonZeroUsize,
    /// Families of pods, services and nodes.
    pub family: Family,
    /// Ranges of the pod network, at most one a family; none for the defaults.
    pub pod_network: &'a [IpNet],
    /// Ranges of the services' addresses, likewise.
    pub service_network: &'a [IpNet],
    /// Node image; none for kind's own.
    pub image: Option<&'a str>,
}

impl KindConfig {
    /// The repository's `kind-config.yaml` in another shape.
    ///
    /// # Errors
    /// Ranges that do not fit the family, each other or the number of nodes; an image name that is none.
    pub fn default_for(shape: &Shape<'_>) -> Result<KindConfig, Problems> {
        let mut document = document(DEFAULT, DEFAULT_NAME)?;
        if let Some(root) = document.as_mapping_mut() {
            reshape(root, shape);
        }
        let text = serde_yaml::to_string(&document)
            .map_err(|e| Problems::one(DEFAULT_NAME, Problem::whole(e.to_string())))?;
        KindConfig::parse(&text, DEFAULT_NAME)
    }

    /// Validates a configuration: kind's own rules, those of what kind starts (kubeadm, kubelet), and that the CNI is left to us.
    /// Rules are those of kind 0.33.
    ///
    /// # Errors
    /// Everything that is wrong with it; where it is not YAML, the line and column.
    pub fn parse(text: &str, file: &str) -> Result<KindConfig, Problems> {
        let document = document(text, file)?;
        let mut found = Findings::default();
        let (roles, networking) = read(&Spot::root(&document), &mut found);
        match Problems::of(file, found) {
            Some(problems) => Err(problems),
            None => Ok(KindConfig {
                text: text.to_owned(),
                roles,
                networking,
            }),
        }
    }

    /// What `kind create cluster --config -` is to be given.
    pub fn yaml(&self) -> &str {
        &self.text
    }

    /// Number of nodes, control planes included; at least 1.
    pub fn nodes(&self) -> usize {
        self.roles.len()
    }

    /// Number of control planes, at least 1. With more than one, kind starts a load balancer beside the nodes.
    pub fn control_planes(&self) -> usize {
        self.roles
            .iter()
            .filter(|role| **role == Role::ControlPlane)
            .count()
    }

    /// Families of nodes and services.
    pub fn family(&self) -> Family {
        self.networking.family
    }

    /// Ranges of the pod network in the order written, kind's defaults where none are.
    pub fn pod_subnets(&self) -> &[IpNet] {
        &self.networking.pod_subnets
    }

    /// Ranges of the services' addresses, likewise.
    pub fn service_subnets(&self) -> &[IpNet] {
        &self.networking.service_subnets
    }
}

fn document(text: &str, file: &str) -> Result<Value, Problems> {
    let not_yaml = |e: serde_yaml::Error| {
        Problems::one(file, Problem::whole(format!("not a YAML document: {e}")))
    };
    let mut document: Value = serde_yaml::from_str(text).map_err(not_yaml)?;
    document.apply_merge().map_err(not_yaml)?;
    Ok(document)
}

fn read(root: &Spot<'_>, found: &mut Findings) -> (Vec<Role>, Networking) {
    if root.value().is_null() {
        found.add("", format!("is empty; it needs at least `kind: Cluster`, `apiVersion: {API_VERSION}` and `networking: {{disableDefaultCNI: true}}`"));
        return (Vec::new(), Networking::unread());
    }
    let Some(mut fields) = root.fields(found) else {
        return (Vec::new(), Networking::unread());
    };
    expect_text(&mut fields, "kind", "Cluster", found);
    expect_text(&mut fields, "apiVersion", API_VERSION, found);
    if let Some(name) = fields.take("name") {
        name.name(found);
    }
    kubeadm::check_gates(&mut fields, found);
    let masks = kubeadm::check_patches(&mut fields, found);
    kubeadm::check_containerd(&mut fields, found);
    let (roles, node_masks) = node::read(fields.take("nodes"), found);
    let networking = networking::read(
        fields.take("networking"),
        roles.len(),
        masks.or(node_masks),
        found,
    );
    fields.finish(found);
    (roles, networking)
}

fn expect_text(
    fields: &mut walk::Fields<'_>,
    key: &'static str,
    wanted: &str,
    found: &mut Findings,
) {
    match fields.take(key) {
        None => found.add(fields.path_of(key), format!("is missing; write {wanted}")),
        Some(spot) => {
            if let Some(text) = spot.text(found)
                && text != wanted
            {
                found.add(
                    spot.path(),
                    format!("{text:?} is not known here; write {wanted}"),
                );
            }
        }
    }
}

/// Changes what the shape names; the rest of the default stays.
fn reshape(root: &mut Mapping, shape: &Shape<'_>) {
    let templates = root
        .get("nodes")
        .and_then(Value::as_sequence)
        .cloned()
        .unwrap_or_default();
    let like = |role: Role| {
        let found = templates
            .iter()
            .find(|node| node.get("role").and_then(Value::as_str) == Some(role.name()));
        let mut node = found
            .and_then(Value::as_mapping)
            .cloned()
            .unwrap_or_default();
        node.insert("role".into(), role.name().into());
        if let Some(image) = shape.image {
            node.insert("image".into(), image.into());
        }
        Value::Mapping(node)
    };
    let workers = std::iter::repeat_with(|| like(Role::Worker)).take(shape.nodes.get() - 1);
    let nodes = std::iter::once(like(Role::ControlPlane)).chain(workers);
    root.insert("nodes".into(), Value::Sequence(nodes.collect()));

    let ranges = |nets: &[IpNet]| {
        let words: Vec<String> = nets.iter().map(IpNet::to_string).collect();
        words.join(",")
    };
    let networking = root
        .entry("networking".into())
        .or_insert_with(|| Value::Mapping(Mapping::new()));
    let Some(networking) = networking.as_mapping_mut() else {
        return;
    };
    networking.insert("ipFamily".into(), networking::name(shape.family).into());
    if !shape.pod_network.is_empty() {
        networking.insert("podSubnet".into(), ranges(shape.pod_network).into());
    } else if shape.family != Family::Ipv4 {
        let defaults = networking::default_pod_subnets(shape.family);
        networking.insert("podSubnet".into(), ranges(&defaults).into());
    }
    if !shape.service_network.is_empty() {
        networking.insert("serviceSubnet".into(), ranges(shape.service_network).into());
    }
}
