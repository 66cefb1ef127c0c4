//! What a change left on nodes, of what the listing of the CNI's removal knows of.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use flatnet_analysis::change::InUse;
use flatnet_model::change::{Leftover, Why};

use super::record::Pending;
use super::roll::Change;
use crate::Result;
use crate::cni::container_ids;
use crate::cni::kind::snapshot::{self, Section, Snapshot};
use flatnet_cluster::limit::until_gone;
use flatnet_cluster::{Cluster, Target};

/// Where the runtime remembers the result of each pod's ADD.
const RESULTS: &str = "/var/lib/cni/results";
/// Where IPAM plugins keep their networks' addresses.
const NETWORKS: &str = "/var/lib/cni/networks";
/// How long kubelets may take to take apart the networks of pods that the API has forgotten.
const TAKEN_APART_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at that.
const PAUSE: Duration = Duration::from_millis(500);

/// What is known of the nodes while pods of the run live there.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// Addresses, ports and container ids of the run's pods.
    pub of_run: BTreeSet<String>,
    /// Addresses and ports of the pods of others.
    pub of_others: BTreeSet<String>,
    /// What the first configuration was seen to use, by node.
    pub used_before: BTreeMap<String, InUse>,
    /// The same of the second.
    pub used: BTreeMap<String, InUse>,
}

impl Marks {
    fn name_run(&self, line: &str) -> bool {
        words(line).any(|word| self.of_run.contains(word) && !self.of_others.contains(word))
    }

    fn name_others(&self, line: &str) -> bool {
        words(line).any(|word| self.of_others.contains(word))
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '/', '-', '(', ')', ','])
}

impl Change {
    /// Ids of the containers of the run's pods, as the results of their ADDs name them.
    ///
    /// # Errors
    /// A node that does not answer.
    pub async fn container_ids(&self) -> Result<BTreeSet<String>> {
        let cluster = &self.onto.cluster;
        let script = format!("grep -ls -F -- \"\\\"$1\\\"\" {RESULTS}/* || true");
        let argv = ["sh", "-c", &script, "ids", cluster.namespace()].map(str::to_owned);
        let mut ids = BTreeSet::new();
        for node in cluster.node_names().await? {
            let listed = cluster.exec(&Target::Node(node), &argv, b"").await?;
            ids.extend(container_ids(&listed.stdout).map(str::to_owned));
        }
        Ok(ids)
    }

    /// Waits until no node has one of these ports: the API forgets a pod before its kubelet has taken its network apart, and until then
    /// it has its address.
    ///
    /// # Errors
    /// Ports that stay; a node that does not tell.
    pub async fn without_ports(&self, ports: &BTreeSet<String>) -> Result<()> {
        let cluster = &self.onto.cluster;
        let look = || async {
            let mut left = Vec::new();
            for node in cluster.node_names().await? {
                let argv = ["ls", "/sys/class/net"].map(str::to_owned);
                let listed = cluster
                    .exec(&Target::Node(node.clone()), &argv, b"")
                    .await?;
                let of_pods = listed.stdout.lines().filter(|link| ports.contains(*link));
                left.extend(of_pods.map(|link| format!("{link} on {node}")));
            }
            Ok(left)
        };
        until_gone(TAKEN_APART_WITHIN, look, |left: Vec<String>| {
            format!(
                "pods are deleted, and their ports are still there: {}; to see why: the log of the kubelet there",
                left.join(", ")
            )
        })
        .await
    }

