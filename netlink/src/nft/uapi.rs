//! Numbers of nf_tables, from include/uapi/linux/netfilter/{nfnetlink,nf_tables}.h and netfilter.h.

/// nfnetlink: subsystems and batches.
pub(crate) mod nfnl {
    pub(crate) const SUBSYS_NFTABLES: u8 = 10;
    pub(crate) const BATCH_BEGIN: u16 = 16;
    pub(crate) const BATCH_END: u16 = 17;
}

/// Message types; the upper byte is the subsystem.
pub(crate) mod msg {
    const NFTABLES: u16 = (super::nfnl::SUBSYS_NFTABLES as u16) << 8;
    pub(crate) const NEWTABLE: u16 = NFTABLES;
    pub(crate) const GETTABLE: u16 = NFTABLES | 1;
    pub(crate) const DELTABLE: u16 = NFTABLES | 2;
    pub(crate) const NEWCHAIN: u16 = NFTABLES | 3;
    pub(crate) const GETCHAIN: u16 = NFTABLES | 4;
    pub(crate) const NEWRULE: u16 = NFTABLES | 6;
    pub(crate) const GETRULE: u16 = NFTABLES | 7;
    pub(crate) const NEWSET: u16 = NFTABLES | 9;
    pub(crate) const NEWSETELEM: u16 = NFTABLES | 12;
    pub(crate) const TRACE: u16 = NFTABLES | 17;
    pub(crate) const GETSETELEM: u16 = NFTABLES | 13;
}

/// Protocol families of netfilter.
pub(crate) mod nfproto {
    pub(crate) const UNSPEC: u8 = 0;
    pub(crate) const INET: u8 = 1;
    pub(crate) const IPV4: u8 = 2;
    pub(crate) const ARP: u8 = 3;
    pub(crate) const NETDEV: u8 = 5;
    pub(crate) const BRIDGE: u8 = 7;
    pub(crate) const IPV6: u8 = 10;

    /// As `nft` writes it.
    pub(crate) fn name(family: u8) -> &'static str {
        match family {
            INET => "inet",
            IPV4 => "ip",
            IPV6 => "ip6",
            ARP => "arp",
            NETDEV => "netdev",
            BRIDGE => "bridge",
            _ => "unknown",
        }
    }
}

pub(crate) mod table {
    pub(crate) const NAME: u16 = 1;
    pub(crate) const FLAGS: u16 = 2;

    /// The table belongs to the socket (Linux 5.12).
    pub(crate) const OWNER: u32 = 2;
}

pub(crate) mod chain {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const NAME: u16 = 3;
    pub(crate) const HOOK: u16 = 4;
    pub(crate) const POLICY: u16 = 5;
    pub(crate) const TYPE: u16 = 7;
    pub(crate) const HOOK_NUM: u16 = 1;
    pub(crate) const HOOK_PRIORITY: u16 = 2;
    pub(crate) const HOOK_DEVICES: u16 = 4;
    pub(crate) const DEVICE_NAME: u16 = 1;
}

pub(crate) mod set {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const NAME: u16 = 2;
    pub(crate) const FLAGS: u16 = 3;
    pub(crate) const KEY_TYPE: u16 = 4;
    pub(crate) const KEY_LEN: u16 = 5;
    pub(crate) const ID: u16 = 10;

    pub(crate) const ANONYMOUS: u32 = 1;
    pub(crate) const CONSTANT: u32 = 2;
    pub(crate) const INTERVAL: u32 = 4;

    /// The kernel ignores key types; `nft` formats elements by them (enum datatypes of nftables).
    pub(crate) const TYPE_IPV4: u32 = 7;
    pub(crate) const TYPE_IPV6: u32 = 8;
    pub(crate) const TYPE_PROTOCOL: u32 = 12;
}

pub(crate) mod elem {
    pub(crate) const LIST_TABLE: u16 = 1;
    pub(crate) const LIST_SET: u16 = 2;
    pub(crate) const LIST_ELEMENTS: u16 = 3;
    pub(crate) const LIST_SET_ID: u16 = 4;
    pub(crate) const KEY: u16 = 1;
    pub(crate) const FLAGS: u16 = 3;
    pub(crate) const INTERVAL_END: u32 = 1;
}

pub(crate) mod rule {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const CHAIN: u16 = 2;
    pub(crate) const HANDLE: u16 = 3;
    pub(crate) const EXPRESSIONS: u16 = 4;
    pub(crate) const USERDATA: u16 = 7;
}

/// One item of any list.
pub(crate) const LIST_ELEM: u16 = 1;

pub(crate) mod data {
    pub(crate) const VALUE: u16 = 1;
    pub(crate) const VERDICT: u16 = 2;
    pub(crate) const VERDICT_CODE: u16 = 1;
    pub(crate) const VERDICT_CHAIN: u16 = 2;
}

