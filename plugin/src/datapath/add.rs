//! ADD: one netlink batch per namespace for the configuration, and everything is undone if anything fails.
//!
//! The pod's end is created inside the pod's namespace (moving it there costs an RCU grace period of 16 to 20 ms). Neither
//! end gets an IPv6 link-local address: duplicate address detection, and its multicast to every port of the bridge, would
//! make ADD slower with every pod. Neighbour entries are permanent on both sides: they do not count against the kernel's
//! limit, which all namespaces share, and no first packet waits for ARP.
use std::path::Path;

use flatnet_netlink::request::{NewRoute, Veth};
use flatnet_netlink::{Link, MacAddr, Request, Route};
use ipnet::IpNet;

use super::living::living;
use super::names::HostEnd;
use super::netns::PodNs;
use super::routes::behind_others;
use super::{bridge, del};
use crate::error::{Error, Result};
use crate::ipam::{Assigned, Held, Store, Wait, allocate};
use crate::owner::Owner;
use crate::types::{Interface, Ip, NetConf, Plan, PodRoute, Success};

/// RTPROT_STATIC (linux/rtnetlink.h): routes installed by an administrator or a program.
const PROTOCOL_STATIC: u8 = 4;
/// The loopback device's index in every namespace (LOOPBACK_IFINDEX, net/net_namespace.h).
const LOOPBACK: u32 = 1;

/// Attaches a pod and returns the result object.
pub(crate) fn add(conf: &NetConf, owner: &Owner, netns: &Path) -> Result<String> {
    let plan = conf.plan()?;
    let prev = conf.prev_result()?;
    let dns = conf.dns()?;
    let ns = PodNs::open(netns)?;
    let store = Store::open(&conf.data_dir, &conf.name)?;
    let mut pod = ns.route(plan.pools.ranges().any(|range| range.is_v6()))?;
    let present = pod.routes()?;
    let end = HostEnd::of(&conf.name, owner);
    let mut attachment = Attachment {
        host: Route::open()?,
        pod: &mut pod,
        ns: &ns,
        owner,
        end: &end,
    };
    if let Some(held) = store.record(owner, Wait::No)? {
        attachment.clear_remains(conf, &store, held)?;
    }
    let bridge = bridge::ensure(&mut attachment.host, conf, &plan, &store)?;
    if plan.masquerade {
        bridge::ensure_masquerade(conf, &plan)?;
    }

    let allocation = allocate(&store, owner, &plan.pools, || living(&mut attachment.host))?;
    let mac = MacAddr::from_ip(allocation.assigned[0].address);
    let routes = behind_others(plan.pod_routes(&allocation.assigned), &present);
    let mtu = bridge::pod_mtu(&bridge, &plan);
    let created =
        bridge::ensure_route_mtu(&mut attachment.host, &bridge, &allocation.assigned, mtu)
            .and_then(|()| attachment.create(&bridge, mac, mtu));
    if let Err(error) = created {
        // Only the reservation exists.
        let _ = store.release(allocation.held);
        return Err(error);
    }
    let success = Success {
        interfaces: vec![
            Interface {
                name: conf.bridge.as_str(),
                mac: bridge.mac,
                mtu: bridge.mtu,
                sandbox: None,
            },
            Interface {
                name: &end.name,
                mac: Some(end.mac),
                mtu,
                sandbox: None,
            },
            Interface {
                name: owner.ifname.as_str(),
                mac: Some(mac),
                mtu,
                sandbox: Some(ns.path()),
            },
        ],
        ips: allocation.assigned.iter().map(|one| ip(one, 2)).collect(),
        routes,
        dns,
    };
    let done = attachment
        .configure(&bridge, &plan, mac, &allocation.assigned, &success.routes)
        .and_then(|()| success.to_json(conf.version, prev));
    if done.is_err() {
        attachment.undo(&bridge, &store, allocation.held);
    }
    done
}

fn ip(one: &Assigned, interface: usize) -> Ip {
    Ip {
        interface,
        address: IpNet::from(one.address),
        gateway: one.gateway,
    }
}

/// Both sides of one pod's attachment.
struct Attachment<'a> {
    host: Route,
    pod: &'a mut Route,
    ns: &'a PodNs,
    owner: &'a Owner,
    end: &'a HostEnd,
}

