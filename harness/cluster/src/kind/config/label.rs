//! Labels of nodes. kind hands them to the kubelet, which does not start with one it refuses: minutes later, in its journal.
use super::walk::{Findings, Spot};

/// Labels of Kubernetes' own that a kubelet may set on its node (k8s.io/kubelet, `KubeletLabels`).
const KUBELETS: [&str; 11] = [
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];
/// Prefixes of which it may set any label, themselves and below (`KubeletLabelNamespaces`).
const KUBELET_PREFIXES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

pub(super) fn check(key: &str, value: &Spot<'_>, found: &mut Findings) {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if !is_name(name) || prefix.is_some_and(|prefix| !is_domain(prefix)) {
        found.add(
            value.path(),
            format!("{key:?} is not the key of a label ([domain/]name; the name up to 63 letters, digits, -, _ and ., the ends letters or digits)"),
        );
    } else if let Some(prefix) = prefix
        && reserved(prefix)
        && !KUBELETS.contains(&key)
        && !KUBELET_PREFIXES
            .iter()
            .any(|allowed| is_or_below(prefix, allowed))
    {
        found.add(
            value.path(),
            format!(
                "a kubelet may not set {key} on its own node, and would not start; label the node with kubectl once it runs, or use another prefix ({})",
                KUBELET_PREFIXES.join(", ")
            ),
        );
    }
    if let Some(text) = value.text(found)
        && !text.is_empty()
        && !is_name(text)
    {
        found.add(
            value.path(),
            format!("{text:?} is not the value of a label (up to 63 letters, digits, -, _ and ., the ends letters or digits)"),
        );
    }
}

/// Kubernetes keeps these for itself.
fn reserved(prefix: &str) -> bool {
    is_or_below(prefix, "kubernetes.io") || is_or_below(prefix, "k8s.io")
}

fn is_or_below(domain: &str, parent: &str) -> bool {
    domain
        .strip_suffix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn is_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && ends(text.chars().next())
        && ends(text.chars().next_back())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// A DNS subdomain, RFC 1123.
fn is_domain(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    text.len() <= 253 && text.split('.').all(part)
}