/// Verdicts of netfilter, and those of nf_tables alone, which are negative.
pub(crate) mod verdict {
    pub(crate) const DROP: i32 = 0;
    pub(crate) const ACCEPT: i32 = 1;
    pub(crate) const CONTINUE: i32 = -1;
    pub(crate) const BREAK: i32 = -2;
    pub(crate) const JUMP: i32 = -3;
    pub(crate) const GOTO: i32 = -4;
    pub(crate) const RETURN: i32 = -5;
}

pub(crate) mod expr {
    pub(crate) const NAME: u16 = 1;
    pub(crate) const DATA: u16 = 2;

    pub(crate) const META_LEN: u32 = 0;
    pub(crate) const META_DREG: u16 = 1;
    pub(crate) const META_KEY: u16 = 2;
    pub(crate) const META_SREG: u16 = 3;
    pub(crate) const META_NFTRACE: u32 = 12;
    pub(crate) const META_IIFNAME: u32 = 6;
    pub(crate) const META_OIFNAME: u32 = 7;
    pub(crate) const META_NFPROTO: u32 = 15;
    pub(crate) const META_L4PROTO: u32 = 16;

    pub(crate) const PAYLOAD_DREG: u16 = 1;
    pub(crate) const PAYLOAD_BASE: u16 = 2;
    pub(crate) const PAYLOAD_OFFSET: u16 = 3;
    pub(crate) const PAYLOAD_LEN: u16 = 4;
    pub(crate) const PAYLOAD_SREG: u16 = 5;
    pub(crate) const PAYLOAD_CSUM_TYPE: u16 = 6;
    pub(crate) const PAYLOAD_CSUM_OFFSET: u16 = 7;
    pub(crate) const PAYLOAD_CSUM_FLAGS: u16 = 8;
    pub(crate) const PAYLOAD_LINK: u32 = 0;
    pub(crate) const PAYLOAD_NETWORK: u32 = 1;
    pub(crate) const PAYLOAD_TRANSPORT: u32 = 2;
    pub(crate) const CSUM_NONE: u32 = 0;
    pub(crate) const CSUM_INET: u32 = 1;
    /// Update the layer 4 checksum too: it covers the addresses (pseudo header).
    pub(crate) const CSUM_L4_PSEUDO: u32 = 1;

    pub(crate) const BITWISE_SREG: u16 = 1;
    pub(crate) const BITWISE_DREG: u16 = 2;
    pub(crate) const BITWISE_LEN: u16 = 3;
    pub(crate) const BITWISE_MASK: u16 = 4;
    pub(crate) const BITWISE_XOR: u16 = 5;

    pub(crate) const CMP_SREG: u16 = 1;
    pub(crate) const CMP_OP: u16 = 2;
    pub(crate) const CMP_DATA: u16 = 3;
    pub(crate) const CMP_EQ: u32 = 0;
    pub(crate) const CMP_NEQ: u32 = 1;

    pub(crate) const CMP_LT: u32 = 2;
    pub(crate) const CMP_GT: u32 = 4;

    pub(crate) const NUMGEN_DREG: u16 = 1;
    pub(crate) const NUMGEN_MODULUS: u16 = 2;
    pub(crate) const NUMGEN_TYPE: u16 = 3;
    pub(crate) const NUMGEN_COUNT: u32 = 0;
    pub(crate) const NUMGEN_RANDOM: u32 = 1;

    pub(crate) const BYTEORDER_SREG: u16 = 1;
    pub(crate) const BYTEORDER_DREG: u16 = 2;
    pub(crate) const BYTEORDER_OP: u16 = 3;
    pub(crate) const BYTEORDER_LEN: u16 = 4;
    pub(crate) const BYTEORDER_SIZE: u16 = 5;
    pub(crate) const BYTEORDER_HTON: u32 = 1;

    pub(crate) const DUP_SREG_ADDRESS: u16 = 1;

    pub(crate) const LOOKUP_SET: u16 = 1;
    pub(crate) const LOOKUP_SREG: u16 = 2;
    pub(crate) const LOOKUP_DREG: u16 = 3;
    pub(crate) const LOOKUP_SET_ID: u16 = 4;
    pub(crate) const LOOKUP_FLAGS: u16 = 5;
    pub(crate) const LOOKUP_INVERT: u32 = 1;

    pub(crate) const IMMEDIATE_DREG: u16 = 1;
    pub(crate) const IMMEDIATE_DATA: u16 = 2;

    pub(crate) const NAT_TYPE: u16 = 1;
    pub(crate) const NAT_FAMILY: u16 = 2;
    pub(crate) const NAT_ADDRESS: u16 = 3;
    pub(crate) const NAT_PORT: u16 = 5;
    pub(crate) const NAT_SOURCE: u32 = 0;
    pub(crate) const NAT_DESTINATION: u32 = 1;

    /// Registers: the verdict, and two of 16 bytes.
    pub(crate) const REG_VERDICT: u32 = 0;
    pub(crate) const REG_1: u32 = 1;
    pub(crate) const REG_2: u32 = 2;

    pub(crate) const VERDICT_DROP: u32 = 0;
    pub(crate) const VERDICT_ACCEPT: u32 = 1;
}
