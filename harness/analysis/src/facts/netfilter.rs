//! Facts of rules of netfilter.
//!
//! A rule that names an address or the host end of one pod is told of the pod: in which order pods came is no difference. One that names
//! a pod that is not part of the run is not compared, nor are chains that plugins name by hashes of pods' ids, nor what others keep
//! ([`keeper`]): of those it is told in which tables they are.
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use flatnet_model::fact::{Kind, Place};
use flatnet_model::kernel::netfilter::{Netfilter, RuleChain, RuleSet, RuleTable, keeper};
use flatnet_model::kernel::{Link, MacAddr};
use flatnet_model::probe::Facts;
use ipnet::IpNet;

use super::collect::Collected;
use super::whose::Whose;

/// So many hexadecimal digits in a row are a hash, or an id.
const HASH: usize = 16;

/// `inside`: the node's links, by which host ends are known.
pub(super) fn of_node(
    number: u32,
    found: Result<&Netfilter, &str>,
    inside: Option<&Facts>,
    whose: &Whose<'_>,
    facts: &mut Collected,
) {
    let at = Place::Node(number);
    let reader = Reader {
        number,
        links: inside.map_or(&[], |inside| &inside.links),
        whose,
    };
    let found = match found {
        Ok(found) => found,
        Err(why) => {
            for kind in [Kind::NftRules, Kind::NftSet, Kind::LegacyIptables] {
                facts.unread((kind, ""), at, why);
            }
            return;
        }
    };
    reader.tables(Kind::NftRules, &found.tables, facts);
    match &found.legacy {
        Ok(tables) => reader.tables(Kind::LegacyIptables, tables, facts),
        Err(why) => facts.unread((Kind::LegacyIptables, ""), at, why),
    }
}

/// What others keep: the tables that it is in, its chains and rules.
type Kept = BTreeMap<&'static str, (BTreeSet<String>, usize, usize)>;

struct Reader<'a> {
    number: u32,
    links: &'a [Link],
    whose: &'a Whose<'a>,
}

/// About whom a rule is.
enum About {
    Node,
    Pod(Place),
    /// A pod that was not looked at, or something that others keep.
    Others,
}

