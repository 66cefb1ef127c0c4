//! What ends the expected way of a packet, as a cause of the catalogue.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::reference::Netns;
use flatnet_model::rule::RouteChoice;

use crate::trace::model;

/// What the walk says ends a packet, as one of the causes that every check knows.
pub(super) fn cause_of(at: &Netns, cause: &model::Cause, to: IpAddr) -> Option<Cause> {
    let at = at.clone();
    Some(match cause.clone() {
        model::Cause::NoRoute => Cause::RouteRefuses { at, to, by: None },
        model::Cause::Rejected { by } => Cause::RouteRefuses {
            at,
            to,
            by: Some(by),
        },
        model::Cause::ForwardingOff { sysctl } => match at {
            Netns::Node(node) => Cause::ForwardingOff {
                node,
                key: sysctl.replace('/', "."),
            },
            _ => return None,
        },
        model::Cause::LinkDown { device, admin } => Cause::LinkDown { at, device, admin },
        model::Cause::Neighbour {
            next_hop: hop,
            device,
            entry,
        } => Cause::NeighbourUnresolved {
            at,
            hop,
            device,
            entry,
        },
        model::Cause::NoForwardingEntry { device, mac } => {
            Cause::ForwardingEntryMissing { at, device, mac }
        }
        model::Cause::NoVtep { vni, port } => Cause::NoVtep { at, vni, port },
        model::Cause::WrongMac { device, frame, own } => Cause::FrameMisdirected {
            at,
            device,
            frame,
            own,
        },
        model::Cause::NoPort { bridge, mac } => Cause::FrameMisdirected {
            at,
            device: bridge,
            frame: mac,
            own: None,
        },
        model::Cause::TakenByOther { wanted } => Cause::TakenByOther {
            at,
            address: to,
            wanted,
        },
        model::Cause::Loop => Cause::RoutingLoop { at },
        model::Cause::Refused { detail } => Cause::RouteRefuses {
            at,
            to,
            by: Some(RouteChoice::Unknown { detail }),
        },
        // Reverse paths are told by the counter: the kernel's answer about a packet of its own says nothing of another's.
        model::Cause::ReversePath { .. }
        | model::Cause::NoDevice
        | model::Cause::NoEndpoint
        | model::Cause::HairpinOff { .. }
        | model::Cause::NotHeld { .. }
        | model::Cause::Unknown { .. } => return None,
    })
}
