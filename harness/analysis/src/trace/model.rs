//! The path of one packet, as data.
use std::net::IpAddr;

use flatnet_model::kernel::{MacAddr, RouteEntry, Rule};
use flatnet_model::rule::RouteChoice;

pub use flatnet_model::Netns;
use flatnet_model::PodRef;

/// The path of one packet, and where it ends.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The namespace that sends it.
    pub from: Netns,
    /// Its source address, where its sender has one for it.
    pub source: Option<IpAddr>,
    /// Its destination when it is sent.
    pub destination: IpAddr,
    /// Its destination in the end: another one where that is a service's.
    pub target: IpAddr,
    /// In the order in which they are passed.
    pub hops: Vec<Hop>,
    /// Where the path ends, and why.
    pub ending: Ending,
    /// What a reader should know besides, in lower-case sentences.
    pub remarks: Vec<String>,
}

/// One device that a packet passes, in one direction.
#[derive(Clone, Debug)]
pub struct Hop {
    /// The namespace of the device.
    pub netns: Netns,
    /// Name of the device in that namespace.
    pub device: String,
    /// Its MTU, bytes.
    pub mtu: u32,
    /// Whether the packet goes out of the namespace by it, or comes in.
    pub direction: Direction,
    /// Bytes that tunnels have put around the packet when it passes here; 0 outside of tunnels.
    pub overhead: u32,
    /// The decision that sent the packet through the device.
    pub step: Step,
    /// The command that shows it, for the namespace.
    pub look: String,
    /// What is remarkable about it.
    pub note: Option<String>,
}

/// In which direction a packet passes a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Into the namespace: counted in the device's rx packets.
    In,
    /// Out of it: counted in tx packets.
    Out,
}

impl Direction {
    /// The direction of an answer.
    pub fn reversed(self) -> Self {
        match self {
            Direction::In => Direction::Out,
            Direction::Out => Direction::In,
        }
    }
}

/// What decided that a packet passes a device.
#[derive(Clone, Debug)]
pub enum Step {
    /// A route of the namespace sends it out.
    Routed(Routed),
    /// The frame is put into a UDP packet for another node's VTEP.
    Encapsulated {
        /// Ethernet address of the frame, which the forwarding entry is about.
        mac: MacAddr,
        /// VXLAN network identifier.
        vni: u32,
        /// UDP destination port.
        port: u16,
        /// Outer source address.
        local: Option<IpAddr>,
        /// Outer destination address: NDA_DST of the forwarding entry.
        remote: IpAddr,
    },
    /// The device is the other end of a veth pair.
    Crossed {
        /// Where the first end is.
        from: Netns,
        /// The first end.
        end: String,
        /// The bridge of which the device is a port.
        bridge: Option<String>,
    },
    /// Something between the nodes that cannot be looked into carried the frame to this Ethernet address.
    Carried {
        /// Where it was handed over.
        from: Netns,
    },
    /// A bridge sends the frame out of this port.
    Switched {
        /// Name of the bridge in that namespace.
        bridge: String,
        /// How the port was chosen.
        by: Switching,
    },
    /// The frame is addressed to the bridge's own Ethernet address: it goes up to IP.
    TakenIn,
    /// The frame comes out of the UDP packet.
    Decapsulated {
        /// VXLAN network identifier.
        vni: u32,
        /// UDP port.
        port: u16,
        /// The bridge of which the device is a port.
        bridge: Option<String>,
    },
    /// The destination is an address of the sender itself.
    Local,
}

/// Why a bridge chose a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Switching {
    /// Its forwarding database has the address there.
    Fdb,
    /// It knows the address nowhere and sends the frame out of every port; behind this one it is taken.
    Flooded,
}

/// A routing decision.
#[derive(Clone, Debug)]
pub struct Routed {
    /// The route; with [`ChosenBy::Policy`] as the kernel tells it, for this destination alone.
    pub route: RouteEntry,
    /// What made it win over other routes.
    pub by: ChosenBy,
    /// The address whose Ethernet address is needed: the gateway, or the destination itself.
    pub next_hop: IpAddr,
    /// The Ethernet address, once known.
    pub link_layer: Option<LinkLayer>,
}

/// What made a route the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// The longest prefix of the main table, then the lowest metric, with this many next hops to choose from.
    MainTable {
        /// 1, or the number of next hops among which a hash of the packet chooses.
        next_hops: usize,
    },
    /// A rule that looks into another table (`ip rule`); which one, where what was read of rules and tables tells.
    Policy(Option<Box<PolicyRoute>>),
}

/// A policy rule that decides about a packet, and the route of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRoute {
    /// The rule.
    pub rule: Rule,
    /// The route as `ip route` prints it.
    pub route: String,
    /// Whether a route of the main table covers the destination too, other than its default route.
    pub main_covers: bool,
}

impl PolicyRoute {
    /// As what decided about a packet.
    pub fn choice(&self) -> RouteChoice {
        RouteChoice::Table {
            rule: Box::new(self.rule.clone()),
            route: self.route.clone(),
        }
    }
}

