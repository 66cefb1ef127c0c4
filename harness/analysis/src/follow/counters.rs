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

/// Reasons that name what ended a packet (include/net/dropreason-core.h). Others are given for packets that nobody misses: copies,
/// frames for others, what a rule's own trace tells better.
pub(super) const TELLING_REASONS: [&str; 12] = [
    "IP_CSUM",
    "IP_INHDR",
    "IP_RPFILTER",
    "IP_INNOROUTES",
    "NETFILTER_INGRESS",
    "NEIGH_FAILED",
    "NEIGH_QUEUEFULL",
    "PKT_TOO_BIG",
    "SOCKET_RCVBUFF",
    "TC_INGRESS",
    "TCP_CSUM",
    "UDP_CSUM",
];
