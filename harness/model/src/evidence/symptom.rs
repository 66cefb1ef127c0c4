//! What goes wrong, where that is not itself the cause.
use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::PodAt;
use crate::PodRef;
use crate::network::{Family, Protocol, Transport};
use crate::reference::Endpoint;

/// Which pairs are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// Both ends on one node.
    SameNode,
    /// Ends on different nodes.
    CrossNode,
}

/// Which direction fails, as seen from the end to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Direction {
    Both,
    Out,
    In,
}

/// What the failing pairs have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Scope {
    Everyone,
    Pod {
        pod: PodAt,
        direction: Direction,
    },
    Node {
        node: String,
        direction: Direction,
    },
    /// Both directions between two nodes, or within one.
    Between {
        nodes: (String, String),
    },
    OneWay {
        from: String,
        to: String,
    },
}

/// Paths that are like each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathClass {
    /// Between two pods of one node.
    SameNode,
    /// Between pods of two nodes.
    CrossNode,
    /// A node or a hostNetwork pod is one end.
    Node,
}

/// How far something reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Number of ordered pairs of ends.
    pub pairs: usize,
    /// Transports over which they are affected.
    pub over: BTreeSet<Transport>,
    /// Nodes of client and server, each ordered pair once.
    pub between: Vec<(String, String)>,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "id", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`words` says each")]
pub enum Symptom {
    NotRunning {
        pod: PodAt,
    },
    NoAddress {
        pod: PodAt,
        family: Option<Family>,
    },
    ForeignHostAddress {
        pod: PodAt,
        address: IpAddr,
    },
    GatewaySilent {
        pods: Vec<PodAt>,
        hop: IpAddr,
    },
    ForeignNextHop {
        pods: Vec<PodAt>,
        hop: IpAddr,
    },
    BridgeWithoutGateway {
        node: String,
        bridge: String,
        hop: IpAddr,
        pod: PodAt,
    },
    /// A bridge was unfit for the pods on it until the run added its own, which made the plugin set it up again.
    BridgeRepairedByRun {
        node: String,
        bridge: String,
    },
    Unreached {
        scope: Scope,
        span: Span,
        red: usize,
        all: usize,
        /// Of the red ones, those with a node or hostNetwork pod at one end.
        hosts: usize,
        over: BTreeSet<Transport>,
        /// Only this one fails, of several.
        family: Option<Family>,
    },
    /// Packets that were sent one after the other.
    PartLost {
        span: Span,
        lost: usize,
        sent: usize,
        over: BTreeSet<Transport>,
        between: Vec<(String, String)>,
    },
    FirstLost {
        class: PathClass,
        /// Paths of which the first packet was lost.
        lost: usize,
        /// Paths of which it was late.
        late: usize,
        /// Paths that were measured.
        paths: usize,
        over: BTreeSet<Transport>,
        between: Vec<(String, String)>,
    },
    Doubled {
        /// Packets that came again.
        copies: usize,
        over: BTreeSet<Transport>,
        between: Vec<(String, String)>,
    },
    Unreflected {
        pod: PodAt,
        over: BTreeSet<Transport>,
    },
    /// An address that the pod's node translates to it, as a service's.
    UnreflectedByService {
        pod: PodAt,
        addresses: Vec<IpAddr>,
        over: BTreeSet<Transport>,
    },
    SourceRewritten {
        at: Option<String>,
        extent: Extent,
    },
    WrongResponder {
        responder: String,
        responder_node: Option<String>,
        target: Endpoint,
        node: Option<String>,
        extent: Extent,
    },
    ReplyRewritten {
        servers: Vec<Endpoint>,
        at: Option<String>,
        extent: Extent,
    },
    DestinationRewritten {
        servers: Vec<Endpoint>,
        at: Option<String>,
        extent: Extent,
    },
    TooLarge {
        bytes: u32,
        between: Vec<(String, String)>,
        /// A pod that alone of its node has all of its paths in that direction among them.
        pod: Option<(PodAt, Direction)>,
    },
    /// Full segments of TCP, where what is short passes, and datagrams of the interface's MTU do.
    DataCut {
        /// Bytes sent each way.
        bytes: u32,
        /// What servers send, where what clients send passes.
        back: bool,
        /// Other bytes arrive than are sent. Otherwise they stall.
        altered: bool,
        /// Nodes of client and server.
        between: Vec<(String, String)>,
        /// As in `TooLarge`.
        pod: Option<(PodAt, Direction)>,
    },
    LargerPasses {
        bytes: u32,
        interface_mtu: u32,
        between: Vec<(String, String)>,
    },
    Fragmented {
        nodes: Vec<String>,
    },
    ServiceUnreached {
        service: String,
        addresses: Vec<String>,
        /// None where it is reached from no node.
        node: Option<String>,
        /// Of the node's, where others there do reach it.
        clients: Vec<Endpoint>,
        over: BTreeSet<Transport>,
    },
    OwnServiceUnreached {
        pod: PodAt,
        service: String,
        over: BTreeSet<Transport>,
    },
    NamesUnknown {
        /// Empty where no pod gets them.
        pods: Vec<PodRef>,
        node: Option<String>,
        server: Option<IpAddr>,
        over: BTreeSet<Protocol>,
    },
    HostPortUnreached {
        port: u16,
        node: String,
        pod: Option<PodRef>,
        over: BTreeSet<Transport>,
        clients: Vec<Endpoint>,
    },
    NodePortUnreached {
        service: String,
        node: String,
        over: BTreeSet<Transport>,
    },
    OutsideUnreached {
        node: String,
        /// Of the node's, where others there do get out.
        clients: Vec<Endpoint>,
        over: BTreeSet<Transport>,
    },
    AgentsReady {
        count: usize,
        set: String,
        node: String,
    },
    AgentNotReady {
        set: String,
        node: String,
    },
    NoAgent {
        node: String,
    },
    ConflistRefused {
        node: String,
        file: String,
    },
    ConflistDiffers {
        nodes: Vec<String>,
        others: Vec<String>,
    },
}
