//! Causes: what makes things go wrong, in one sentence each.
use flatnet_model::cause::{AgentTrouble, Cause, Loss};
use flatnet_model::evidence::Subject;

use super::Words;
use super::list::{all, listed, transports};
use super::symptom::{over_family, place};

const CONF_DIR: &str = "/etc/cni/net.d";

impl Words<'_> {
    pub(super) fn cause(&self, cause: &Cause) -> String {
        let at = |at: &[Subject]| match self.culprits(at) {
            Some(who) => format!("at {who}"),
            None => "on the path".to_owned(),
        };
        match cause {
            Cause::NodeUnknown { pod, node } => format!(
                "pod {} is pinned to node {node}, which is not there",
                self.names.pod(pod)
            ),
            Cause::Unschedulable { pod, refusal, .. } => match refusal {
                Some(refusal) => format!(
                    "{} does not take pod {}: {}",
                    refusal.node,
                    self.names.pod(pod),
                    refusal.reason
                ),
                None => format!("no node takes pod {}", self.names.pod(pod)),
            },
            Cause::KubeletSilent { node, .. } => format!("the kubelet of {node} does not report"),
            Cause::PodCidrMissing { node } => {
                format!("{node} has no podCIDR, from which its pods' addresses come")
            }
            Cause::TwoConflists {
                node,
                used,
                shadowed,
            } => format!(
                "{} CNI configurations on {node}: {used} wins, {} shadowed",
                shadowed.len() + 1,
                listed(shadowed, 4)
            ),
            Cause::ConflistMalformed { node, file } => {
                format!("{CONF_DIR}/{file} of {node} is not a CNI configuration")
            }
            Cause::CniVersion { node, file } => format!(
                "{} of {node} has a version that is not spoken there",
                file.as_ref()
                    .map_or("the configuration".to_owned(), |file| format!(
                        "{CONF_DIR}/{file}"
                    ))
            ),
            Cause::AgentDown {
                node,
                agent,
                trouble,
            } => match trouble {
                AgentTrouble::NotReady => {
                    format!("the network add-on's agent does not work on {node}: {agent}")
                }
                AgentTrouble::KeptOff | AgentTrouble::Gone => {
                    format!("the agent of {agent} is not there on {node}")
                }
                AgentTrouble::Silent { .. } => {
                    format!("the agent of {agent} does not answer on {node}")
                }
            },
            Cause::NoConflist { node } => {
                format!("there is no CNI configuration in {CONF_DIR} of {node}")
            }
            Cause::ConflistNotLoaded { node, file } => {
                format!("the runtime of {node} has not taken up {CONF_DIR}/{file}")
            }
            Cause::PluginMissing {
                node,
                file,
                plugins,
            } => format!(
                "plugin{} {} of {} not in /opt/cni/bin of {node}",
                if plugins.len() == 1 { "" } else { "s" },
                listed(plugins, 6),
                file.as_deref().unwrap_or("the configuration")
            ),
            Cause::AddressesExhausted { node, .. } => {
                format!("no address is left in the range of {node}")
            }
            Cause::StaleBridge { node, bridge } => {
                format!("{bridge} of {node} holds the gateway address of another range")
            }
            Cause::PluginFailed { pod, plugin } => match plugin {
                Some(plugin) => format!(
                    "the plugin {plugin} cannot set up the network of {}",
                    self.pod_at(pod)
                ),
                None => format!(
                    "the container runtime of {} cannot make a sandbox for {}",
                    pod.node,
                    self.pod_at(pod)
                ),
            },
            Cause::NodeNotReady { node, .. } => format!("{node} is not Ready"),
            Cause::ObjectMissing { pod, object } => {
                let what = match object {
                    Some((kind, namespace, name)) => format!("{kind} {namespace}/{name}"),
                    None => "something that it mounts or reads".to_owned(),
                };
                format!("{} needs {what}, which is not there", self.pod_at(pod))
            }
            Cause::ImagePull {
                pod,
                container,
                image,
                ..
            } => format!(
                "{}: image {image} of container {container} is not on {} and cannot be pulled",
                self.pod_at(pod),
                pod.node
            ),
            Cause::CommandNotFound {
                pod,
                container,
                command,
                ..
            } => format!(
                "{}: container {container} cannot run {}",
                self.pod_at(pod),
                super::start::command(command)
            ),
            Cause::ContainerCreate { pod, container } => format!(
                "{}: container {container} cannot be created by the runtime",
                self.pod_at(pod)
            ),
            Cause::CrashLoop {
                pod,
                container,
                exit_code,
                reason,
            } => {
                let code = exit_code.map(|code| format!(": exit code {code}"));
                let reason = match reason.as_str() {
                    "" | "Error" => String::new(),
                    reason => format!(" ({reason})"),
                };
                let who = match container {
                    Some(container) => format!("{}: container {container}", self.pod_at(pod)),
                    None => format!("the command of {}", self.pod_at(pod)),
                };
                format!("{who} does not last{}{reason}", code.unwrap_or_default())
            }
            Cause::ProbeFails { pod, containers } => format!(
                "{} runs and is not ready: container {}",
                self.pod_at(pod),
                containers.join(", ")
            ),
            Cause::AddressNotHeld { pod, address } => format!(
                "{} does not hold the IP {address} that the API gives it",
                self.pod_at(pod)
            ),
            Cause::AddressShared { address, pods } => {
                let names = pods.iter().map(|pod| self.pod_at(pod));
                format!("{} share the IP {address}", all(names, " and "))
            }
            Cause::NodeAddressOnPod {
                address,
                node,
                pods,
            } => {
                let names: Vec<String> = pods.iter().map(|at| self.names.pod(&at.pod)).collect();
                let names = listed(&names, 4);
                format!("pod {names} has the IP {address} of node {node}")
            }
            Cause::GatewayOnPod { address, pod } => {
                format!("{} has the IP {address} of the gateway", self.pod_at(pod))
            }
            Cause::InterfaceMissing { pod } => {
                format!("{} has no interface besides loopback", self.pod_at(pod))
            }
            Cause::InterfaceDown { pod, device } => {
                format!("{}: its {device} is down", self.pod_at(pod))
            }
            Cause::NotVeth { pod, device } => {
                format!("{}: its {device} is not a veth", self.pod_at(pod))
            }
            Cause::HostEndMissing { pod, device } => {
                format!("{}: the host end of its {device} is gone", self.pod_at(pod))
            }
            Cause::HostEndDown { pod, device } => {
                format!("{}: its host end {device} is down", self.pod_at(pod))
            }
            Cause::HostEndOffBridge { pod, device } => {
                format!("{}: its host end {device} is on no bridge", self.pod_at(pod))
            }
            Cause::BridgeDown { node, bridge } => format!("bridge {bridge} of {node} is down"),
            Cause::GatewayAddressMissing {
                node,
                bridge,
                address,
            } => match bridge {
                Some(bridge) => {
                    format!("the gateway address {address} is gone from {bridge} of {node}")
                }
                None => format!("the gateway address {address} is gone from {node}"),
            },
            Cause::DefaultRouteMissing { pods, family } => {
                let a = match family {
                    flatnet_model::Family::V4 => "a",
                    flatnet_model::Family::V6 => "an IPv6",
                };
                format!("{} without {a} default route", self.pods_at(pods))
            }
            Cause::GatewayOffLink { pods, hop } => format!(
                "{}: next hop {hop} of the default route is not on link",
                self.pods_at(pods)
            ),
            Cause::GatewayCutOff { node, .. } => format!(
                "the wire between pod and bridge is cut, or a packet filter on {node} drops what pods send to it"
            ),
            Cause::RangeTwice {
                nodes: (a, b),
                ranges: (a_range, b_range),
            } => match a_range == b_range {
                true => format!("{a} and {b} both claim the podCIDR {a_range}"),
                false => format!("the podCIDRs {a_range} of {a} and {b_range} of {b} overlap"),
            },
            Cause::OwnRangeElsewhere { node, range } => {
                format!("{node} routes its own podCIDR {range} to elsewhere")
            }
            Cause::RouteMissing { node, to, range } => {
                format!("{node} has no route to {range} of {to}")
            }
            Cause::RouteTwice {
                node,
                to,
                range,
                routes,
            } => format!("{node} has {routes} routes to {range} of {to}"),
            Cause::RouteWithoutDevice { node, range, .. } => {
                format!("the route of {node} to {range} has no device")
            }
            Cause::RouteDeviceDown {
                node,
                to,
                range,
                device,
            } => format!("the route of {node} to {range} of {to} goes through {device}, which is down"),
            Cause::RouteOffLink { node, range, hop } => {
                format!("{node}: next hop {hop} of the route to {range} is not on link")
            }
            Cause::RouteElsewhere {
                node,
                to,
                range,
                hop,
                holder,
            } => match holder {
                Some(holder) => format!("{node} routes {range} of {to} to {holder}"),
                None => format!(
                    "{node}: next hop {hop} of the route to {range} is not an address of {to}"
                ),
            },
            Cause::RouteIntoBridge { node, to, range } => {
                format!("{node} takes {range} of {to} for its own")
            }
            Cause::StaleRoute { node, range } => {
                format!("stale route on {node}: {range} is not the podCIDR of any node")
            }
            Cause::StaleForwarding { node, device, dst } => {
                format!("stale forwarding entry on {device} of {node}: {dst} is not a node")
            }
            Cause::NeighbourMissing { node, to, hop } => {
                format!("{node} has no neighbour entry for {hop}, the next hop to {to}")
            }
            Cause::ForwardingElsewhere {
                node,
                to,
                device,
                mac,
            } => format!("{node}'s forwarding entry for {mac} on {device} does not lead to {to}"),
            Cause::VxlanDiffers { node, to } => format!("{node} and {to} have no VXLAN in common"),
            Cause::VxlanDown { node, device } => {
                format!("the VXLAN device {device} of {node} is down")
            }
            Cause::VtepMacDiffers { node, to, .. } => {
                format!("{node} knows a wrong VTEP MAC for {to}")
            }
            Cause::ForwardingOff { node, key } => {
                format!("{node} does not forward packets: net.{key} is 0")
            }
            Cause::Diverted { to, by } => format!(
                "what is sent to {} is diverted to {}, which cannot answer itself, see no-nat",
                self.names.end(to),
                self.names.end(by)
            ),
            Cause::TransportFiltered {
                failing,
                passing,
                family,
                at: who,
            } => format!(
                "only {} fails, not {}: a packet filter {} looks at the protocol",
                over_family(failing, *family),
                transports(passing.iter().copied()),
                at(who)
            ),
            Cause::FamilyUnrouted { family, at: who } => format!(
                "only {family} fails: routes or forwarding of that family {}",
                at(who)
            ),
            Cause::UnderlayCut { nodes: (a, b) } => format!(
                "the nodes {a} and {b} do not reach each other either: the underlay is cut"
            ),
            Cause::Rejected { at: who } => format!(
                "packets pass, but a packet filter {} rejects them or nothing listens there",
                at(who)
            ),
            Cause::NoRouteOnTheWay { at: who } => {
                format!("a node or router {} has no route to the address", at(who))
            }
            Cause::PacketsLost { loss, at: who } => lost(loss, &at(who)),
            Cause::Masquerade { node } => match node {
                Some(node) => {
                    format!("{node} masquerades traffic that stays within the pod network")
                }
                None => "something between the nodes translates source addresses".to_owned(),
            },
            Cause::Dnat { address, target } => {
                let target = self.names.end(target);
                format!("a DNAT rule diverts what is sent to {address} ({target})")
            }
            Cause::ReplyTranslated { node } => {
                format!("the source of replies is translated {}", place(node))
            }
            Cause::DestinationTranslated { node } => {
                format!("the destination is translated {}", place(node))
            }
            Cause::UnderlayMtu { node } => match node {
                Some(node) => format!("the underlay MTU at {node} is below that of the pods' interfaces"),
                None => "the underlay MTU is below that of the pods' interfaces".to_owned(),
            },
            Cause::MtuIgnored { .. } => "the interface lets more through than its MTU says, or the MTU changed during the run".to_owned(),
            Cause::OuterFragments { .. } => "the underlay MTU is below the pods' MTU plus what the tunnel adds, so outer packets are split".to_owned(),
            Cause::LoopbackDown { pod } => format!(
                "the loopback interface of pod {} is down",
                self.names.pod(&pod.pod)
            ),
            Cause::ConflistDiffers { .. } => "the CNI was changed on some nodes only".to_owned(),
            Cause::AgentTwice { .. } => "two agents change the same interfaces, routes and files; the DaemonSet's surge or a second copy of the pod".to_owned(),
            Cause::EndpointsMissing { service, .. } => {
                format!("service {service} has no ready backend")
            }
            Cause::BackendsSilent { node } => {
                format!("some backends do not answer {node}, see cross-node and same-node")
            }
            Cause::ServiceProxyBehind { node: Some(node) } => format!(
                "{node} does not send the service's address to a backend: kube-proxy (or what stands in for it) is behind there, or a packet filter drops it"
            ),
            Cause::ServiceProxyBehind { node: None } => "no node sends the service's address to a backend: is kube-proxy, or what stands in for it, running?".to_owned(),
            Cause::ServiceHairpin { .. } => "what a pod sends to a service and gets back itself must leave the node's bridge by the port it came from (hairpin mode), under another source".to_owned(),
            Cause::DnsServerMissing {} => {
                "no pod behind the service kube-system/kube-dns is ready".to_owned()
            }
            Cause::DnsServerIgnorant {} => "the server answers, but does not know the cluster's services: does it reach the API?".to_owned(),
            Cause::DnsServerUnreached { node: None, .. } => {
                "no node leads to the DNS server, or it does not answer".to_owned()
            }
            Cause::DnsServerUnreached {
                node: Some(node),
                over,
            } => format!(
                "a packet filter on {node} drops questions over {}, or {node} does not reach the server's pods, see service and cross-node",
                all(over, ", ")
            ),
            Cause::HostPortUnmapped { node } => format!(
                "{node} does not send the port to the pod: its CNI configuration chains no portmap, portmap's rules are gone, or a packet filter drops it"
            ),
            Cause::NodePortUnmapped { node: None } => "no node sends the port to a backend: is kube-proxy, or what stands in for it, running, and does the network from outside lead to the nodes?".to_owned(),
            Cause::NodePortUnmapped { node: Some(node) } => format!(
                "{node} does not send the port to a backend: kube-proxy is behind there, or a packet filter drops it"
            ),
            Cause::EgressSource { node, source } => format!(
                "{node} rewrites the source of what leaves the cluster to {source}, to which answers do not come back to it"
            ),
            Cause::EgressBlocked { node: None } => "no node forwards what pods send out of the cluster, or nothing leads back".to_owned(),
            Cause::EgressBlocked { node: Some(node) } => format!(
                "{node} does not forward or masquerade what its pods send out of the cluster, or a packet filter drops it"
            ),
        }
    }
}

fn lost(loss: &Loss, at: &str) -> String {
    match loss {
        Loss::Unrecorded => format!("a packet filter or a missing route {at}"),
        Loss::OnTheWayIn { node } => format!(
            "what is sent to pods of {node} gets lost there, what they send arrives: a packet filter on {node}"
        ),
        Loss::BothWays { node } => format!(
            "{node} does not forward for its pods: a packet filter (FORWARD policy) or a cut link"
        ),
        Loss::OnTheWayTo { node } => format!(
            "what is sent to pods of {node} gets lost: a packet filter on {node}, or no route to them"
        ),
        Loss::Answers => {
            format!("requests arrive, answers get lost {at}: a packet filter, or no route back")
        }
        Loss::Requests => format!(
            "packets get lost {at}: a packet filter (FORWARD policy), a missing route or a cut link"
        ),
        Loss::OneDirection => format!(
            "packets get lost in one direction only: a missing route or a packet filter {at}"
        ),
    }
}
