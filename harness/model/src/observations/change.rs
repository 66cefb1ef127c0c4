//! State of the network that was otherwise at a later look: what was observed in between tells of neither alone.
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::reference::Netns;

/// One thing that was otherwise at a later look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub at: Netns,
    /// What.
    pub item: Item,
    /// When it was as `before` says.
    pub since: Moment,
    /// As `sysctl` and `ip` write it; none where it was not there.
    pub before: Option<String>,
    /// The same at the next look.
    pub now: Option<String>,
}

/// What can change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Item {
    /// A sysctl, its key without `net.`.
    Setting {
        /// For example `ipv4.ip_forward`.
        key: String,
    },
    /// Whether an interface is up, and has a carrier.
    Link {
        /// Its name.
        device: String,
    },
    /// The MTU of an interface.
    Mtu {
        /// Its name.
        device: String,
    },
    /// The Ethernet address of an interface.
    Mac {
        /// Its name.
        device: String,
    },
    /// The bridge that an interface is a port of.
    Master {
        /// Its name.
        device: String,
    },
    /// An address of an interface.
    Address {
        /// With its prefix length.
        net: IpNet,
        /// The interface's name.
        device: String,
    },
    /// The routes of the main table to a destination.
    Route {
        /// Length 0 for the default route.
        dst: IpNet,
    },
    /// A permanent neighbour entry.
    Neighbour {
        /// Its IP address.
        address: IpAddr,
        /// The interface's name.
        device: String,
    },
}

/// When a state was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Before the first packet.
    DialsBegan,
    /// After the last packet that checks judge: causes are found in what was read then.
    DialsEnded,
}
