//! kind's configuration (`kind.x-k8s.io/v1alpha4`, kind `Cluster`): the default one, or a user's, which reaches kind as written.
//! kind checks it before it makes anything; here only what flatnet itself needs to know is read.
use std::num::NonZeroUsize;

use flatnet_model::IpFamily;
use ipnet::IpNet;
use serde::Deserialize;
use serde_yaml::{Mapping, Value};

use crate::{Error, Result};

/// The default cluster, also what a person hands to kind by hand.
const DEFAULT: &str = include_str!("../../../../kind-config.yaml");
/// kind's pod networks where none is written (kind, `pkg/apis/config/v1alpha4/default.go`): the default file names the IPv4 one,
/// so that another family needs them said.
const PODS_V4: &str = "10.244.0.0/16";
const PODS_V6: &str = "fd00:10:244::/56";

/// What flatnet reads of a configuration.
#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    networking: Networking,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Networking {
    #[serde(rename = "disableDefaultCNI")]
    disable_default_cni: Value,
}

/// A configuration that kind may be given.
#[derive(Clone, Debug)]
pub struct KindConfig {
    text: String,
}

/// How the default cluster is to be changed.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// Nodes in all; the first is the control plane.
    pub nodes: NonZeroUsize,
    /// Families of pods, services and nodes.
    pub family: IpFamily,
    /// Ranges of the pod network, at most one per family; none for the defaults.
    pub pod_network: &'a [IpNet],
    /// Node image; none for kind's own.
    pub image: Option<&'a str>,
}

impl KindConfig {
    /// The repository's `kind-config.yaml` in another shape.
    ///
    /// # Errors
    /// None but what a broken default file would cause.
    pub fn default_for(shape: &Shape<'_>) -> Result<KindConfig> {
        let broken = |e: serde_yaml::Error| Error::failed("kind-config.yaml", e);
        let mut document: Value = serde_yaml::from_str(DEFAULT).map_err(broken)?;
        if let Some(root) = document.as_mapping_mut() {
            reshape(root, shape);
        }
        let text = serde_yaml::to_string(&document).map_err(broken)?;
        KindConfig::parse(&text, "kind-config.yaml")
    }

    /// A user's configuration.
    ///
    /// # Errors
    /// [`Error::Input`] for what is not YAML, with line and column, and for a configuration that lets kind install a CNI of its
    /// own. The rest is for kind to judge.
    pub fn parse(text: &str, file: &str) -> Result<KindConfig> {
        let bad = |e: serde_yaml::Error| Error::Input(format!("{file}: {e}"));
        let mut document: Value = serde_yaml::from_str(text).map_err(bad)?;
        document.apply_merge().map_err(bad)?;
        let read = match document {
            Value::Null => Read {
                networking: Networking::default(),
            },
            document => Read::deserialize(document).map_err(bad)?,
        };
        if read.networking.disable_default_cni != Value::Bool(true) {
            return Err(Error::Input(format!(
                "{file}: set networking.disableDefaultCNI to true: otherwise kind's own CNI networks the pods as well, and no check could tell which CNI it sees"
            )));
        }
        Ok(KindConfig {
            text: text.to_owned(),
        })
    }

    /// What `kind create cluster --config` is to be given.
    pub fn yaml(&self) -> &str {
        &self.text
    }
}

