//! What a configuration says of nodes and pods by itself, and what of a node it is seen to use: for clusters that are not compared with a
//! second one.
use std::collections::BTreeSet;

use flatnet_model::change::NodeLook;
use serde_json::Value;

use super::properties::{Properties, conflist_in_use, flatten, options};

/// Ends the name of an option of flatnet's agents.
const OF_AGENT: &str = " of flatnet-agent";
/// The device of flatnet's VXLAN.
const VXLAN: &str = "flatnet.1";
/// The protocol of routes that the kernel makes for addresses (RTPROT_KERNEL).
const BY_KERNEL: u8 = 2;

/// What objects say of nodes and pods.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// Options of flatnet's agents, the program's name before them; none where the objects have no such agents.
    pub agent: Option<Vec<String>>,
    /// The conflist that a ConfigMap has.
    pub conflist: Option<Value>,
}

impl Stated {
    /// What it says of a node that is like `now`; of what it does not speak, the node is right as it is.
    pub fn of_node(&self, now: &Properties) -> Properties {
        let mut all = now.clone();
        if let Some(argv) = &self.agent {
            let options = options(argv);
            all.retain(|name, _| !name.ends_with(OF_AGENT));
            if let Some(mtu) = value(&options, "mtu") {
                let bridge = value(&options, "bridge").unwrap_or("cni0");
                all.insert(format!("MTU of {bridge}"), mtu.to_owned());
                all.insert(
                    "conflist plugins[flatnet-cni].mtu".to_owned(),
                    mtu.to_owned(),
                );
            }
            let network = value(&options, "network-name").unwrap_or("flatnet");
            all.insert("conflist name".to_owned(), network.to_owned());
            match value(&options, "backend") {
                Some("routes") => all.retain(|name, _| !name.ends_with(&format!(" of {VXLAN}"))),
                Some("vxlan") => {
                    let vni = value(&options, "vni").unwrap_or("1");
                    all.insert(format!("VNI of {VXLAN}"), vni.to_owned());
                }
                _ => {}
            }
            all.extend(options);
        }
        if let Some(conflist) = &self.conflist {
            let in_use = "conflist in use";
            all.retain(|name, _| !name.starts_with("conflist ") || name == in_use);
            flatten("conflist", conflist, &mut all);
        }
        all
    }

    /// What it says of a pod that was made with it, where such pods are like `now`.
    pub fn of_pod(&self, now: &Properties) -> Properties {
        let mut all = now.clone();
        let Some(argv) = &self.agent else { return all };
        let options = options(argv);
        let hairpin = match value(&options, "no-hairpin") {
            Some(_) => "off",
            None => "on",
        };
        let bridge = value(&options, "bridge").unwrap_or("cni0");
        let network = value(&options, "network-name").unwrap_or("flatnet");
        let mut say = |what: &str, value: &str| all.insert(what.to_owned(), value.to_owned());
        say("hairpin of its port", hairpin);
        say("bridge", bridge);
        say("network of its reservation", network);
        if let Some(mtu) = value(&options, "mtu") {
            say("MTU of eth0", mtu);
        }
        all
    }
}

fn value<'a>(options: &'a Properties, name: &str) -> Option<&'a str> {
    let value = options.get(&format!("--{name}{OF_AGENT}"))?;
    Some(value.as_str())
}

/// What of a node a configuration is seen to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// Bridges of pods, and devices of routes that somebody added.
    pub links: BTreeSet<String>,
    /// Plugins that the conflist in use names.
    pub programs: BTreeSet<String>,
    /// The file in use.
    pub conf: Option<String>,
    /// The name of its network.
    pub network: Option<String>,
}

