//! What container runtimes and CNI plugins say when a sandbox cannot be made.
//!
//! The frame around a plugin's words differs between runtimes and their versions (containerd: `failed to setup network for
//! sandbox "…": plugin type="…" failed (add): …`; CRI-O: `failed to create pod network sandbox …: error adding pod … to CNI
//! network "…": plugin type="…" failed (add): …`; dockershim: `networkPlugin cni failed to set up pod "…" network: …`), so that
//! only the plugin's own part is matched.

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The runtime has no configuration.
    NoConflist,
    /// The runtime has one that it cannot load.
    Malformed,
    /// The program of a plugin is nowhere.
    PluginMissing {
        /// `type` in the configuration.
        plugin: String,
    },
    /// A plugin cannot reach its agent, or finds nothing that its agent has left.
    AgentSilent {
        /// The add-on.
        addon: String,
        /// What it looked for.
        resource: &'static str,
    },
    /// No address is left.
    Exhausted,
    /// A bridge has another address.
    StaleBridge {
        /// Name of the bridge on the node.
        bridge: String,
        /// What it should hold.
        wanted: String,
    },
    /// The configuration's version is not spoken.
    Version,
    /// None of these.
    Other,
}

/// Words (in lower case) by which a plugin complains of its agent's absence, the add-on, and what was looked for.
/// weave: weaveworks/weave `plugin/ipam`; flannel: flannel-io/cni-plugin `flannel_linux.go`; Calico: projectcalico/calico
/// `cni-plugin/internal/pkg/utils`; Cilium: cilium/cilium `plugins/cilium-cni`.
const AGENTS: &[(&str, &str, &str)] = &[
    ("127.0.0.1:6784", "weave", "its agent on 127.0.0.1:6784"),
    (
        "/run/flannel/subnet.env: no such file",
        "flannel",
        "/run/flannel/subnet.env, which its agent writes",
    ),
    (
        "/var/lib/calico/nodename",
        "calico",
        "/var/lib/calico/nodename, which its agent writes",
    ),
    (
        "unable to connect to cilium agent",
        "cilium",
        "its agent's socket",
    ),
    ("cilium.sock", "cilium", "its agent's socket"),
];

const EXHAUSTED: &[&str] = &[
    // containernetworking/plugins, plugins/ipam/host-local/backend/allocator
    "no ip addresses available in range set",
    // flatnet-cni
    "no free addresses in",
    // cilium
    "range is full",
    // Calico
    "assigned 0 out of 1 requested",
    // whereabouts
    "could not allocate ip in range",
];

const VERSION: &[&str] = &[
    // containernetworking/cni, pkg/version
    "incompatible cni version",
    "unsupported cni result version",
    // flatnet's lab
    "unsupported cni version",
];

/// Reads one message.
pub(super) fn read(message: &str) -> Said {
    let lower = message.to_lowercase();
    let has = |words: &str| lower.contains(words);
    if let Some(plugin) = quoted_after(message, "failed to find plugin ") {
        return Said::PluginMissing { plugin };
    }
    if VERSION.iter().copied().any(has) {
        return Said::Version;
    }
    if EXHAUSTED.iter().copied().any(has) {
        return Said::Exhausted;
    }
    if let Some((before, wanted)) = message.split_once(" already has an IP address different from ")
    {
        let bridge = before.rsplit('"').nth(1).unwrap_or_default();
        return Said::StaleBridge {
            bridge: bridge.to_owned(),
            wanted: first_word(wanted),
        };
    }
    if let Some((_, addon, resource)) = AGENTS.iter().find(|(words, ..)| has(words)) {
        return Said::AgentSilent {
            addon: (*addon).to_owned(),
            resource,
        };
    }
    let loopback = has("dial tcp 127.0.0.1:") || has("dial tcp [::1]:");
    if (loopback && has("connection refused")) || (has("dial unix ") && has("connect: ")) {
        return Said::AgentSilent {
            addon: plugin(message).unwrap_or_else(|| "network add-on".to_owned()),
            resource: "its agent's socket",
        };
    }
    if has("failed to load cni config") || has("error parsing configuration") {
        return Said::Malformed;
    }
    let none = [
        "cni plugin not initialized",
        "cni config uninitialized",
        "no cni configuration file in",
        "no networks found in",
    ];
    if none.into_iter().any(has) {
        return Said::NoConflist;
    }
    Said::Other
}

/// `type` of the plugin that failed, where the runtime says it.
pub(super) fn plugin(message: &str) -> Option<String> {
    quoted_after(message, "plugin type=")
}

/// The plugin's own words, without the runtime's around them.
pub(super) fn core(message: &str) -> &str {
    let after = |marker: &str| message.split_once(marker).map(|(_, rest)| rest);
    after(" failed (add): ")
        .or_else(|| after(" failed (status): "))
        .or_else(|| after("network for sandbox ").and_then(|rest| Some(rest.split_once("\": ")?.1)))
        .or_else(|| after(" network: "))
        .unwrap_or(message)
}

fn quoted_after(text: &str, marker: &str) -> Option<String> {
    let (_, rest) = text.split_once(marker)?;
    let rest = rest.trim_start_matches('\\').strip_prefix('"')?;
    let end = rest.find(['"', '\\'])?;
    Some(rest[..end].to_owned())
}

