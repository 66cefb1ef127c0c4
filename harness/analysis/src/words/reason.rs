//! How a cause that was seen itself may have come about.
use std::collections::BTreeSet;

use flatnet_model::cause::{
    AgentState, Cause, NotAProgram, NotRunnable, PullFailure, Refusal, Unfit,
};
use flatnet_model::evidence::PodAt;

use super::Words;
use super::list::{all, shown};
use super::sentence::sentences;

impl Words<'_> {
    /// None for a cause whose own sentence says it, and for one that only ever explains a symptom.
    pub(super) fn reason(&self, cause: &Cause) -> Option<String> {
        let reason = sentences!(self, cause, Cause {
            NodeUnknown => "its manifest names a node that never was or is gone: no kubelet runs it";
            Unschedulable { refusal, unfit } => (match refusal {
                Some(Refusal { node, reason }) if reason == "Evicted" => format!("{node} ran short and ended the pod"),
                Some(_) => "pinned to its node, it was never asked which one fits".to_owned(),
                None => all(unfit.iter().map(|unfit| no_fit(*unfit)), "; "),
            });
            KubeletSilent { stopped } => (match stopped {
                true => "the kubelet is stopped: pods there are neither started nor ended".to_owned(),
                false => "the node is down, its kubelet is stopped, or it does not reach the API server: pods there are neither started nor ended".to_owned(),
            });
            PodCidrMissing => "the controller manager does not assign ranges, or has none left for a further node";
            TwoConflists => "a second CNI was installed, or an add-on that is gone left its file behind: the runtime takes the first in lexical order";
            ConflistMalformed => "it was edited or written incompletely; the runtime does not skip it";
            CniVersion => "the file was written for other plugins, or by hand";
            RuntimeDirectory => "the runtime was set up for another distribution's places, or the add-on was";
            AgentDown { agent, state } => (agent_state(agent, state));
            NoConflist => "no network add-on was installed, its agent did not finish, or its file was removed";
            ConflistNotLoaded => "the file was moved into the folder: containerd looks again when one is written or taken away, not when one is moved in";
            PluginMissing => "it was not installed on this node, or was removed: no pod gets a network here";
            PluginNotRunnable { how } => (match how {
                NotAProgram::Format => "it was built for another machine, or was written incompletely".to_owned(),
                NotAProgram::Permission => "its mode lacks the right to execute, or its file system is mounted noexec".to_owned(),
                NotAProgram::Interpreter => "it is a script or was linked dynamically, for another distribution".to_owned(),
            });
            PluginKilled => "memory may have run out, or it took longer than the runtime waits";
            ProgramMissing => "the node's image does not bring it, or the runtime's PATH does not have its directory";
            CredentialsRefused => "the token in its kubeconfig may have expired or belong to an earlier cluster, or its role lacks the right";
            AddressesExhausted { leaked } => (match leaked {
                true => "reservations of pods that are gone were not given back: their DEL failed or never came".to_owned(),
                false => "the node's range is too small for its pods".to_owned(),
            });
            NoAddressGiven => "its configuration has no ipam section, or one without a range";
            StaleBridge => "the node's podCIDR was changed, and the bridge stayed";
            PluginFailed { plugin } => (plugin.as_ref().map_or_else(String::new, |plugin| {
                format!("{plugin} failed for a reason of its own, in its own words above")
            }));
            StuckTerminating { record } => (match record {
                Some(_) => "the node may have gone down while the record was written: the runtime does not DEL without it".to_owned(),
                None => "the plugin's DEL fails, in its own words above; the kubelet tries again until it succeeds".to_owned(),
            });
            ReservationsLeft => "their DEL failed or never came: the range has fewer addresses than it seems";
            NodeNotReady { network, reason } => (match network {
                true => "its container runtime has no pod network to offer".to_owned(),
                false => format!("the kubelet says {reason}"),
            });
            ObjectMissing => "it was never created, has another name, or is in another namespace";
            ImagePull { failure } => (pull(*failure).to_owned());
            CommandNotFound { how } => (not_run(*how).to_owned());
            ContainerCreate => "the runtime refuses what the manifest asks for";
            CrashLoop { exit_code, reason } => (crash(*exit_code, reason).to_owned());
            ProbeFails => "the program does not answer as its probe expects, or not yet";
            AddressNotHeld => "the address was removed or replaced after the CNI plugin reported it";
            Ipv6Off => "a sysctl file, an image or a plugin switched it off: the kernel takes no IPv6 address there";
            AddressDuplicate => "the kernel marks the address `dadfailed`";
            AddressShared { pods } => (given_twice(pods));
            NodeAddressOnPod => "IPAM does not leave out the gateway or node address";
            GatewayOnPod => "IPAM does not leave out the gateway address";
            InterfaceMissing => "the interface was deleted";
            InterfaceDown => "the interface was set down inside the pod";
            NotVeth => "another CNI configuration made this pod";
            HostEndMissing => "the host end was moved or deleted";
            HostEndDown => "the host end was set down";
            HostEndNotOnBridge => "the host end was taken off the bridge";
            PortNotForwarding => "the port was set so by hand, or by spanning tree";
            PortsIsolated => "a bridge does not pass frames between isolated ports";
            PodMacChanged => "the pod's Ethernet address was changed after the entry was made";
            GatewayTwice => "a bridge of an earlier configuration was left over: the kernel takes the range to one of them only";
            BridgeDown => "the bridge was set down, or none of its ports has a carrier";
            GatewayAddressMissing => "";
            DefaultRouteMissing => "the route was removed, or the CNI configuration does not ask for one (isDefaultGateway, ipam.routes)";
            GatewayOffLink => "the route to the gateway itself is missing in the pod";
            GatewayCutOff => "";
            OverlappingPodCidrs => "the same range was assigned to two nodes: their pods get equal addresses, and a route can lead to one only";
            OwnPodCidrRoutedAway => "the node was taken for a remote one, or had another podCIDR before";
            RouteMissing => "the route was removed, or the node agent did not learn of the node";
            DuplicateRoute => "one may have been left when the other was made";
            RouteWithoutDevice => "the device was deleted";
            RouteDeviceDown => "the device was set down";
            RouteOffLink => "both nodes are not on one segment: plain routes do not work between them";
            WrongNextHop { holder } => (match holder {
                Some(_) => "the route was made for another node".to_owned(),
                None => "the node's address changed, or the route was written wrongly".to_owned(),
            });
            PartRoutedElsewhere => "somebody added a more specific route, which wins over that of the CNI";
            NodeAddressInPodCidr => "the ranges of nodes and pods overlap: what is sent to the address goes to pods";
            RouteIntoBridge => "the bridge's prefix covers the remote podCIDR";
            StaleRoute => "a node left or got another podCIDR, and its entries stayed";
            StaleForwarding => "a node left or got another podCIDR, and its entries stayed";
            NeighbourMissing => "the neighbour entry was removed, or never made";
            ForwardingElsewhere => "the FDB entry was removed, or made for another node";
            VxlanMismatch => "the nodes' agents have different settings, or the device is gone";
            VxlanDown => "the device was set down";
            VtepMacMismatch { device_changed } => (match device_changed {
                true => "the device was created again with another Ethernet address".to_owned(),
                false => "the entry is out of date or was changed: frames reach the node and are dropped there".to_owned(),
            });
            NodeAddressShared => "";
            NodeMacShared => "";
            PodOutsidePodCidr => "";
            ConntrackFull => "";
            DroppedByRule => "";
            ReversePathFilter => "";
            RouteRefuses => "";
            NeighbourUnresolved => "";
            NeighbourWrong => "";
            LinkDown => "";
            FrameMisdirected => "";
            ForwardingEntryMissing => "";
            NoVtep => "";
            TakenByOther => "";
            SourceIsOwn => "";
            SentAway => "";
            RoutedAway => "";
            RoutingLoop => "";
            TtlExpired => "";
            TooBigForDevice => "";
            PathMtuLearned => "";
            RouteMtu => "";
            CountedDrop => "";
            RewrittenByRule => "";
            ForwardingOff => "";
            Diverted => "";
            TransportFiltered => "";
            FamilyUnrouted => "";
            UnderlayCut => "";
            Rejected => "";
            Prohibited => "";
            NoRouteInTransit => "";
            PacketsLost => "";
            LossyPath => "";
            FirstPacketLost => "";
            PacketsDoubled => "";
            Masquerade => "";
            Dnat => "";
            ReplyTranslated => "";
            DestinationTranslated => "";
            UnderlayMtu => "";
            LengthDropped => "";
            PodMtuLarger => "";
            MtuIgnored => "";
            OuterFragments => "";
            LoopbackDown => "";
            HairpinOff => "the CNI configuration lacks `\"hairpinMode\": true`, or it was switched off by hand";
            ConflistDiffers => "";
            DuplicateAgent => "";
            EndpointsMissing => "the pods are not ready, or the controller manager makes no EndpointSlices";
            BackendsSilent => "";
            ServiceProxyBehind => "";
            ServiceHairpin => "";
            TranslatedLost => "";
            DnsServerMissing => "";
            DnsServerIgnorant => "";
            DnsServerUnreached => "";
            HostPortUnmapped => "";
            NodePortUnmapped => "";
            EgressSource => "";
            EgressBlocked => "";
        });
        (!reason.is_empty()).then_some(reason)
    }
}

