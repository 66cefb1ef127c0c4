//! What the kernel counts of packets that it gives up.

/// Counters of packets that the kernel gave up, as /proc/net names them; what a lost dial moves by itself (retransmissions,
/// timeouts) is not among them.
pub(super) const COUNTERS: [&str; 22] = [
    "Ip.InAddrErrors",
    "Ip.InHdrErrors",
    "Ip.InUnknownProtos",
    "Ip.InDiscards",
    "Ip.OutDiscards",
    "Ip.OutNoRoutes",
    "IpExt.InNoRoutes",
    "IpExt.InTruncatedPkts",
    "IpExt.InCsumErrors",
    "Ip.FragFails",
    "Ip6.InAddrErrors",
    "Ip6.InHdrErrors",
    "Ip6.InNoRoutes",
    "Ip6.InDiscards",
    "Ip6.OutDiscards",
    "Ip6.InTooBigErrors",
    "Udp.InCsumErrors",
    "Udp.RcvbufErrors",
    "Tcp.InCsumErrors",
    "nf_conntrack.drop",
    "nf_conntrack.insert_failed",
    "arp_cache.table_fulls",
];