fn first_word(text: &str) -> String {
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .trim_end_matches([',', ';', ':'])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn silent(addon: &str, resource: &'static str) -> Said {
        Said::AgentSilent {
            addon: addon.to_owned(),
            resource,
        }
    }

    /// Messages as people reported them, from several runtimes and years.
    #[rstest]
    #[case::weave_on_containerd(
        r#"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "3a05c1130abde21f375598b24d78be3e7b3090c56fe65bb2f5427d3d31de6a20": plugin type="weave-net" name="weave" failed (add): unable to allocate IP address: Post "http://127.0.0.1:6784/ip/3a05c1130abde21f375598b24d78be3e7b3090c56fe65bb2f5427d3d31de6a20": dial tcp 127.0.0.1:6784: connect: connection refused"#,
        silent("weave", "its agent on 127.0.0.1:6784")
    )]
    #[case::flannel_old(
        r#"failed to setup network for sandbox "1": plugin type="flannel" failed (add): loadFlannelSubnetEnv failed: open /run/flannel/subnet.env: no such file or directory"#,
        silent("flannel", "/run/flannel/subnet.env, which its agent writes")
    )]
    #[case::flannel_new(
        r#"failed to setup network for sandbox "1": plugin type="flannel" failed (add): failed to load flannel 'subnet.env' file: open /run/flannel/subnet.env: no such file or directory. Check the flannel pod log for this node."#,
        silent("flannel", "/run/flannel/subnet.env, which its agent writes")
    )]
    #[case::calico(
        r#"plugin type="calico" failed (add): stat /var/lib/calico/nodename: no such file or directory: check that the calico/node container is running and has mounted /var/lib/calico/"#,
        silent("calico", "/var/lib/calico/nodename, which its agent writes")
    )]
    #[case::cilium(
        r#"plugin type="cilium-cni" failed (add): unable to connect to Cilium agent: failed to create cilium agent client after 30.000000 seconds timeout: Get "http://localhost/v1/config": dial unix /var/run/cilium/cilium.sock: connect: no such file or directory"#,
        silent("cilium", "its agent's socket")
    )]
    #[case::another_agent(
        r#"plugin type="aws-cni" name="aws-cni" failed (add): add cmd: Error received from AddNetwork gRPC call: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:50051: connect: connection refused""#,
        silent("aws-cni", "its agent's socket")
    )]
    #[case::plugin_missing(
        r#"failed to setup network for sandbox "1": plugin type="weave-net" name="weave" failed (add): failed to find plugin "weave-net" in path [/opt/cni/bin]"#,
        Said::PluginMissing { plugin: "weave-net".to_owned() }
    )]
    #[case::host_local(
        r#"(combined from similar events): Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "9a1b": failed to allocate for range 0: no IP addresses available in range set: 10.1.56.1-10.1.56.254"#,
        Said::Exhausted
    )]
    #[case::flatnet(
        r#"plugin type="flatnet-cni" failed (add): no free addresses; no free addresses in 10.1.0.0/28 (13 reserved)"#,
        Said::Exhausted
    )]
    #[case::cilium_full(
        "networkPlugin cni failed to set up pod \"a_default\" network: unable to allocate IP via local cilium agent: [POST /ipam][502] postIpamFailure range is full",
        Said::Exhausted
    )]
    #[case::bridge_on_dockershim(
        r#"Failed create pod sandbox: rpc error: code = Unknown desc = failed to set up sandbox container "3603" network for pod "n": NetworkPlugin cni failed to set up pod "n_default" network: failed to set bridge addr: "cni0" already has an IP address different from 10.244.1.1/24"#,
        Said::StaleBridge { bridge: "cni0".to_owned(), wanted: "10.244.1.1/24".to_owned() }
    )]
    #[case::bridge_on_flannel(
        r#"plugin type="flannel" failed (add): failed to delegate add: failed to set bridge addr: "cni0" already has an IP address different from 10.244.2.1/24"#,
        Said::StaleBridge { bridge: "cni0".to_owned(), wanted: "10.244.2.1/24".to_owned() }
    )]
    #[case::version(
        r#"failed to setup network for sandbox "9268": plugin type="meshnet" name="meshnet" failed (add): incompatible CNI versions; config is "1.0.0", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0"]"#,
        Said::Version
    )]
    #[case::crio_has_none(
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create pod network sandbox k8s_a_kube-system_94ed_0(35e3): cni config uninitialized",
        Said::NoConflist
    )]
    #[case::containerd_has_none(
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
        Said::NoConflist
    )]
    #[case::crio_condition(
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: No CNI configuration file in /etc/cni/net.d/. Has your network provider started?",
        Said::NoConflist
    )]
    #[case::malformed(
        "Network plugin returns error: cni plugin not initialized: cni config load failed: failed to load CNI config list file /etc/cni/net.d/10-x.conflist: error parsing configuration: key must be a string at line 2 column 2",
        Said::Malformed
    )]
    #[case::something_else(
        r#"failed to create pod network sandbox k8s_a_default_u_0(4338): error adding pod default_a to CNI network "k8s-pod-network": plugin type="calico" failed (add): pods "a" not found"#,
        Said::Other
    )]
    fn a_message_is_understood(#[case] message: &str, #[case] said: Said) {
        assert_eq!(read(message), said);
    }

    #[test]
    fn the_plugins_own_words_are_taken_out() {
        let crio = r#"failed to create pod network sandbox k8s_a_0(4): error adding pod default_a to CNI network "n": plugin type="calico" failed (add): pods "a" not found"#;
        assert_eq!(core(crio), r#"pods "a" not found"#);
        assert_eq!(plugin(crio).as_deref(), Some("calico"));
        let old = r#"failed to setup network for sandbox "9a": no addresses"#;
        assert_eq!(core(old), "no addresses");
        let dockershim =
            r#"networkPlugin cni failed to set up pod "a_default" network: range is full"#;
        assert_eq!(core(dockershim), "range is full");
        assert_eq!(plugin(dockershim), None);
        assert_eq!(core("something"), "something");
    }
}
