//! How a command gets into a network namespace.
use flatnet_model::Netns;
use flatnet_model::evidence::{At, Command};
use flatnet_model::observations::ObservedPod;
use flatnet_model::quoting::quoted;

/// Which programs a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tools {
    /// Those that busybox has, with the options that it knows: pods have them.
    Busybox,
    /// Those of a node, which enter the namespace of its pod.
    Node,
}

/// A line whose words need no quoting, where it is to run. Nothing for a pod that is not known.
pub(crate) fn into(at: &Netns, tools: Tools, line: &str, pods: &[ObservedPod]) -> Option<Command> {
    match (at, tools) {
        (Netns::Pod(pod), Tools::Busybox) => Some(Command::in_pod(pod, line)),
        _ => {
            let argv = line.split_whitespace().map(str::to_owned);
            with_tools(at, argv.collect(), pods)
        }
    }
}

/// Words, with the programs of a node.
pub(crate) fn with_tools(at: &Netns, argv: Vec<String>, pods: &[ObservedPod]) -> Option<Command> {
    let pod = match at {
        Netns::Pod(pod) => pods.iter().find(|known| known.reference() == pod)?,
        Netns::Node(_) | Netns::Wire => {
            let at = At::Node(at.exec_name());
            return Some(Command { argv, at });
        }
    };
    // CNI runtimes bind namespaces there; a pod's is the one that holds its address.
    let address = pod.object.ips.first()?;
    let line = format!(
        "cd /run/netns; for n in *; do ip netns exec $n ip -o addr show to {address} | grep -q . && exec ip netns exec $n {}; done",
        quoted(&argv)
    );
    let at = At::Node(pod.object.node.clone());
    Some(Command::shell(at, line))
}

#[cfg(test)]
mod tests {
    use flatnet_model::PodRef;
    use flatnet_model::advice::Advice;
    use flatnet_model::snapshot::PodSnapshot;

    use super::*;

    #[test]
    fn programs_that_pods_lack_are_run_by_their_node() {
        let reference = PodRef::new("default", "app");
        let pods = [ObservedPod::new(PodSnapshot {
            reference: reference.clone(),
            node: "node2".to_owned(),
            ips: vec!["10.244.1.2".parse().unwrap()],
            ..PodSnapshot::default()
        })];
        let text = |at: &Netns, tools| {
            let command = into(at, tools, "nft list ruleset", &pods)?;
            Some(Advice::brief().line(&command, PodRef::to_string))
        };
        let pod = Netns::Pod(reference);
        assert_eq!(
            text(&pod, Tools::Busybox).as_deref(),
            Some("flatnet exec default/app -- nft list ruleset")
        );
        assert_eq!(
            text(&pod, Tools::Node).as_deref(),
            Some(
                "flatnet exec node2 -- sh -c 'cd /run/netns; for n in *; do ip netns exec $n ip -o addr show to 10.244.1.2 | grep -q . && exec ip netns exec $n nft list ruleset; done'"
            )
        );
        assert_eq!(
            text(&Netns::Wire, Tools::Node).as_deref(),
            Some("flatnet exec wire -- nft list ruleset")
        );
        let unknown = Netns::Pod(PodRef::new("default", "other"));
        assert_eq!(text(&unknown, Tools::Node), None);
    }
}
