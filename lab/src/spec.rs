//! What a lab shall look like.
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

pub use flatnet_model::network::{IpFamily, Underlay};

use crate::{Error, Result};

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Name, a DNS label.
    pub name: String,
    /// `spec.podCIDRs`, one per family.
    pub pod_cidrs: Vec<IpNet>,
}

/// A whole lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabSpec {
    /// Name, a DNS label; unique among the labs of this user on this machine.
    pub name: String,
    /// Nodes, in order; their InternalIPs are chosen by the lab.
    pub nodes: Vec<NodeSpec>,
    /// How nodes are joined.
    pub underlay: Underlay,
    /// MTU of the underlay, bytes: 1280 (IPv6's minimum) to 65535.
    pub mtu: u32,
    /// Families of the underlay.
    pub family: IpFamily,
    /// The static busybox of the pods' root; `None`: the host's own programs, mounted read-only.
    pub busybox: Option<PathBuf>,
    /// Programs to show read-only under [`PROGRAMS_DIR`] in every node and pod: (file name, path on the host).
    pub programs: Vec<(String, PathBuf)>,
    /// Free-form facts that `list` shows (CNI, flatnet version).
    pub labels: std::collections::BTreeMap<String, String>,
}

/// Where every node and pod sees [`LabSpec::programs`].
pub const PROGRAMS_DIR: &str = "/.flatnet";

/// The networks of the nodes' addresses, for every underlay: no podCIDR may overlap them.
pub const NODE_NETWORKS: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(172, 18, 0, 0), 16)),
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(0xfd00, 0x18, 0, 0, 0, 0, 0, 0),
        32,
    )),
];

/// The address of the lab's outside: on the wire, behind the default gateway, in neither pod nor node network.
pub const OUTSIDE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
/// The same for IPv6 (RFC 3849).
pub const OUTSIDE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1));

/// More nodes than this do not fit the underlay's addresses.
pub const MAX_NODES: usize = 250;

impl LabSpec {
    /// Checks everything that can be known before a lab is booted.
    ///
    /// # Errors
    /// [`Error::Invalid`] that lists every problem, not just the first.
    pub fn validate(&self) -> Result<()> {
        let mut problems = Vec::new();
        if !is_dns_label(&self.name) {
            problems.push(format!(
                "lab name {:?} is not a DNS label; use at most 63 of a-z, 0-9 and -, with a letter or digit at both ends",
                self.name
            ));
        }
        match self.nodes.len() {
            0 => problems.push("a lab needs at least one node".to_owned()),
            1..=MAX_NODES => {}
            more => problems.push(format!("{more} nodes do not fit: at most {MAX_NODES}")),
        }
        let mut names = BTreeSet::new();
        for node in &self.nodes {
            if !is_dns_label(&node.name) {
                problems.push(format!(
                    "node name {:?} is not a DNS label; use at most 63 of a-z, 0-9 and -, with a letter or digit at both ends",
                    node.name
                ));
            }
            if !names.insert(&node.name) {
                problems.push(format!("two nodes are named {}", node.name));
            }
            for v6 in [false, true] {
                if node
                    .pod_cidrs
                    .iter()
                    .filter(|cidr| cidr.addr().is_ipv6() == v6)
                    .count()
                    > 1
                {
                    let family = if v6 { "IPv6" } else { "IPv4" };
                    problems.push(format!(
                        "node {} has more than one {family} podCIDR",
                        node.name
                    ));
                }
            }
        }
        if !(1280..=65535).contains(&self.mtu) {
            problems.push(format!("MTU {} is not within 1280 to 65535", self.mtu));
        }
        let mut files = BTreeSet::new();
        for (file, _) in &self.programs {
            if file.is_empty() || file.contains('/') || file == "." || file == ".." {
                problems.push(format!("program name {file:?} is not a file name"));
            }
            if !files.insert(file) {
                problems.push(format!("two programs are named {file}"));
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Error::invalid(problems.join("; ")))
        }
    }
}

/// RFC 1123 label: the form of most Kubernetes names.
pub(crate) fn is_dns_label(name: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    (1..=63).contains(&name.len())
        && name.as_bytes().iter().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// RFC 1123 subdomain: what Kubernetes takes as the name of a pod.
pub(crate) fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> LabSpec {
        LabSpec {
            name: "test".into(),
            nodes: vec![NodeSpec {
                name: "node1".into(),
                pod_cidrs: vec!["10.244.0.0/24".parse().unwrap()],
            }],
            underlay: Underlay::L2,
            mtu: 1500,
            family: IpFamily::Ipv4,
            busybox: None,
            programs: Vec::new(),
            labels: Default::default(),
        }
    }

    #[test]
    fn a_good_spec_passes() {
        assert!(spec().validate().is_ok());
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let mut bad = spec();
        bad.name = "No Label".into();
        bad.mtu = 1000;
        bad.nodes.push(bad.nodes[0].clone());
        bad.programs.push(("../x".into(), "/bin/true".into()));
        let text = bad.validate().unwrap_err().to_string();
        for part in [
            "No Label",
            "1280 to 65535",
            "two nodes are named node1",
            "../x",
        ] {
            assert!(text.contains(part), "{part} is missing from: {text}");
        }
    }

    #[test]
    fn no_nodes_and_too_many_nodes_are_refused() {
        let mut bad = spec();
        bad.nodes.clear();
        assert!(
            bad.validate()
                .unwrap_err()
                .to_string()
                .contains("at least one node")
        );
        bad.nodes = (0..251)
            .map(|i| NodeSpec {
                name: format!("n{i}"),
                pod_cidrs: Vec::new(),
            })
            .collect();
        assert!(
            bad.validate()
                .unwrap_err()
                .to_string()
                .contains("at most 250")
        );
    }

    #[test]
    fn names_follow_rfc_1123() {
        for good in ["a", "node-1", "0x"] {
            assert!(is_dns_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "a/b"] {
            assert!(!is_dns_label(bad), "{bad}");
        }
        assert!(is_dns_subdomain("web.example"));
        assert!(!is_dns_subdomain("web..example"));
    }
}