    /// What is left on nodes now that no pod of the run is there. What names one is waited for, as by
    /// [`Change::without_ports`].
    ///
    /// # Errors
    /// A node that does not tell.
    pub async fn leftovers(&self, pending: &Pending, marks: &Marks) -> Result<Vec<Leftover>> {
        let base = self.base().await?;
        let rules = Rules {
            is_in_place: self.to.is_in_place(&self.from)?,
            paths: self.to.paths()?,
        };
        let begun = Instant::now();
        let mut all = Vec::new();
        for (node, before) in &pending.nodes {
            let left = loop {
                let now = snapshot::take(&self.onto, node, &pending.paths).await?;
                let left = rules.left(
                    &Node {
                        base: base.as_ref().and_then(|base| base.get(node)),
                        before,
                        now: &now,
                        used_before: marks.used_before.get(node),
                        used: marks.used.get(node),
                    },
                    marks,
                );
                let is_quiet = left.iter().all(|(_, line, _)| !marks.name_run(line));
                if is_quiet || begun.elapsed() > TAKEN_APART_WITHIN {
                    break left;
                }
                tokio::time::sleep(PAUSE).await;
            };
            all.extend(left.into_iter().map(|(section, what, why)| Leftover {
                node: node.clone(),
                kind: section.name().to_owned(),
                what,
                why,
            }));
        }
        Ok(all)
    }
}

/// One node, listed three times.
struct Node<'a> {
    /// Before the first CNI, where that is known.
    base: Option<&'a Snapshot>,
    /// Under the first configuration.
    before: &'a Snapshot,
    now: &'a Snapshot,
    used_before: Option<&'a InUse>,
    used: Option<&'a InUse>,
}

struct Rules {
    /// Whether the second configuration is of the same CNI, whose agents run on.
    is_in_place: bool,
    /// Folders that pods of the second configuration mount.
    paths: Vec<String>,
}

impl Rules {
    fn left(&self, node: &Node<'_>, marks: &Marks) -> Vec<(Section, String, Why)> {
        let nothing = Snapshot::default();
        let brought = node.now.since(node.base.unwrap_or(&nothing));
        let left = brought.into_iter().filter_map(|(section, line)| {
            let was_there = node.before.has(section, &line);
            let of_run = marks.name_run(&line);
            let of_first = node.base.is_some()
                && was_there
                && !marks.name_others(&line)
                && !self.is_used(section, &line, node.used)
                // Of a CNI that was replaced, all that is there still; of one that runs on, what this change has made useless.
                && (!self.is_in_place || self.is_used(section, &line, node.used_before));
            let why = match was_there {
                true => Why::Left,
                false => Why::Added,
            };
            (of_run || of_first).then_some((section, line, why))
        });
        left.collect()
    }

    /// Whether the second configuration uses it, or that cannot be seen.
    fn is_used(&self, section: Section, line: &str, used: Option<&InUse>) -> bool {
        let Some(used) = used else { return true };
        match section {
            Section::Links => used.links.contains(line) || is_port(line),
            Section::Conf => used.conf.as_deref() == Some(line),
            Section::Bin => used.programs.contains(line),
            Section::State => {
                let network = used.network.iter().map(|name| format!("{NETWORKS}/{name}"));
                let mut folders = network.chain(self.paths.iter().cloned());
                // Results belong to single pods: those of the run are known by their ids.
                let shared = [NETWORKS, RESULTS].contains(&line) || is_below(line, RESULTS);
                shared || folders.any(|folder| is_below(line, &folder))
            }
            // The chains of portmap, which both may chain (containernetworking/plugins, portmap.go).
            Section::Iptables if line.contains("CNI-HOSTPORT-") => {
                used.programs.contains("portmap") || self.is_in_place
            }
            // An agent that runs on may need any of them.
            Section::Tables
            | Section::Iptables
            | Section::Ipsets
            | Section::Routes
            | Section::Rules => self.is_in_place,
            Section::Missing => true,
        }
    }
}

/// Ports of pods: those of the run are known by their names.
fn is_port(link: &str) -> bool {
    link.starts_with("veth")
}