impl Attachment<'_> {
    /// Handles an earlier ADD of this attachment. If the pod has the interface, this ADD is refused; otherwise the earlier
    /// one was killed, or the pod's namespace was recreated, and its remains are removed.
    fn clear_remains(&mut self, conf: &NetConf, store: &Store, held: Held) -> Result<()> {
        self.refuse_existing()?;
        self.remove_stale_end()?;
        if let Some(bridge) = self.host.link(conf.bridge.as_str())? {
            del::forget_neighbours(&mut self.host, bridge.index, &held.addresses)?;
        }
        store.release(held)
    }

    /// The specification requires an error if the interface exists already in the container (CNI spec, section 2, ADD).
    fn refuse_existing(&mut self) -> Result<()> {
        match self.pod.link(self.owner.ifname.as_str())? {
            Some(_) => Err(Error::InterfaceExists {
                ifname: self.owner.ifname.clone(),
                netns: self.ns.path().to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Removes a link with our name that an earlier ADD of this attachment left.
    fn remove_stale_end(&mut self) -> Result<()> {
        match self.host.link(&self.end.name)? {
            Some(link) if self.end.is(&link) => {
                Ok(self.host.send(Request::del_link(link.index))?)
            }
            Some(link) => Err(Error::NameTaken { link: link.name }),
            None => Ok(()),
        }
    }

    /// Creates the veth pair, down on both sides.
    fn create(&mut self, bridge: &Link, mac: MacAddr, mtu: u32) -> Result<()> {
        match self.host.send(self.veth(bridge, mac, mtu)) {
            Err(error) if error.is_exists() => {
                self.refuse_existing()?;
                self.remove_stale_end()?;
                Ok(self.host.send(self.veth(bridge, mac, mtu))?)
            }
            done => Ok(done?),
        }
    }

    fn veth(&self, bridge: &Link, mac: MacAddr, mtu: u32) -> Request {
        Request::add_veth(&Veth {
            name: &self.end.name,
            master: Some(bridge.index),
            mtu: Some(mtu),
            mac: Some(self.end.mac),
            up: false,
            peer_name: self.owner.ifname.as_str(),
            peer_ns: Some(self.ns.fd()),
            peer_mac: Some(mac),
        })
    }

    /// Sets up both ends: settings, addresses, routes and neighbours. The node's end comes up first, so that the pod's end
    /// has a carrier from the start.
    fn configure(
        &mut self,
        bridge: &Link,
        plan: &Plan,
        mac: MacAddr,
        assigned: &[Assigned],
        routes: &[PodRoute],
    ) -> Result<()> {
        let inner = self.end_in_pod()?;
        // IFLA_LINK of a veth is the index of its peer, in whichever namespace.
        let outer = inner.link.ok_or_else(|| Error::Gone {
            name: self.owner.ifname.clone(),
        })?;
        let mut batch = self.host.batch();
        batch.push(Request::set_addr_gen_none(outer));
        batch.push(Request::set_hairpin(outer, plan.hairpin));
        batch.push(Request::set_up(outer));
        for one in assigned {
            batch.push(Request::set_neighbour(bridge.index, one.address, mac));
        }
        batch.commit()?;

        let mut batch = self.pod.batch();
        batch.push(Request::set_addr_gen_none(inner.index));
        for one in assigned {
            batch.push(Request::add_address(
                inner.index,
                IpNet::from(one.address),
                true,
            ));
        }
        batch.push(Request::set_up(inner.index));
        batch.push(Request::set_up(LOOPBACK));
        for route in routes {
            batch.push(Request::add_route(&new_route(route, inner.index)));
        }
        for (index, one) in assigned.iter().enumerate() {
            let known = assigned[..index]
                .iter()
                .any(|before| before.gateway == one.gateway);
            if let (false, Some(gateway_mac)) = (known, bridge.mac) {
                batch.push(Request::set_neighbour(
                    inner.index,
                    one.gateway,
                    gateway_mac,
                ));
            }
        }
        Ok(batch.commit()?)
    }

    fn end_in_pod(&mut self) -> Result<Link> {
        let name = &self.owner.ifname;
        self.pod
            .link(name.as_str())?
            .ok_or_else(|| Error::Gone { name: name.clone() })
    }

    /// Undoes everything. If the link cannot be deleted, the reservation stays, so that its address is not assigned again;
    /// DEL and GC find both. The caller reports the error that made this necessary.
    fn undo(&mut self, bridge: &Link, store: &Store, held: Held) {
        let removed = match self.host.send(Request::del_link_by_name(&self.end.name)) {
            Err(error) if !error.is_absent() => Err(error.into()),
            _ => del::forget_neighbours(&mut self.host, bridge.index, &held.addresses),
        };
        if removed.is_ok() {
            let _ = store.release(held);
        }
    }
}

fn new_route(route: &PodRoute, oif: u32) -> NewRoute {
    NewRoute {
        dst: route.dst,
        gateway: route.gateway,
        oif: Some(oif),
        onlink: route.onlink,
        scope_link: route.gateway.is_none(),
        src: None,
        protocol: PROTOCOL_STATIC,
        metric: route.priority,
        mtu: None,
    }
}
