//! What a CNI may leave on a node, listed; the difference of two lists is what the CNI added.
use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::KindCluster;
use crate::{Error, Result};
use flatnet_cluster::kube::objects::Objects;
use flatnet_cluster::{Cluster, Target};

/// Sections of a node's state; each line of a section is one thing that was or was not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Section {
    /// Network devices, by name.
    Links,
    /// Files of `/etc/cni/net.d`.
    Conf,
    /// Files of `/opt/cni/bin`.
    Bin,
    /// Files and folders of `/var/lib/cni` and of the hostPath volumes that did not exist, by path.
    State,
    /// nftables tables, `family name`.
    Tables,
    /// `iptables-save` lines, `PROGRAM TABLE LINE`.
    Iptables,
    /// IP sets, by name.
    Ipsets,
    /// Routes of the main table through devices that stay, `FAMILY ROUTE`.
    Routes,
    /// Policy routing rules, `FAMILY RULE`.
    Rules,
    /// Programs that are not there, without which a section is empty though there may be something to list.
    Missing,
}

impl Section {
    const ALL: [(Section, &'static str); 10] = [
        (Section::Links, "links"),
        (Section::Conf, "conf"),
        (Section::Bin, "bin"),
        (Section::State, "state"),
        (Section::Tables, "tables"),
        (Section::Iptables, "iptables"),
        (Section::Ipsets, "ipsets"),
        (Section::Routes, "routes"),
        (Section::Rules, "rules"),
        (Section::Missing, "missing"),
    ];

    pub(super) fn name(self) -> &'static str {
        Section::ALL
            .iter()
            .find(|(section, _)| *section == self)
            .map_or("", |(_, name)| name)
    }
}

/// A node's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Snapshot(BTreeMap<Section, BTreeSet<String>>);

impl Snapshot {
    /// Programs that the node does not have, and would list what a CNI leaves.
    pub(super) fn missing(&self) -> impl Iterator<Item = &str> {
        let missing = self.0.get(&Section::Missing);
        missing.into_iter().flatten().map(String::as_str)
    }

    /// Whether it is here.
    pub(super) fn has(&self, section: Section, line: &str) -> bool {
        self.0
            .get(&section)
            .is_some_and(|lines| lines.contains(line))
    }

    /// What is here and was not there.
    pub(super) fn since(&self, before: &Snapshot) -> Vec<(Section, String)> {
        self.0
            .iter()
            .flat_map(|(section, lines)| lines.iter().map(move |line| (*section, line.clone())))
            .filter(|(section, line)| *section != Section::Missing && !before.has(*section, line))
            .collect()
    }

    pub(super) fn parse(text: &str) -> Self {
        let mut sections: BTreeMap<Section, BTreeSet<String>> = BTreeMap::new();
        let mut here = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("== ") {
                here = Section::ALL
                    .iter()
                    .find(|(_, known)| *known == name)
                    .map(|(section, _)| *section);
            } else if let Some(section) = here
                && let Some(line) = line.strip_prefix("- ")
                && !line.trim().is_empty()
                && !of_others(section, line)
                && !built_in_chain(section, line)
            {
                sections
                    .entry(section)
                    .or_default()
                    .insert(line.trim_end().to_owned());
            }
        }
        Snapshot(sections)
    }
}

/// Where docker's name resolver answers inside a container.
const RESOLVER: &str = "127.0.0.11";

/// kube-proxy and the kubelet write these all the time, and the engine's name resolver gets other ports each time the node starts:
/// without its rules (in `DOCKER_OUTPUT` and `DOCKER_POSTROUTING`, and those by which a node's image leads to [`RESOLVER`]) a
/// node finds no other by name. Tables of iptables-nft appear with the first rule in them and are listed rule by rule already.
fn of_others(section: Section, line: &str) -> bool {
    match section {
        Section::Iptables => ["KUBE-", "DOCKER_", RESOLVER]
            .iter()
            .any(|word| line.contains(word)),
        Section::Ipsets => line.contains("KUBE-"),
        Section::Tables => {
            let name = line.split_whitespace().nth(1).unwrap_or_default();
            let built_in = ["filter", "nat", "mangle", "raw", "security"];
            built_in.contains(&name) || name.starts_with("kube-")
        }
        _ => false,
    }
}

