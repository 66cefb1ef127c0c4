//! Converts the kernel's answers to the types of [`flatnet_model::kernel`]. Decoders append the entries of one message and
//! return `None` if it does not parse.
mod link;
mod neighbour;
mod route;

pub(crate) use link::{address, link};
pub(crate) use neighbour::{forwarding, neighbour, table};
pub(crate) use route::{route, route_lookup, rule};

use crate::uapi::rta;

/// Name of a scope as `ip` prints it (rt_scopes of iproute2).
fn scope_name(scope: u8) -> String {
    match scope {
        rta::SCOPE_UNIVERSE => "global".to_owned(),
        200 => "site".to_owned(),
        rta::SCOPE_LINK => "link".to_owned(),
        rta::SCOPE_HOST => "host".to_owned(),
        rta::SCOPE_NOWHERE => "nowhere".to_owned(),
        other => other.to_string(),
    }
}
