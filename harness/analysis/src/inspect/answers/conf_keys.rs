//! What the keys of a CNI network configuration mean (CNI specification, section 1; the plugins' own documentation).

/// A key, for all plugins or for one, and its meaning.
struct Key {
    /// The end of its path, without list indices.
    path: &'static str,
    /// The plugin that knows it; any where it is empty.
    plugin: &'static str,
    meaning: &'static str,
}

const fn any(path: &'static str, meaning: &'static str) -> Key {
    Key {
        path,
        plugin: "",
        meaning,
    }
}

const fn of(plugin: &'static str, path: &'static str, meaning: &'static str) -> Key {
    Key {
        path,
        plugin,
        meaning,
    }
}

/// More specific paths come first.
const KEYS: &[Key] = &[
    any(
        "capabilities.portMappings",
        "the runtime hands over the pod's hostPorts; the plugin makes them reachable at the node",
    ),
    any(
        "capabilities.bandwidth",
        "the runtime hands over the pod's bandwidth annotations",
    ),
    any("capabilities.mac", "the runtime may ask for a MAC address"),
    any("capabilities.ips", "the runtime may ask for IP addresses"),
    any(
        "delegate.hairpinMode",
        "passed on to the plugin that does the work: a frame may leave through the port it came in by, so that a pod reaches itself through a service",
    ),
    any(
        "delegate.isDefaultGateway",
        "passed on to the plugin that does the work: the bridge gets the first address of the node's range, and pods a default route to it",
    ),
    any(
        "delegate.type",
        "the plugin that does the work; without it, bridge",
    ),
    any(
        "ipam.type",
        "who gives out addresses; host-local keeps them in files on the node",
    ),
    any(
        "ipam.subnet",
        "the range pods of this node get their addresses from",
    ),
    any(
        "ranges.subnet",
        "the range pods of this node get their addresses from, one set of ranges a family",
    ),
    any("ranges.rangeStart", "the first address that is given out"),
    any("ranges.rangeEnd", "the last address that is given out"),
    any("ranges.gateway", "the address pods have as their gateway"),
    any("ipam.gateway", "the address pods have as their gateway"),
    any("ipam.dataDir", "where addresses that are in use are kept"),
    any(
        "routes.dst",
        "a route pods get; 0.0.0.0/0 is the default route",
    ),
    any("routes.gw", "the next hop of that route"),
    of(
        "portmap",
        "snat",
        "a connection to the pod's own hostPort gets the node's address as its source, so that the answer comes back the same way",
    ),
    of(
        "weave-net",
        "hairpinMode",
        "a frame may leave through the port it came in by, so that a pod reaches itself through a service",
    ),
    any(
        "hairpinMode",
        "a frame may leave through the port it came in by, so that a pod reaches itself through a service",
    ),
    any(
        "isDefaultGateway",
        "the bridge is the pods' default gateway: it gets an address of the range, and pods a default route to it",
    ),
    any("isGateway", "the bridge gets an address of the range"),
    any(
        "forceAddress",
        "an address of the bridge that no longer fits is replaced",
    ),
    any(
        "ipMasq",
        "packets that leave the pod network get the node's address; within it they never do",
    ),
    any(
        "mtu",
        "the largest packet of pods, bytes; what a tunnel adds has to be taken off",
    ),
    any("bridge", "the bridge that pods' host ends become ports of"),
    any("vlan", "the VLAN of the pods' ports"),
    any("promiscMode", "the bridge takes frames for any MAC address"),
    any(
        "podNetwork",
        "the ranges of all pods: to these, nothing is masqueraded",
    ),
    any(
        "cniVersion",
        "the version of the CNI specification that runtime and plugins speak",
    ),
    any("disableCheck", "the runtime never calls CHECK"),
    any("disableGC", "the runtime never calls GC"),
    any(
        "delegate",
        "keys that are passed on to the plugin that does the work",
    ),
    any(
        "kubernetes.kubeconfig",
        "with what the plugin asks the API server",
    ),
    any("type", "the program in /opt/cni/bin that is executed"),
    any(
        "name",
        "the network's name; records and cached results are kept under it",
    ),
];

/// What the key at that path means to that plugin, where it is known.
pub(super) fn meaning(path: &str, plugin: &str) -> Option<&'static str> {
    let plain = without_indices(path);
    let matches = |key: &&Key| {
        (key.plugin.is_empty() || key.plugin == plugin)
            && (plain == key.path
                || plain
                    .strip_suffix(key.path)
                    .is_some_and(|rest| rest.ends_with('.')))
    };
    KEYS.iter().find(matches).map(|key| key.meaning)
}

/// `plugins[0].ipam.ranges[0][0].subnet` as `plugins.ipam.ranges.subnet`.
fn without_indices(path: &str) -> String {
    let mut depth = 0;
    let plain = path.chars().filter(|c| {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => return depth == 0,
        }
        false
    });
    plain.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_key_that_fits_is_told() {
        let of = |path: &str, plugin: &str| meaning(path, plugin).unwrap_or_default();
        assert!(of("plugins[0].delegate.hairpinMode", "flannel").starts_with("passed on"));
        assert!(of("plugins[0].hairpinMode", "bridge").starts_with("a frame may leave"));
        assert!(of("plugins[1].snat", "portmap").contains("hostPort"));
        assert!(of("plugins[0].ipam.ranges[0][0].subnet", "bridge").starts_with("the range pods"));
        assert_eq!(meaning("plugins[0].snat", "bridge"), None);
        assert_eq!(meaning("plugins[0].isnotmtu", "bridge"), None);
    }
}
