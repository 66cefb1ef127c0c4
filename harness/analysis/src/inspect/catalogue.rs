//! The questions, in the order in which they are answered.
use super::answers::{
    addon, bridges, cni_config, etcd, listeners, node_routes, nodes, plugins, pod_gateway, ranges,
    runtime,
};
use crate::trace::answer as route;
use flatnet_model::inspection::Outcome;
use flatnet_model::nearest::nearest;
use flatnet_model::view::View;
use flatnet_model::{Error, Result};

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Stable identifier, `kebab-case`.
    pub id: &'static str,
    /// The question as a sentence, for lists and headings.
    pub words: &'static str,
    /// What the answer means, for a learner.
    pub explanation: &'static str,
    /// From what was gathered to the answer.
    pub answer: fn(&View) -> Outcome,
}

/// Every question.
pub fn all() -> &'static [Question] {
    QUESTIONS
}

/// The questions with these ids, in the catalogue's order; all of them where none is named.
///
/// # Errors
/// [`Error::Input`] for an id that is none, with the nearest one.
pub fn find(ids: &[String]) -> Result<Vec<&'static Question>> {
    let known: Vec<&str> = QUESTIONS.iter().map(|question| question.id).collect();
    for id in ids {
        if id == route::ID {
            return Err(Error::Input(format!(
                "question {id:?} is asked alone, and of two ends: flatnet inspect route --from POD|NODE --to ADDRESS|POD|NODE"
            )));
        }
        if !known.contains(&id.as_str()) {
            let hint = nearest(&id.replace('_', "-"), &known);
            let hint = hint.map_or_else(String::new, |id| format!(", did you mean {id:?}?"));
            return Err(Error::Input(format!(
                "unknown question {id:?}{hint}; known questions: {}",
                known.join(", ")
            )));
        }
    }
    let asked = |question: &&Question| ids.is_empty() || ids.iter().any(|id| id == question.id);
    Ok(QUESTIONS.iter().filter(asked).collect())
}

const QUESTIONS: &[Question] = &[
    Question {
        id: "nodes",
        words: "what are the nodes, and which interface holds the address of each?",
        explanation: "A node's INTERNAL-IP is the address under which the other nodes reach it; it sits on one of its interfaces. The prefix length \
            behind the address says how many bits are left to tell hosts of that subnet apart: a /24 leaves 8 bits, 254 usable addresses. \
            The MTU of that interface is the largest packet the nodes can send each other in one piece.",
        answer: nodes::answer,
    },
    Question {
        id: "bridges",
        words: "which bridges are on the nodes, and which pod is behind each port?",
        explanation: "A bridge is a switch in software. Each pod has a veth pair: one end is eth0 in the pod, the other is a port of the node's bridge. \
            Pods of one node reach each other through it, and its own address is their gateway to everything else.",
        answer: bridges::answer,
    },
    Question {
        id: "node-routes",
        words: "where do packets go from a node: default route, its own pods, the pods of the other nodes?",
        explanation: "The most specific route that holds the destination wins. A node's own podCIDR leads to its bridge; each other node's podCIDR leads \
            to that node, directly where both are on one segment, or into a tunnel. Whatever no other route holds takes the default route.",
        answer: node_routes::answer,
    },
    Question {
        id: "listeners",
        words: "what listens on the nodes, at which port and for what?",
        explanation: "A program that listens at 127.0.0.1 is reached from its own node only; at 0.0.0.0 or [::] from everywhere. The control plane's parts \
            each have a port of their own: the scheduler 10259, the controller manager 10257, the kubelet 10250, the API server 6443.",
        answer: listeners::answer,
    },
    Question {
        id: "etcd",
        words: "at which ports does etcd listen, who is connected, and what is each for?",
        explanation: "etcd holds the state of the cluster. 2379 is for its clients, that is the API server; 2380 is for the other members of an etcd cluster \
            only; 2381 tells health and metrics.",
        answer: etcd::answer,
    },
    Question {
        id: "runtime",
        words: "at which endpoint does the kubelet find its container runtime, and what is the pause image?",
        explanation: "The kubelet starts no containers itself: it asks a container runtime through a socket, the runtime endpoint. The runtime makes a sandbox \
            for each pod first, whose pause container holds the pod's network namespace, and calls the CNI plugins for it.",
        answer: runtime::answer,
    },
    Question {
        id: "ranges",
        words: "which address ranges do nodes, pods and services have, and do any overlap?",
        explanation: "Nodes, pods and services need ranges that have no address in common: an address that is in two of them is reached in one and lost in the \
            other. Each node's podCIDR is cut out of the cluster's pod range; service addresses belong to no interface at all.",
        answer: ranges::answer,
    },
    Question {
        id: "plugins",
        words: "which CNI plugins are on the nodes, in which version, and which of them are needed?",
        explanation: "A CNI plugin is a program in /opt/cni/bin that the container runtime executes when a pod comes or goes. The configuration in use names \
            the ones it needs; one that is named and is not there keeps every pod of the node from starting.",
        answer: plugins::answer,
    },
    Question {
        id: "cni-config",
        words: "which CNI configuration is in use, why that one, and what does it say?",
        explanation: "The container runtime takes the first file of /etc/cni/net.d in lexical order that ends in .conflist, .conf or .json; the others are never \
            read. The plugins of its list are executed one after the other, each with the result of the one before.",
        answer: cni_config::answer,
    },
    Question {
        id: "addon",
        words: "which network add-on is installed, does its agent run on every node, and what are its pod range and tunnels?",
        explanation: "Kubernetes networks no pods itself: an add-on does. A DaemonSet runs one agent on every node, which installs the plugins and keeps the \
            ways to the other nodes' pods; a node without a running agent gets no new pods and loses touch with new nodes.",
        answer: addon::answer,
    },
    Question {
        id: "pod-gateway",
        words: "what is the default gateway of the pods on each node, and does the node hold it?",
        explanation: "A pod sends whatever is not on its own link to its default gateway, and that is its node: the address of the bridge its host end is a port \
            of. If the two differ, the pod reaches its neighbours at best, and nothing beyond them.",
        answer: pod_gateway::answer,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_kebab_case() {
        for (at, question) in QUESTIONS.iter().enumerate() {
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(question.id.chars().all(plain), "{}", question.id);
            assert!(QUESTIONS[..at].iter().all(|other| other.id != question.id));
        }
    }

    #[test]
    fn questions_come_in_their_own_order_and_once() {
        let ids = ["ranges", "nodes", "ranges"].map(str::to_owned);
        let found: Vec<&str> = find(&ids)
            .unwrap()
            .iter()
            .map(|question| question.id)
            .collect();
        assert_eq!(found, ["nodes", "ranges"]);
        assert_eq!(find(&[]).unwrap().len(), QUESTIONS.len());
    }

    #[test]
    fn an_unknown_question_is_answered_with_the_nearest() {
        let error = find(&["bridge".to_owned()]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error
                .to_string()
                .starts_with("unknown question \"bridge\", did you mean \"bridges\"?"),
            "{error}"
        );
        let error = find(&["POD_GATEWAY".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("did you mean \"pod-gateway\"?"), "{error}");
        let error = find(&["weather".to_owned()]).unwrap_err().to_string();
        assert!(!error.contains("did you mean"), "{error}");
    }
}