impl Reader<'_> {
    fn at(&self) -> Place {
        Place::Node(self.number)
    }

    fn tables(&self, kind: Kind, tables: &[RuleTable], facts: &mut Collected) {
        let mut kept = Kept::new();
        for table in tables {
            let of = format!("{} {}", table.family, table.name);
            for chain in &table.chains {
                match keeper(&table.name, &chain.name) {
                    Some(whose) => {
                        let (within, chains, rules) = kept.entry(whose).or_default();
                        within.insert(of.clone());
                        *chains += 1;
                        *rules += chain.unread;
                    }
                    None if self.is_of_pods(&chain.name) => {}
                    None => self.chain(kind, &of, table, chain, facts),
                }
            }
            for set in &table.sets {
                self.set(&of, set, facts);
            }
        }
        for (whose, (within, chains, rules)) in kept {
            let within: Vec<String> = within.iter().map(|of| format!("in {of}")).collect();
            let raw = Some(format!("{chains} chains, {rules} rules"));
            facts.add((kind, whose), self.at(), within, raw);
        }
    }

    /// A chain that lets everything pass is as good as none, and programs make such chains when they list.
    fn chain(
        &self,
        kind: Kind,
        of: &str,
        table: &RuleTable,
        chain: &RuleChain,
        facts: &mut Collected,
    ) {
        let about = format!("{of} {}", chain.name);
        let mut own = Vec::new();
        let mut raw = Vec::new();
        let mut of_pods: BTreeMap<Place, Vec<(String, &str)>> = BTreeMap::new();
        for rule in &chain.rules {
            match self.about(&table.name, rule) {
                About::Node => {
                    own.push(self.said(rule, self.at()));
                    raw.push(rule.as_str());
                }
                About::Pod(pod) => {
                    let rules = of_pods.entry(pod).or_default();
                    rules.push((self.said(rule, pod), rule));
                }
                About::Others => {}
            }
        }
        for (pod, mut rules) in of_pods {
            rules.sort();
            let (words, raw): (Vec<String>, Vec<&str>) = rules.into_iter().unzip();
            facts.add((kind, about.as_str()), pod, words, Some(raw.join("; ")));
        }
        let decides = chain
            .policy
            .as_deref()
            .is_some_and(|policy| policy != "accept");
        if own.is_empty() && !decides {
            return;
        }
        let policy = chain.policy.iter().map(|policy| format!("policy {policy}"));
        let base: Vec<String> = chain.hook.iter().cloned().chain(policy).collect();
        raw.splice(0..0, base.iter().map(String::as_str));
        let raw = raw.join("; ");
        facts.add(
            (kind, about),
            self.at(),
            [base.clone(), own].concat(),
            Some(raw),
        );
    }

    fn set(&self, of: &str, set: &RuleSet, facts: &mut Collected) {
        let about = (Kind::NftSet, format!("{of} {}", set.name));
        let Some(elements) = &set.elements else {
            return facts.add(about, self.at(), "what packets put into it", None);
        };
        let words = elements.iter().flat_map(|element| {
            match interval(element) {
                Some((first, last)) => self.whose.between(first, last, self.at()),
                None => None,
            }
            .unwrap_or_else(|| vec![self.said(element, self.at())])
        });
        let mut words: Vec<String> = words.collect();
        self.whose.every(&mut words, self.at());
        words.sort();
        facts.add(about, self.at(), words, Some(elements.join(", ")));
    }

    /// Whether a chain is one that a plugin made for a pod: named by a hash, or by the pod's host end.
    fn is_of_pods(&self, chain: &str) -> bool {
        let mut links = self.links.iter();
        has_hash(chain) || links.any(|link| is_host_end(link) && chain.contains(&link.name))
    }

    fn about(&self, table: &str, rule: &str) -> About {
        let mut pods = BTreeSet::new();
        let mut leads_on = false;
        for token in rule.split_whitespace() {
            if std::mem::take(&mut leads_on) {
                if keeper(table, token).is_some() {
                    return About::Others;
                }
                if self.is_of_pods(token) && pods.is_empty() {
                    return About::Others;
                }
            }
            leads_on = matches!(token, "jump" | "goto" | "-j" | "-g");
            let token = bare(token);
            if let Some(ip) = address(token) {
                match self
                    .whose
                    .pod_of(ip)
                    .filter(|pod| pod.node() == Some(self.number))
                {
                    Some(pod) => drop(pods.insert(pod)),
                    None if self.whose.is_strangers(ip, self.at()) => return About::Others,
                    None => {}
                }
            }
            if let Some(link) = self.links.iter().find(|link| link.name == token) {
                match self.whose.pod_behind(self.number, link) {
                    Some(pod) => drop(pods.insert(pod)),
                    None if is_host_end(link) && link.name.starts_with("veth") => {
                        return About::Others;
                    }
                    None => {}
                }
            }
        }
        match (pods.pop_first(), pods.is_empty()) {
            (Some(pod), true) => About::Pod(pod),
            _ => About::Node,
        }
    }

    /// In normal form, said at `from`.
    fn said(&self, rule: &str, from: Place) -> String {
        let mut before = "";
        let words = rule.split_whitespace().map(|token| {
            let inner = bare(token);
            let said = match (before, inner.parse::<u32>()) {
                // Interfaces by their numbers, which a kernel hands out.
                ("iif" | "oif", Ok(index)) => {
                    let link = self.links.iter().find(|link| link.index == index);
                    link.map_or(inner.to_owned(), |link| self.whose.link(self.number, link))
                }
                _ => self.word(inner, from),
            };
            before = token;
            token.replacen(inner, &said, 1)
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn word(&self, word: &str, from: Place) -> String {
        if word.is_empty() {
            return String::new();
        }
        if let Ok(socket) = word.parse::<SocketAddr>() {
            let whose = self.whose.address(socket.ip(), from);
            return format!("{whose}:{}", socket.port());
        }
        if let Some((first, last)) = word.split_once('-')
            && let (Ok(first), Ok(last)) = (first.parse(), last.parse())
        {
            let words = self.whose.between(first, last, from);
            let ends = || {
                [first, last]
                    .map(|ip| self.whose.address(ip, from))
                    .join("-")
            };
            return words.map_or_else(ends, |words| words.join(", "));
        }
        if let Ok(mac) = word.parse::<MacAddr>() {
            return self.whose.mac(mac, from);
        }
        if let Some(link) = self.links.iter().find(|link| link.name == word) {
            return self.whose.link(self.number, link);
        }
        match has_hash(word) && !word.starts_with('#') {
            true => without_hash(word),
            false => self.whose.text(word, from),
        }
    }
}

/// The end of a veth pair whose other end is in another namespace.
fn is_host_end(link: &Link) -> bool {
    link.kind == "veth" && link.link_netnsid.is_some()
}

/// A word without what nft puts around it.
fn bare(token: &str) -> &str {
    token.trim_matches(['"', ',', '{', '}', ';'])
}

/// A single address, with or without a port or the length of a prefix that is all of it.
fn address(word: &str) -> Option<IpAddr> {
    let socket = || word.parse().ok().map(|socket: SocketAddr| socket.ip());
    let net = || {
        let net: IpNet = word.parse().ok()?;
        (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
    };
    word.parse().ok().or_else(socket).or_else(net)
}

/// The first and last address of an element of a set.
fn interval(element: &str) -> Option<(IpAddr, IpAddr)> {
    if let Ok(net) = element.parse::<IpNet>() {
        return Some((net.network(), net.broadcast()));
    }
    let (first, last) = element.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn has_hash(word: &str) -> bool {
    let mut parts = word.split(|c: char| !c.is_ascii_hexdigit());
    parts.any(|part| part.len() >= HASH)
}

fn without_hash(word: &str) -> String {
    let mut words = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let digits = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_hexdigit())
                .len();
        match digits {
            digits if digits >= HASH => {
                words.push_str("(hash)");
                rest = &rest[digits..];
            }
            digits => {
                let next = rest[digits..].chars().next().map_or(0, char::len_utf8);
                words.push_str(&rest[..digits + next]);
                rest = &rest[digits + next..];
            }
        }
    }
    words
}