/// How several pods come to hold one address.
fn given_twice(pods: &[PodAt]) -> String {
    let nodes: BTreeSet<&str> = pods.iter().map(|pod| pod.node.as_str()).collect();
    match nodes.first() {
        Some(node) if nodes.len() == 1 => {
            format!("IPAM on {node} gave the address out twice, or it was added by hand")
        }
        _ => format!(
            "nodes {} assign from the same range, or the address was added by hand",
            shown(nodes, 4)
        ),
    }
}

fn no_fit(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::Resources => "it asks for more than any node has free",
        Unfit::Taints => "nodes have taints that it does not tolerate",
        Unfit::Labels => "no node has the labels that its selector or affinity wants",
        Unfit::ClaimMissing => "a claim that it names is not there or not bound",
        Unfit::ClaimUnbound => "a claim that it names is not bound",
        Unfit::Full => "nodes are full (maxPods)",
        Unfit::Cordoned => "nodes are cordoned",
        Unfit::PortTaken => "a hostPort that it wants is taken",
    }
}

fn agent_state(agent: &str, state: &AgentState) -> String {
    match state {
        AgentState::NotReady => {
            "without its agent the node has no network to give to new pods".to_owned()
        }
        AgentState::Ended => {
            "what it has set up stays; changes of nodes may not be carried out there".to_owned()
        }
        AgentState::NotScheduled => {
            "a selector, an affinity or a taint keeps it off the node".to_owned()
        }
        AgentState::Gone => "the add-on was taken away, and its files stayed".to_owned(),
        AgentState::Silent { ready: true } => format!(
            "{agent} has a pod there that is ready, and yet does not serve the plugin: it has just started, or what it wrote was removed"
        ),
        AgentState::Silent { ready: false } => {
            "its agent does not run there, and none is known that should".to_owned()
        }
    }
}

