//! The answer to where a packet goes: the traces, and who is at their ends.
use std::net::IpAddr;

use flatnet_model::view::ServiceAt;

use super::model::Trace;

/// A path, and who is at its ends.
pub struct Found {
    /// As a reader sees it: `pod/busybox-1`.
    pub from: String,
    /// As a reader sees it: `pod/busybox-2 (10.244.1.2)`, or an address.
    pub to: String,
    /// Where the address is a service's.
    pub service: Option<ServiceAt>,
    /// The path of the packet.
    pub there: Trace,
    /// The path of an answer, where it was asked for and the packet arrives.
    pub back: Option<Trace>,
}

/// What happens to a packet for a service.
pub fn service_words(service: &ServiceAt) -> String {
    let ServiceAt {
        namespace,
        name,
        address,
        endpoints,
    } = service;
    let listed: Vec<String> = endpoints.iter().map(IpAddr::to_string).collect();
    match listed.first() {
        Some(first) => format!(
            "{address} is service {namespace}/{name}: the first node makes one of its endpoints of it ({}); followed to {first}",
            listed.join(", ")
        ),
        None => format!(
            "{address} is service {namespace}/{name}, which has no endpoint that is ready: nodes refuse what is sent to it"
        ),
    }
}