/// What is seen to be used on a node whose pods have ports of these bridges.
pub fn in_use(look: &NodeLook, bridges: &BTreeSet<String>) -> InUse {
    let facts = &look.facts;
    let added = facts
        .routes
        .iter()
        .chain(facts.other_tables.iter().map(|(_, route)| route))
        .filter(|route| route.protocol != BY_KERNEL);
    let devices = added.filter_map(|route| Some(facts.link(route.oif?)?.name.clone()));
    let mut used = InUse {
        links: devices.chain(bridges.iter().cloned()).collect(),
        ..InUse::default()
    };
    let Some((name, conflist)) = conflist_in_use(look) else {
        return used;
    };
    used.conf = Some(name.to_owned());
    let Some(conflist) = conflist else {
        return used;
    };
    used.network = conflist["name"].as_str().map(str::to_owned);
    for plugin in conflist["plugins"].as_array().into_iter().flatten() {
        let types = [&plugin["type"], &plugin["ipam"]["type"]];
        let types = types.into_iter().filter_map(Value::as_str);
        used.programs.extend(types.map(str::to_owned));
    }
    // Its plugin calls these two, and names neither (flannel-io/cni-plugin, delegateAdd).
    if used.programs.contains("flannel") {
        used.programs
            .extend(["bridge", "host-local"].map(str::to_owned));
    }
    used
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flatnet_model::probe::{CniFiles, ConfFile, Facts};
    use serde_json::json;

    use super::super::properties::tests::properties;
    use super::*;

    fn agent(options: &[&str]) -> Stated {
        let argv = ["flatnet-agent"].iter().chain(options);
        Stated {
            agent: Some(argv.map(|word| (*word).to_owned()).collect()),
            conflist: None,
        }
    }

    #[test]
    fn what_an_option_decides_is_wanted_and_the_rest_is_right_as_it_is() {
        let now = properties(&[
            ("--mtu of flatnet-agent", "1500"),
            ("MTU of cni0", "1500"),
            ("MTU of eth0", "1500"),
            ("VNI of flatnet.1", "1"),
        ]);
        let wanted = agent(&["--mtu=1400", "--backend=routes"]).of_node(&now);
        let expected = properties(&[
            ("--backend of flatnet-agent", "routes"),
            ("--mtu of flatnet-agent", "1400"),
            ("MTU of cni0", "1400"),
            ("MTU of eth0", "1500"),
            ("conflist name", "flatnet"),
            ("conflist plugins[flatnet-cni].mtu", "1400"),
        ]);
        assert_eq!(wanted, expected);
        let pod = agent(&["--no-hairpin", "--mtu=1400"]).of_pod(&properties(&[("gateway", "g")]));
        assert_eq!(
            (
                pod["MTU of eth0"].as_str(),
                pod["hairpin of its port"].as_str(),
                pod["gateway"].as_str()
            ),
            ("1400", "off", "g")
        );
    }

    #[test]
    fn a_conflist_of_the_manifest_is_wanted_field_by_field() {
        let stated = Stated {
            agent: None,
            conflist: Some(json!({"name": "n", "plugins": [{"type": "p", "mtu": 1400}]})),
        };
        let now = properties(&[
            ("conflist in use", "10-n.conflist"),
            ("conflist plugins[p].mtu", "1500"),
            ("conflist plugins[p].isGateway", "true"),
        ]);
        let expected = properties(&[
            ("conflist in use", "10-n.conflist"),
            ("conflist name", "n"),
            ("conflist plugins[p].mtu", "1400"),
            ("conflist plugins[p].type", "p"),
        ]);
        assert_eq!(stated.of_node(&now), expected);
        assert_eq!(stated.of_pod(&now), now);
    }

    #[test]
    fn what_the_conflist_in_use_names_is_used() {
        let file = |name: &str, text: &str| ConfFile {
            name: name.to_owned(),
            content: Ok(text.to_owned()),
        };
        let look = NodeLook {
            pod_cidrs: Vec::new(),
            facts: Facts::default(),
            cni: CniFiles {
                conf: vec![
                    file(
                        "10-a.conflist",
                        r#"{"name":"a","plugins":[{"type":"flannel"},{"type":"portmap"}]}"#,
                    ),
                    file(
                        "20-b.conflist",
                        r#"{"name":"b","plugins":[{"type":"other"}]}"#,
                    ),
                ],
                programs: Vec::new(),
            },
            digests: BTreeMap::new(),
            tables: Vec::new(),
            folders: BTreeMap::new(),
            agents: Vec::new(),
        };
        let used = in_use(&look, &BTreeSet::from(["cni0".to_owned()]));
        assert_eq!(used.conf.as_deref(), Some("10-a.conflist"));
        assert_eq!(used.network.as_deref(), Some("a"));
        let programs = ["bridge", "flannel", "host-local", "portmap"].map(str::to_owned);
        assert_eq!(used.programs, BTreeSet::from(programs));
        assert_eq!(used.links, BTreeSet::from(["cni0".to_owned()]));
    }
}
