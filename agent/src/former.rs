//! What an agent with another podCIDR or another `--bridge` left on this node, while pods still depend on it: they are never cut in silence.
use std::net::IpAddr;

use flatnet_netlink::{Address, Link, MacAddr, Neighbour, Request, Route};
use ipnet::IpNet;

use crate::desired::Bridge;
use crate::device::absent_is_fine;
use crate::pass::Pass;
use crate::{Error, Result};

/// A gateway address of a podCIDR that this node had before, and how many pods still have an address of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Former {
    pub(crate) gateway: IpNet,
    pub(crate) pods: usize,
}

/// The addresses of the bridge with index `bridge` that are not among `wanted`, but that pods need: the plugin makes a permanent neighbour
/// entry for each, and DEL removes it.
pub(crate) fn in_use(
    bridge: u32,
    addresses: &[Address],
    neighbours: &[Neighbour],
    wanted: &[IpNet],
) -> Vec<Former> {
    let living = |former: &IpNet| {
        let of_former = neighbours.iter().filter(|entry| {
            let elsewhere = !wanted.iter().any(|net| net.contains(&entry.address));
            let of_pod = entry.index == bridge && entry.state == "PERMANENT";
            of_pod && elsewhere && former.contains(&entry.address)
        });
        of_former.count()
    };
    addresses
        .iter()
        .filter(|one| one.index == bridge && one.scope != "link" && !wanted.contains(&one.net))
        .map(|one| Former {
            gateway: one.net,
            pods: living(&one.net),
        })
        .filter(|former| former.pods > 0)
        .collect()
}

/// Makes sure that no other device holds a gateway address: a bridge that an agent made under another name is removed once it has no ports.
///
/// # Errors
/// Another device holds one; with ports, it is the bridge of pods that live.
pub(crate) fn make_way(kernel: &mut Route, wanted: &Bridge, pass: &mut Pass) -> Result<()> {
    let links = kernel.links()?;
    let addresses = kernel.addresses(None)?;
    let gateways: Vec<IpAddr> = wanted.gateways.iter().map(IpNet::addr).collect();
    for held in addresses
        .iter()
        .filter(|one| gateways.contains(&one.net.addr()))
    {
        let other = links
            .iter()
            .find(|link| link.index == held.index && link.name != wanted.name);
        let Some(other) = other else { continue };
        let ports = links
            .iter()
            .filter(|link| link.master == Some(other.index))
            .count();
        if ports > 0 || !is_ours(other) {
            return Err(Error::GatewayElsewhere {
                bridge: wanted.name.clone(),
                device: other.name.clone(),
                gateway: held.net.addr(),
                ports,
            });
        }
        absent_is_fine(kernel.send(Request::del_link(other.index)))?;
        pass.changed(format_args!(
            "bridge {}: removed, no pod is on it and {} takes its place",
            other.name, wanted.name
        ));
    }
    Ok(())
}

/// A bridge whose MAC derives from an address, as agent and plugin make them.
fn is_ours(link: &Link) -> bool {
    link.kind == "bridge" && matches!(link.mac, Some(MacAddr([0x0a, 0x58 | 0x5a, ..])))
}
