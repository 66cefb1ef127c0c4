//! States of affairs: what was expected, what was observed.
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Owner;
use super::{HeldAddress, PodAt, Start, Talk};
use crate::follow::{Fate, Rewrite};
use crate::kernel::{MacAddr, PortState};
use crate::network::{Family, Transport};
use crate::observations::Change;

/// A route, as far as it decides where packets go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// One of [`crate::kernel::route_kind`].
    pub kind: u8,
    /// Destination prefix; length 0 for the default route.
    pub dst: IpNet,
    /// Where it leads: one next hop, or several among which a hash of each packet chooses.
    pub hops: Vec<RouteHop>,
    /// Its metric; the kernel takes none for 0.
    pub metric: Option<u32>,
}

/// A next hop of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteHop {
    /// Its address; none for a route that is on link.
    pub via: Option<IpAddr>,
    /// Who holds the address.
    pub owner: Option<Owner>,
    /// The device's name.
    pub device: Option<String>,
    /// Whether the next hop is taken to be on link.
    pub onlink: bool,
}

/// A VXLAN device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Vxlan {
    pub device: String,
    pub vni: u32,
    pub port: u16,
}

/// A state of affairs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "id", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`words` says each")]
pub enum State {
    /// Words quoted from elsewhere, unchanged.
    Said {
        text: String,
    },
    /// So many more of the same.
    More {
        count: usize,
    },
    MorePairs {
        count: usize,
    },
    ExactlyOne,
    Nothing,
    /// Where packets were last seen when they were followed.
    Followed(Fate),
    NotFollowed {
        why: String,
    },
    /// What was changed in packets that were followed.
    Changed(Rewrite),
    /// What was otherwise at a later look.
    ChangedMeanwhile {
        changes: Vec<Change>,
    },

    // Pods and their addresses.
    Running,
    Phase {
        phase: String,
        said: Option<String>,
    },
    AddressInApi {
        family: Option<Family>,
    },
    AddressesInApi {
        addresses: Vec<IpAddr>,
    },
    AddressInside {
        address: IpAddr,
    },
    AddressesInside {
        addresses: Vec<IpAddr>,
    },
    AddressOfNode {
        node: String,
    },
    Held(HeldAddress),
    OwnAddress,
    HeldBy {
        address: IpAddr,
        pods: Vec<PodAt>,
    },
    AnsweredThere {
        name: String,
        times: usize,
    },
    FreeOfNodes,
    OnNodeToo {
        address: IpAddr,
        device: Option<String>,
        node: String,
    },
    FreeOfGateways,
    DefaultRouteOf {
        pod: PodAt,
        via: IpAddr,
    },

    // Wires and gateways.
    DefaultRoute,
    Routes {
        routes: Vec<IpNet>,
    },
    OnLink {
        hop: IpAddr,
    },
    NotCovered,
    AddressOn {
        address: IpAddr,
        device: Option<String>,
        node: String,
    },
    BelongsTo(HeldAddress),
    AnswerOf(HeldAddress),
    Unanswered {
        transport: Transport,
        said: String,
    },
    VethOnBridge,
    /// A bridge port in that state.
    PortIs {
        device: String,
        state: PortState,
        isolated: bool,
    },
    OneBridgeWithAddress {
        address: IpAddr,
    },
    HeldByDevices {
        address: IpAddr,
        devices: Vec<String>,
    },
    OutsidePodCidrs {
        address: IpAddr,
    },
    OwnEthernetAddress {
        mac: MacAddr,
    },
    BothHold {
        what: String,
        nodes: (String, String),
    },
    InPodCidrOf {
        address: IpAddr,
        range: IpNet,
        of: String,
    },
    FewerEntries {
        limit: u64,
    },
    Entries {
        entries: u64,
        limit: u64,
    },
    DeviceIs {
        device: String,
        up: bool,
    },
    DownInPod {
        device: String,
    },
    NoInterface,
    NoPeer {
        device: String,
        node: String,
    },
    DeviceKind {
        device: String,
        kind: String,
    },
    NoMaster {
        device: String,
    },
    BridgeUp,
    BridgeState {
        state: String,
        set_down: bool,
    },
    DeviceAddresses {
        device: String,
        addresses: Vec<IpNet>,
    },

    Sysctl {
        key: String,
        value: String,
    },

    // Routes between nodes.
    SeparateRanges,
    RangeOf {
        node: String,
        range: IpNet,
    },
    LocalDelivery,
    RouteIs {
        route: Route,
    },
    CurrentRanges,
    CurrentEntries,
    Forwarding {
        mac: MacAddr,
        dst: IpAddr,
    },
    RouteTo {
        range: IpNet,
    },
    Uncovered,
    Rejected {
        route: Route,
    },
    OnlyDefault {
        route: Route,
    },
    ADevice,
    HopWithin {
        hop: IpAddr,
        device: String,
    },
    HopOf {
        node: String,
    },
    RouteToNode {
        node: String,
    },
    VtepNeighbour {
        hop: IpAddr,
        node: String,
        device: String,
    },
    NeighbourIs {
        hop: IpAddr,
        mac: MacAddr,
        device: String,
        node: String,
    },
    NeighbourOf {
        hop: IpAddr,
        mac: MacAddr,
        device: Option<String>,
        node: String,
    },
    ForwardingTo {
        mac: MacAddr,
        dsts: Vec<IpAddr>,
        node: String,
    },
    ForwardingIs {
        mac: MacAddr,
        dsts: Vec<HeldAddress>,
    },
    CommonVxlan {
        vxlan: Vxlan,
        node: String,
    },
    Vxlans {
        node: String,
        vxlans: Vec<Vxlan>,
    },

    /// Of conversations.
    #[serde(untagged)]
    Talk(Talk),
    /// Of a node's CNI configuration, and of what keeps pods from running.
    #[serde(untagged)]
    Start(Start),
}

impl From<Talk> for State {
    fn from(talk: Talk) -> Self {
        State::Talk(talk)
    }
}

impl From<Start> for State {
    fn from(start: Start) -> Self {
        State::Start(start)
    }
}
