//! The state of a namespace in the words of `ip`, `bridge`, `nft` and `/proc/sys`, to see that a fault was taken away whole.
use std::collections::BTreeSet;
use std::sync::Arc;

use flatnet_cluster::Cluster;

use crate::ground::{Ground, Node, Spot};
use crate::shell::sh;

/// Lines, each with a word in front that says of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing(BTreeSet<String>);

/// Without what changes by itself: states of neighbours, timers of bridges, counters.
const SCRIPT: &str = r"
for f in 4 6; do
  ip -$f -o addr show | grep -v ' fe80:' | sed 's/ *valid_lft.*//; s/ tentative//; s/ dynamic//' | sed s/^/addr$f' '/
  ip -$f route show table all | grep -v 'table local' | grep -v '^fe80:\|^multicast' | sed 's/ expires [0-9a-z]*//; s/ linkdown//; s/ dead//' | sed s/^/route$f' '/
  ip -$f rule show | sed s/^/rule$f' '/
  ip -$f neigh show | grep PERMANENT | sed 's/ router//; s/ proto [a-z]*//' | sed s/^/neigh$f' '/
done
ip -d -o link show | sed 's/[a-z_]*_timer *[0-9.]*//g; s/ state [A-Z]*//; s/ qlen [0-9]*//' | sed 's/^/link /'
bridge fdb show | grep ' dst ' | sed 's/^/fdb /'
nft -s list ruleset | sed 's/^/nft /'
for p in iptables ip6tables; do $p-legacy-save 2>/dev/null | grep '^-\|^:.* DROP' | sed 's/ \[.*//' | sed s/^/$p' '/; done
cd /proc/sys/net && grep -H . ipv4/ip_forward ipv4/icmp_echo_ignore_all ipv4/conf/*/forwarding ipv4/conf/*/rp_filter ipv4/conf/*/arp_ignore ipv6/conf/*/forwarding ipv6/conf/*/disable_ipv6 ipv6/icmp/echo_ignore_all | sed 's/^/sysctl /'
ls -l /etc/cni/net.d /opt/cni/bin 2>/dev/null | awk '{ print $1, $NF }' | sed 's/^/file /'
";

impl Listing {
    pub(crate) async fn of(cluster: &Arc<dyn Cluster>, ground: &Ground, spot: Spot) -> Listing {
        let text = sh(cluster, ground, spot, SCRIPT).await.expect("a listing");
        Listing(
            text.lines()
                .map(|line| line.trim_end().to_owned())
                .collect(),
        )
    }

    /// The name of its VXLAN device.
    pub(crate) fn vxlan(&self) -> Option<String> {
        let mut links = self.0.iter().filter(|line| line.starts_with("link "));
        let link = links.find(|line| line.contains(" vxlan id "))?;
        link.split([' ', ':', '@'])
            .filter(|word| !word.is_empty())
            .nth(2)
            .map(str::to_owned)
    }

    /// What follows `ip route add` for the way to each node's podCIDRs.
    pub(crate) fn routes_to(&self, nodes: &[Node]) -> Vec<Vec<Option<String>>> {
        let route = |family: usize, cidr: String| {
            let front = format!("route{} {cidr} ", if family == 0 { 4 } else { 6 });
            let line = self.0.iter().find(|line| line.starts_with(&front))?;
            let route = line.split_once(' ')?.1;
            // Its own range is on link.
            route.contains(" via ").then(|| route.trim().to_owned())
        };
        let of = |node: &Node| {
            let cidrs = node.cidrs.iter().enumerate();
            cidrs
                .map(|(family, cidr)| route(family, cidr.to_string()))
                .collect()
        };
        nodes.iter().map(of).collect()
    }

    /// What is not as in the other, in a few words; empty where all is.
    pub(crate) fn difference(&self, other: &Listing) -> String {
        let more = self.0.difference(&other.0).map(|line| format!("+{line}"));
        let less = other.0.difference(&self.0).map(|line| format!("-{line}"));
        more.chain(less).take(4).collect::<Vec<_>>().join(" | ")
    }

    /// Commands that add what the other has: devices lose routes, addresses and entries when they go down.
    pub(crate) fn repairs(&self, other: &Listing) -> Vec<String> {
        let missing = || other.0.difference(&self.0);
        let of = |kind: &str| {
            let kind = kind.to_owned();
            missing().filter_map(move |line| {
                let (front, rest) = line.split_once(' ')?;
                let family = front.strip_prefix(&kind)?.to_owned();
                Some((family, rest.trim().to_owned()))
            })
        };
        let addresses = of("addr").filter_map(|(_, line)| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, device, _, net, ..] = words[..] else {
                return None;
            };
            let brd = words.iter().position(|word| *word == "brd");
            let brd = brd
                .map(|at| format!(" brd {}", words[at + 1]))
                .unwrap_or_default();
            let flags = ["nodad", "noprefixroute"]
                .into_iter()
                .filter(|flag| words.contains(flag));
            let flags: Vec<&str> = flags.collect();
            Some(format!(
                "ip addr add {net}{brd} dev {device} {}",
                flags.join(" ")
            ))
        });
        let neighbours = of("neigh").map(|(family, line)| match line.strip_suffix(" PERMANENT") {
            Some(line) => format!("ip -{family} neigh replace {line} nud permanent"),
            None => format!("ip -{family} neigh replace {line} nud reachable"),
        });
        // Routes on link come before those through them.
        let mut routes: Vec<_> = of("route").collect();
        routes.sort_by_key(|(_, line)| line.contains(" via "));
        let routes = routes
            .into_iter()
            .map(|(family, line)| format!("ip -{family} route replace {line}"));
        let entries = of("fdb").map(|(_, line)| format!("bridge fdb replace {line}"));
        addresses
            .chain(neighbours)
            .chain(routes)
            .chain(entries)
            .collect()
    }
}
