//! Addresses, wires and routes: what was expected, and what was observed.
use flatnet_model::evidence::{Route, State, Vxlan};

use super::Words;
use super::list::{all, joined, listed, shown};

/// A route as `ip route` prints it, as far as it decides where packets go.
pub fn route(route: &Route) -> String {
    let mut text = match route.kind {
        6 => "blackhole ",
        7 => "unreachable ",
        8 => "prohibit ",
        _ => "",
    }
    .to_owned();
    text.push_str(&if route.dst.prefix_len() == 0 {
        "default".to_owned()
    } else {
        route.dst.to_string()
    });
    if let Some(hop) = route.via {
        text.push_str(&format!(" via {hop}"));
    }
    if let Some(device) = &route.device {
        text.push_str(&format!(" dev {device}"));
    }
    if let Some(metric) = route.metric.filter(|metric| *metric > 0) {
        text.push_str(&format!(" metric {metric}"));
    }
    if route.onlink {
        text.push_str(" onlink");
    }
    text
}

fn up(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

impl Words<'_> {
    /// Joined by semicolons.
    pub(super) fn states(&self, states: &[State]) -> String {
        all(states.iter().map(|state| self.state(state)), "; ")
    }

    pub(super) fn state(&self, state: &State) -> String {
        match state {
            State::Talk(talk) => self.talk(talk),
            State::Start(start) => self.start(start),
            State::Said { text } => text.clone(),
            State::More { count } => format!("and {count} more"),
            State::MorePairs { count } => format!("and {count} more pairs"),
            State::ExactlyOne => "exactly one".to_owned(),
            State::Nothing => "none".to_owned(),
            State::Running => "phase Running with an IP address".to_owned(),
            State::Phase { phase, said } => {
                let said = said.as_deref().unwrap_or("no warning event says why");
                format!("phase {phase}: {said}")
            }
            State::AddressInApi { family } => match family {
                Some(family) => format!("status.podIPs with an {family} address"),
                None => "status.podIPs with an IP address".to_owned(),
            },
            State::AddressesInApi { addresses } => match addresses.is_empty() {
                true => "status.podIPs is empty".to_owned(),
                false => format!("status.podIPs is {}", shown(addresses, 4)),
            },
            State::AddressInside { address } => {
                format!("{address} on an interface inside the pod")
            }
            State::AddressesInside { addresses } => match addresses.is_empty() {
                true => "no address inside the pod".to_owned(),
                false => format!("inside the pod: {}", shown(addresses, 4)),
            },
            State::AddressOfNode { node } => format!("an address of {node}"),
            State::Held { address, owner } => self.held(address, owner.as_ref()),
            State::OwnAddress => "an IP of its own for every pod".to_owned(),
            State::HeldBy { address, pods } => {
                let names = all(pods.iter().map(|pod| self.pod_at(pod)), " and ");
                let both = if pods.len() == 2 { "both" } else { "all" };
                format!("{names} {both} hold {address}")
            }
            State::AnsweredThere { name, times } => {
                let name = self.names.own(name);
                format!("{name} answered {} there", super::count(*times, "dial"))
            }
            State::FreeOfNodes => "an IP that no node holds".to_owned(),
            State::OnNodeToo {
                address,
                device,
                node,
            } => {
                let device = device.as_deref().unwrap_or("an interface");
                format!("{address} is on {device} of {node} too")
            }
            State::FreeOfGateways => "an IP that is not a pod's next hop".to_owned(),
            State::DefaultRouteOf { pod, via } => {
                format!("{} has its default route via {via}", self.pod_at(pod))
            }
            State::DefaultRoute => "a default route via an address of the node".to_owned(),
            State::Routes { routes } => match routes.is_empty() {
                true => "routes: none".to_owned(),
                false => format!("routes: {}", shown(routes, 4)),
            },
            State::OnLink { hop } => {
                format!("a route or prefix that covers {hop}, or the onlink flag")
            }
            State::NotCovered => "none of the pod's prefixes covers it".to_owned(),
            State::AddressOn {
                address,
                device,
                node,
            } => match device {
                Some(device) => format!("{address} on {device} of {node}"),
                None => format!("{address} on {node}"),
            },
            State::BelongsTo { address, owner } => match owner {
                Some(owner) => format!("{address} belongs to {}", self.owner(owner)),
                None => format!("{address} is on no interface of any node"),
            },
            State::AnswerOf { address, owner } => {
                format!("an answer from {}", self.held(address, owner.as_ref()))
            }
            State::Unanswered {
                transport: over,
                said,
            } => format!("{}: {said}", over),
            State::VethOnBridge => {
                "a veth whose host end is UP and a port of the bridge".to_owned()
            }
            State::DeviceIs { device, up: state } => format!("{device} {}", up(*state)),
            State::DownInPod { device } => format!("{device} is DOWN in the pod"),
            State::NoInterface => "no eth0 in the pod".to_owned(),
            State::NoPeer { device, node } => {
                format!("{device} has no peer among the interfaces of {node}")
            }
            State::DeviceKind { device, kind } => match kind.is_empty() {
                true => format!("{device} is a device"),
                false => format!("{device} is a {kind}"),
            },
            State::NoMaster { device } => format!("{device} has no master"),
            State::BridgeUp => "state UP".to_owned(),
            State::BridgeState { state, set_down } => {
                format!("state {state}{}", if *set_down { ", set down" } else { "" })
            }
            State::DeviceAddresses { device, addresses } => match addresses.is_empty() {
                true => format!("{device} has no address of that family"),
                false => format!("{device} has {}", shown(addresses, 4)),
            },
            State::Sysctl { key, value } => format!("net.{key} = {value}"),
            State::SeparateRanges => "podCIDRs that do not overlap".to_owned(),
            State::RangeOf { node, range } => format!("{node}: {range}"),
            State::LocalDelivery => "delivery on the node itself".to_owned(),
            State::RouteIs { route } => self.route_with_owner(route),
            State::CurrentRanges => "routes to podCIDRs of current nodes only".to_owned(),
            State::CurrentEntries => "entries for current nodes only".to_owned(),
            State::Forwarding { mac, dst } => format!("{mac} dst {dst}"),
            State::RouteTo { range } => format!("one route to {range}"),
            State::Uncovered => "no route covers it".to_owned(),
            State::Rejected { route } => format!("{} rejects it", self.route_with_owner(route)),
            State::OnlyDefault { route } => format!(
                "only the default route covers it ({})",
                self.route_with_owner(route)
            ),
            State::ADevice => "a device".to_owned(),
            State::HopWithin { hop, device } => format!("{hop} within a prefix of {device}"),
            State::HopOf { node } => format!("a next hop of {node}"),
            State::RouteToNode { node } => format!("a route to {node}"),
            State::VtepNeighbour { hop, node, device } => {
                format!("{hop} lladdr of {node}'s VTEP on {device}")
            }
            State::NeighbourIs {
                hop,
                mac,
                device,
                node,
            } => format!("{hop} lladdr {mac} on {device} of {node}"),
            State::NeighbourOf {
                hop,
                mac,
                device,
                node,
            } => {
                let device = device.as_deref().unwrap_or("its VXLAN device");
                format!("{hop} lladdr {mac}, the address of {device} on {node}")
            }
            State::ForwardingTo { mac, dsts, node } => {
                format!("{mac} dst {} ({node})", shown(dsts, 2))
            }
            State::ForwardingIs { mac, dsts } => match dsts.is_empty() {
                true => format!("no entry for {mac}"),
                false => {
                    let told = dsts
                        .iter()
                        .map(|(dst, owner)| self.held(dst, owner.as_ref()));
                    format!("dst {}", listed(&Vec::from_iter(told), 2))
                }
            },
            State::CommonVxlan { vxlan, node } => format!(
                "VNI {} port {} on both, as {} of {node} has",
                vxlan.vni, vxlan.port, vxlan.device
            ),
            State::Vxlans { node, vxlans } => {
                let each = vxlans
                    .iter()
                    .map(|Vxlan { device, vni, port }| format!("{device} VNI {vni} port {port}"));
                match vxlans.is_empty() {
                    true => format!("no VXLAN device on {node}"),
                    false => format!("on {node}: {}", joined(&Vec::from_iter(each), ", ", 4)),
                }
            }
        }
    }

    /// With whose address the next hop is.
    fn route_with_owner(&self, of: &Route) -> String {
        match &of.owner {
            Some(owner) => format!("{} [{}]", route(of), self.owner(owner)),
            None => route(of),
        }
    }
}
