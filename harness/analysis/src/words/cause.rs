//! Causes: what makes things go wrong, in one sentence each.
use flatnet_model::Family;
use flatnet_model::cause::{AgentState, Cause, CniDirectory, NotAProgram, PullFailure, Refusal};
use flatnet_model::evidence::Subject;
use flatnet_model::rule::RouteChoice;

use super::Words;
use super::list::{all, listed, shown};
use super::loss::lost;
use super::sentence::{Say, sentences};
use super::start::command;
use super::symptom::{over_family, place};
use super::talk::learned_mtu;

const CONF_DIR: &str = "/etc/cni/net.d";
const BIN_DIR: &str = "/opt/cni/bin";

/// A plugin by its name, where the runtime told it.
fn the_plugin(name: Option<&str>) -> String {
    name.map_or_else(
        || "a plugin".to_owned(),
        |name| format!("the plugin {name}"),
    )
}

impl Words<'_> {
    pub(super) fn cause(&self, cause: &Cause) -> String {
        sentences!(self, cause, Cause {
            NodeUnknown { pod, node } => "pod {pod} is pinned to node {node}, which is not there";
            Unschedulable { pod, refusal } => (match refusal {
                Some(Refusal { node, reason }) => {
                    format!("{node} does not take pod {}: {reason}", self.names.pod(pod))
                }
                None => format!("no node takes pod {}", self.names.pod(pod)),
            });
            KubeletSilent { node } => "the kubelet of {node} does not report";
            PodCidrMissing { node } => "{node} has no podCIDR, from which its pods' addresses come";
            TwoConflists { node, used, shadowed } => (format!(
                "{} CNI configurations on {node}: {used} wins, {} shadowed",
                shadowed.len() + 1,
                listed(shadowed, 4)
            ));
            ConflistMalformed { node, file } => "/etc/cni/net.d/{file} of {node} is not a CNI configuration";
            CniVersion { node, file } => (match file {
                Some(file) => format!("{CONF_DIR}/{file} of {node} has a version that is not spoken there"),
                None => format!("the configuration of {node} has a version that is not spoken there"),
            });
            RuntimeDirectory { node, setting, directory } => (match setting {
                CniDirectory::Configurations => format!("the runtime of {node} looks for CNI configurations in {directory}, not in {CONF_DIR}"),
                CniDirectory::Plugins => format!("the runtime of {node} looks for plugins in {directory}, not in {BIN_DIR}"),
            });
            AgentDown { node, agent, state } => (agent_down(node, agent, state));
            NoConflist { node } => "there is no CNI configuration in /etc/cni/net.d of {node}";
            ConflistNotLoaded { node, file } => "the runtime of {node} has not loaded /etc/cni/net.d/{file}";
            PluginMissing { node, file, plugins } => (format!(
                "plugin{} {} of {} not in /opt/cni/bin of {node}",
                if plugins.len() == 1 { "" } else { "s" },
                listed(plugins, 6),
                file.as_deref().unwrap_or("the configuration")
            ));
            PluginNotRunnable { node, plugin, how } => (match how {
                NotAProgram::Format => format!("{BIN_DIR}/{plugin} of {node} is not a program for this machine"),
                NotAProgram::Permission => format!("{BIN_DIR}/{plugin} of {node} may not be executed"),
                NotAProgram::Interpreter => format!("{BIN_DIR}/{plugin} of {node} needs an interpreter or loader that is not there"),
            });
            PluginKilled { node, plugin } => (format!("{} of {node} was killed before it answered", the_plugin(plugin.as_deref())));
            ProgramMissing { node, program } => "{program}, which a plugin runs, is not installed on {node}";
            CredentialsRefused { node, plugin } => (format!("the API server refuses the credentials of {} of {node}", the_plugin(plugin.as_deref())));
            NoAddressGiven { node, plugin } => (format!("{} of {node} gave no address", the_plugin(plugin.as_deref())));
            StuckTerminating { pod, record } => (match record {
                Some(record) => format!("the network of {} cannot be removed: {record} is not the result of an ADD", self.pod_at(pod)),
                None => format!("the network of {} cannot be removed: DEL fails", self.pod_at(pod)),
            });
            ReservationsLeft { node, network, addresses } => (format!(
                "{} of {network} on {node} reserved for pods that are gone: {}",
                if addresses.len() == 1 { "1 address is".to_owned() } else { format!("{} addresses are", addresses.len()) },
                shown(addresses, 4)
            ));
            AddressesExhausted { node } => "no address is left in the range of {node}";
            StaleBridge { node, bridge } => "{bridge} of {node} holds the gateway address of another range";
            PluginFailed { pod, plugin } => (match plugin {
                Some(plugin) => format!("the plugin {plugin} cannot set up the network of {}", self.pod_at(pod)),
                None => format!("the container runtime of {} cannot make a sandbox for {}", pod.node, self.pod_at(pod)),
            });
            NodeNotReady { node } => "{node} is not Ready";
            ObjectMissing { pod, object } => (match object {
                Some((kind, namespace, name)) => {
                    format!("{} needs {kind} {namespace}/{name}, which is not there", self.pod_at(pod))
                }
                None => format!("{} needs something that it mounts or reads, which is not there", self.pod_at(pod)),
            });
            ImagePull { pod, container, image, failure } => (format!(
                "{}: image {image} of container {container} is {} and cannot be pulled",
                self.pod_at(pod),
                match failure {
                    PullFailure::AlwaysPulled => format!("on {}, is pulled each time all the same,", pod.node),
                    _ => format!("not on {}", pod.node),
                }
            ));
            CommandNotFound { pod, container, command } => (format!(
                "{}: container {container} cannot run {}",
                self.pod_at(pod),
                self::command(command)
            ));
            ContainerCreate { pod, container } => "{pod}: container {container} cannot be created by the runtime";
            CrashLoop { pod, container, exit_code, reason } => (self.crash_loop(pod, container.as_deref(), *exit_code, reason));
            ProbeFails { pod, containers } => (format!(
                "{} runs and is not ready: container {}",
                self.pod_at(pod),
                containers.join(", ")
            ));
            AddressNotHeld { pod, address } => "{pod} does not hold the IP {address} that the API gives it";
            Ipv6Off { at, key } => "IPv6 is switched off on {at}: net.{key} is 1";
            AddressDuplicate { at, device, address } => "{address} on {device} of {at} failed duplicate address detection: another interface holds it";
            AddressShared { address, pods } => (format!(
                "{} share the IP {address}",
                all(pods.iter().map(|pod| self.pod_at(pod)), " and ")
            ));
            NodeAddressOnPod { address, node, pods } => (format!(
                "pod {} has the IP {address} of node {node}",
                shown(pods.iter().map(|at| self.names.pod(&at.pod)), 4)
            ));
            GatewayOnPod { address, pod } => "{pod} has the IP {address} of the gateway";
            InterfaceMissing { pod } => "{pod} has no interface besides loopback";
            InterfaceDown { pod, device } => "{pod}: its {device} is down";
            NotVeth { pod, device } => "{pod}: its {device} is not a veth";
            HostEndMissing { pod, device } => "{pod}: the host end of its {device} is gone";
            HostEndDown { pod, device } => "{pod}: its host end {device} is down";
            HostEndNotOnBridge { pod, device } => "{pod}: its host end {device} is on no bridge";
            PortNotForwarding { pod, device, state } => (format!(
                "{}: its bridge port {device} is {}",
                self.pod_at(pod),
                state.as_str()
            ));
            PortsIsolated { node, bridge, pods } => "ports of {bridge} on {node} are isolated from each other: {pods}";
            PodMacChanged { pod, address, entry, actual } => (format!(
                "{} sends frames for {address} to {entry}, and {} has {actual}",
                pod.node,
                self.pod_at(pod)
            ));
            GatewayTwice { node, address, bridges } => (format!(
                "{} of {node} hold the gateway address {address}",
                all(bridges, " and ")
            ));
            BridgeDown { node, bridge } => "bridge {bridge} of {node} is down";
            GatewayAddressMissing { node, bridge, address } => (match bridge {
                Some(bridge) => format!("the gateway address {address} is gone from {bridge} of {node}"),
                None => format!("the gateway address {address} is gone from {node}"),
            });
            DefaultRouteMissing { pods, family } => (match family {
                Family::V4 => format!("{} without a default route", self.pods_at(pods)),
                Family::V6 => format!("{} without an IPv6 default route", self.pods_at(pods)),
            });
            GatewayOffLink { pods, hop } => "{pods}: next hop {hop} of the default route is not on link";
            GatewayCutOff { node } => "the wire between pod and bridge is cut, or a packet filter on {node} drops what pods send to it";
            OverlappingPodCidrs { nodes, ranges } => ({
                let ((a, b), (a_range, b_range)) = (nodes, ranges);
                match a_range == b_range {
                    true => format!("{a} and {b} both claim the podCIDR {a_range}"),
                    false => format!("the podCIDRs {a_range} of {a} and {b_range} of {b} overlap"),
                }
            });
            OwnPodCidrRoutedAway { node, range } => "{node} routes its own podCIDR {range} to elsewhere";
            RouteMissing { node, to, range } => "{node} has no route to {range} of {to}";
            DuplicateRoute { node, to, range, routes } => "{node} has {routes} routes to {range} of {to}";
            RouteWithoutDevice { node, range } => "the route of {node} to {range} has no device";
            RouteDeviceDown { node, to, range, device } => "the route of {node} to {range} of {to} goes through {device}, which is down";
            RouteOffLink { node, range, hop } => "{node}: next hop {hop} of the route to {range} is not on link";
            WrongNextHop { node, to, range, hop, of, holder } => (match (holder, of) {
                (Some(holder), 0 | 1) => format!("{node} routes {range} of {to} to {holder}"),
                (Some(holder), of) => format!("{node} routes a part of what is for {range} of {to} to {holder}: next hop {hop} is one of {of}"),
                (None, 0 | 1) => format!("{node}: next hop {hop} of the route to {range} is not an address of {to}"),
                (None, of) => format!("{node}: next hop {hop}, one of {of} of the route to {range}, is not an address of {to}"),
            });
            PartRoutedElsewhere { node, to, range, part } => "{node} routes {part}, a part of {range} of {to}, elsewhere";
            NodeAddressInPodCidr { node, address, range, of } => "{address}, an address of {node}, lies in the podCIDR {range} of {of}";
            RouteIntoBridge { node, to, range } => "{node} takes {range} of {to} for its own";
            StaleRoute { node, range } => "stale route on {node}: {range} is not the podCIDR of any node";
            StaleForwarding { node, device, dst } => "stale forwarding entry on {device} of {node}: {dst} is not a node";
            NeighbourMissing { node, to, hop } => "{node} has no neighbour entry for {hop}, the next hop to {to}";
            ForwardingElsewhere { node, to, device, mac } => "{node}'s forwarding entry for {mac} on {device} does not lead to {to}";
            VxlanMismatch { node, to } => "{node} and {to} have no VXLAN in common";
            VxlanDown { node, device } => "the VXLAN device {device} of {node} is down";
            VtepMacMismatch { node, to, device_changed } => (match device_changed {
                true => format!("the VTEP of {to} has another MAC than {node} knows"),
                false => format!("{node} knows a wrong VTEP MAC for {to}"),
            });
            NodeAddressShared { address, nodes } => (format!("{} and {} both hold {address}", nodes.0, nodes.1));
            NodeMacShared { mac, nodes } => (format!("{} and {} both have the Ethernet address {mac}", nodes.0, nodes.1));
            PodOutsidePodCidr { pod, address, file } => (match file {
                Some(file) => format!("{} has {address}, outside the podCIDR of {}: its address comes from a range in {CONF_DIR}/{file}", self.pod_at(pod), pod.node),
                None => format!("{} has {address}, outside the podCIDR of {}", self.pod_at(pod), pod.node),
            });
            ConntrackFull { node, entries, limit } => (format!("{entries} of {limit} entries of the connection tracking table of {node} are in use"));
            DroppedByRule { at, rule } => (format!("{} {} them: {}", at.say(self), if rule.rejects() { "rejects" } else { "drops" }, rule.say(self)));
            ReversePathFilter { at, device, source, back } => (format!(
                "strict rp_filter on {}: the route back to {source} does not lead out of {device}, where they came in{}",
                at.say(self),
                back.as_ref().map(|back| format!(", but by {}", back.say(self))).unwrap_or_default()
            ));
            RouteRefuses { at, to, by } => (match by {
                Some(by @ RouteChoice::Rule { .. }) => format!("{} has a policy rule that refuses {to}: {}", at.say(self), by.say(self)),
                Some(by @ RouteChoice::Unknown { .. }) => format!("{} refuses {to}: {}", at.say(self), by.say(self)),
                Some(by) => format!("{} has a route that refuses {to}: {}", at.say(self), by.say(self)),
                None => format!("{} has no route to {to}", at.say(self)),
            });
            NeighbourUnresolved { at, hop, device, entry } => (match entry {
                Some(entry) => format!("{} has no Ethernet address for the next hop {hop} on {device}: its neighbour entry is {entry}", at.say(self)),
                None => format!("{} has no Ethernet address for the next hop {hop} on {device}, and nobody there holds it", at.say(self)),
            });
            NeighbourWrong { at, hop, device, mac, actual } => (match actual {
                Some(actual) => format!("{} sends frames for {hop} on {device} to {mac}, as its neighbour entry says, and {hop} has {actual}", at.say(self)),
                None => format!("{} sends frames for {hop} on {device} to {mac}, as its neighbour entry says, and nobody there has that address", at.say(self)),
            });
            LinkDown { at, device, admin } => (match admin {
                true => format!("{device} of {} is set down", at.say(self)),
                false => format!("{device} of {} has no carrier: its other end is down", at.say(self)),
            });
            FrameMisdirected { at, device, frame, own } => (match own {
                Some(own) => format!("frames reach {device} of {} for {frame}, which has {own}", at.say(self)),
                None => format!("frames reach {device} of {} for {frame}, which nobody there has", at.say(self)),
            });
            ForwardingEntryMissing { at, device, mac } => "{device} of {at} has no forwarding entry for {mac}";
            NoVtep { at, vni, port } => (format!("{} has no VXLAN device with VNI {vni} on UDP port {port}", at.say(self)));
            TakenByOther { at, address, wanted } => "{at} holds {address} too, and gets what is meant for {wanted}";
            SourceIsOwn { at, address } => "{at} holds {address} itself, and refuses packets that come in from it";
            SentAway { at, device, expected } => "{at} sends them out by {device}, which does not lead to {expected}";
            RoutedAway { at, to, device, by } => "{at} sends what is for {to} out by {device}, away from it: {by}";
            RoutingLoop { at } => "they come back to {at} until their TTL runs out: a routing loop";
            TtlExpired { at, by, ttl } => (format!("{} sends them with a TTL of {ttl}, which runs out at {}", by.say(self), at.say(self)));
            TooBigForDevice { at, device, mtu } => (match device {
                Some(device) => format!("{device} of {} carries {mtu} bytes at most", at.say(self)),
                None => format!("{} carries {mtu} bytes at most, as it said itself", at.say(self)),
            });
            PathMtuLearned { at, to, learned } => (format!(
                "{}: what lies between may carry no more, or carried no more then",
                learned_mtu(&at.say(self), *to, learned)
            ));
            RouteMtu { at, to, mtu, by } => ({
                let by = by.as_ref().map_or_else(String::new, |by| format!(": {}", by.say(self)));
                format!("the route of {} for {to} has an MTU of {mtu} of its own{by}", at.say(self))
            });
            CountedDrop { at, device, counter, packets } => (match device {
                Some(device) => format!("{device} of {} counted {packets} packets under {counter}", at.say(self)),
                None => format!("{} counted {packets} packets under {counter}", at.say(self)),
            });
            RewrittenByRule { at, rule } => "{at} rewrites them: {rule}";
            ForwardingOff { node, key } => (match one_interface(key) {
                Some(device) => format!("{node} does not forward packets that come in by {device}: net.{key} is 0"),
                None => format!("{node} does not forward packets: net.{key} is 0"),
            });
            Diverted { to, by } => "what is sent to {to} is diverted to {by}, which cannot answer itself, see no-nat";
            TransportFiltered { failing, passing, family, at } => (format!(
                "only {} fails, not {}: a packet filter {} looks at the protocol",
                over_family(failing, *family),
                all(passing, ", "),
                self.at(at)
            ));
            FamilyUnrouted { family, at } => (format!(
                "only {family} fails: routes or forwarding of that family {}",
                self.at(at)
            ));
            UnderlayCut { nodes } => (format!(
                "the network between {a} and {b} is cut, or one of them drops everything: {a} did not reach the node {b} itself either, over any transport",
                a = nodes.0, b = nodes.1
            ));
            Rejected { at } => (format!(
                "packets pass, but a packet filter {} rejects them or nothing listens there",
                self.at(at)
            ));
            Prohibited { at } => (format!(
                "packets are answered with ICMP \"prohibited\" {}: a packet filter's REJECT or a prohibit route",
                self.at(at)
            ));
            NoRouteInTransit { at } => (format!("a node or router {} has no route to the address, or a packet filter says so", self.at(at)));
            PacketsLost { loss, at } => (lost(loss, &self.at(at)));
            LossyPath { node } => (format!(
                "part of the packets get lost {}: there may be a rule with a random match or a limit, a full queue, or a link that loses frames",
                place(node)
            ));
            FirstPacketLost { node } => (format!(
                "something {} may be set up only once a packet asks for it (a neighbour entry, a tunnel, a flow), and does not keep that packet",
                place(node)
            ));
            PacketsDoubled { node } => (format!(
                "something {} may send packets twice: a rule that duplicates, a loop of bridge ports, two forwarding entries that lead to one node",
                place(node)
            ));
            Masquerade { node } => (match node {
                Some(node) => format!("{node} masquerades traffic that stays within the pod network"),
                None => "something between the nodes translates source addresses".to_owned(),
            });
            Dnat { address, target } => "a DNAT rule diverts what is sent to {address} ({target})";
            ReplyTranslated { node } => (format!("the source of replies is translated {}", place(node)));
            DestinationTranslated { node } => (format!("the destination is translated {}", place(node)));
            UnderlayMtu { node } => (match node {
                Some(node) => format!("the underlay MTU at {node} is below that of the pods' interfaces"),
                None => "the underlay MTU is below that of the pods' interfaces".to_owned(),
            });
            LengthDropped { at } => (format!("something {} may carry less, or a rule may drop packets for their length", self.at(at)));
            PodMtuLarger { pod, mtu, usual } => (format!("the interface of pod {} has an MTU of {mtu}, that of other pods is {usual}", self.names.pod(&pod.pod)));
            MtuIgnored => "the interface lets more through than its MTU says, or the MTU changed during the run";
            OuterFragments => "the underlay's MTU, or a smaller path MTU that a node's kernel still remembers, is below the pods' MTU plus what the tunnel adds, so outer packets are split";
            LoopbackDown { pod } => (format!("the loopback interface of pod {} is down", self.names.pod(&pod.pod)));
            HairpinOff { device, key } => "hairpin mode is off on bridge port {device}, and {key} is 1 on its node: what is translated on the bridge does not leave by the port by which it came";
            ConflistDiffers => "the CNI was changed on some nodes only";
            DuplicateAgent => "two agents change the same interfaces, routes and files; the DaemonSet's surge or a second copy of the pod";
            EndpointsMissing { service } => "service {service} has no ready backend";
            BackendsSilent { node } => "some backends do not answer {node}, see cross-node and same-node";
            ServiceProxyBehind { node } => (match node {
                Some(node) => format!("{node} does not send the service's address to a backend: kube-proxy (or what stands in for it) is behind there, or a packet filter drops it"),
                None => "no node sends the service's address to a backend: is kube-proxy, or what stands in for it, running?".to_owned(),
            });
            ServiceHairpin => "what a pod sends to a service and gets back itself must leave the node's bridge by the port it came from (hairpin mode), under another source (masquerade), past its packet filter";
            TranslatedLost { node } => "{node} drops packets whose addresses it translates: between the same ends, others pass";
            DnsServerMissing => "no pod behind the service kube-system/kube-dns is ready";
            DnsServerIgnorant => "the server answers, but does not know the cluster's services: does it reach the API?";
            DnsServerUnreached { node, over } => (match node {
                Some(node) => format!(
                    "a packet filter on {node} drops questions over {}, or {node} does not reach the server's pods, see service and cross-node",
                    all(over, ", ")
                ),
                None => "no node leads to the DNS server, or it does not answer".to_owned(),
            });
            HostPortUnmapped { node } => "{node} does not send the port to the pod: its CNI configuration chains no portmap, portmap's rules are gone, or a packet filter drops it";
            NodePortUnmapped { node } => (match node {
                Some(node) => format!("{node} does not send the port to a backend: kube-proxy is behind there, or a packet filter drops it"),
                None => "no node sends the port to a backend: is kube-proxy, or what stands in for it, running, and does the network from outside lead to the nodes?".to_owned(),
            });
            EgressSource { node, source } => "{node} rewrites the source of what leaves the cluster to {source}, to which answers do not come back to it";
            EgressBlocked { node } => (match node {
                Some(node) => format!("{node} does not forward or masquerade what its pods send out of the cluster, or a packet filter drops it"),
                None => "no node forwards what pods send out of the cluster, or nothing leads back".to_owned(),
            });
        })
    }

    /// Where it happens, as far as the observations single it out.
    fn at(&self, at: &[Subject]) -> String {
        match self.culprits(at) {
            Some(who) => format!("at {who}"),
            None => place(&None),
        }
    }
}

/// The interface that a setting is about, where it is one: `ipv4.conf.eth0.forwarding`.
fn one_interface(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once(".conf.")?;
    let (device, _) = rest.rsplit_once('.')?;
    (device != "all").then_some(device)
}

fn agent_down(node: &str, agent: &str, state: &AgentState) -> String {
    match state {
        AgentState::NotReady | AgentState::Ended => {
            format!("the network add-on's agent does not work on {node}: {agent}")
        }
        AgentState::NotScheduled | AgentState::Gone => {
            format!("the agent of {agent} is not there on {node}")
        }
        AgentState::Silent { .. } => format!("the agent of {agent} does not answer on {node}"),
    }
}
