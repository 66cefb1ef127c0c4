//! How a cause that was seen itself may have come about.
use std::collections::BTreeSet;

use flatnet_model::cause::{AgentTrouble, Cause, NotRunnable, PullFailure, Unfit};

use super::Words;
use super::list::{all, shown};

impl Words<'_> {
    pub(super) fn reason(&self, cause: &Cause) -> Option<String> {
        let text = match cause {
            Cause::Unschedulable {
                refusal: Some(refusal),
                ..
            } if refusal.reason == "Evicted" => {
                return Some(format!("{} ran short and ended the pod", refusal.node));
            }
            Cause::Unschedulable {
                refusal: None,
                unfit,
                ..
            } => {
                let known = !unfit.is_empty();
                return known.then(|| all(unfit.iter().map(|unfit| no_fit(*unfit)), "; "));
            }
            Cause::AgentDown { agent, trouble, .. } => {
                return Some(agent_trouble(agent, trouble));
            }
            Cause::PluginFailed { plugin, .. } => {
                return plugin.as_ref().map(|plugin| {
                    format!("{plugin} failed for a reason of its own, in its own words above")
                });
            }
            Cause::NodeNotReady {
                network: false,
                reason,
                ..
            } => return Some(format!("the kubelet says {reason}")),
            Cause::AddressShared { pods, .. } => {
                let nodes: BTreeSet<&str> = pods.iter().map(|pod| pod.node.as_str()).collect();
                return Some(match nodes.first() {
                    Some(node) if nodes.len() == 1 => {
                        format!(
                            "IPAM on {node} gave the address out twice, or it was added by hand"
                        )
                    }
                    _ => format!(
                        "nodes {} assign from the same range, or the address was added by hand",
                        shown(nodes, 4)
                    ),
                });
            }
            Cause::CrashLoop {
                exit_code, reason, ..
            } => crash(*exit_code, reason),
            Cause::ImagePull { failure, .. } => pull(*failure),
            Cause::CommandNotFound { how, .. } => not_run(*how),
            Cause::NodeUnknown { .. } => {
                "its manifest names a node that never was or is gone: no kubelet takes it up"
            }
            Cause::Unschedulable { .. } => "pinned to its node, it was never asked which one fits",
            Cause::KubeletSilent { stopped: true, .. } => {
                "the kubelet is stopped: pods there are neither started nor ended"
            }
            Cause::KubeletSilent { .. } => {
                "the node is down, its kubelet is stopped, or it does not reach the API server: pods there are neither started nor ended"
            }
            Cause::PodCidrMissing { .. } => {
                "the controller manager does not assign ranges, or has none left for a further node"
            }
            Cause::TwoConflists { .. } => {
                "a second CNI was installed, or an add-on that is gone left its file behind: the runtime takes the first in lexical order"
            }
            Cause::ConflistMalformed { .. } => {
                "it was edited or written incompletely; the runtime passes over none"
            }
            Cause::CniVersion { .. } => "the file was written for other plugins, or by hand",
            Cause::NoConflist { .. } => {
                "no network add-on was installed, its agent did not finish, or its file was removed"
            }
            Cause::ConflistNotLoaded { .. } => {
                "the file was moved into the folder: containerd looks again when one is written or taken away, not when one is moved in"
            }
            Cause::PluginMissing { .. } => {
                "it was not installed on this node, or was removed: no pod gets a network here"
            }
            Cause::AddressesExhausted { leaked: true, .. } => {
                "reservations of pods that are gone were not given back: their DEL failed or never came"
            }
            Cause::AddressesExhausted { .. } => "the node's range is too small for its pods",
            Cause::StaleBridge { .. } => "the node's podCIDR was changed, and the bridge stayed",
            Cause::NodeNotReady { .. } => "its container runtime has no pod network to offer",
            Cause::ObjectMissing { .. } => {
                "it was never created, is called otherwise, or is in another namespace"
            }
            Cause::ContainerCreate { .. } => "the runtime refuses what the manifest asks for",
            Cause::ProbeFails { .. } => {
                "the program does not answer as its probe expects, or not yet"
            }
            Cause::AddressNotHeld { .. } => {
                "the address was removed or replaced after the CNI plugin reported it"
            }
            Cause::NodeAddressOnPod { .. } => "IPAM does not leave out the gateway or node address",
            Cause::GatewayOnPod { .. } => "IPAM does not leave out the gateway address",
            Cause::InterfaceMissing { .. } => "the interface was deleted",
            Cause::InterfaceDown { .. } => "the interface was set down inside the pod",
            Cause::NotVeth { .. } => "another CNI configuration made this pod",
            Cause::HostEndMissing { .. } => "the host end was moved or deleted",
            Cause::HostEndDown { .. } => "the host end was set down",
            Cause::HostEndOffBridge { .. } => "the host end was taken off the bridge",
            Cause::BridgeDown { .. } => {
                "the bridge was set down, or none of its ports has a carrier"
            }
            Cause::DefaultRouteMissing { .. } => {
                "the route was removed, or the CNI configuration does not ask for one (isDefaultGateway, ipam.routes)"
            }
            Cause::GatewayOffLink { .. } => "the route to the gateway itself is missing in the pod",
            Cause::RangeTwice { .. } => {
                "the same range was assigned to two nodes: their pods get equal addresses, and a route can lead to one only"
            }
            Cause::OwnRangeElsewhere { .. } => {
                "the node was taken for a remote one, or had another podCIDR before"
            }
            Cause::RouteMissing { .. } => {
                "the route was removed, or the node agent did not learn of the node"
            }
            Cause::RouteTwice { .. } => "one was left over when the other was made",
            Cause::RouteWithoutDevice { .. } => "the device was deleted",
            Cause::RouteDeviceDown { .. } | Cause::VxlanDown { .. } => "the device was set down",
            Cause::RouteOffLink { .. } => {
                "both nodes are not on one segment: plain routes do not work between them"
            }
            Cause::RouteElsewhere {
                holder: Some(_), ..
            } => "the route was made for another node",
            Cause::RouteElsewhere { .. } => {
                "the node's address changed, or the route was written wrongly"
            }
            Cause::RouteIntoBridge { .. } => "the bridge's prefix covers the remote podCIDR",
            Cause::StaleRoute { .. } | Cause::StaleForwarding { .. } => {
                "a node left or got another podCIDR, and its entries stayed"
            }
            Cause::NeighbourMissing { .. } => "the neighbour entry was removed, or never made",
            Cause::ForwardingElsewhere { .. } => {
                "the FDB entry was removed, or made for another node"
            }
            Cause::VxlanDiffers { .. } => {
                "the nodes' agents have different settings, or the device is gone"
            }
            Cause::VtepMacDiffers {
                device_changed: true,
                ..
            } => "the device was created again with another Ethernet address",
            Cause::VtepMacDiffers { .. } => {
                "the entry is out of date or was changed: frames reach the node and are dropped there"
            }
            Cause::EndpointsMissing { .. } => {
                "the pods are not ready, or the controller manager makes no EndpointSlices"
            }
            // Each says in its own sentence how it comes about, or only ever explains a symptom.
            Cause::GatewayAddressMissing { .. }
            | Cause::GatewayCutOff { .. }
            | Cause::ForwardingOff { .. }
            | Cause::Diverted { .. }
            | Cause::TransportFiltered { .. }
            | Cause::FamilyUnrouted { .. }
            | Cause::UnderlayCut { .. }
            | Cause::Rejected { .. }
            | Cause::NoRouteOnTheWay { .. }
            | Cause::PacketsLost { .. }
            | Cause::Masquerade { .. }
            | Cause::Dnat { .. }
            | Cause::ReplyTranslated { .. }
            | Cause::DestinationTranslated { .. }
            | Cause::UnderlayMtu { .. }
            | Cause::MtuIgnored { .. }
            | Cause::OuterFragments { .. }
            | Cause::LoopbackDown { .. }
            | Cause::ConflistDiffers { .. }
            | Cause::AgentTwice { .. }
            | Cause::BackendsSilent { .. }
            | Cause::ServiceProxyBehind { .. }
            | Cause::ServiceHairpin { .. }
            | Cause::DnsServerMissing {}
            | Cause::DnsServerIgnorant {}
            | Cause::DnsServerUnreached { .. }
            | Cause::HostPortUnmapped { .. }
            | Cause::NodePortUnmapped { .. }
            | Cause::EgressSource { .. }
            | Cause::EgressBlocked { .. } => return None,
        };
        Some(text.to_owned())
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

fn agent_trouble(agent: &str, trouble: &AgentTrouble) -> String {
    match trouble {
        AgentTrouble::NotReady => {
            "without its agent the node has no network to give to new pods".to_owned()
        }
        AgentTrouble::KeptOff => {
            "a selector, an affinity or a taint keeps it off the node".to_owned()
        }
        AgentTrouble::Gone => "the add-on was taken away, and its files stayed".to_owned(),
        AgentTrouble::Silent { ready: true } => format!(
            "{agent} has a pod there that is ready, and yet does not serve the plugin: it has just started, or what it wrote was removed"
        ),
        AgentTrouble::Silent { ready: false } => {
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
        PullFailure::OutOfReach => "the registry is out of the node's reach",
        PullFailure::Unknown => "the image's name is wrong, or its registry does not give it out",
    }
}

fn not_run(how: NotRunnable) -> &'static str {
    match how {
        NotRunnable::NotInImage => "the image has no such program, or not in its PATH",
        NotRunnable::NotFoundByShell => "a shell in the container does not find what it is to run",
        NotRunnable::NotExecutable => {
            "the command is there and may not be executed: no permission, or another machine's program"
        }
    }
}
