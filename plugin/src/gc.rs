//! GC: removes what invalid attachments left on this node. Continues after an error and reports all of them.
use std::collections::HashSet;

use flatnet_netlink::{Request, Route};

use crate::datapath::{HostEnd, forget_neighbours, living};
use crate::error::{Error, Result};
use crate::ipam::{Store, Wait};
use crate::owner::Owner;
use crate::types::NetConf;

/// Removes links, neighbour entries and reservations of every attachment of this network that the runtime does not list
/// as valid. Skips attachments on which another process is working.
pub(crate) fn gc(conf: &NetConf) -> Result<()> {
    let valid = conf.valid_attachments()?;
    let Some(store) = Store::find(&conf.data_dir, &conf.name)? else {
        return Ok(());
    };
    let mut host = Route::open()?;
    let bridge = host.link(conf.bridge.as_str())?.map(|link| link.index);
    let is_valid =
        |owner: &Owner| valid.contains(&(owner.container.to_string(), owner.ifname.to_string()));
    let mut problems = Vec::new();
    let mut record = |outcome: Result<()>| match outcome {
        Err(Error::Busy { .. }) | Ok(()) => {}
        Err(error) => problems.push(error.to_string()),
    };

    let recorded: HashSet<Owner> = store.owners()?.into_iter().collect();
    for owner in recorded.iter().filter(|owner| !is_valid(owner)) {
        record(collect(conf, &store, &mut host, bridge, owner));
    }
    let mut held_by_pods = None;
    for address in store.taken()? {
        match store.owner_of(address) {
            // Its record was dealt with above.
            Ok(Some(owner)) if is_valid(&owner) || recorded.contains(&owner) => {}
            Ok(Some(owner)) => record(collect(conf, &store, &mut host, bridge, &owner)),
            Ok(None) => {
                if held_by_pods.is_none() {
                    match living(&mut host) {
                        Ok(found) => held_by_pods = Some(found),
                        Err(error) => record(Err(error)),
                    }
                }
                // Kept, too, where nobody knows whether something has it.
                if held_by_pods
                    .as_ref()
                    .is_none_or(|held| held.contains(&address))
                {
                    continue;
                }
                record(bridge.map_or(Ok(()), |index| {
                    forget_neighbours(&mut host, index, &[address])
                }));
                record(store.free_unowned(address));
            }
            Err(error) => record(Err(error)),
        }
    }
    record(store.release_adopted(|| living(&mut host)));
    record(store.sweep());
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Leftovers { problems })
    }
}

/// Removes one attachment, its addresses last.
fn collect(
    conf: &NetConf,
    store: &Store,
    host: &mut Route,
    bridge: Option<u32>,
    owner: &Owner,
) -> Result<()> {
    let held = store.record(owner, Wait::No)?;
    let addresses = match &held {
        Some(held) => held.addresses.clone(),
        None => store.scan(owner)?,
    };
    let end = HostEnd::of(&conf.name, owner);
    if let Some(link) = host.link(&end.name)?.filter(|link| end.is(link)) {
        match host.send(Request::del_link(link.index)) {
            Err(error) if !error.is_absent() => return Err(error.into()),
            _ => {}
        }
    }
    if let Some(index) = bridge {
        forget_neighbours(host, index, &addresses)?;
    }
    match held {
        Some(held) => store.release(held),
        None => store.free(owner, &addresses),
    }
}