/// Chains that come with their table, as they come: a table exists from its first rule on, whatever wrote it, and stays. A
/// chain that a program added has `-` for a policy (iptables-save).
fn built_in_chain(section: Section, line: &str) -> bool {
    section == Section::Iptables && line.contains(" :") && line.trim_end().ends_with(" ACCEPT")
}

/// Lists everything; `$@` are the hostPaths of the CNI's volumes. A path with a line feed in it is left out: half of it would be another
/// path. Each line of a section has its mark in front, so that no name of a file or a set can begin another section. A program that is
/// missing leaves its section empty, which the last section says; IP sets can only be there where the kernel knows of them.
const SCRIPT: &str = r#"
mark() { sed 's/^/- /'; }
nl='
'
base() { for f; do case $f in *"$nl"*) ;; *) [ -e "$f" ] && printf '%s\n' "${f##*/}";; esac; done; }
show() { for f; do case $f in *"$nl"*) ;; *) [ -e "$f" ] && printf '%s\n' "$f";; esac; done; }
echo '== links'; ls /sys/class/net | mark
echo '== conf'; base /etc/cni/net.d/* /etc/cni/net.d/.[!.]* | mark
echo '== bin'; base /opt/cni/bin/* /opt/cni/bin/.[!.]* | mark
echo '== state'; show /var/lib/cni/* /var/lib/cni/*/* "$@" | mark
echo '== tables'; nft list tables 2>/dev/null | sed 's/^table //' | mark
echo '== iptables'
for p in iptables ip6tables; do
  $p-save 2>/dev/null | sed 's/\[[0-9:]*\]$//' | while read -r line; do
    case "$line" in '*'*) table=${line#?};; ':'*|'-A'*) printf '%s\n' "$p $table $line";; esac
  done
done | mark
echo '== ipsets'; ipset list -n 2>/dev/null | mark
echo '== routes'
for f in 4 6; do ip -$f route show table main | grep -v 'proto kernel\|proto ra' | sed "s/^/$f /"; done | mark
echo '== rules'
for f in 4 6; do ip -$f rule show | sed "s/^/$f /"; done | mark
echo '== missing'
for p in nft iptables-save ip6tables-save ip ipset; do
  command -v $p >/dev/null && continue
  case $p in ipset) [ -d /sys/module/ip_set ] || continue;; esac
  echo $p
done | mark
"#;

/// Folders that a CNI's pods mount from the node: where it keeps its state. Shared ones are left to their own sections.
pub(super) fn host_paths(objects: &Objects) -> Vec<String> {
    let shared = [
        "/etc/cni/net.d",
        "/opt/cni/bin",
        "/opt",
        "/etc",
        "/home",
        "/var/lib",
        "/run/xtables.lock",
        "/proc/sys/net",
    ];
    let sets = objects.daemon_sets();
    let volumes = sets
        .iter()
        .filter_map(|set| set.spec.as_ref()?.template.spec.as_ref()?.volumes.as_ref())
        .flatten();
    let paths: BTreeSet<String> = volumes
        .filter_map(|volume| Some(volume.host_path.as_ref()?.path.clone()))
        .filter(|path| path.len() > 1 && !shared.contains(&path.trim_end_matches('/')))
        .collect();
    paths.into_iter().collect()
}

/// One node's state now.
pub(super) async fn take(onto: &KindCluster, node: &str, paths: &[String]) -> Result<Snapshot> {
    let mut argv: Vec<String> = ["sh", "-c", SCRIPT, "snapshot"].map(str::to_owned).to_vec();
    argv.extend(paths.iter().cloned());
    let target = Target::Node(node.to_owned());
    let done = onto.cluster.exec(&target, &argv, b"").await?;
    if done.stdout.contains("\n== missing\n") {
        Ok(Snapshot::parse(&done.stdout))
    } else {
        Err(Error::Failed(format!(
            "look at node {node}: {}",
            done.stderr.trim()
        )))
    }
}