/// The Ethernet address of a next hop, and how it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkLayer {
    /// Ethernet address that frames are sent to.
    pub mac: MacAddr,
    /// `PERMANENT`, `REACHABLE`, `STALE`, … of the neighbour entry; nothing where there is none (or it failed) and the next
    /// packet makes the namespace ask.
    pub entry: Option<String>,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A namespace that holds its destination has it.
    Delivered {
        /// The namespace that holds the destination.
        to: Netns,
        /// The device that holds the address.
        device: String,
    },
    /// It is handed to a pod that holds its destination as far as the API knows, and that could not be looked into.
    Unseen {
        /// The pod that holds the destination in the API.
        pod: PodRef,
        /// Why it could not be looked into.
        error: String,
    },
    /// It leaves the cluster, as its destination is not part of it.
    Left {
        /// The last namespace of the cluster that it passes.
        by: Netns,
        /// Name of the device through which it leaves that namespace.
        device: String,
        /// The router to which it is handed.
        via: Option<IpAddr>,
    },
    /// Its destination is part of the cluster, and it is handed to something that cannot be looked into.
    OutOfSight {
        /// The last namespace that could be looked at.
        at: Netns,
        /// To what it is handed, and on what its arrival depends.
        what: String,
    },
    /// It goes no further.
    Stopped {
        /// The namespace that stops it.
        at: Netns,
        /// The reason, with its parameters.
        cause: Cause,
    },
}

/// Why a packet goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No route covers the destination.
    NoRoute,
    /// The chosen route, or a policy rule, refuses: `blackhole`, `unreachable`, `prohibit`.
    Rejected {
        /// Which.
        by: RouteChoice,
    },
    /// The chosen route names a device that is not there.
    NoDevice,
    /// The kernel refuses for a reason of its own.
    Refused {
        /// The system's words.
        detail: String,
    },
    /// A packet with this source may not come in by this device (strict `rp_filter`).
    ReversePath {
        /// Name of the device, in the namespace where the packet stops.
        device: String,
    },
    /// The namespace does not pass on what is not its own.
    ForwardingOff {
        /// The setting, below `/proc/sys/net`.
        sysctl: String,
    },
    /// The destination is a service's, and no endpoint is ready: nodes refuse it.
    NoEndpoint,
    /// A device is down, or its other end is.
    LinkDown {
        /// Name of the device, in the namespace where the packet stops.
        device: String,
        /// Set down itself; otherwise it has no carrier.
        admin: bool,
    },
    /// No neighbour entry gives the next hop an Ethernet address.
    Neighbour {
        /// The address whose Ethernet address is unknown.
        next_hop: IpAddr,
        /// The device on which it is asked for.
        device: String,
        /// The state of its neighbour entry.
        entry: Option<String>,
    },
    /// The VXLAN device does not know behind which VTEP an Ethernet address is.
    NoForwardingEntry {
        /// Name of the device, in the namespace where the packet stops.
        device: String,
        /// Destination Ethernet address of the frame.
        mac: MacAddr,
    },
    /// The node that gets the UDP packet has no VXLAN device for it.
    NoVtep {
        /// VXLAN network identifier.
        vni: u32,
        /// UDP port.
        port: u16,
    },
    /// The frame is addressed to another Ethernet address than the device's, which therefore ignores it.
    WrongMac {
        /// Name of the device, in the namespace where the packet stops.
        device: String,
        /// The frame's destination.
        frame: MacAddr,
        /// The device's own.
        own: Option<MacAddr>,
    },
    /// No interface behind the ports of the bridge takes the frame.
    NoPort {
        /// Name of the bridge in that namespace.
        bridge: String,
        /// The frame's destination.
        mac: MacAddr,
    },
    /// The frame would have to leave by the port by which it came, which the port is not set to do.
    HairpinOff {
        /// Name of the port through which the frame came in.
        port: String,
    },
    /// The pod that gets it holds other addresses.
    NotHeld {
        /// Its addresses.
        holds: Vec<IpAddr>,
    },
    /// Another namespace holds the same address, and gets it.
    TakenByOther {
        /// The namespace that it was meant for.
        wanted: Netns,
    },
    /// It comes back to where it was.
    Loop,
    /// The namespace could not be looked at.
    Unknown {
        /// Why it could not be looked at.
        error: String,
    },
}

impl Trace {
    /// Whether it comes to who holds its destination.
    pub fn arrives(&self) -> bool {
        matches!(
            self.ending,
            Ending::Delivered { .. } | Ending::Unseen { .. } | Ending::Left { .. }
        )
    }

    /// The largest packet that fits every device on the path, bytes, and the hop that sets it; nothing without a hop.
    pub fn path_mtu(&self) -> Option<(u32, &Hop)> {
        // Loopback carries more than an IP packet can be long.
        let room = |hop: &Hop| {
            hop.mtu
                .saturating_sub(hop.overhead)
                .min(u32::from(u16::MAX))
        };
        let narrowest = self.hops.iter().min_by_key(|hop| room(hop))?;
        Some((room(narrowest), narrowest))
    }

    /// The devices that are passed, each once in each direction, in order.
    pub fn devices(&self) -> Vec<(&Netns, &str, Direction)> {
        let mut devices: Vec<(&Netns, &str, Direction)> = Vec::new();
        for hop in &self.hops {
            let device = (&hop.netns, hop.device.as_str(), hop.direction);
            if devices.last() != Some(&device) {
                devices.push(device);
            }
        }
        devices
    }

    /// Whether `back` passes the same devices in the opposite order.
    pub fn mirrors(&self, back: &Trace) -> bool {
        let mut reversed: Vec<_> = back
            .devices()
            .into_iter()
            .map(|(netns, device, direction)| (netns, device, direction.reversed()))
            .collect();
        reversed.reverse();
        self.devices() == reversed
    }
}
