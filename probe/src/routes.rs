//! Which routes this network namespace's kernel gives packets.
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
