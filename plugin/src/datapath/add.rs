//! ADD: one netlink send a namespace for what is written, and everything undone when something fails.
//!
//! The pod's end is created inside the pod's namespace (moving it there costs 16 to 20 ms of rcu). Both ends make no
//! IPv6 link-local address: duplicate address detection and the multicast it sends to every port of the bridge would
//! make ADD slower with every pod. Neighbour entries are permanent on both sides: they do not count against the kernel's
//! limit, which all namespaces share, and no first packet waits for ARP.
use std::path::Path;

use flatnet_netlink::request::{NewRoute, Veth};
use flatnet_netlink::{Link, MacAddr, Request, Route};
use ipnet::IpNet;

use super::names::HostEnd;
use super::netns::PodNs;
use super::{bridge, del};
use crate::error::{Error, Result};
use crate::ipam::{Assigned, Held, Owner, Store, Wait, allocate};
use crate::types::{Interface, Ip, NetConf, Plan, PodRoute, Success};

/// RTPROT_STATIC (linux/rtnetlink.h): routes an administrator, or a program for him, has made.
const PROTOCOL_STATIC: u8 = 4;
/// The loopback device has this index in every namespace (LOOPBACK_IFINDEX, net/net_namespace.h).
const LOOPBACK: u32 = 1;

/// Attaches a pod and returns the result object.
pub(crate) fn add(conf: &NetConf, owner: &Owner, netns: &Path) -> Result<String> {
    let plan = conf.plan()?;
    let prev = conf.prev_result()?;
    let dns = conf.dns()?;
    let ns = PodNs::open(netns)?;
    let store = Store::open(&conf.data_dir, &conf.name)?;
    let mut pod = ns.route(plan.pools.ranges().any(|range| range.is_v6()))?;
    let end = HostEnd::of(&conf.name, owner);
    let mut wiring = Wiring {
        host: Route::open()?,
        pod: &mut pod,
        ns: &ns,
        owner,
        end: &end,
    };
    if let Some(held) = store.record(owner, Wait::No)? {
        wiring.clear_remnant(conf, &store, held)?;
    }
    let bridge = bridge::ensure(&mut wiring.host, &conf.bridge, &plan, &store)?;
    if plan.masquerade {
        bridge::ensure_masquerade(conf, &plan)?;
    }

    let allocation = allocate(&store, owner, &plan.pools)?;
    let mac = MacAddr::from_ip(allocation.assigned[0].address);
    let routes = plan.pod_routes(&allocation.assigned);
    let mtu = plan.mtu.unwrap_or(bridge.mtu);
    if let Err(error) = wiring.create(&bridge, mac, mtu) {
        // Nothing of ours is there, and the reservation is ours alone.
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
    let done = wiring
        .configure(&bridge, &plan, mac, &allocation.assigned, &success.routes)
        .and_then(|()| success.to_json(conf.version, prev));
    if done.is_err() {
        wiring.undo(&bridge, &store, allocation.held);
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

/// Both sides of one pod's wire.
struct Wiring<'a> {
    host: Route,
    pod: &'a mut Route,
    ns: &'a PodNs,
    owner: &'a Owner,
    end: &'a HostEnd,
}

impl Wiring<'_> {
    /// An ADD of this attachment was here before. If the pod has the interface, this one is refused; otherwise that one
    /// was killed, or the pod's namespace was made anew: what it left is removed.
    fn clear_remnant(&mut self, conf: &NetConf, store: &Store, held: Held) -> Result<()> {
        self.refuse_existing()?;
        self.remove_stale_end()?;
        if let Some(bridge) = self.host.link(conf.bridge.as_str())? {
            del::forget_neighbours(&mut self.host, bridge.index, &held.addresses)?;
        }
        store.release(held)
    }

    /// "If an interface of the requested name already exists in the container, the CNI plugin MUST return with an error"
    /// (CNI spec, section 2, ADD).
    fn refuse_existing(&mut self) -> Result<()> {
        match self.pod.link(self.owner.ifname.as_str())? {
            Some(_) => Err(Error::InterfaceExists {
                ifname: self.owner.ifname.clone(),
                netns: self.ns.path().to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Removes a link of our name that an ADD of this same attachment left.
    fn remove_stale_end(&mut self) -> Result<()> {
        match self.host.link(&self.end.name)? {
            Some(link) if self.end.is(&link) => {
                Ok(self.host.send(Request::del_link(link.index))?)
            }
            Some(link) => Err(Error::NameTaken { link: link.name }),
            None => Ok(()),
        }
    }

    /// The veth pair, down on both sides.
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

    /// Settings, addresses, routes and neighbours of both ends; the node's end is up first, so that the pod's has a
    /// carrier from the start.
    fn configure(
        &mut self,
        bridge: &Link,
        plan: &Plan,
        mac: MacAddr,
        assigned: &[Assigned],
        routes: &[PodRoute],
    ) -> Result<()> {
        let inner = self.end_in_pod()?;
        // A veth knows the index of its other end, wherever that is (IFLA_LINK).
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

    /// Takes everything back. Where the link cannot be deleted the reservation stays, so that its address is given to
    /// nobody else; DEL and GC find both. The error that made this necessary is the one reported.
    fn undo(&mut self, bridge: &Link, store: &Store, held: Held) {
        let unwired = match self.host.send(Request::del_link_by_name(&self.end.name)) {
            Err(error) if !error.is_absent() => Err(error.into()),
            _ => del::forget_neighbours(&mut self.host, bridge.index, &held.addresses),
        };
        if unwired.is_ok() {
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
    }
}
