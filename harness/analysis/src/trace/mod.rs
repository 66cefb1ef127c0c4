//! Where a packet goes, hop by hop: a pure function of what probes saw in every namespace on its way.
//!
//! [`network`] knows the namespaces and the cables between them, [`lookup`] chooses routes, [`neighbour`] finds Ethernet
//! addresses, [`walk`] and [`frames`] follow the packet with them. Firewalls and address translation are not looked at: a
//! trace says where the network sends a packet, not whether a rule lets it pass.
pub mod answer;
mod commands;
mod flood;
pub mod found;
mod frames;
pub mod from_node;
mod lookup;
pub mod model;
mod neighbour;
mod network;
pub mod parties;
mod policy;
mod walk;
pub mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_model::kernel::{Carries, Flow};

pub(crate) use flood::flooding_bridge;
pub use lookup::Kernels;
pub(crate) use lookup::route_choice;
pub use model::{Ending, Netns, Trace};
pub use network::ObservedNetwork;
pub use walk::Rewrite;

use model::Cause;
use network::Network;
use walk::{Packet, Walk};

/// A packet that is to be followed.
#[derive(Clone, Debug)]
pub struct Request {
    /// The namespace that sends it.
    pub from: Netns,
    /// Destination address; a ClusterIP is replaced by an endpoint.
    pub destination: IpAddr,
    /// Who should get it, where that is known.
    pub wanted: Option<Netns>,
    /// Where its destination is that of a service.
    pub rewrite: Option<Rewrite>,
    /// Its protocol and ports, where they are known.
    pub carries: Option<Carries>,
    /// Firewall marks that it was seen to have in namespaces.
    pub marks: BTreeMap<Netns, u32>,
}

/// Follows a packet. With the trace come the questions about it that the namespaces' kernels were not asked.
pub fn trace(
    observed: &ObservedNetwork,
    kernels: &Kernels,
    request: &Request,
) -> (Trace, Vec<(Netns, Flow)>) {
    let Request {
        from,
        destination,
        wanted,
        rewrite,
        carries,
        marks,
    } = request;
    let destination = *destination;
    let rewritten = rewrite.as_ref().filter(|r| r.service == destination);
    let target = rewritten
        .and_then(|rewrite| rewrite.endpoint)
        .unwrap_or(destination);
    let network = Network::of(observed);
    let mut walk = Walk {
        network: &network,
        kernels,
        rewrite: rewrite.as_ref(),
        marks,
        hops: Vec::new(),
        questions: Vec::new(),
        source: None,
        tunnels: 0,
        overhead: 0,
    };
    let packet = Packet {
        source: None,
        destination,
        bound: None,
        carries: *carries,
    };
    let ending = match network.namespace(from) {
        Some(namespace) => match walk.follow(namespace, packet) {
            Ok(arrival) => delivered(
                network.netns(arrival.namespace),
                arrival.device,
                wanted.as_ref(),
            ),
            Err(ending) => ending,
        },
        None => Ending::Stopped {
            at: from.clone(),
            cause: Cause::Unknown {
                error: "it was not looked at".to_owned(),
            },
        },
    };
    let trace = Trace {
        from: from.clone(),
        source: walk.source,
        destination,
        target,
        hops: walk.hops,
        ending,
        remarks: remarks(&network, target),
    };
    (trace, walk.questions)
}

fn delivered(to: &Netns, device: String, wanted: Option<&Netns>) -> Ending {
    match wanted {
        Some(wanted) if wanted != to => Ending::Stopped {
            at: to.clone(),
            cause: Cause::TakenByOther {
                wanted: wanted.clone(),
            },
        },
        _ => Ending::Delivered {
            to: to.clone(),
            device,
        },
    }
}

fn remarks(network: &Network<'_>, destination: IpAddr) -> Vec<String> {
    let owners = network.owners(destination);
    if owners.len() < 2 {
        return Vec::new();
    }
    let names: Vec<String> = owners.iter().map(Netns::to_string).collect();
    vec![format!(
        "several hold {destination}: {}; who gets a packet depends on where it comes from",
        names.join(", ")
    )]
}
