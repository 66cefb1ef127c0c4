//! Addresses, wires and routes: what was expected, and what was observed.
use flatnet_model::evidence::{Route, RouteHop, State, Vxlan};
use flatnet_model::kernel::route_kind;

use super::Words;
use super::list::{all, joined, shown};
use super::sentence::sentences;

/// A route as `ip route` prints it, as far as it decides where packets go.
pub fn route(route: &Route) -> String {
    route_with(route, |_| String::new())
}

/// The same with something after each next hop.
fn route_with(route: &Route, after: impl Fn(&RouteHop) -> String) -> String {
    let mut text = match route.kind {
        route_kind::LOCAL => "local ".to_owned(),
        kind => route_kind::refusal(kind).map_or_else(String::new, |word| format!("{word} ")),
    };
    text.push_str(&if route.dst.prefix_len() == 0 {
        "default".to_owned()
    } else {
        route.dst.to_string()
    });
    let metric = route.metric.filter(|metric| *metric > 0);
    let metric = metric.map_or_else(String::new, |metric| format!(" metric {metric}"));
    let several = route.hops.len() > 1;
    if several {
        text.push_str(&metric);
    }
    for hop in &route.hops {
        if several {
            text.push_str(" nexthop");
        }
        if let Some(via) = hop.via {
            text.push_str(&format!(" via {via}"));
        }
        if let Some(device) = &hop.device {
            text.push_str(&format!(" dev {device}"));
        }
        if !several {
            text.push_str(&metric);
        }
        if hop.onlink {
            text.push_str(" onlink");
        }
        text.push_str(&after(hop));
    }
    text
}

