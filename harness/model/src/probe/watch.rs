//! Packets of a few dials, watched in one network namespace: where they were seen, which rules they met, what the kernel counted.
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::kernel::{AddressField, LinkStats, MacAddr};

/// Answer to [`ask::Watch`](super::ask::Watch): what is being watched from now on. An `Err` says why it is not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watching {
    /// A packet socket on every device.
    pub packets: Result<(), String>,
    /// Netfilter's trace of the packets.
    pub rules: Result<(), String>,
    /// Why rules of family `netdev` are not among those, where they are not although the kernel has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_device_rules: Option<String>,
    /// Counters of legacy iptables' rules; `Ok` also where there are no such rules.
    pub legacy: Result<(), String>,
    /// The kernel's reasons for packets that it drops.
    pub drops: Result<(), String>,
}

/// Answer to [`ask::WatchEnd`](super::ask::WatchEnd): what was seen since the watch began. Everything is over by then: the
/// table is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Packets at devices, in the order in which they passed.
    pub sightings: Vec<Sighting>,
    /// Packets and trace messages that their sockets had no room for, or that came after the most that are kept.
    pub missed: u64,
    /// What the packets met in netfilter, in the order in which they met it.
    pub rules: Vec<RuleStep>,
    /// Counters that moved, and by how much: `Group.Name` of /proc/net/snmp, snmp6 and netstat; `nf_conntrack.NAME`, and in the
    /// machine's first network namespace `arp_cache.NAME` and `ndisc_cache.NAME`, of /proc/net/stat (all processors together);
    /// `softnet.dropped`, of the whole machine.
    pub counters: BTreeMap<String, u64>,
    /// Counters of devices that moved, by the device's name: the differences.
    pub devices: BTreeMap<String, LinkStats>,
    /// Rules of legacy iptables whose packet counters moved.
    pub legacy: Vec<LegacyRule>,
    /// Reasons for which the kernel dropped packets on this machine meanwhile, whatever the namespace: all of them unless there were
    /// thousands at a time. Copies for packet sockets are left out.
    pub drops: Vec<Drop>,
}

/// A frame at a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// When, nanoseconds since 1970 by the clock of that node.
    pub at_ns: u64,
    /// Name of the device.
    pub device: String,
    /// Into the namespace or out of it.
    pub direction: Passing,
    /// Ethernet addresses, where the device has them.
    pub frame: Option<Frame>,
    /// Tunnel headers around the packet, the outermost first.
    pub outer: Vec<Outer>,
    /// The packet.
    pub packet: Packet,
}

/// How a frame passes a device (`sll_pkttype` of packet(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passing {
    /// Received, for this host, or for all.
    In,
    /// Received by the device and addressed to another Ethernet address: the host's IP takes no notice, a bridge does.
    InForOther,
    /// Sent.
    Out,
}

/// Ethernet addresses of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Frame {
    pub source: MacAddr,
    pub destination: MacAddr,
}

/// A tunnel's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outer {
    /// Outer source address.
    pub source: IpAddr,
    /// Outer destination address.
    pub destination: IpAddr,
    /// What kind of tunnel.
    pub kind: OuterKind,
}

/// Kinds of tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OuterKind {
    /// RFC 7348.
    Vxlan {
        /// UDP destination port.
        port: u16,
        /// VXLAN network identifier.
        vni: u32,
    },
    /// IP in IP, whatever the families.
    Ip,
}

/// An IP packet, or ARP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// Source address; of ARP, the sender's protocol address.
    pub source: IpAddr,
    /// Destination address; of ARP, the target's protocol address.
    pub destination: IpAddr,
    /// TTL or hop limit; 0 for ARP.
    pub ttl: u8,
    /// Length of the whole IP packet, bytes, as its header says; 0 for ARP.
    pub bytes: u32,
    /// May not be fragmented (IPv6: always).
    pub dont_fragment: bool,
    /// It is a fragment.
    pub fragment: bool,
    /// What is in it.
    pub body: Body,
}

