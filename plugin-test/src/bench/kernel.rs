//! What the kernel has in one namespace, typed: what a result is compared with.
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use flatnet_model::kernel::{Address, Link, RouteEntry};
use flatnet_netlink::Route;

/// Links, addresses and routes (with their tables) of a namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) routes: Vec<(u32, RouteEntry)>,
}

impl Network {
    /// Of the namespace at the path, or of this thread's.
    pub(crate) fn of(netns: Option<&Path>) -> Result<Network, String> {
        let route = match netns {
            None => Route::open(),
            Some(path) => {
                let file = File::open(path).map_err(|e| format!("open {}: {e}", path.display()))?;
                Route::open_in(file.as_fd())
            }
        };
        let read = route.and_then(|mut route| {
            Ok(Network {
                links: route.links()?,
                addresses: route.addresses(None)?,
                routes: route.routes_of_all_tables()?,
            })
        });
        read.map_err(|e| e.to_string())
    }

    pub(crate) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }
}
