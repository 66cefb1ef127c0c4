//! CHECK of what the kernel does with a pod's packets: ports, tables, rules and the masquerade, each changed with `ip`, `bridge` or `nft`.
use serde_json::json;

use crate::world::{isolated, run_on_node};

#[test]
fn a_port_that_is_not_as_it_was_left_is_named() {
    isolated(
        "check_kernel::a_port_that_is_not_as_it_was_left_is_named",
        |world| {
            let (pod, conf) = (world.pod(), world.conf(json!({})));
            let result = world.add("c1", &pod, &conf);
            let veth = world.veths().remove(0);
            let setting = |name: &str, is: &str, left: &str| {
                format!("bridge port setting {name} is {is} on {veth}, ADD leaves it {left}")
            };
            let disabled =
                format!("{veth} is disabled on its bridge, not forwarding: it passes no frames");
            for (harm, repair, named) in [
                ("state 0", "state 3", disabled),
                (
                    "isolated on",
                    "isolated off",
                    setting("isolated", "on", "off"),
                ),
                (
                    "learning off",
                    "learning on",
                    setting("learning", "off", "on"),
                ),
                ("flood off", "flood on", setting("flood", "off", "on")),
                (
                    "bcast_flood off",
                    "bcast_flood on",
                    setting("bcast_flood", "off", "on"),
                ),
                (
                    "mcast_flood off",
                    "mcast_flood on",
                    setting("mcast_flood", "off", "on"),
                ),
                ("locked on", "locked off", setting("locked", "on", "off")),
            ] {
                world.check("c1", &pod, &conf, &result).ok();
                run_on_node("bridge", &format!("link set dev {veth} {harm}"));
                let details = world.check("c1", &pod, &conf, &result).error(105);
                assert_eq!(details, named, "{harm}");
                run_on_node("bridge", &format!("link set dev {veth} {repair}"));
            }
            world.check("c1", &pod, &conf, &result).ok();
            // The kernel disables the port of a pod whose own end is down: that is one problem.
            pod.ip("link set eth0 down");
            let details = world.check("c1", &pod, &conf, &result).error(105);
            assert!(!details.contains("on its bridge"), "{details}");
        },
    );
}

#[test]
fn a_masquerade_table_that_was_changed_is_named_and_the_next_add_mends_it() {
    isolated(
        "check_kernel::a_masquerade_table_that_was_changed_is_named_and_the_next_add_mends_it",
        |world| {
            let (pod, conf) = (world.pod(), world.dual(json!({"ipMasq": true})));
            let result = world.add("c1", &pod, &conf);
            let as_left = world.nft("list table inet flatnet_net")["nftables"].clone();
            for (number, (harm, named)) in [
                (
                    "flush table inet flatnet_net",
                    "chain postrouting has 0 of 2 rules",
                ),
                (
                    "insert rule inet flatnet_net postrouting accept",
                    "chain postrouting has 3 of 2 rules",
                ),
                (
                    "flush set inet flatnet_net pods6",
                    "set pods6 has other elements",
                ),
            ]
            .into_iter()
            .enumerate()
            {
                world.check("c1", &pod, &conf, &result).ok();
                run_on_node("nft", harm);
                let details = world.check("c1", &pod, &conf, &result).error(105);
                assert_eq!(details, format!("nftables table inet flatnet_net: {named}"));
                let (id, other) = (format!("other{number}"), world.pod());
                world.add(&id, &other, &conf);
                let mended = world.nft("list table inet flatnet_net")["nftables"].clone();
                let count = |listing: &serde_json::Value| listing.as_array().unwrap().len();
                assert_eq!(count(&mended), count(&as_left));
            }
            world.check("c1", &pod, &conf, &result).ok();
        },
    );
}

