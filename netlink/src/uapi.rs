//! Numbers of the kernel's interface, as `u16` where they are attribute or message types.
//! Source: include/uapi/linux/{netlink,rtnetlink,if_link,if_bridge,if_addr,neighbour,veth}.h.

/// nlmsghdr: flags and control messages.
pub(crate) mod nlm {
    pub(crate) const REQUEST: u16 = 0x001;
    pub(crate) const ACK: u16 = 0x004;
    pub(crate) const DUMP_INTR: u16 = 0x010;
    pub(crate) const DUMP: u16 = 0x300;
    pub(crate) const REPLACE: u16 = 0x100;
    pub(crate) const EXCL: u16 = 0x200;
    pub(crate) const CREATE: u16 = 0x400;
    pub(crate) const APPEND: u16 = 0x800;
    /// On an error message: only the request's header is quoted.
    pub(crate) const CAPPED: u16 = 0x100;
    /// On an error message: attributes follow.
    pub(crate) const ACK_TLVS: u16 = 0x200;

    pub(crate) const ERROR: u16 = 2;
    pub(crate) const DONE: u16 = 3;

    /// Attribute of an error message: the kernel's explanation.
    pub(crate) const ERR_ATTR_MSG: u16 = 1;
    /// Flag in the type of a nested attribute.
    pub(crate) const ATTR_NESTED: u16 = 0x8000;
    /// Mask for an attribute's type without flags.
    pub(crate) const ATTR_TYPE_MASK: u16 = 0x3fff;
}

/// Message types of rtnetlink.
pub(crate) mod rtm {
    pub(crate) const NEWLINK: u16 = 16;
    pub(crate) const DELLINK: u16 = 17;
    pub(crate) const GETLINK: u16 = 18;
    pub(crate) const SETLINK: u16 = 19;
    pub(crate) const NEWADDR: u16 = 20;
    pub(crate) const DELADDR: u16 = 21;
    pub(crate) const GETADDR: u16 = 22;
    pub(crate) const NEWROUTE: u16 = 24;
    pub(crate) const DELROUTE: u16 = 25;
    pub(crate) const GETROUTE: u16 = 26;
    pub(crate) const NEWNEIGH: u16 = 28;
    pub(crate) const DELNEIGH: u16 = 29;
    pub(crate) const GETNEIGH: u16 = 30;
    pub(crate) const GETRULE: u16 = 34;
    pub(crate) const GETNEIGHTBL: u16 = 66;

    /// Multicast group of link changes.
    pub(crate) const GROUP_LINK: u32 = 1;
}

/// Address families.
pub(crate) mod af {
    pub(crate) const UNSPEC: u8 = 0;
    pub(crate) const INET: u8 = 2;
    pub(crate) const BRIDGE: u8 = 7;
    pub(crate) const INET6: u8 = 10;

    /// The family of an IP address.
    pub(crate) fn of(address: std::net::IpAddr) -> u8 {
        if address.is_ipv4() { INET } else { INET6 }
    }
}

/// Links.
pub(crate) mod ifla {
    pub(crate) const VRF_TABLE: u16 = 1;
    pub(crate) const ADDRESS: u16 = 1;
    pub(crate) const IFNAME: u16 = 3;
    pub(crate) const MTU: u16 = 4;
    pub(crate) const LINK: u16 = 5;
    pub(crate) const MASTER: u16 = 10;
    pub(crate) const OPERSTATE: u16 = 16;
    pub(crate) const LINKINFO: u16 = 18;
    pub(crate) const STATS64: u16 = 23;
    pub(crate) const AF_SPEC: u16 = 26;
    pub(crate) const NET_NS_FD: u16 = 28;
    pub(crate) const LINK_NETNSID: u16 = 37;

    pub(crate) const INFO_KIND: u16 = 1;
    pub(crate) const INFO_DATA: u16 = 2;
    pub(crate) const INFO_SLAVE_KIND: u16 = 4;
    pub(crate) const INFO_SLAVE_DATA: u16 = 5;

    pub(crate) const VETH_INFO_PEER: u16 = 1;
    pub(crate) const BR_FORWARD_DELAY: u16 = 1;
    pub(crate) const BR_MCAST_SNOOPING: u16 = 23;
    pub(crate) const BRPORT_STATE: u16 = 1;
    /// Hairpin mode of a bridge port.
    pub(crate) const BRPORT_MODE: u16 = 4;
    pub(crate) const BRPORT_LEARNING: u16 = 8;
    pub(crate) const BRPORT_UNICAST_FLOOD: u16 = 9;
    pub(crate) const BRPORT_MCAST_FLOOD: u16 = 27;
    pub(crate) const BRPORT_BCAST_FLOOD: u16 = 30;
    pub(crate) const BRPORT_ISOLATED: u16 = 33;
    pub(crate) const BRPORT_LOCKED: u16 = 39;
    pub(crate) const VXLAN_ID: u16 = 1;
    pub(crate) const VXLAN_LINK: u16 = 3;
    pub(crate) const VXLAN_LOCAL: u16 = 4;
    pub(crate) const VXLAN_LEARNING: u16 = 7;
    pub(crate) const VXLAN_PORT: u16 = 15;
    pub(crate) const VXLAN_LOCAL6: u16 = 17;
    pub(crate) const INET6_ADDR_GEN_MODE: u16 = 8;
    pub(crate) const ADDR_GEN_MODE_NONE: u8 = 1;

    pub(crate) const FLAG_UP: u32 = 0x1;
    pub(crate) const FLAG_LOWER_UP: u32 = 0x1_0000;
}