/// What a packet holds. All of them belong to a dial of a probe, or may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// A TCP segment from or to one of the ports asked for. A connection's client is known by its first sequence number, which
    /// address translation leaves alone.
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// Sequence number.
        sequence: u32,
        /// Acknowledgement number; 0 without the flag.
        acknowledgement: u32,
        /// The flags' byte: FIN 1, SYN 2, RST 4, PSH 8, ACK 16.
        flags: u8,
        /// Bytes of payload.
        payload: u32,
    },
    /// A UDP datagram of a probe, or from or to one of the ports asked for.
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// The probe's message in it.
        message: Option<Message>,
    },
    /// An ICMP echo request or reply that holds a probe's message.
    Echo {
        /// A reply.
        reply: bool,
        /// The probe's message in it.
        message: Message,
    },
    /// An ICMP error (RFC 792, RFC 4443).
    Error {
        /// ICMP or ICMPv6 type.
        kind: u8,
        /// Code.
        code: u8,
        /// The MTU in "fragmentation needed" and "packet too big", bytes.
        mtu: Option<u32>,
        /// Tunnel headers around the packet that it is about, the outermost first.
        within: Vec<Outer>,
        /// The packet that it is about, as far as it is quoted: numbers that are cut off are 0.
        about: Option<Box<Packet>>,
    },
    /// ARP, or an IPv6 neighbour solicitation or advertisement.
    Neighbour {
        /// An answer.
        reply: bool,
        /// The address that is asked for or told.
        target: IpAddr,
        /// The Ethernet address that an answer tells.
        mac: Option<MacAddr>,
    },
}

/// What a probe's message says on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Message {
    /// Drawn by the client; the answer repeats it.
    pub nonce: u64,
    /// An answer, not a request.
    pub answer: bool,
}

/// A rule, a chain's policy or a chain's end that a packet met (NFNL_MSG_TRACE).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStep {
    /// The packet: steps of one id belong to one packet in this namespace.
    pub id: u32,
    /// `ip`, `ip6`, `inet`, `bridge`, `arp`, `netdev`.
    pub family: String,
    /// Table.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// What it met.
    pub met: Met,
    /// What was decided.
    pub verdict: RuleVerdict,
    /// Interface by which the packet came in, as the trace showed it last.
    pub iif: Option<String>,
    /// Interface by which it is to go out, likewise.
    pub oif: Option<String>,
    /// The packet's firewall mark, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    /// The packet as the trace showed it last: at this chain, or before it where the chain had no rule for it. Shown are 20 bytes of the
    /// transport's header, too little for a datagram's message and for the packet that an ICMP error is about.
    pub packet: Option<Packet>,
}

/// What in a chain decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Met {
    /// A rule.
    Rule {
        /// Its handle, as `nft -a list ruleset` shows it.
        handle: u64,
        /// What it says, as far as it can be told: `meta l4proto tcp drop`.
        text: Option<String>,
        /// The addresses that it changes; of connections whose first packet meets it, also in later packets, which do not meet it.
        #[serde(default)]
        rewrites: Vec<AddressField>,
    },
    /// The chain's policy.
    Policy,
    /// The end of a chain that was jumped to.
    Return,
}

/// A verdict of netfilter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleVerdict {
    /// It goes on to the next chain, or hook.
    Accept,
    /// It ends here. A `reject` is a drop after which an error was sent.
    Drop,
    /// Taken by something else (`queue`, `fwd`, `synproxy`).
    Stolen,
    /// On with the next rule.
    Continue,
    /// On in that chain.
    Jump(String),
    /// Back to where the jump was.
    Return,
}

/// A rule of legacy iptables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyRule {
    /// `ip` or `ip6`.
    pub family: String,
    /// Table.
    pub table: String,
    /// The rule as `iptables-legacy-save` prints it, or `-P CHAIN POLICY`.
    pub rule: String,
    /// Packets that it matched meanwhile.
    pub packets: u64,
}

/// Why the kernel dropped packets (`skb:kfree_skb`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drop {
    /// The reason in the kernel's words (include/net/dropreason-core.h without its prefix): `IP_RPFILTER`.
    pub reason: String,
    /// The function that dropped them.
    pub place: String,
    /// How many.
    pub packets: u64,
    /// When the first of them were, nanoseconds since 1970 by the node's clock; at least as many as a burst has packets.
    pub at_ns: Vec<u64>,
}
