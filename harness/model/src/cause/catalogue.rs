//! The causes themselves. Their order is the rank of findings: along the way of a pod from its node's name to an answered
//! packet, what comes earlier prevents what comes later, so that of two findings the earlier one is the root. Where two stand
//! at the same place of that way, the one that says more comes first.
use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::macros::causes;
use super::{
    AgentState, CniDirectory, Entry, Loss, NotAProgram, NotRunnable, PullFailure, Refusal, Unfit,
};
use crate::PodRef;
use crate::kernel::{LearnedMtu, MacAddr, PortState};
use crate::network::{Family, Protocol, Transport};
use crate::reference::{Endpoint, Netns};
use crate::rule::{RouteChoice, RuleRef};
use crate::subject::{PodAt, Subject};

causes! {
    [] () {
    // Without a node nothing happens at all.
    NodeUnknown { pod: PodRef, node: String }
        "the pod is pinned to a node that is not there",
        "`spec.nodeName` against the list of nodes" =>
        "another `nodeName`; the pod has to be created again, the field cannot be changed", [];
    Unschedulable { pod: PodRef, refusal: Option<Refusal>, unfit: Vec<Unfit> }
        "no node takes the pod: resources, taints, selectors, a volume; or the one it is pinned to refuses it",
        "the condition `PodScheduled`; `status.reason` of a pod the kubelet refused (`OutOfcpu`, `NodeAffinity`, …)" =>
        "what the scheduler's words ask for: smaller requests, a toleration, a label, a volume", [];
    // Nothing works on that node.
    KubeletSilent { node: String, stopped: bool }
        "the node's kubelet does not report: it is stopped, or cut off",
        "the node's Ready condition is `Unknown` (`NodeStatusUnknown`); where a command still runs there, systemd's word" =>
        "`systemctl restart kubelet` on the node", [];
    // The range is what agents start from.
    PodCidrMissing { node: String }
        "the node has no podCIDR, and its network add-on needs one",
        "`spec.podCIDRs`, the other nodes', and the agent's last words" =>
        "kube-controller-manager with `--allocate-node-cidrs` and a `--cluster-cidr` with room", [];
    // The wrong file is in use: what it lacks is not worth putting right.
    TwoConflists { node: String, used: String, shadowed: Vec<String> }
        "several CNI configurations: the first in lexical order is used and does not work, a later one would",
        "`/etc/cni/net.d`, the plugins each file names, and whose plugin failed" =>
        "remove the file of the add-on that is gone", ["cni-config"];
    // A file that is there and unusable concerns only its writer: an agent that runs does not write it again.
    ConflistMalformed { node: String, file: String }
        "the CNI configuration in use does not parse",
        "the file itself, with line and column" =>
        "have the add-on write it again", ["cni-config"];
    CniVersion { node: String, file: Option<String> }
        "the configuration's `cniVersion` is one that the runtime or a plugin does not speak",
        "the file, and `incompatible CNI versions` from the plugin" =>
        "a version that all of them speak, or newer plugins", ["cni-config"];
    RuntimeDirectory { node: String, setting: CniDirectory, directory: String }
        "the container runtime looks for CNI configurations or plugins in another directory than the one they are in",
        "the directory in the runtime's words; `conf_dir`, `bin_dir` and `bin_dirs` in `/etc/containerd/config.toml`" =>
        "the same directory in the runtime's configuration and in the add-on's", [];
    // An agent brings both file and programs, so that it comes before their absence.
    AgentDown { node: String, agent: String, state: AgentState }
        "the network add-on's agent does not run on the node",
        "DaemonSets that mount `/etc/cni/net.d` or `/opt/cni/bin`, or write to a folder above them or to that of a plugin's socket as what changes the node's network, and their pods' last words (on the lab: flatnet's agent); or a plugin that cannot reach its agent: weave's port 6784, flannel's `/run/flannel/subnet.env`, Calico's `nodename`, Cilium's socket" =>
        "apply the add-on again, or restart its DaemonSet", ["daemonset"];
    NoConflist { node: String }
        "there is no CNI configuration on the node",
        "`/etc/cni/net.d`; `cni plugin not initialized` from the runtime" =>
        "install a network add-on, or restart the one there is", ["cni-config"];
    ConflistNotLoaded { node: String, file: String }
        "the CNI configuration is there, and the container runtime has not taken it up",
        "`cni plugin not initialized` in the node's Ready condition although the file in use parses: containerd follows writes, and not files that are moved into the folder" =>
        "write the file again, or restart the runtime", [];
    PluginMissing { node: String, file: Option<String>, plugins: Vec<String> }
        "the configuration names a plugin that is not on the node",
        "`/opt/cni/bin` against the configuration, IPAM and delegates included; `failed to find plugin`" =>
        "put the plugin there: apply the add-on again, or install the reference plugins", ["cni-config"];
    PluginNotRunnable { node: String, plugin: String, how: NotAProgram }
        "a plugin is there, and the node cannot execute it",
        "`exec format error`, `permission denied` or `no such file or directory` after `fork/exec` of a plugin that is there" =>
        "the plugin for this machine's architecture, executable: apply the add-on again", [];
    // From here on the plugin ran by itself.
    PluginKilled { node: String, plugin: Option<String> }
        "a plugin was killed before it answered",
        "`signal: killed`, `context deadline exceeded` from the runtime" =>
        "memory for the runtime's services, or what the plugin waited for", [];
    ProgramMissing { node: String, program: String }
        "a plugin needs a program that is not on the node",
        "`executable file not found in $PATH` from the plugin" =>
        "install the program (`iptables`, `nft`) on the node", [];
    CredentialsRefused { node: String, plugin: Option<String> }
        "the API server refuses the plugin's credentials",
        "`Unauthorized` or `is forbidden` in the words of a plugin" =>
        "restart the add-on's agent, which writes the plugin's kubeconfig", [];
    AddressesExhausted { node: String, leaked: bool }
        "the node's range has no address left",
        "the IPAM plugin's words; reservations in `/var/lib/cni/networks` against the pods that are there" =>
        "fewer pods on that node, a larger range per node, or reservations of dead pods removed", [];
    NoAddressGiven { node: String, plugin: Option<String> }
        "a plugin ended well and gave the pod no address",
        "`IPAM plugin returned missing IP config`, `failed to find network info for sandbox`, `no IP ranges specified`" =>
        "a range in the `ipam` section of the CNI configuration", [];
    StaleBridge { node: String, bridge: String }
        "the bridge still holds the gateway address of an earlier podCIDR",
        "`already has an IP address different from`; the bridge's addresses against the podCIDR" =>
        "delete the bridge: the plugin creates it again; then restart the node's pods", [];
    PluginFailed { pod: PodAt, plugin: Option<String> }
        "a CNI plugin failed for a reason of its own",
        "`FailedCreatePodSandBox` that is none of the above" =>
        "what its own words say", ["pod-ip-present"];
    StuckTerminating { pod: PodAt, record: Option<String> }
        "a pod stays Terminating: its network cannot be removed (DEL fails)",
        "`FailedKillPod`; a record in `/var/lib/cni/results` that is empty or broken" =>
        "remove the broken record, or what DEL's words ask for", [];
    ReservationsLeft { node: String, network: String, addresses: Vec<IpAddr> }
        "addresses are reserved for pods that are gone",
        "reservations in `/var/lib/cni/networks` that no pod of the node holds or waits for" =>
        "remove the reservations of sandboxes that are gone", [];
    // What the kubelet sums up of the above, or has of its own (disk, memory).
    NodeNotReady { node: String, network: bool, reason: String }
        "the node is not Ready",
        "its Ready condition, with the kubelet's reason" =>
        "what the reason says; often it follows from a cause named before", [];
    // The kubelet mounts before it starts anything, and pulls before it starts.
    ObjectMissing { pod: PodAt, object: Option<(String, String, String)> }
        "a ConfigMap, Secret, claim or path that the pod names is not there",
        "`FailedMount`, `CreateContainerConfigError`" =>
        "create the object, or correct its name", [];
    ImagePull { pod: PodAt, container: String, image: String, failure: PullFailure }
        "an image is not on the node and cannot be pulled",
        "`ErrImagePull`, `ImagePullBackOff`, `ErrImageNeverPull`, `InvalidImageName`" =>
        "the image's right name, a registry that the node reaches, or the image put onto the node", [];
    CommandNotFound { pod: PodAt, container: String, command: Vec<String>, how: NotRunnable }
        "a container's command is not in its image, or cannot be executed",
        "`executable file not found`, `StartError`, exit codes 126 and 127" =>
        "a command that the image has", [];
    ContainerCreate { pod: PodAt, container: String }
        "the runtime cannot create a container",
        "`CreateContainerError`, `RunContainerError` that is none of the above" =>
        "what the runtime's words say", [];
    CrashLoop { pod: PodAt, container: Option<String>, exit_code: Option<i32>, reason: String }
        "a container starts and ends again",
        "`CrashLoopBackOff`, exit code, last words; `OOMKilled`" =>
        "what its last words say; a command that lasts; a higher memory limit", ["pod-ip-present"];
    ProbeFails { pod: PodAt, containers: Vec<String> }
        "the pod runs, and its readiness, liveness or startup probe fails",
        "`Unhealthy` events of a pod that is not Ready" =>
        "what the probe's words say", [];
    }
    // It runs: how it is wired, and last whom it does not reach.
    [Wiring
        "the pod runs, and its interface, bridge, gateway or its node's routes are not as they should be",
        "the checks `pod-ip-present`, `pod-ip-unique`, `gateway`, `bridge`, `node-routes`",
        "create the pod again; restart the node's agent for a route"] (Wiring) {
    AddressNotHeld { pod: PodAt, address: IpAddr }
        "a pod does not hold the IP that the API gives it" => "create the pod again", ["pod-ip-present", "same-node", "cross-node", "hairpin"];
    Ipv6Off { at: Netns, key: String }
        "IPv6 is switched off on an interface that should have an IPv6 address" => "`sysctl -w …disable_ipv6=0`, then create the pod again or restart the add-on's agent", ["pod-ip-present", "bridge", "gateway", "same-node", "cross-node"];
    AddressDuplicate { at: Netns, device: String, address: IpAddr }
        "duplicate address detection found another holder of an address, and the kernel does not use it" => "the other interface with that address", ["pod-ip-present", "same-node", "cross-node"];
    AddressShared { address: IpAddr, pods: Vec<PodAt> }
        "two pods hold one IP" => "delete one of the pods; where two nodes assign from one range, correct their podCIDRs", ["pod-ip-unique", "same-node", "cross-node"];
    NodeAddressOnPod { address: IpAddr, node: String, pods: Vec<PodAt> }
        "a pod holds the IP of a node or of its gateway" => "exclude the address from the pods' range", ["pod-ip-unique"];
    GatewayOnPod { address: IpAddr, pod: PodAt }
        "a pod holds the IP that other pods use as their gateway" => "exclude the address from the pods' range", ["pod-ip-unique"];
    InterfaceMissing { pod: PodAt }
        "a pod has no interface besides loopback" => "create the pod again", ["bridge", "same-node", "cross-node"];
    InterfaceDown { pod: PodAt, device: String }
        "a pod's interface is down" => "`ip link set` up, or create the pod again", ["bridge", "same-node", "cross-node"];
    NotVeth { pod: PodAt, device: String }
        "a pod's interface is not a veth, where other pods hang on a bridge" => "create the pod again under the CNI configuration in use", ["bridge", "gateway", "same-node", "cross-node"];
    HostEndMissing { pod: PodAt, device: String }
        "the node's end of a pod's veth is gone" => "create the pod again", ["bridge", "gateway", "same-node", "cross-node"];
    HostEndDown { pod: PodAt, device: String }
        "the node's end of a pod's veth is down" => "`ip link set` up on the node", ["bridge", "gateway", "same-node", "cross-node"];
    HostEndNotOnBridge { pod: PodAt, device: String }
        "the node's end of a pod's veth is not a port of the bridge" => "`ip link set … master` on the node, or create the pod again", ["bridge", "gateway", "same-node", "cross-node"];
    PortNotForwarding { pod: PodAt, device: String, state: PortState }
        "a pod's bridge port does not forward" => "`bridge link set dev … state 3` on the node; what sets STP states there", ["bridge", "gateway", "same-node", "cross-node"];
    PortsIsolated { node: String, bridge: String, pods: Vec<PodAt> }
        "ports of a bridge are isolated from each other, and their pods reach each other through it only" => "`bridge link set dev … isolated off` on the node", ["bridge", "same-node"];
    PodMacChanged { pod: PodAt, address: IpAddr, entry: MacAddr, actual: MacAddr }
        "a node's neighbour entry for a pod has another Ethernet address than the pod" => "`ip neigh del` on the node, or the pod's own Ethernet address", ["bridge", "gateway", "same-node", "cross-node"];
    GatewayTwice { node: String, address: IpAddr, bridges: Vec<String> }
        "two bridges of a node hold the gateway address of its pods" => "delete the bridge that no pod hangs on", ["bridge", "gateway", "same-node", "cross-node"];
    BridgeDown { node: String, bridge: String }
        "a bridge that pods hang on is down" => "`ip link set` up on the node", ["bridge", "gateway", "same-node", "cross-node"];
    GatewayAddressMissing { node: String, bridge: Option<String>, address: IpAddr }
        "the gateway address of pods is gone from their node's bridge" => "`ip addr add` on the node, or restart the add-on's agent", ["bridge", "gateway", "same-node", "cross-node"];
    DefaultRouteMissing { pods: Vec<PodAt>, family: Family }
        "a pod has no default route" => "put the route back, or create the pod again; `isDefaultGateway` or `ipam.routes` in the CNI configuration", ["gateway", "same-node", "cross-node"];
    GatewayOffLink { pods: Vec<PodAt>, hop: IpAddr }
        "a pod has no route to its gateway itself" => "create the pod again", ["gateway", "same-node", "cross-node"];
    GatewayCutOff { node: String, hop: IpAddr }
        "a gateway that is as it should be does not answer" => "the wire between pod and bridge; the node's packet filter", ["gateway"];
    OverlappingPodCidrs { nodes: (String, String), ranges: (IpNet, IpNet) }
        "the podCIDRs of two nodes overlap" => "give one of the nodes another podCIDR", ["node-routes", "same-node", "cross-node"];
    OwnPodCidrRoutedAway { node: String, range: IpNet }
        "a node sends its own pods' range away" => "remove the route; restart the add-on's agent", ["gateway", "node-routes", "cross-node"];
    RouteMissing { node: String, to: String, range: IpNet }
        "a node has no working route to another node's pods" => "restart the add-on's agent on the node", ["node-routes", "cross-node"];
    DuplicateRoute { node: String, to: String, range: IpNet, routes: usize }
        "a node has several routes to another node's pods" => "remove the one that was left over", ["node-routes", "cross-node"];
    RouteWithoutDevice { node: String, to: String, range: IpNet }
        "a route's device is gone" => "restart the add-on's agent on the node", ["node-routes", "cross-node"];
    RouteDeviceDown { node: String, to: String, range: IpNet, device: String }
        "a route leads through a device that is down" => "`ip link set` up on the node", ["node-routes", "cross-node"];
    RouteOffLink { node: String, range: IpNet, hop: IpAddr }
        "a route's next hop is not on link" => "routes through a tunnel, where nodes are on different segments", ["node-routes", "cross-node"];
    WrongNextHop { node: String, to: String, range: IpNet, hop: IpAddr, of: usize, holder: Option<String> }
        "a route's next hop is not an address of the node that has the pods" => "restart the add-on's agent on the node", ["node-routes", "cross-node"];
    PartRoutedElsewhere { node: String, to: String, range: IpNet, part: IpNet }
        "a more specific route takes a part of another node's podCIDR elsewhere" => "`ip route del` on the node", ["node-routes", "cross-node"];
    NodeAddressInPodCidr { node: String, address: IpAddr, range: IpNet, of: String }
        "a node's own address lies in a podCIDR" => "another podCIDR or pod network, apart from the nodes' network", ["node-routes", "cross-node"];
    RouteIntoBridge { node: String, to: String, range: IpNet }
        "a node takes another node's pods for its own" => "a prefix of the bridge that is the node's podCIDR", ["node-routes", "cross-node"];
    StaleRoute { node: String, range: IpNet }
        "a route to a podCIDR that no node has" => "`ip route del` on the node", ["node-routes"];
    StaleForwarding { node: String, device: String, dst: IpAddr }
        "a forwarding entry for a node that is gone" => "`bridge fdb del` on the node", ["node-routes"];
    NeighbourMissing { node: String, to: String, hop: IpAddr }
        "a node has no neighbour entry for another node's VTEP" => "restart the add-on's agent on the node", ["node-routes", "cross-node"];
    ForwardingElsewhere { node: String, to: String, device: String, mac: MacAddr }
        "a node's forwarding entry does not lead to the other node" => "restart the add-on's agent on the node", ["node-routes", "cross-node"];
    VxlanMismatch { node: String, to: String }
        "two nodes have no VXLAN in common" => "the same VNI and port in the add-on's configuration of all nodes", ["node-routes", "cross-node"];
    VxlanDown { node: String, device: String }
        "a node's VXLAN device is down" => "`ip link set` up on the node", ["node-routes", "cross-node"];
    VtepMacMismatch { node: String, to: String, device_changed: bool }
        "a node knows a wrong Ethernet address for another node's VTEP" => "restart the add-on's agent on both nodes", ["node-routes", "cross-node"];
    }
    [Unreachable
        "the pod runs and is wired as it should be, and packets do not come through or are rewritten",
        "the checks `same-node`, `cross-node`, `no-nat`, `mtu`, `hairpin`, with nodes as peers",
        "the rule or device that the check's evidence names"] (Unreachable) {
    // Read of nodes.
    NodeAddressShared { address: IpAddr, nodes: (String, String) }
        "two nodes hold one address" => "an address of its own for each node", ["cross-node"];
    NodeMacShared { mac: MacAddr, nodes: (String, String) }
        "two nodes of one segment have one Ethernet address" => "an Ethernet address of its own for each node (`ip link set … address`)", ["cross-node"];
    PodOutsidePodCidr { pod: PodAt, address: IpAddr, file: Option<String> }
        "a pod's address lies outside its node's podCIDR, where other nodes' routes lead" => "create the pod again, with the node's podCIDR in the CNI configuration", ["same-node", "cross-node"];
    ConntrackFull { node: String, entries: u64, limit: u64 }
        "a node's connection tracking table is full" => "a higher `nf_conntrack_max`; what opens so many connections", ["same-node", "cross-node"];
    // Seen, because the packet was followed; the checks below conclude.
    DroppedByRule { at: Netns, rule: RuleRef }
        "a rule or a policy of a packet filter ends packets" => "the rule or policy that is named", ["same-node", "cross-node"];
    ReversePathFilter { at: Netns, device: String, source: IpAddr, back: Option<RouteChoice> }
        "strict `rp_filter` ends packets that come in by another device than the route back to their source leads out of" => "`rp_filter` 2 or 0, or a route back by that device", ["same-node", "cross-node"];
    RouteRefuses { at: Netns, to: IpAddr, by: Option<RouteChoice> }
        "the kernel has no route for a packet, or a route or policy rule that refuses it (`blackhole`, `unreachable`, `prohibit`)" => "the route or rule that is named", ["node-routes", "same-node", "cross-node"];
    NeighbourUnresolved { at: Netns, hop: IpAddr, device: String, entry: Option<String> }
        "nobody on the link tells the Ethernet address of a packet's next hop" => "the interface that should hold the address, or the link between", ["node-routes", "same-node", "cross-node"];
    NeighbourWrong { at: Netns, hop: IpAddr, device: String, mac: MacAddr, actual: Option<MacAddr> }
        "a neighbour entry names an Ethernet address that the next hop does not have" => "`ip neigh del` on the node: the right one is asked for again", ["gateway", "same-node", "cross-node"];
    LinkDown { at: Netns, device: String, admin: bool }
        "a packet is to leave or come in by a device that is down" => "`ip link set` up", ["node-routes", "same-node", "cross-node"];
    FrameMisdirected { at: Netns, device: String, frame: MacAddr, own: Option<MacAddr> }
        "a frame is addressed to an Ethernet address that nobody there has" => "the neighbour or forwarding entry that names it", ["same-node", "cross-node"];
    ForwardingEntryMissing { at: Netns, device: String, mac: MacAddr }
        "a VXLAN device does not know behind which node an Ethernet address is" => "restart the add-on's agent on the node", ["same-node", "cross-node"];
    NoVtep { at: Netns, vni: u32, port: u16 }
        "no VXLAN device takes a packet out of its tunnel" => "the same VNI and port in the add-on's configuration of all nodes", ["same-node", "cross-node"];
    TakenByOther { at: Netns, address: IpAddr, wanted: Netns }
        "a packet is taken by another namespace that holds the same address" => "remove the address there", ["same-node", "cross-node"];
    SourceIsOwn { at: Netns, address: IpAddr }
        "a namespace refuses packets whose source is an address that it holds itself" => "remove the address there", ["same-node", "cross-node"];
    SentAway { at: Netns, device: String, expected: Netns }
        "a packet leaves by a device that does not lead to its destination" => "the route or rule that chooses the device: `ip rule`, `ip route get`", ["same-node", "cross-node"];
    RoutedAway { at: Netns, to: IpAddr, device: String, by: RouteChoice }
        "a route, or a policy rule and its table, leads a packet away from its destination" => "the route that is named, or the rule: `ip rule`", ["same-node", "cross-node"];
    RoutingLoop { at: Netns }
        "a packet comes back to where it was, until its TTL runs out" => "the routes of the nodes that send it to each other", ["same-node", "cross-node"];
    TtlExpired { at: Netns, by: Netns, ttl: u8 }
        "packets have a TTL (hop limit) too small for their way" => "`net.ipv4.ip_default_ttl`, `net.ipv6.conf.*.hop_limit` where they are sent; a rule or device that sets it", ["same-node", "cross-node"];
    TooBigForDevice { at: Netns, device: Option<String>, mtu: u32 }
        "a packet is larger than a device on its way carries" => "the MTU of pods, or of the device", ["same-node", "cross-node", "mtu"];
    PathMtuLearned { at: Netns, to: IpAddr, learned: LearnedMtu }
        "a kernel has learned a smaller path MTU for a destination, and remembers it though the path may carry more again" => "what lies between, where it still carries no more; else `ip route flush cache` there, or create the pod again", ["same-node", "cross-node", "mtu"];
    RouteMtu { at: Netns, to: IpAddr, mtu: u32, by: Option<RouteChoice> }
        "a route has an MTU of its own (`mtu`), and a packet is larger" => "the route without `mtu`, or a smaller MTU of pods", ["same-node", "cross-node", "mtu"];
    CountedDrop { at: Netns, device: Option<String>, counter: String, packets: u64 }
        "the kernel counted packets as dropped for a reason that the counter names" => "what the counter's name says", ["same-node", "cross-node"];
    RewrittenByRule { at: Netns, rule: RuleRef }
        "a nat rule changes an address of packets" => "a rule that leaves the pod network out", ["no-nat"];
    ForwardingOff { node: String, key: String }
        "a node does not forward packets" => "`sysctl -w` on the node", ["same-node", "cross-node"];
    Diverted { to: Endpoint, by: Endpoint }
        "what is sent to a pod is diverted to another" => "the DNAT rule on the node", ["same-node", "cross-node"];
    TransportFiltered { failing: BTreeSet<Transport>, passing: BTreeSet<Transport>, family: Option<Family>, at: Vec<Subject> }
        "only some transports come through: a packet filter looks at the protocol" => "the rule: `nft list ruleset`, `iptables-save` on the node", ["same-node", "cross-node"];
    FamilyUnrouted { family: Family, at: Vec<Subject> }
        "only one IP family comes through" => "routes and forwarding of the other family", ["same-node", "cross-node"];
    UnderlayCut { nodes: (String, String) }
        "the nodes do not reach each other either" => "the network between the nodes", ["cross-node"];
    Rejected { at: Vec<Subject> }
        "packets come through and are refused" => "the packet filter's rule; a listener", ["same-node", "cross-node"];
    Prohibited { at: Vec<Subject> }
        "packets are answered with ICMP `prohibited`, as packet filters and `prohibit` routes do" => "the filter's REJECT rule or the route, on the node that the answer names", ["same-node", "cross-node"];
    NoRouteInTransit { at: Vec<Subject> }
        "a node or router on the path has no route" => "the route on the node or router that says so", ["same-node", "cross-node"];
    PacketsLost { loss: Loss, at: Vec<Subject> }
        "packets get lost" => "the packet filter's rule, the route or the link; `flatnet inspect route` shows the way", ["same-node", "cross-node"];
    LossyPath { node: Option<String> }
        "part of the packets get lost" => "a rule with a random match or a limit, a full queue or connection tracking table, a link that loses frames", ["same-node", "cross-node"];
    FirstPacketLost { node: Option<String> }
        "the first packet of a path gets lost or waits, and those after it pass" => "what is set up only once a packet asks for it: neighbour entries, tunnels, flows", ["first-packet"];
    PacketsDoubled { node: Option<String> }
        "packets arrive twice" => "a rule that duplicates, a loop of bridge ports, two forwarding entries that lead to one node", ["duplicates"];
    Masquerade { node: Option<String> }
        "a node puts its own address in place of a pod's" => "a rule that excludes the pod network from masquerading", ["no-nat"];
    Dnat { address: IpAddr, target: Endpoint }
        "what is sent to a pod's address is answered by another pod" => "the DNAT rule on the node", ["no-nat", "same-node", "cross-node"];
    ReplyTranslated { node: Option<String> }
        "answers come from another address than was dialled" => "the rule on the server's node", ["no-nat"];
    DestinationTranslated { node: Option<String> }
        "requests arrive for another address than was dialled" => "the rule on the server's node", ["no-nat", "same-node", "cross-node"];
    UnderlayMtu { node: Option<String> }
        "the underlay's MTU is below that of the pods' interfaces" => "a smaller MTU in the CNI configuration, or a larger one of the underlay", ["mtu"];
    LengthDropped { at: Vec<Subject> }
        "packets get lost for their length" => "a rule that matches lengths, or a device that carries less: `flatnet inspect route` shows the way", ["mtu"];
    PodMtuLarger { pod: PodAt, mtu: u32, usual: u32 }
        "a pod's interface has a larger MTU than those of the other pods" => "create the pod again; one MTU in the CNI configuration of all nodes", ["mtu"];
    MtuIgnored { interface_mtu: u32 }
        "an interface lets more through than its MTU says" => "the interface's MTU; nothing that changes it during a run", ["mtu"];
    OuterFragments { nodes: Vec<String> }
        "packets between nodes are split" => "a pod MTU that leaves room for the tunnel's header", ["mtu"];
    LoopbackDown { pod: PodAt }
        "a pod's loopback interface is down" => "create the pod again; the CNI's loopback plugin", ["hairpin"];
    HairpinOff { pod: PodAt, device: String, key: String }
        "hairpin mode is off on a pod's bridge port, and the bridge hands packets to the node's packet filter" => "`\"hairpinMode\": true` in the CNI configuration, then create the pod again; `bridge link set dev PORT hairpin on`", ["hairpin", "service"];
    TranslatedLost { node: String }
        "packets whose addresses a node translates, as for a service, get lost there, and others do not" => "the node's packet filter: rules that ask for `ct status dnat`, for a state, or for addresses of services", ["hairpin"];
    }
    // What those who use a cluster see.
    [] () {
    ConflistDiffers { nodes: Vec<String> }
        "nodes use different CNI configurations" => "apply the add-on again on all nodes", ["cni-config"];
    DuplicateAgent { node: String, set: String }
        "two agents of one add-on work on a node" => "remove the copy", ["daemonset"];
    EndpointsMissing { namespace: String, service: String }
        "a service has no ready backend" => "the pods' readiness; kube-controller-manager", ["service"];
    BackendsSilent { node: String }
        "some backends of a service do not answer a node" => "what `cross-node` and `same-node` name", ["service"];
    ServiceProxyBehind { node: Option<String> }
        "a node does not send a service's address to a backend" => "kube-proxy or what stands in for it; the node's packet filter", ["service"];
    ServiceHairpin { node: String }
        "a pod that is its service's own backend does not reach itself" => "hairpin mode of the bridge's ports; what masquerades packets of a pod to itself", ["hairpin", "service"];
    DnsServerMissing {}
        "no DNS server is ready" => "the pods of `kube-system/kube-dns`", ["dns"];
    DnsServerIgnorant {}
        "the DNS server answers and does not know the services" => "its way to the API server", ["dns"];
    DnsServerUnreached { node: Option<String>, over: BTreeSet<Protocol> }
        "questions do not reach the DNS server, or answers do not come back" => "what `service` and `cross-node` name; the node's packet filter", ["dns"];
    HostPortUnmapped { node: String }
        "a node does not send a hostPort to its pod" => "portmap in the CNI configuration; the node's packet filter", ["hostport"];
    NodePortUnmapped { node: Option<String> }
        "a node does not send a node port to a backend" => "kube-proxy or what stands in for it; the node's packet filter", ["nodeport"];
    EgressSource { node: String, source: IpAddr }
        "what leaves the cluster has a source to which no answer comes back" => "the node's masquerade rule", ["egress"];
    EgressBlocked { node: Option<String> }
        "a node does not forward what its pods send out of the cluster" => "masquerading and forwarding on the node; its packet filter", ["egress"];
    }
}