/// Neighbour tables.
pub(crate) mod ndta {
    pub(crate) const NAME: u16 = 1;
    pub(crate) const STATS: u16 = 7;
    /// Offset of `ndts_table_fulls` in `struct ndt_stats`.
    pub(crate) const TABLE_FULLS: usize = 80;
}

/// Addresses.
pub(crate) mod ifa {
    pub(crate) const ADDRESS: u16 = 1;
    pub(crate) const LOCAL: u16 = 2;
    pub(crate) const FLAGS: u16 = 8;
    pub(crate) const TARGET_NETNSID: u16 = 10;
    pub(crate) const F_NODAD: u32 = 0x02;
    pub(crate) const F_DADFAILED: u32 = 0x08;
    pub(crate) const F_NOPREFIXROUTE: u32 = 0x200;
}

/// Routes.
pub(crate) mod rta {
    pub(crate) const DST: u16 = 1;
    pub(crate) const SRC: u16 = 2;
    pub(crate) const IIF: u16 = 3;
    pub(crate) const OIF: u16 = 4;
    pub(crate) const GATEWAY: u16 = 5;
    pub(crate) const PRIORITY: u16 = 6;
    pub(crate) const PREFSRC: u16 = 7;
    pub(crate) const METRICS: u16 = 8;
    pub(crate) const MULTIPATH: u16 = 9;
    pub(crate) const CACHEINFO: u16 = 12;
    pub(crate) const TABLE: u16 = 15;
    pub(crate) const MARK: u16 = 16;
    pub(crate) const VIA: u16 = 18;
    pub(crate) const IP_PROTO: u16 = 27;
    pub(crate) const SPORT: u16 = 28;
    pub(crate) const DPORT: u16 = 29;
    pub(crate) const NH_ID: u16 = 30;
    /// RTAX_MTU, within RTA_METRICS.
    pub(crate) const METRIC_MTU: u16 = 2;

    /// Every table.
    pub(crate) const TABLE_UNSPEC: u8 = 0;
    pub(crate) const TABLE_MAIN: u8 = 254;
    pub(crate) const SCOPE_UNIVERSE: u8 = 0;
    pub(crate) const SCOPE_LINK: u8 = 253;
    pub(crate) const SCOPE_HOST: u8 = 254;
    pub(crate) const SCOPE_NOWHERE: u8 = 255;
    pub(crate) const TYPE_UNICAST: u8 = 1;
    pub(crate) const TYPE_LOCAL: u8 = 2;
    pub(crate) const TYPE_BLACKHOLE: u8 = 6;
    pub(crate) const TYPE_UNREACHABLE: u8 = 7;
    pub(crate) const TYPE_PROHIBIT: u8 = 8;
    /// Ends the search in its table: the next rule is tried.
    pub(crate) const TYPE_THROW: u8 = 9;
    /// rtm_flags, rtnh_flags: the next hop is on link.
    pub(crate) const NH_ONLINK: u32 = 4;
    /// USER_HZ: rta_expires of struct rta_cacheinfo counts these.
    pub(crate) const TICKS_PER_SECOND: u32 = 100;
    /// rtm_flags: an entry of the route cache.
    pub(crate) const F_CLONED: u32 = 0x200;
}

/// Policy rules (include/uapi/linux/fib_rules.h).
pub(crate) mod fra {
    pub(crate) const DST: u16 = 1;
    pub(crate) const SRC: u16 = 2;
    pub(crate) const IIFNAME: u16 = 3;
    pub(crate) const GOTO: u16 = 4;
    pub(crate) const PRIORITY: u16 = 6;
    pub(crate) const FWMARK: u16 = 10;
    pub(crate) const TUN_ID: u16 = 12;
    pub(crate) const SUPPRESS_IFGROUP: u16 = 13;
    pub(crate) const SUPPRESS_PREFIXLEN: u16 = 14;
    pub(crate) const TABLE: u16 = 15;
    pub(crate) const FWMASK: u16 = 16;
    pub(crate) const OIFNAME: u16 = 17;
    pub(crate) const L3MDEV: u16 = 19;
    pub(crate) const UID_RANGE: u16 = 20;
    pub(crate) const IP_PROTO: u16 = 22;
    pub(crate) const SPORT_RANGE: u16 = 23;
    pub(crate) const DPORT_RANGE: u16 = 24;
    /// This and those after it are conditions, or masks of them.
    pub(crate) const DSCP: u16 = 25;
    pub(crate) const SPORT_MASK: u16 = 28;
    pub(crate) const DPORT_MASK: u16 = 29;

    pub(crate) const ACT_TO_TBL: u8 = 1;
    pub(crate) const ACT_GOTO: u8 = 2;
    pub(crate) const ACT_NOP: u8 = 3;
    pub(crate) const ACT_BLACKHOLE: u8 = 6;
    pub(crate) const ACT_UNREACHABLE: u8 = 7;
    pub(crate) const ACT_PROHIBIT: u8 = 8;
    /// FIB_RULE_INVERT.
    pub(crate) const F_INVERT: u32 = 2;
}

/// Neighbours and forwarding entries.
pub(crate) mod nda {
    pub(crate) const DST: u16 = 1;
    pub(crate) const LLADDR: u16 = 2;
    pub(crate) const MASTER: u16 = 9;

    /// The device's own table, not its bridge's.
    pub(crate) const F_SELF: u8 = 0x02;
    /// Somebody else than the kernel learned it.
    pub(crate) const F_EXT_LEARNED: u8 = 0x10;
    pub(crate) const STATE_NONE: u16 = 0x00;
    pub(crate) const STATE_NOARP: u16 = 0x40;
    pub(crate) const STATE_PERMANENT: u16 = 0x80;
}
