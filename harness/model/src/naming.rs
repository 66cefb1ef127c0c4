//! Whom a person means by a word on the command line: the same for every command.
use crate::{Error, PodRef, Result, Target};

/// Names listed in an error, at most.
const MOST_LISTED: usize = 12;

/// Who there is on a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Every node, in the order in which `node1`, `node2`, … count them.
    pub nodes: &'a [String],
    /// Pods of all namespaces.
    pub pods: &'a [PodRef],
}

impl Names<'_> {
    /// Who is meant by `node1`, `node/node1`, `busybox-1`, `pod/busybox-1` or `NAMESPACE/busybox-1`; `asked` is what an error
    /// starts with. A node's name comes first, then a pod's, then `nodeN` as the Nth node.
    ///
    /// # Errors
    /// [`Error::Input`] where nobody is called that, or several pods are.
    pub fn find(self, asked: &str, text: &str) -> Result<Target> {
        let as_node = text.strip_prefix("node/");
        let as_pod = text.strip_prefix("pod/");
        if as_pod.is_none() {
            let name = as_node.unwrap_or(text);
            if let Some(node) = self.nodes.iter().find(|node| *node == name) {
                return Ok(Target::Node(node.clone()));
            }
        }
        let wanted = as_pod.unwrap_or(text);
        let (namespace, name) = match wanted.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, wanted),
        };
        let of_that_name = |pod: &&PodRef| {
            pod.name == name && namespace.is_none_or(|namespace| namespace == pod.namespace)
        };
        let found: Vec<&PodRef> = self.pods.iter().filter(of_that_name).collect();
        match found[..] {
            [pod] => return Ok(Target::Pod(pod.clone())),
            [] => {}
            _ => {
                return Err(Error::Input(format!(
                    "{asked}: several pods are called {name}: {}; give the namespace too, as NAMESPACE/{name}",
                    listed(found.iter())
                )));
            }
        }
        if as_pod.is_none()
            && let Some(node) = numbered(as_node.unwrap_or(text), self.nodes)
        {
            return Ok(Target::Node(node.clone()));
        }
        Err(Error::Input(format!(
            "{asked}: no pod or node of that name; nodes: {}; pods: {}",
            listed(self.nodes.iter()),
            listed(self.pods.iter())
        )))
    }
}

/// The node of that name, else the Nth where `text` is `nodeN`; `nodes` is in the order in which they are counted.
pub fn node<'a>(text: &str, nodes: &'a [String]) -> Option<&'a String> {
    let text = text.strip_prefix("node/").unwrap_or(text);
    let named = nodes.iter().find(|node| *node == text);
    named.or_else(|| numbered(text, nodes))
}

/// `node1` is the first.
fn numbered<'a>(text: &str, nodes: &'a [String]) -> Option<&'a String> {
    let number: usize = text.strip_prefix("node")?.parse().ok()?;
    nodes.get(number.checked_sub(1)?)
}

/// Names, the first dozen of them.
pub fn listed(names: impl ExactSizeIterator<Item: ToString>) -> String {
    let all = names.len();
    let shown: Vec<String> = names
        .take(MOST_LISTED)
        .map(|name| name.to_string())
        .collect();
    match all.saturating_sub(MOST_LISTED) {
        _ if all == 0 => "none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> std::result::Result<String, String> {
        let nodes = ["demo-control-plane", "demo-worker", "node3"].map(str::to_owned);
        let pods = [
            PodRef::new("default", "busybox-1"),
            PodRef::new("default", "twin"),
            PodRef::new("other", "twin"),
            PodRef::new("default", "node1"),
        ];
        let names = Names {
            nodes: &nodes,
            pods: &pods,
        };
        let found = names.find(&format!("{text:?}"), text);
        found
            .map(|target| target.to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn nodes_are_called_by_name_or_counted() {
        for (text, expected) in [
            ("demo-worker", "node demo-worker"),
            ("node/demo-worker", "node demo-worker"),
            ("node2", "node demo-worker"),
            ("node/node2", "node demo-worker"),
            // The third node, and called so.
            ("node3", "node node3"),
            // A pod is called so: a real name wins over counting.
            ("node1", "pod default/node1"),
            ("node/node1", "node demo-control-plane"),
        ] {
            assert_eq!(find(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn pods_are_called_by_name_in_any_namespace() {
        for (text, expected) in [
            ("busybox-1", "pod default/busybox-1"),
            ("pod/busybox-1", "pod default/busybox-1"),
            ("other/twin", "pod other/twin"),
            ("pod/other/twin", "pod other/twin"),
        ] {
            assert_eq!(find(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_name_that_means_nobody_or_several_is_told_with_those_there_are() {
        assert_eq!(
            find("twin").unwrap_err(),
            "\"twin\": several pods are called twin: default/twin, other/twin; give the namespace too, as NAMESPACE/twin"
        );
        for nobody in ["node4", "node0", "pod/node2", "nobody"] {
            let words = find(nobody).unwrap_err();
            assert!(
                words.ends_with(
                    "no pod or node of that name; nodes: demo-control-plane, demo-worker, node3; pods: default/busybox-1, default/twin, other/twin, default/node1"
                ),
                "{words}"
            );
        }
    }

    #[test]
    fn a_long_list_is_cut() {
        let many: Vec<String> = (1..=15).map(|n| format!("p{n}")).collect();
        assert!(listed(many.iter()).ends_with("p12 and 3 more"));
        assert_eq!(listed([].iter().map(|n: &u8| n)), "none");
    }
}
