//! The single things that a node has, to see what a change left behind.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::change::{Leftover, NodeLook, Why};
use flatnet_model::kernel::Link;
use flatnet_model::probe::Facts;

use crate::checks::route_words;

/// Kind and name of everything on a node that a CNI may have brought.
pub type Items = BTreeSet<(String, String)>;

/// Names of folders that the pods of a node fill: what is in them is of pods.
const BOOKKEEPING: [&str; 3] = ["lock", ".lock", "last_reserved_ip.0"];

/// Of a node; without what belongs to pods of others that live there: ports that are in `theirs`, and their addresses.
fn items(look: &NodeLook, theirs: &Theirs) -> Items {
    let facts = &look.facts;
    let mut all = Items::new();
    let mut add = |kind: &str, what: String| {
        if !theirs.have(&what) {
            all.insert((kind.to_owned(), what));
        }
    };
    for link in facts.links.iter().filter(|link| link.name != "lo") {
        add("link", words(link, facts));
        for address in facts.addresses_of(link) {
            add("address", format!("{} dev {}", address.net, link.name));
        }
    }
    for route in &facts.routes {
        add("route", route_words(route, facts));
    }
    for (table, route) in &facts.other_tables {
        let words = route_words(route, facts);
        add("route", format!("{words} table {table}"));
    }
    for rule in &facts.rules {
        add("rule", rule.to_string());
    }
    let device = |index: u32| facts.link(index).map_or("?", |link| link.name.as_str());
    for entry in facts
        .neighbours
        .iter()
        .filter(|entry| entry.state == "PERMANENT")
    {
        add(
            "neighbour",
            format!("{} dev {}", entry.address, device(entry.index)),
        );
    }
    for entry in &facts.fdb {
        if let Some(dst) = entry.dst {
            add(
                "fdb",
                format!("{} dev {} dst {dst}", entry.mac, device(entry.index)),
            );
        }
    }
    for table in &look.tables {
        add("nftables table", table.clone());
    }
    for file in &look.cni.conf {
        add("file", format!("/etc/cni/net.d/{}", file.name));
    }
    for program in &look.cni.programs {
        add("file", format!("/opt/cni/bin/{program}"));
    }
    for (folder, names) in &look.folders {
        for name in names
            .iter()
            .filter(|name| !BOOKKEEPING.contains(&name.as_str()))
        {
            add("file", format!("{folder}/{name}"));
        }
    }
    all
}

fn words(link: &Link, facts: &Facts) -> String {
    let kind = match link.kind.as_str() {
        "" => "device",
        kind => kind,
    };
    let port = facts
        .link(link.master)
        .map(|bridge| format!(", port of {}", bridge.name));
    format!("{} ({kind}{})", link.name, port.unwrap_or_default())
}

/// Pods that were there before the change and are not the change's to delete.
#[derive(Default)]
struct Theirs {
    words: BTreeSet<String>,
}

impl Theirs {
    /// Whether one of its words is a name or an address of theirs.
    fn have(&self, what: &str) -> bool {
        let words = what.split([' ', '/', '(', ')', ',']);
        words.into_iter().any(|word| self.words.contains(word))
    }
}

/// What differs on each node from a cluster that was made with the new configuration. `before` is how nodes were before the change,
/// `now` how they are when all pods of the run are deleted, `fresh` how they are there, without pods too. Ports of `ports` and what
/// has an address of `addresses` belongs to pods of others.
pub fn leftovers(
    before: &BTreeMap<String, NodeLook>,
    now: &BTreeMap<String, NodeLook>,
    fresh: &BTreeMap<String, NodeLook>,
    ports: &BTreeSet<String>,
    addresses: &BTreeSet<IpAddr>,
) -> Vec<Leftover> {
    let theirs = Theirs {
        words: addresses
            .iter()
            .map(ToString::to_string)
            .chain(ports.iter().cloned())
            .collect(),
    };
    let mut all = Vec::new();
    for (node, now) in now {
        let of = |looks: &BTreeMap<String, NodeLook>| {
            looks
                .get(node)
                .map(|look| items(look, &theirs))
                .unwrap_or_default()
        };
        let (before, now, fresh) = (of(before), items(now, &theirs), of(fresh));
        let told = |why: Why| {
            move |(kind, what): (String, String)| Leftover {
                node: node.clone(),
                kind,
                what,
                why,
            }
        };
        let beyond = now.difference(&fresh).cloned();
        let (left, added): (Vec<_>, Vec<_>) = beyond.partition(|item| before.contains(item));
        all.extend(left.into_iter().map(told(Why::Left)));
        all.extend(added.into_iter().map(told(Why::Added)));
        all.extend(fresh.difference(&now).cloned().map(told(Why::Lacking)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use flatnet_model::probe::CniFiles;

    fn look(files: &[&str], tables: &[&str]) -> BTreeMap<String, NodeLook> {
        let facts = Facts {
            hostname: "node1".to_owned(),
            ..Facts::default()
        };
        let look = NodeLook {
            pod_cidrs: Vec::new(),
            facts,
            cni: CniFiles {
                conf: Vec::new(),
                programs: Vec::new(),
            },
            digests: BTreeMap::new(),
            tables: tables.iter().map(|table| (*table).to_owned()).collect(),
            folders: BTreeMap::from([(
                "/var/lib/cni/networks/n".to_owned(),
                files.iter().map(|file| (*file).to_owned()).collect(),
            )]),
            agents: Vec::new(),
        };
        BTreeMap::from([("node1".to_owned(), look)])
    }

    #[test]
    fn what_a_fresh_cluster_does_not_have_is_told_and_what_pods_of_others_have_is_not() {
        let before = look(&["10.1.0.2", "10.1.0.9", "lock"], &["inet flatnet"]);
        let now = look(&["10.1.0.2", "10.1.0.9", "10.1.0.7"], &["inet flatnet"]);
        let fresh = look(&[], &["ip nat"]);
        let theirs = BTreeSet::from(["10.1.0.9".parse().unwrap()]);
        let all = leftovers(&before, &now, &fresh, &BTreeSet::new(), &theirs);
        let told: Vec<(&str, Why)> = all
            .iter()
            .map(|left| (left.what.as_str(), left.why))
            .collect();
        assert_eq!(
            told,
            [
                ("/var/lib/cni/networks/n/10.1.0.2", Why::Left),
                ("inet flatnet", Why::Left),
                ("/var/lib/cni/networks/n/10.1.0.7", Why::Added),
                ("ip nat", Why::Lacking),
            ]
        );
        assert!(leftovers(&before, &fresh, &fresh, &BTreeSet::new(), &theirs).is_empty());
    }
}
