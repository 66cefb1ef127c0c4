//! Configurations for well-known plugins, by `type`, and for those that nobody knows.
use serde_json::{Value, json};

use super::{Kind, Recipe};
use crate::stand_in::IPAM_TYPE;

/// A device that stands for the node's own.
const MASTER: &str =
    "ip link add master0 type veth peer name wire0; ip link set wire0 up; ip link set master0 up";

fn recipe(kind: Kind, conf: Value) -> Recipe {
    Recipe {
        kind,
        conf,
        node: Vec::new(),
        container: Vec::new(),
        ifname: "eth0".to_owned(),
        single: false,
        one_address: None,
        work: Vec::new(),
        capabilities: Vec::new(),
    }
}

fn interface(mut conf: Value) -> Recipe {
    conf["ipam"] = json!({"type": IPAM_TYPE});
    recipe(Kind::Interface, conf)
}

fn chained(conf: Value, work: &[&str], capabilities: &[&str]) -> Recipe {
    Recipe {
        work: work.iter().map(|key| (*key).to_owned()).collect(),
        capabilities: capabilities.iter().map(|one| (*one).to_owned()).collect(),
        ..recipe(Kind::Chained, conf)
    }
}

fn on_master(recipe: Recipe) -> Recipe {
    Recipe {
        node: vec![MASTER.to_owned()],
        ..recipe
    }
}

/// How the plugin of that type is made to work: a single recipe where the type is known, candidates in the order of trying otherwise.
pub(crate) fn of(kind_name: &str) -> Vec<Recipe> {
    let known = match kind_name {
        "flatnet-cni" => Recipe {
            one_address: Some(json!({"ipam": {"ranges": [[{"subnet": "10.89.0.0/30"}]]}})),
            ..recipe(
                Kind::Interface,
                json!({"ipam": {"ranges": [[{"subnet": "10.89.0.0/24"}]]}}),
            )
        },
        "bridge" => interface(json!({"bridge": "cni0", "isGateway": true, "hairpinMode": true})),
        "ptp" => interface(json!({})),
        "macvlan" => on_master(interface(json!({"master": "master0"}))),
        "ipvlan" => on_master(interface(json!({"master": "master0"}))),
        "vlan" => Recipe {
            single: true,
            ..on_master(interface(json!({"master": "master0", "vlanId": 5})))
        },
        "host-device" => Recipe {
            node: vec![
                "ip link add device0 type veth peer name wire0; ip link set wire0 up".to_owned(),
            ],
            single: true,
            ..interface(json!({"device": "device0"}))
        },
        "loopback" => Recipe {
            ifname: "lo".to_owned(),
            ..recipe(Kind::Interface, json!({}))
        },
        "host-local" => Recipe {
            one_address: Some(
                json!({"ipam": {"ranges": [[{"subnet": "10.89.0.0/24", "rangeStart": "10.89.0.2", "rangeEnd": "10.89.0.2"}]]}}),
            ),
            capabilities: vec!["ips".to_owned(), "ipRanges".to_owned()],
            ..recipe(
                Kind::Ipam,
                json!({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.89.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}),
            )
        },
        "static" => Recipe {
            single: true,
            capabilities: vec!["ips".to_owned()],
            ..recipe(
                Kind::Ipam,
                json!({"ipam": {"type": "static", "addresses": [{"address": "10.89.0.2/24", "gateway": "10.89.0.1"}]}}),
            )
        },
        "portmap" => chained(
            json!({"capabilities": {"portMappings": true}, "runtimeConfig": {"portMappings": [{"hostPort": 18080, "containerPort": 8080, "protocol": "tcp"}]}}),
            &["runtimeConfig"],
            &["portMappings"],
        ),
        "firewall" => chained(json!({"backend": "iptables"}), &[], &[]),
        "tuning" => chained(
            json!({"sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}),
            &["sysctl"],
            &["mac"],
        ),
        "bandwidth" => chained(
            json!({"ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 8_000_000, "egressBurst": 800_000}),
            &["ingressRate", "ingressBurst", "egressRate", "egressBurst"],
            &["bandwidth"],
        ),
        "sbr" => chained(json!({}), &[], &[]),
        "vrf" => chained(json!({"vrfname": "blue"}), &[], &[]),
        _ => return unknown(),
    };
    vec![known]
}

fn unknown() -> Vec<Recipe> {
    let ipam =
        json!({"ipam": {"ranges": [[{"subnet": "10.89.0.0/24"}]], "subnet": "10.89.0.0/24"}});
    vec![
        interface(json!({})),
        recipe(Kind::Interface, ipam.clone()),
        recipe(Kind::Interface, json!({})),
        chained(json!({}), &[], &[]),
        recipe(Kind::Ipam, ipam),
    ]
}

/// For a configuration that was given.
pub(crate) fn given(kind: Kind, mut conf: Value) -> Recipe {
    if let Some(object) = conf.as_object_mut() {
        object.remove("cniVersion");
    }
    recipe(kind, conf)
}