fn crash(exit_code: Option<i32>, reason: &str) -> &'static str {
    match exit_code {
        _ if reason == "OOMKilled" => "it used more memory than its limit, and the kernel ended it",
        None => "the pod's own command does not last",
        Some(0) => "its command ends by itself: a pod's command has to last",
        Some(129..) => "a signal ended it (128 and the signal's number)",
        Some(_) => "its own program fails",
    }
}

fn pull(failure: PullFailure) -> &'static str {
    match failure {
        PullFailure::InvalidName => "its name is not an image reference",
        PullFailure::NeverPull => "imagePullPolicy is Never, and the image is not on the node",
        PullFailure::NoSuchImage => "the registry has no such image or tag",
        PullFailure::Credentials => {
            "the registry wants credentials (imagePullSecrets), or there is no such repository"
        }
        PullFailure::Certificate => "the registry's certificate is not trusted by the node",
        PullFailure::OutOfReach => "the node cannot reach the registry",
        PullFailure::AlwaysPulled => {
            "imagePullPolicy is Always, and the node cannot reach the registry: IfNotPresent takes the image that is there"
        }
        PullFailure::Unknown => "the image's name is wrong, or its registry does not give it out",
    }
}

fn not_run(how: NotRunnable) -> &'static str {
    match how {
        NotRunnable::NotInImage => "the image has no such program, or not in its PATH",
        NotRunnable::NotFoundByShell => "a shell in the container does not find what it is to run",
        NotRunnable::NotExecutable => {
            "the command is there and may not be executed: no permission, or a program for another architecture"
        }
    }
}