/// Changes what the shape names; the rest of the default stays.
fn reshape(root: &mut Mapping, shape: &Shape<'_>) {
    let templates = root
        .get("nodes")
        .and_then(Value::as_sequence)
        .cloned()
        .unwrap_or_default();
    let like = |role: &str| {
        let has_role = |node: &&Value| node.get("role").and_then(Value::as_str) == Some(role);
        let found = templates.iter().find(has_role).and_then(Value::as_mapping);
        let mut node = found.cloned().unwrap_or_default();
        node.insert("role".into(), role.into());
        if let Some(image) = shape.image {
            node.insert("image".into(), image.into());
        }
        Value::Mapping(node)
    };
    let workers = std::iter::repeat_with(|| like("worker")).take(shape.nodes.get() - 1);
    let nodes = std::iter::once(like("control-plane")).chain(workers);
    root.insert("nodes".into(), Value::Sequence(nodes.collect()));

    let networking = root
        .entry("networking".into())
        .or_insert_with(|| Value::Mapping(Mapping::new()));
    let Some(networking) = networking.as_mapping_mut() else {
        return;
    };
    networking.insert("ipFamily".into(), shape.family.as_str().into());
    if !shape.pod_network.is_empty() {
        let words: Vec<String> = shape.pod_network.iter().map(IpNet::to_string).collect();
        networking.insert("podSubnet".into(), words.join(",").into());
    } else if let Some(pods) = match shape.family {
        IpFamily::Ipv4 => None,
        IpFamily::Ipv6 => Some(PODS_V6.to_owned()),
        IpFamily::Dual => Some(format!("{PODS_V4},{PODS_V6}")),
    } {
        networking.insert("podSubnet".into(), pods.into());
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn shape(nodes: usize, family: IpFamily) -> Shape<'static> {
        Shape {
            nodes: NonZeroUsize::new(nodes).unwrap(),
            family,
            pod_network: &[],
            image: None,
        }
    }

    fn yaml(config: &KindConfig) -> Value {
        serde_yaml::from_str(config.yaml()).unwrap()
    }

    fn roles(yaml: &Value) -> Vec<&str> {
        let nodes = yaml["nodes"].as_sequence().unwrap().iter();
        nodes.map(|node| node["role"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_users_configuration_is_left_as_written() {
        let text = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n# a comment\nnetworking: {disableDefaultCNI: true, kubeProxyMode: none}\nkubeadmConfigPatches:\n- |\n  kind: ClusterConfiguration\n";
        assert_eq!(KindConfig::parse(text, "kind.yaml").unwrap().yaml(), text);
    }

    #[test]
    fn anchors_and_merge_keys_are_read_as_kind_reads_them() {
        let text = "x: &base {disableDefaultCNI: true}\nnetworking:\n  <<: *base\n";
        assert!(KindConfig::parse(text, "kind.yaml").is_ok());
    }

    #[rstest]
    #[case::empty("", "disableDefaultCNI")]
    #[case::not_said("kind: Cluster\n", "disableDefaultCNI")]
    #[case::off("networking: {disableDefaultCNI: false}\n", "disableDefaultCNI")]
    #[case::no_flag("networking: {disableDefaultCNI: maybe}\n", "disableDefaultCNI")]
    #[case::not_yaml("kind: [Cluster\n", "line 2")]
    #[case::a_list("- kind\n", "kind.yaml")]
    fn a_cni_of_kinds_own_and_what_is_not_yaml_are_refused(#[case] text: &str, #[case] says: &str) {
        let error = KindConfig::parse(text, "kind.yaml").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let words = error.to_string();
        assert!(
            words.contains("kind.yaml") && words.contains(says),
            "{words}"
        );
    }

    #[test]
    fn the_default_is_the_repositorys_file() {
        let config = KindConfig::default_for(&shape(3, IpFamily::Ipv4)).unwrap();
        let mut file: Value = serde_yaml::from_str(DEFAULT).unwrap();
        file["networking"]["ipFamily"] = "ipv4".into();
        assert_eq!(yaml(&config), file);
    }

    #[rstest]
    #[case(1, IpFamily::Ipv4, "10.244.0.0/16")]
    #[case(4, IpFamily::Ipv6, "fd00:10:244::/56")]
    #[case(5, IpFamily::Dual, "10.244.0.0/16,fd00:10:244::/56")]
    fn the_default_takes_any_size_and_family(
        #[case] nodes: usize,
        #[case] family: IpFamily,
        #[case] pods: &str,
    ) {
        let yaml = yaml(&KindConfig::default_for(&shape(nodes, family)).unwrap());
        let mut expected = vec!["worker"; nodes];
        expected[0] = "control-plane";
        assert_eq!(roles(&yaml), expected);
        assert_eq!(yaml["networking"]["ipFamily"], family.as_str());
        assert_eq!(yaml["networking"]["podSubnet"], pods);
    }

    #[test]
    fn the_default_takes_an_image_and_ranges() {
        let config = KindConfig::default_for(&Shape {
            pod_network: &["10.10.0.0/16".parse().unwrap()],
            image: Some("kindest/node:v1.33.0"),
            ..shape(2, IpFamily::Ipv4)
        });
        let yaml = yaml(&config.unwrap());
        for node in yaml["nodes"].as_sequence().unwrap() {
            assert_eq!(node["image"], "kindest/node:v1.33.0");
        }
        assert_eq!(yaml["networking"]["podSubnet"], "10.10.0.0/16");
    }
}
