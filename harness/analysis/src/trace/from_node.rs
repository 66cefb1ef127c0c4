//! A pod's network as its node sees it, where no program can be run in the pod.
use flatnet_model::kernel::route_kind::UNICAST;
use flatnet_model::kernel::{Address, Link, LinkStats, RouteEntry};
use flatnet_model::probe::{Facts, NamespaceInterface, NetworkNamespace};
use ipnet::IpNet;

use flatnet_model::observations::ObservedPod;

/// The namespace that holds the pod's address, as far as /proc and its processes' sysfs show it: links, addresses and
/// routes, no neighbours. Nothing where no such namespace is there.
pub fn facts(pod: &ObservedPod, namespaces: &[NetworkNamespace]) -> Option<Facts> {
    let holds = |namespace: &&NetworkNamespace| {
        let mut ips = pod.object.ips.iter();
        ips.any(|ip| namespace.addresses.contains(ip)) && !namespace.interfaces.is_empty()
    };
    let namespace = namespaces.iter().find(holds)?;
    // /proc does not tell which interface holds an address; a pod has one, CNI_IFNAME, to which the others are additions.
    let main = namespace.interfaces.first()?;
    let address = |ip: &std::net::IpAddr| Address {
        index: main.index,
        net: IpNet::from(*ip),
        scope: "global".to_owned(),
        dad_failed: false,
    };
    let index = |device: &str| {
        let named = namespace.interfaces.iter().find(|link| link.name == device);
        named.map(|link| link.index)
    };
    let route = |route: &flatnet_model::probe::NamespaceRoute| RouteEntry {
        dst: route.dst,
        gateway: route.gateway,
        oif: index(&route.device),
        src: None,
        onlink: false,
        protocol: 0,
        scope: if route.gateway.is_some() {
            "global"
        } else {
            "link"
        }
        .to_owned(),
        metric: None,
        kind: UNICAST,
        mtu: None,
        mtu_expires_s: None,
        more_hops: Vec::new(),
        nexthop_id: None,
    };
    Some(Facts {
        hostname: pod.object.reference.name.clone(),
        links: namespace.interfaces.iter().map(link).collect(),
        addresses: namespace.addresses.iter().map(address).collect(),
        routes: namespace.routes.iter().map(route).collect(),
        ..Facts::default()
    })
}

/// An interface whose `iflink` is not its own index has its other end elsewhere: a veth, or a device on another.
fn link(interface: &NamespaceInterface) -> Link {
    let paired = interface.peer != interface.index;
    Link {
        index: interface.index,
        name: interface.name.clone(),
        kind: if paired { "veth" } else { "" }.to_owned(),
        mac: interface.mac,
        mtu: interface.mtu,
        up: interface.up,
        lower_up: interface.up,
        operstate: "UNKNOWN".to_owned(),
        master: None,
        link: paired.then_some(interface.peer),
        link_netnsid: paired.then_some(0),
        port: None,
        vxlan: None,
        vrf: None,
        stats: LinkStats::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::build::{Style, healthy};

    fn namespace(addresses: &[&str]) -> NetworkNamespace {
        NetworkNamespace {
            pid: 7,
            addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
            routes: vec![flatnet_model::probe::NamespaceRoute {
                dst: "0.0.0.0/0".parse().unwrap(),
                gateway: Some("10.244.1.1".parse().unwrap()),
                device: "eth0".to_owned(),
            }],
            interfaces: vec![NamespaceInterface {
                name: "eth0".to_owned(),
                index: 2,
                peer: 10,
                mac: Some(flatnet_model::kernel::MacAddr([2; 6])),
                mtu: 1450,
                up: true,
            }],
        }
    }

    #[test]
    fn the_namespace_with_the_pods_address_is_its_own() {
        let pod = healthy(Style::Direct).pods.remove(0);
        let namespaces = [namespace(&["10.244.1.9"]), namespace(&["10.244.1.2"])];

        let facts = facts(&pod, &namespaces).unwrap();

        assert_eq!(facts.addresses[0].net.to_string(), "10.244.1.2/32");
        assert_eq!(facts.links[0].link, Some(10));
        assert_eq!(facts.routes[0].oif, Some(2));
        assert_eq!(facts.links[0].mtu, 1450);
    }

    #[test]
    fn a_pod_whose_address_no_namespace_holds_is_not_seen() {
        let pod = healthy(Style::Direct).pods.remove(0);
        assert!(facts(&pod, &[namespace(&["10.244.1.9"])]).is_none());
    }
}