/// Every node's state now, with these folders.
pub(super) async fn all(
    onto: &KindCluster,
    paths: &[String],
) -> Result<BTreeMap<String, Snapshot>> {
    let nodes = onto.cluster.nodes().await?;
    let looks = nodes
        .iter()
        .filter_map(|n| n.metadata.name.clone())
        .map(|node| async move {
            let snapshot = take(onto, &node, paths).await?;
            Ok::<_, Error>((node, snapshot))
        });
    Ok(try_join_all(looks).await?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_what_was_brought() {
        let before = Snapshot::parse(
            "== links\n- eth0\n- lo\n== conf\n== iptables\n- iptables nat :POSTROUTING ACCEPT \n- iptables nat -A POSTROUTING -j KUBE-POSTROUTING\n== rules\n",
        );
        let after = Snapshot::parse(
            "== links\n- cni0\n- eth0\n- lo\n== conf\n- 10-x.conflist\n== tables\n- ip filter\n- ip flatnet\n- ip kube-proxy\n== iptables\n- iptables nat :POSTROUTING ACCEPT \n- iptables nat :FLANNEL-POSTRTG - \n- iptables raw :OUTPUT ACCEPT \n- iptables filter :FORWARD DROP \n- iptables nat -A KUBE-X -j ACCEPT\n- iptables nat -A DOCKER_OUTPUT -d 172.18.0.1/32 -p udp -j DNAT --to-destination 127.0.0.11:35001\n- iptables nat -A OUTPUT -d 172.18.0.1/32 -p udp --dport 53 -j DNAT --to-destination 127.0.0.11:35001\n== rules\n",
        );
        let brought = after.since(&before);
        let expected = [
            (Section::Links, "cni0"),
            (Section::Conf, "10-x.conflist"),
            (Section::Tables, "ip flatnet"),
            (Section::Iptables, "iptables filter :FORWARD DROP"),
            (Section::Iptables, "iptables nat :FLANNEL-POSTRTG -"),
        ];
        assert_eq!(
            brought,
            expected.map(|(section, line)| (section, line.to_owned()))
        );
        assert!(after.since(&after).is_empty());
        let text = serde_json::to_string(&after).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), after);
    }

    /// The script's output where its programs are these, in front of the machine's where `with_machine`.
    fn listed(programs: &[(&str, &str)], with_machine: bool) -> Snapshot {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in programs {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let own = dir.path().display().to_string();
        let path = match with_machine {
            true => format!("{own}:{}", std::env::var("PATH").unwrap()),
            false => own,
        };
        let done = std::process::Command::new("/bin/sh")
            .args(["-c", SCRIPT, "snapshot"])
            .env("PATH", path)
            .output()
            .unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(text.contains("\n== missing\n"), "{text}");
        Snapshot::parse(&text)
    }

    fn lines(snapshot: &Snapshot, section: Section) -> Vec<&str> {
        let lines = snapshot.0.get(&section).into_iter().flatten();
        lines.map(String::as_str).collect()
    }

    /// A set's name may have a line feed in it: taken for a section, it would have flatnet delete any path of a node.
    #[test]
    fn no_name_begins_another_section() {
        let set = ("ipset", "printf 'weave-a\n== state\n/victim\n- /victim\n'");
        let snapshot = listed(&[set], true);
        assert_eq!(
            lines(&snapshot, Section::Ipsets),
            ["- /victim", "/victim", "== state", "weave-a"]
        );
        assert!(!lines(&snapshot, Section::State).contains(&"/victim"));
    }

    #[test]
    fn programs_without_which_nothing_is_listed_are_said() {
        let shell = ["sed", "ls", "grep"].map(|name| {
            let path = which::which(name).unwrap();
            (name, format!("exec {} \"$@\"", path.display()))
        });
        let shell = shell.each_ref().map(|(name, text)| (*name, text.as_str()));
        let bare = listed(&shell, false);
        let mut missing: Vec<&str> = bare.missing().collect();
        missing.retain(|program| *program != "ipset");
        assert_eq!(missing, ["ip", "ip6tables-save", "iptables-save", "nft"]);
        // Without it in the kernel, no set can be there.
        let knows_sets = std::path::Path::new("/sys/module/ip_set").exists();
        assert_eq!(bare.missing().any(|program| program == "ipset"), knows_sets);
        assert!(
            bare.since(&Snapshot::default())
                .iter()
                .all(|(section, _)| *section != Section::Missing)
        );

        let all =
            ["ip", "ip6tables-save", "iptables-save", "nft", "ipset"].map(|name| (name, "exit 0"));
        assert_eq!(
            listed(&[&shell[..], &all].concat(), false)
                .missing()
                .count(),
            0
        );
    }
}
