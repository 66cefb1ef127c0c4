//! Which routes this network namespace's kernel gives packets.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::kernel::LearnedMtu;
use flatnet_netlink::{Flow, Route};

use crate::RouteOutcome;
use crate::error::{Result, errno_words};

/// Asks for each; that a packet is refused is an answer too. Fails where netlink does.
pub(crate) fn ask(flows: &[Flow]) -> Result<Vec<RouteOutcome>> {
    let mut route = Route::open()?;
    flows.iter().map(|flow| one(&mut route, flow)).collect()
}

fn one(route: &mut Route, flow: &Flow) -> Result<RouteOutcome> {
    match route.route_of(flow) {
        Ok(entry) => Ok(RouteOutcome::Found(entry)),
        Err(error) => match error.errno() {
            Some(errno) => Ok(RouteOutcome::Refused {
                errno: errno as i32,
                detail: errno_words(errno),
            }),
            None => Err(error.into()),
        },
    }
}

/// Path MTUs that this namespace's kernel has learned for these addresses. What it refuses to route has none.
pub(crate) fn learned(to: impl Iterator<Item = IpAddr>) -> BTreeMap<IpAddr, LearnedMtu> {
    let to: BTreeSet<IpAddr> = to.collect();
    let Ok(mut route) = Route::open() else {
        return BTreeMap::new();
    };
    let learned = to.into_iter().filter_map(|to| {
        let entry = route.route_of(&Flow::to(to)).ok()?;
        Some((to, entry.learned_mtu()?))
    });
    learned.collect()
}
