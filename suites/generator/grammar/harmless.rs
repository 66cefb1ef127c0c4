//! Changes that break nothing: flatnet must stay green.
use super::matches::{HOOKS, matches};
use super::{Draw, Drawn, Truth, step};
use crate::ground::Spot;

pub(super) fn draw(draw: &mut Draw<'_>) -> Drawn {
    let spot = draw.spot();
    let node = draw.ground.node_of(spot).expect("no fault of the underlay");
    let outside = Spot::Node(node);
    let table = draw.table();
    let chain = |hook: &str, rule: &str| {
        format!(
            "nft add table inet {table} && nft 'add chain inet {table} c {{ type filter hook {hook} priority 0; }}' && \
             nft 'add rule inet {table} c {rule}'"
        )
    };
    let gone = format!("nft delete table inet {table}");
    let pod = draw.pod_of(node, true);
    let host_end = draw.ground.pods[pod].host_end.clone();
    let (spot, plant, undo) = match draw.dice.below(14) {
        0 => {
            let hook = draw.dice.word(&HOOKS);
            let family = draw.family();
            let matches = matches(draw, spot, hook, family);
            (spot, chain(hook.name, &format!("{matches} counter accept")), gone)
        }
        1 => (spot, chain("forward", "ip daddr 192.0.2.1 drop"), gone),
        2 => (spot, chain("prerouting", "tcp dport 4433 drop"), gone),
        3 => (spot, chain("output", "ip daddr 198.51.100.0/24 reject"), gone),
        4 => (
            outside,
            "ip route add blackhole 198.51.100.0/24".to_owned(),
            "ip route del blackhole 198.51.100.0/24".to_owned(),
        ),
        5 => (
            outside,
            "ip rule add from 192.0.2.0/24 blackhole prio 77".to_owned(),
            "ip rule del prio 77".to_owned(),
        ),
        6 => (
            outside,
            "sysctl -qw net.ipv4.conf.all.rp_filter=2".to_owned(),
            "sysctl -qw net.ipv4.conf.all.rp_filter=0".to_owned(),
        ),
        7 => (
            outside,
            format!("bridge link set dev {host_end} isolated on"),
            format!("bridge link set dev {host_end} isolated off"),
        ),
        8 => (
            spot,
            "ip link add spare0 type veth peer name spare1 && ip link set spare1 up && ip addr add 192.0.2.1/24 dev spare0 && ip link set spare0 up".to_owned(),
            "ip link del spare0".to_owned(),
        ),
        9 => (
            outside,
            "ip neigh replace 172.18.99.9 dev cni0 lladdr 02:00:5e:00:00:01 nud permanent".to_owned(),
            "ip neigh del 172.18.99.9 dev cni0".to_owned(),
        ),
        10 => (
            outside,
            "cp /etc/cni/net.d/10-flatnet.conflist /etc/cni/net.d/10-flatnet.conflist.bak".to_owned(),
            "rm /etc/cni/net.d/10-flatnet.conflist.bak".to_owned(),
        ),
        11 => (
            outside,
            "iptables-nft -A FORWARD -j ACCEPT".to_owned(),
            "nft delete table ip filter".to_owned(),
        ),
        12 => (
            outside,
            format!(
                "nft add table ip {table} && nft 'add chain ip {table} c {{ type nat hook postrouting priority srcnat; }}' && \
                 nft 'add rule ip {table} c ip daddr 198.51.100.0/24 masquerade'"
            ),
            format!("nft delete table ip {table}"),
        ),
        _ => (
            outside,
            "ip route add default via 192.0.2.9 dev cni0 onlink table 321".to_owned(),
            "ip route flush table 321".to_owned(),
        ),
    };
    Some((vec![step(spot, plant, undo)], Truth::default()))
}