fn is_below(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "== links\n- eth0\n== bin\n- loopback\n";
    const BEFORE: &str = "== links\n- cni0\n- eth0\n- veth0a\n- veth0b\n== conf\n- 10-flatnet.conflist\n== bin\n- flatnet-cni\n- loopback\n- bridge\n== state\n- /var/lib/cni/networks\n- /var/lib/cni/networks/flatnet\n- /var/lib/cni/networks/flatnet/10.1.0.2\n- /var/lib/cni/networks/flatnet/10.1.0.9\n== tables\n- inet flatnet\n== routes\n- 4 10.1.1.0/24 via 172.18.0.3 dev eth0 proto 102\n";

    fn used() -> InUse {
        InUse {
            links: BTreeSet::from(["cni0".to_owned()]),
            programs: ["flannel", "bridge"].map(str::to_owned).into(),
            conf: Some("10-flannel.conflist".to_owned()),
            network: Some("cbr0".to_owned()),
        }
    }

    fn left(now: &str, is_in_place: bool, base: Option<&str>) -> Vec<String> {
        let id = "0123456789abcdef0123456789abcdef";
        let marks = Marks {
            of_run: ["10.1.0.2", "veth0a", id].map(str::to_owned).into(),
            of_others: ["10.1.0.9", "veth0b"].map(str::to_owned).into(),
            ..Marks::default()
        };
        let rules = Rules {
            is_in_place,
            paths: vec!["/run/flannel".to_owned()],
        };
        let (base, before) = (base.map(Snapshot::parse), Snapshot::parse(BEFORE));
        let (now, used) = (Snapshot::parse(now), used());
        let used_before = InUse {
            programs: BTreeSet::from(["flatnet-cni".to_owned()]),
            ..InUse::default()
        };
        let node = Node {
            base: base.as_ref(),
            before: &before,
            now: &now,
            used_before: Some(&used_before),
            used: Some(&used),
        };
        let left = rules.left(&node, &marks);
        left.into_iter().map(|(_, what, _)| what).collect()
    }

    #[test]
    fn of_a_cni_that_was_replaced_everything_is_left_that_the_other_is_not_seen_to_use() {
        // Nothing was taken away: the bridge and its program are the second one's too.
        let expected = [
            "10-flatnet.conflist",
            "flatnet-cni",
            "/var/lib/cni/networks/flatnet",
            "/var/lib/cni/networks/flatnet/10.1.0.2",
            "inet flatnet",
            "4 10.1.1.0/24 via 172.18.0.3 dev eth0 proto 102",
        ];
        let mut told = left(BEFORE, false, Some(BASE));
        told.retain(|what| what != "veth0a");
        assert_eq!(told, expected);
        // The port of a pod of the run that is gone is left too.
        assert!(left(BEFORE, false, Some(BASE)).contains(&"veth0a".to_owned()));
        // What the second one brought is not.
        let now = "== links\n- cni0\n- eth0\n- flannel.1\n- veth0b\n== conf\n- 10-flannel.conflist\n== state\n- /run/flannel\n";
        assert_eq!(left(now, false, Some(BASE)), [""; 0]);
    }

    #[test]
    fn of_a_cni_that_runs_on_what_its_agents_may_need_is_not_told() {
        let mut told = left(BEFORE, true, Some(BASE));
        told.retain(|what| {
            !["veth0a", "/var/lib/cni/networks/flatnet/10.1.0.2"].contains(&what.as_str())
        });
        // The plugin was in use before, and is not now; the other network was not in use before either.
        assert_eq!(told, ["flatnet-cni"]);
    }

    #[test]
    fn where_nodes_before_the_cni_are_not_known_only_what_pods_of_the_run_left_is_told() {
        let id = "0123456789abcdef0123456789abcdef";
        let now = format!("{BEFORE}== state\n- /var/lib/cni/results/cbr0-{id}-eth0\n");
        let result = format!("/var/lib/cni/results/cbr0-{id}-eth0");
        let expected = ["veth0a", "/var/lib/cni/networks/flatnet/10.1.0.2", &result];
        assert_eq!(left(&now, false, None), expected);
    }
}
