//! STATUS: whether an ADD could be served now, and every reason why not.
use flatnet_netlink::{Link, Nft, Route};

use crate::datapath::{BRIDGE_KIND, forwarding, masquerade, missing_gateways};
use crate::error::{Error, Result};
use crate::ipam::{Store, exhausted};
use crate::types::{NetConf, Plan};

/// Fails with code 50 if ADD cannot be served, with 51 if existing pods are affected as well. A fault that ADD corrects (a
/// bridge that is missing, down, or without its gateway) is not a reason.
pub(crate) fn status(conf: &NetConf) -> Result<()> {
    let plan = conf.plan()?;
    let mut reasons = Vec::new();
    let mut pods = false;
    let sets = plan.pools.sets().len();
    let probed = |store: Store| store.probe(sets).map(|()| store);
    match Store::open(&conf.data_dir, &conf.name).and_then(probed) {
        Ok(store) => {
            pods = !store.owners()?.is_empty();
            let taken = store.taken()?;
            for set in plan.pools.sets() {
                let reserved = taken
                    .iter()
                    .filter(|address| set.contains(**address))
                    .count();
                if reserved as u128 >= set.capacity() {
                    reasons.push(exhausted(set, &taken).to_string());
                }
            }
        }
        Err(error) => reasons.push(error.to_string()),
    }
    let mut host = Route::open()?;
    let bridge = host.link(conf.bridge.as_str())?;
    if let Some(link) = bridge.as_ref().filter(|link| link.kind != BRIDGE_KIND) {
        reasons.push(
            Error::NotABridge {
                name: conf.bridge.clone(),
                kind: link.kind.clone(),
            }
            .to_string(),
        );
    }
    if plan.masquerade
        && let Err(error) =
            Nft::open().and_then(|mut nft| nft.has_table(&masquerade(conf, &plan).name))
    {
        reasons.push(error.to_string());
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let pods_affected = pods && !routes_pods(&mut host, bridge.as_ref(), &plan)?;
    Err(Error::Unavailable {
        reasons,
        pods_affected,
    })
}

/// Whether the node routes between the attached pods and beyond.
fn routes_pods(host: &mut Route, bridge: Option<&Link>, plan: &Plan) -> Result<bool> {
    let Some(bridge) = bridge.filter(|link| link.kind == BRIDGE_KIND && link.up) else {
        return Ok(false);
    };
    let forwards = forwarding(&plan.pools)?.into_iter().all(|(_, on)| on);
    Ok(forwards && missing_gateways(host, bridge.index, plan)?.is_empty())
}
