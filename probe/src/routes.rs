//! Which routes this network namespace's kernel gives packets.
use flatnet_netlink::{Flow, Route};

use crate::Way;
use crate::error::{Result, errno_words};

/// Asks for each; that a packet is refused is an answer too. Fails where netlink does.
pub(crate) fn ask(flows: &[Flow]) -> Result<Vec<Way>> {
    let mut route = Route::open()?;
    flows.iter().map(|flow| one(&mut route, flow)).collect()
}

fn one(route: &mut Route, flow: &Flow) -> Result<Way> {
    match route.route_of(flow) {
        Ok(entry) => Ok(Way::Found(entry)),
        Err(error) => match error.errno() {
            Some(errno) => Ok(Way::Refused {
                errno: errno as i32,
                detail: errno_words(errno),
            }),
            None => Err(error.into()),
        },
    }
}
