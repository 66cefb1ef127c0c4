//! CHECK: whether everything is as ADD left it. Names all problems, not only the first.
use std::net::IpAddr;
use std::path::Path;

use flatnet_netlink::{Address, Link, MacAddr, Neighbour, Nft, Route, RouteEntry};
use ipnet::IpNet;
use serde::Deserialize;

use super::bridge::{BRIDGE_KIND, masquerade_name, missing_gateways};
use super::names::HostEnd;
use super::netns::PodNs;
use super::sysctl;
use crate::error::{Error, Result};
use crate::ipam::{Assigned, Store};
use crate::owner::Owner;
use crate::types::{NetConf, Plan, PodRoute};

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
    in_pod(&mut findings, owner, &inside, mac, &addresses);
    let routes = plan.pod_routes(&assigned);
    routes_in_pod(
        &mut findings,
        &inside,
        routes.iter().filter(|route| listed.contains(&route.dst)),
    );
    let bridge_mac = bridge.as_ref().and_then(|link| link.mac);
    gateways_in_pod(&mut findings, &inside, &assigned, bridge_mac);
    on_node(
        &mut findings,
        conf,
        owner,
        &plan,
        &mut host,
        bridge.as_ref(),
    )?;
    if let (Some(bridge), Some(link)) = (&bridge, &inside.link) {
        neighbours_on_node(&mut findings, &mut host, bridge, link.mac, &addresses)?;
    }
    reservations(&mut findings, conf, owner, &addresses)?;
    if plan.masquerade {
        let name = masquerade_name(conf);
        findings.expect(Nft::open()?.has_table(&name)?, || {
            format!("nftables table inet {name} is missing")
        });
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

fn in_pod(
    findings: &mut Findings,
    owner: &Owner,
    inside: &Inside,
    mac: Option<&str>,
    addresses: &[IpNet],
) {
    let name = &owner.ifname;
    let Some(link) = &inside.link else {
        findings
            .problems
            .push(format!("{name} is missing in the container"));
        return;
    };
    findings.expect(link.up, || format!("{name} is down in the container"));
    if let Some(mac) = mac.and_then(|text| text.parse::<MacAddr>().ok()) {
        findings.expect(link.mac == Some(mac), || {
            format!(
                "{name} has MAC {}, not {mac}",
                link.mac.map_or("none".to_owned(), |mac| mac.to_string())
            )
        });
    }
    let present: Vec<String> = inside
        .addresses
        .iter()
        .filter(|address| address.index == link.index)
        .map(|address| address.net.to_string())
        .collect();
    for net in addresses {
        findings.expect(present.contains(&net.to_string()), || {
            format!(
                "{name} lacks address {net} (it has {})",
                if present.is_empty() {
                    "none".into()
                } else {
                    present.join(", ")
                }
            )
        });
    }
}

fn routes_in_pod<'a>(
    findings: &mut Findings,
    inside: &Inside,
    routes: impl Iterator<Item = &'a PodRoute>,
) {
    let Some(link) = &inside.link else { return };
    for route in routes {
        let found = inside.routes.iter().any(|entry| {
            entry.dst == route.dst
                && entry.gateway == route.gateway
                && entry.oif == Some(link.index)
        });
        findings.expect(found, || match route.gateway {
            Some(gateway) => format!(
                "the container has no route {} via {gateway} dev {}",
                route.dst, link.name
            ),
            None => format!("the container has no route {} dev {}", route.dst, link.name),
        });
    }
}

/// The pod needs a permanent neighbour entry for its gateway: a wrong one cuts it off, a missing one fills the neighbour
/// table.
fn gateways_in_pod(
    findings: &mut Findings,
    inside: &Inside,
    assigned: &[Assigned],
    bridge_mac: Option<MacAddr>,
) {
    let (Some(link), Some(mac)) = (&inside.link, bridge_mac) else {
        return;
    };
    for one in assigned {
        expect_neighbour(
            findings,
            &inside.neighbours,
            link,
            one.gateway,
            mac,
            "the container",
        );
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

fn on_node(
    findings: &mut Findings,
    conf: &NetConf,
    owner: &Owner,
    plan: &Plan,
    host: &mut Route,
    bridge: Option<&Link>,
) -> Result<()> {
    match bridge {
        None => findings
            .problems
            .push(format!("bridge {} is missing", conf.bridge)),
        Some(link) if link.kind != BRIDGE_KIND => {
            findings.problems.push(format!(
                "{} is a {} device, not a bridge",
                link.name, link.kind
            ));
        }
        Some(link) => {
            findings.expect(link.up, || format!("bridge {} is down", link.name));
            for net in missing_gateways(host, link.index, plan)? {
                findings.problems.push(format!(
                    "bridge {} lacks the gateway address {net}",
                    link.name
                ));
            }
        }
    }
    let end = HostEnd::of(&conf.name, owner);
    let Some(link) = host.link(&end.name)?.filter(|link| end.is(link)) else {
        findings.problems.push(format!(
            "{}, the node's end of {}, is missing",
            end.name, owner.ifname
        ));
        return Ok(());
    };
    findings.expect(link.up, || format!("{} is down", end.name));
    if let Some(bridge) = bridge {
        findings.expect(link.master == Some(bridge.index), || {
            format!("{} is not a port of bridge {}", end.name, bridge.name)
        });
    }
    if let Some(port) = link.port {
        let word = |on: bool| if on { "on" } else { "off" };
        findings.expect(port.hairpin == plan.hairpin, || {
            format!(
                "hairpin is {} on {}, the configuration says {}",
                word(port.hairpin),
                end.name,
                word(plan.hairpin)
            )
        });
    }
    Ok(())
}

fn neighbours_on_node(
    findings: &mut Findings,
    host: &mut Route,
    bridge: &Link,
    mac: Option<MacAddr>,
    addresses: &[IpNet],
) -> Result<()> {
    let present = host.neighbours()?;
    if let Some(mac) = mac {
        for net in addresses {
            expect_neighbour(findings, &present, bridge, net.addr(), mac, "the node");
        }
    }
    Ok(())
}

fn reservations(
    findings: &mut Findings,
    conf: &NetConf,
    owner: &Owner,
    addresses: &[IpNet],
) -> Result<()> {
    let store = Store::find(&conf.data_dir, &conf.name)?;
    for net in addresses {
        let holder = store
            .as_ref()
            .map(|store| store.owner_of(net.addr()))
            .transpose()?
            .flatten();
        findings.expect(holder.as_ref() == Some(owner), || match &holder {
            Some(other) => format!("{} is reserved for {other}", net.addr()),
            None => format!("{} is not reserved", net.addr()),
        });
    }
    Ok(())
}