impl Words<'_> {
    pub(super) fn state(&self, state: &State) -> String {
        sentences!(self, state, State {
            Talk(talk) => (self.talk(talk));
            Start(start) => (self.start(start));
            Said { text } => "{text}";
            More { count } => "and {count} more";
            MorePairs { count } => "and {count} more pairs";
            ExactlyOne => "exactly one";
            Nothing => "none";
            Followed(fate) => (self.fate(fate));
            NotFollowed { why } => "{why}";
            Changed(rewrite) => (self.rewrite(rewrite));
            ChangedMeanwhile { changes } => (self.changes(changes).unwrap_or_default());
            Running => "phase Running with an IP address";
            Phase { phase, said } => ({
                let said = said.as_deref().unwrap_or("no warning event says why");
                format!("phase {phase}: {said}")
            });
            AddressInApi { family } => (match family {
                Some(family) => format!("status.podIPs with an {family} address"),
                None => "status.podIPs with an IP address".to_owned(),
            });
            AddressesInApi { addresses } => (match addresses.is_empty() {
                true => "status.podIPs is empty".to_owned(),
                false => format!("status.podIPs is {}", shown(addresses, 4)),
            });
            AddressInside { address } => "{address} on an interface inside the pod";
            AddressesInside { addresses } => (match addresses.is_empty() {
                true => "no address inside the pod".to_owned(),
                false => format!("inside the pod: {}", shown(addresses, 4)),
            });
            AddressOfNode { node } => "an address of {node}";
            Held(held) => "{held}";
            OwnAddress => "an IP of its own for every pod";
            HeldBy { address, pods } => ({
                let names = all(pods.iter().map(|pod| self.pod_at(pod)), " and ");
                let both = if pods.len() == 2 { "both" } else { "all" };
                format!("{names} {both} hold {address}")
            });
            AnsweredThere { name, times } => (format!(
                "{} answered {} there",
                self.names.own(name),
                super::count(*times, "dial")
            ));
            FreeOfNodes => "an IP that no node holds";
            OnNodeToo { address, device, node } => ({
                let device = device.as_deref().unwrap_or("an interface");
                format!("{address} is on {device} of {node} too")
            });
            FreeOfGateways => "an IP that is not a pod's next hop";
            DefaultRouteOf { pod, via } => "{pod} has its default route via {via}";
            DefaultRoute => "a default route via an address of the node";
            Routes { routes } => (match routes.is_empty() {
                true => "routes: none".to_owned(),
                false => format!("routes: {}", shown(routes, 4)),
            });
            OnLink { hop } => "a route or prefix that covers {hop}, or the onlink flag";
            NotCovered => "none of the pod's prefixes covers it";
            AddressOn { address, device, node } => (match device {
                Some(device) => format!("{address} on {device} of {node}"),
                None => format!("{address} on {node}"),
            });
            BelongsTo(held) => (match &held.owner {
                Some(owner) => format!("{} belongs to {}", held.address, self.owner(owner)),
                None if held.unread.is_empty() => format!("{} is on no interface of any node", held.address),
                None => self.held(held),
            });
            AnswerOf(held) => "an answer from {held}";
            Unanswered { transport, said } => "{transport}: {said}";
            PortIs { device, state, isolated } => (format!(
                "{device} {}{}",
                state.as_str(),
                if *isolated { ", isolated" } else { "" }
            ));
            OneBridgeWithAddress { address } => "{address} on one bridge";
            HeldByDevices { address, devices } => (format!("{address} on {}", all(devices, " and on ")));
            OutsidePodCidrs { address } => "{address} in no podCIDR";
            OwnEthernetAddress { mac } => "lladdr {mac}, the pod's own";
            BothHold { what, nodes } => (format!("{what} on {} and on {}", nodes.0, nodes.1));
            InPodCidrOf { address, range, of } => "{address} in {range} of {of}";
            FewerEntries { limit } => (format!("fewer than {limit} entries"));
            Entries { entries, limit } => (format!("{entries} of {limit} entries"));
            VethOnBridge => "a veth whose host end is UP and a port of the bridge";
            DeviceIs { device, up } => (format!("{device} {}", if *up { "UP" } else { "DOWN" }));
            DownInPod { device } => "{device} is DOWN in the pod";
            NoInterface => "no eth0 in the pod";
            NoPeer { device, node } => "{device} has no peer among the interfaces of {node}";
            DeviceKind { device, kind } => (match kind.is_empty() {
                true => format!("{device} is a device"),
                false => format!("{device} is a {kind}"),
            });
            NoMaster { device } => "{device} has no master";
            BridgeUp => "state UP";
            BridgeState { state, set_down } => (match set_down {
                true => format!("state {state}, set down"),
                false => format!("state {state}"),
            });
            DeviceAddresses { device, addresses } => (match addresses.is_empty() {
                true => format!("{device} has no address of that family"),
                false => format!("{device} has {}", shown(addresses, 4)),
            });
            Sysctl { key, value } => "net.{key} = {value}";
            SeparateRanges => "podCIDRs that do not overlap";
            RangeOf { node, range } => "{node}: {range}";
            LocalDelivery => "delivery on the node itself";
            RouteIs { route } => "{route}";
            CurrentRanges => "routes to podCIDRs of current nodes only";
            CurrentEntries => "entries for current nodes only";
            Forwarding { mac, dst } => "{mac} dst {dst}";
            RouteTo { range } => "one route to {range}";
            Uncovered => "no route covers it";
            Rejected { route } => "{route} rejects it";
            OnlyDefault { route } => "only the default route covers it ({route})";
            ADevice => "a device";
            HopWithin { hop, device } => "{hop} within a prefix of {device}";
            HopOf { node } => "a next hop of {node}";
            RouteToNode { node } => "a route to {node}";
            VtepNeighbour { hop, node, device } => "{hop} lladdr of {node}'s VTEP on {device}";
            NeighbourIs { hop, mac, device, node } => "{hop} lladdr {mac} on {device} of {node}";
            NeighbourOf { hop, mac, device, node } => ({
                let device = device.as_deref().unwrap_or("its VXLAN device");
                format!("{hop} lladdr {mac}, the address of {device} on {node}")
            });
            ForwardingTo { mac, dsts, node } => (format!("{mac} dst {} ({node})", shown(dsts, 2)));
            ForwardingIs { mac, dsts } => (match dsts.is_empty() {
                true => format!("no entry for {mac}"),
                false => {
                    let held = dsts.iter().map(|dst| self.held(dst));
                    format!("dst {}", shown(held, 2))
                }
            });
            CommonVxlan { vxlan, node } => (format!(
                "VNI {} port {} on both, as {} of {node} has",
                vxlan.vni, vxlan.port, vxlan.device
            ));
            Vxlans { node, vxlans } => ({
                let each = vxlans.iter();
                let each = each.map(|Vxlan { device, vni, port }| format!("{device} VNI {vni} port {port}"));
                match vxlans.is_empty() {
                    true => format!("no VXLAN device on {node}"),
                    false => format!("on {node}: {}", joined(&Vec::from_iter(each), ", ", 4)),
                }
            });
        })
    }

    /// With whose address the next hop is.
    pub(super) fn route_with_owner(&self, of: &Route) -> String {
        route_with(of, |hop| match &hop.owner {
            Some(owner) => format!(" [{}]", self.owner(owner)),
            None => String::new(),
        })
    }
}