#[test]
fn what_ends_packets_for_a_pod_is_named_in_whichever_table_it_is() {
    isolated(
        "check_kernel::what_ends_packets_for_a_pod_is_named_in_whichever_table_it_is",
        |world| {
            let (pod, conf) = (world.pod(), world.dual(json!({})));
            let result = world.add("c1", &pod, &conf);
            world.ip("link add up0 type vxlan id 7 dstport 4789");
            let own = "the node's route to 10.244.1.2 ends with: ";
            let via_bridge = "the node's route from 10.244.1.3 to 10.244.1.2 ends with: ";
            let from_pod = "the node's route from 10.244.1.2 to 10.244.1.3 ends with: ";
            let in_table = "rule 50 of the node looks up table 100, where a";
            let cases: [(&[&str], &str); 13] = [
                (&["route add blackhole 10.244.1.2"], own),
                (&["route add prohibit 10.244.1.0/26"], own),
                (
                    &["-6 route add unreachable fd00:10:244:1::2"],
                    "the node's route to fd00:10:244:1::2 ends",
                ),
                (
                    &[
                        "route add blackhole 10.244.1.2 table 100",
                        "rule add pref 50 lookup 100",
                    ],
                    own,
                ),
                (
                    &[
                        "route add throw 10.244.1.2 table 100",
                        "rule add pref 50 lookup 100",
                        "rule add pref 51 to 10.244.1.2 unreachable",
                    ],
                    own,
                ),
                (
                    &[
                        "route add unreachable 10.244.1.2 table 100",
                        "rule add pref 50 iif cni0 lookup 100",
                    ],
                    via_bridge,
                ),
                (
                    &[
                        "route add prohibit default table 100",
                        "rule add pref 50 from 10.244.1.2 lookup 100",
                    ],
                    from_pod,
                ),
                (
                    &["-6 rule add pref 50 from fd00:10:244:1::2 iif cni0 prohibit"],
                    "the node's route from fd00:10:244:1::2 to",
                ),
                (
                    &[
                        "route add blackhole 10.244.1.2 table 100",
                        "rule add pref 50 iif up0 lookup 100",
                    ],
                    in_table,
                ),
                (
                    &[
                        "route add prohibit 10.244.1.0/24 table 100",
                        "rule add pref 50 fwmark 7 lookup 100",
                    ],
                    in_table,
                ),
                (
                    &[
                        "-6 route add blackhole fd00:10:244:1::2 table 100",
                        "-6 rule add pref 50 fwmark 7 lookup 100",
                    ],
                    in_table,
                ),
                (
                    &["rule add pref 50 iif up0 to 10.244.1.2 blackhole"],
                    "rule 50 of the node ends packets of 10.244.1.2/32 (blackhole",
                ),
                (
                    &["rule add pref 50 fwmark 7 from 10.244.1.0/24 prohibit"],
                    "rule 50 of the node ends packets of 10.244.1.0/24 (prohibit",
                ),
            ];
            for (harm, named) in cases {
                world.check("c1", &pod, &conf, &result).ok();
                for line in harm {
                    world.ip(line);
                }
                let details = world.check("c1", &pod, &conf, &result).error(105);
                assert!(details.starts_with(named), "{harm:?}: {details}");
                assert!(!details.contains("; the node"), "{harm:?}: {details}");
                for line in harm {
                    world.ip(&line.replace(" add ", " del "));
                }
            }
            // Routes of the whole node, of another pod, or in a table that is never looked up do not make the attachment wrong.
            for line in [
                "route add blackhole 10.244.0.0/16",
                "route add blackhole 10.244.1.9",
                "route add blackhole 10.244.1.2 table 200",
                "route add blackhole default table 100",
                "route add unreachable 10.244.1.0/24 metric 4096",
                "rule add pref 50 fwmark 7 lookup 100",
                "rule add pref 51 fwmark 8 to 10.244.1.9 prohibit",
                "-6 rule add pref 52 fwmark 9 prohibit",
            ] {
                world.ip(line);
                world.check("c1", &pod, &conf, &result).ok();
            }
        },
    );
}
