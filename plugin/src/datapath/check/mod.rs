//! CHECK: whether everything is as ADD left it. Names all problems, not only the first.
mod node;
mod pod;
mod routing;

use std::net::IpAddr;
use std::path::Path;

use flatnet_netlink::{Address, Link, MacAddr, Neighbour, Nft, Route, RouteEntry};
use ipnet::IpNet;
use serde::Deserialize;

use super::bridge::masquerade;
use super::netns::PodNs;
use super::sysctl;
use crate::error::{Error, Result};
use crate::ipam::Assigned;
use crate::owner::Owner;
use crate::types::NetConf;

/// The parts of `prevResult` that are checked. It is the final result of the chain, so other plugins may have extended it.
#[derive(Deserialize)]
struct Expected {
    interfaces: Option<Vec<ExpectedInterface>>,
    ips: Option<Vec<ExpectedIp>>,
    routes: Option<Vec<ExpectedRoute>>,
}

#[derive(Deserialize)]
struct ExpectedInterface {
    name: String,
    mac: Option<String>,
    /// Since version 1.1.0 of the specification.
    mtu: Option<u32>,
    sandbox: Option<String>,
}

#[derive(Deserialize)]
struct ExpectedIp {
    address: IpNet,
    interface: Option<usize>,
}

#[derive(Deserialize)]
struct ExpectedRoute {
    dst: IpNet,
}

/// The problems found so far.
struct Findings {
    problems: Vec<String>,
}

impl Findings {
    fn expect(&mut self, fine: bool, problem: impl FnOnce() -> String) {
        if !fine {
            self.problems.push(problem());
        }
    }
}

/// The state of the pod's namespace, read once.
struct Inside {
    link: Option<Link>,
    addresses: Vec<Address>,
    routes: Vec<RouteEntry>,
    neighbours: Vec<Neighbour>,
}

/// Compares an attachment with `prevResult` and the configuration.
pub(crate) fn check(conf: &NetConf, owner: &Owner, netns: &Path) -> Result<()> {
    let plan = conf.plan()?;
    let prev = conf
        .prev_result()?
        .ok_or_else(|| Error::config("prevResult", "is missing; CHECK compares with it"))?;
    let expected: Expected = serde_json::from_str(prev.get())
        .map_err(|source| Error::config("prevResult", source.to_string()))?;
    let ns = PodNs::open(netns)?;
    let mut pod = Route::open_in(ns.fd())?;
    let inside = Inside {
        link: pod.link(owner.ifname.as_str())?,
        addresses: pod.addresses(None)?,
        routes: pod.routes()?,
        neighbours: pod.neighbours()?,
    };
    let mut host = Route::open()?;
    let bridge = host.link(conf.bridge.as_str())?;

    let interfaces = expected.interfaces.as_deref().unwrap_or_default();
    let ours = interfaces.iter().position(|one| {
        one.name == owner.ifname.as_str()
            && one
                .sandbox
                .as_deref()
                .is_some_and(|sandbox| !sandbox.is_empty())
    });
    let addresses: Vec<IpNet> = match ours {
        Some(index) => {
            let ips = expected.ips.iter().flatten();
            ips.filter(|ip| ip.interface == Some(index))
                .map(|ip| ip.address)
                .collect()
        }
        None => Vec::new(),
    };
    let mut findings = Findings {
        problems: Vec::new(),
    };
    findings.expect(ours.is_some(), || {
        format!(
            "prevResult has no interface {} with a sandbox",
            owner.ifname
        )
    });
    findings.expect(ours.is_none() || !addresses.is_empty(), || {
        format!("prevResult has no ips of {}", owner.ifname)
    });
    let assigned: Vec<Assigned> = addresses
        .iter()
        .filter_map(|net| {
            let range = plan.pools.range_of(net.addr())?;
            Some(Assigned {
                address: net.addr(),
                gateway: range.gateway(),
                subnet: range.subnet(),
            })
        })
        .collect();

    let listed: Vec<IpNet> = expected
        .routes
        .iter()
        .flatten()
        .map(|route| route.dst)
        .collect();
    let mac = ours.and_then(|index| interfaces[index].mac.as_deref());
    let mtu = ours
        .and_then(|index| interfaces[index].mtu)
        .or(plan.mtu)
        .unwrap_or(0);
    let of_pod = pod::Interface {
        owner,
        mac,
        mtu,
        addresses: &addresses,
    };
    of_pod.check(&mut findings, &inside);
    let routes = plan.pod_routes(&assigned);
    pod::routes(
        &mut findings,
        &inside,
        routes.iter().filter(|route| listed.contains(&route.dst)),
    );
    let bridge_mac = bridge.as_ref().and_then(|link| link.mac);
    pod::gateways(&mut findings, &inside, &assigned, bridge_mac);
    let routes = node::bridge(&mut findings, conf, &plan, &mut host, bridge.as_ref(), mtu)?;
    let end_mtu = node::port(
        &mut findings,
        conf,
        owner,
        &plan,
        &mut host,
        bridge.as_ref(),
        mtu,
    )?;
    if let Some(bridge) = &bridge {
        if let Some(mac) = inside.link.as_ref().and_then(|link| link.mac) {
            node::neighbours(&mut findings, &mut host, bridge, mac, &addresses)?;
        }
        if routes {
            routing::check(&mut findings, &mut host, bridge, &plan, &addresses, end_mtu)?;
        }
    }
    node::reservations(&mut findings, conf, owner, &addresses)?;
    if plan.masquerade {
        let difference = Nft::open()?.difference(&masquerade(conf, &plan))?;
        findings.problems.extend(difference);
    }
    for (key, on) in sysctl::forwarding(&plan.pools)? {
        findings.expect(on, || {
            format!("sysctl {key} is 0: the node does not route between pods")
        });
    }
    if findings.problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Unsound {
            problems: findings.problems,
        })
    }
}

fn expect_neighbour(
    findings: &mut Findings,
    present: &[Neighbour],
    link: &Link,
    address: IpAddr,
    mac: MacAddr,
    place: &str,
) {
    let entry = present
        .iter()
        .find(|entry| entry.index == link.index && entry.address == address);
    let fine = entry.is_some_and(|entry| entry.mac == Some(mac) && entry.state == "PERMANENT");
    findings.expect(fine, || {
        let found = entry.map_or("none".to_owned(), |entry| {
            format!(
                "{} {}",
                entry.mac.map_or("no MAC".to_owned(), |mac| mac.to_string()),
                entry.state
            )
        });
        format!(
            "{place} has no permanent neighbour {address} lladdr {mac} dev {} (found: {found})",
            link.name
        )
    });
}
