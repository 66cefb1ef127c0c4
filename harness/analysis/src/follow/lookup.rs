//! What kernels on the way are asked about packets of a dial, so that policy rules match as they did for the packets.
use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_model::Transport;
use flatnet_model::follow::Followed;
use flatnet_model::kernel::Carries;
use flatnet_model::probe::DialRequest;
use flatnet_model::reference::Netns;

/// Protocol and ports of a request, or of the answer to it. The client's port is another one for each packet.
pub(super) fn carries(request: &DialRequest, is_back: bool) -> Carries {
    let protocol = match request.transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
        Transport::Icmp if request.address.is_ipv4() => 1,
        Transport::Icmp => 58,
    };
    let port = (request.transport != Transport::Icmp).then_some(request.port);
    Carries {
        protocol,
        source: port.filter(|_| is_back),
        destination: port.filter(|_| !is_back),
    }
}

/// The firewall mark that packets for that address had when each namespace routed them, as netfilter's trace showed it: the last one
/// that was given before a packet's route is chosen, or to what the namespace sends itself.
pub(super) fn marks(followed: &Followed, to: IpAddr) -> BTreeMap<Netns, u32> {
    let marked = followed.places.iter().filter_map(|place| {
        let steps = place.watched.iter().flat_map(|watched| &watched.rules);
        let mut marks = steps.filter_map(|step| {
            let is_ours = step
                .packet
                .as_ref()
                .is_some_and(|packet| packet.destination == to);
            let before_routing = step.oif.is_none() || step.iif.is_none();
            step.mark.filter(|_| is_ours && before_routing)
        });
        Some((place.netns.clone(), marks.next_back()?))
    });
    marked.collect()
}
