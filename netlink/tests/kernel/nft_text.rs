//! nftables: rules of others in words, compared with `nft`'s own.
use std::io::Write;
use std::process::{Command, Stdio};

use flatnet_model::kernel::AddressField::{Destination, Source};
use flatnet_netlink::Nft;

use crate::scene::alone;

const INET: u8 = 1;
const IPV4: u8 = 2;
const IPV6: u8 = 10;

#[track_caller]
fn run(program: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The rules of a chain as `nft -a` lists them, without what counters and limits count: handle and words.
#[track_caller]
fn listed(family: &str, table: &str, chain: &str) -> Vec<(u64, String)> {
    let listing = run("nft", &["-a", "list", "chain", family, table, chain], "");
    let rule = |line: &str| {
        let (words, handle) = line.trim().split_once(" # handle ")?;
        (!words.ends_with('{')).then(|| (handle.parse().unwrap(), words.to_owned()))
    };
    listing.lines().filter_map(rule).collect()
}

/// Each of these rules is read as `nft` lists it.
#[track_caller]
fn reads_as_nft_does(family: &str, number: u8, rules: &[&str]) {
    let body = rules.join("\n");
    run(
        "nft",
        &["-f", "-"],
        &format!(
            "table {family} t {{ set named {{ type ipv4_addr; }}; chain other {{ }}; chain c {{ type filter hook forward priority 0;\n{body}\n}}; }}"
        ),
    );
    let mut nft = Nft::open().unwrap();
    let listed = listed(family, "t", "c");
    assert_eq!(listed.len(), rules.len());
    for (handle, words) in listed {
        let text = nft.rule_text(number, "t", "c", handle).unwrap();
        assert_eq!(text.map(|said| said.text).as_deref(), Some(words.as_str()));
    }
}

#[test]
fn matches_are_told_in_the_words_of_nft() {
    alone(|_| {
        reads_as_nft_does(
            "inet",
            INET,
            &[
                "drop",
                "tcp dport 80 drop",
                "udp sport 53 accept",
                "tcp dport != 22 drop",
                "ip saddr 10.0.0.1 drop",
                "ip saddr 10.0.0.0/8 ip daddr != 10.244.0.0/16 drop",
                "ip daddr 10.16.0.0/12 drop",
                "ip6 saddr fd00::/64 drop",
                "ip6 daddr fd00::1 drop",
                "iifname \"eth0\" oifname \"cni*\" drop",
                "meta mark 0x00000001 drop",
                "meta mark & 0x00000010 == 0x00000010 drop",
                "ct state established,related accept",
                "ct state invalid drop",
                "ct status dnat accept",
                "meta l4proto tcp drop",
                "meta l4proto { tcp, udp } drop",
                "tcp dport { 22, 80 } accept",
                "ip saddr @named drop",
                "ip ttl < 5 drop",
                "tcp flags syn / fin,syn,rst,ack drop",
                "meta pkttype broadcast drop",
                "fib saddr . iif oif 0 drop",
                "fib daddr type local accept",
                "ip saddr 10.0.0.1-10.0.0.9 drop",
            ],
        );
    });
}

#[test]
fn statements_are_told_in_the_words_of_nft() {
    alone(|_| {
        reads_as_nft_does(
            "ip",
            IPV4,
            &[
                "jump other",
                "ip protocol icmp reject with icmp host-prohibited",
                "reject with tcp reset",
                "meta mark set 0x00000004",
                "log prefix \"gone \" drop",
                "numgen random mod 10 < 3 drop",
                "drop comment \"as agreed\"",
                "return",
            ],
        );
        reads_as_nft_does(
            "ip6",
            IPV6,
            &[
                "reject with icmpv6 admin-prohibited",
                "ip6 daddr fd00::1 reject with icmpv6 no-route",
            ],
        );
    });
}

#[test]
fn rewrites_are_told_in_the_words_of_nft() {
    alone(|_| {
        let rules = [
            "oifname \"eth0\" masquerade",
            "tcp dport 80 dnat to 10.0.0.1:8080",
            "snat to 10.0.0.9",
            "tcp dport 53 redirect to :5353",
        ];
        let changed = [Source, Destination, Source, Destination];
        for ((rule, hook), changed) in rules
            .iter()
            .zip(["postrouting", "prerouting", "postrouting", "prerouting"])
            .zip(changed)
        {
            run(
                "nft",
                &["-f", "-"],
                &format!(
                    "table ip n {{ chain c {{ type nat hook {hook} priority 0; {rule}; }}; }}"
                ),
            );
            let (handle, words) = listed("ip", "n", "c").remove(0);
            let text = Nft::open()
                .unwrap()
                .rule_text(IPV4, "n", "c", handle)
                .unwrap();
            let said = text.unwrap();
            assert_eq!((said.text, said.rewrites), (words, vec![changed]));
            run("nft", &["delete", "table", "ip", "n"], "");
        }
    });
}

/// Names of chains and words of comments do nothing.
#[test]
fn a_rule_changes_addresses_by_what_it_does_not_by_what_it_is_called() {
    let nft_rules: [(&str, &[_]); 8] = [
        ("ip saddr set 10.0.0.9", &[Source]),
        ("ip daddr set 10.0.0.9", &[Destination]),
        ("meta mark set 0x00000004", &[]),
        ("ip ttl set 3", &[]),
        ("ip saddr 10.0.0.9 accept", &[]),
        ("jump masquerade_dnat", &[]),
        ("counter comment \"dnat to masquerade\"", &[]),
        ("goto masquerade_dnat", &[]),
    ];
    alone(|_| {
        let body: Vec<&str> = nft_rules.iter().map(|(rule, _)| *rule).collect();
        let table = format!(
            "table ip t {{ chain masquerade_dnat {{ }}; chain c {{ type filter hook forward priority 0;\n{}\n}}; }}",
            body.join("\n")
        );
        run("nft", &["-f", "-"], &table);
        for rule in [
            "-t nat -N CNI-HOSTPORT-DNAT",
            "-t nat -A POSTROUTING -m comment --comment MASQUERADE -j CNI-HOSTPORT-DNAT",
            "-t nat -A POSTROUTING -j MASQUERADE",
            "-t nat -A POSTROUTING -j SNAT --to-source 10.0.0.9",
            "-t nat -A POSTROUTING -d 10.1.0.0/16 -j NETMAP --to 10.2.0.0/16",
            "-t nat -A POSTROUTING -j MARK --set-mark 4",
        ] {
            let arguments: Vec<&str> = rule.split(' ').collect();
            run("iptables-nft", &arguments, "");
        }
        let iptables: [&[_]; 5] = [&[], &[Source], &[Source], &[Source, Destination], &[]];
        let mut nft = Nft::open().unwrap();
        let mut read = |table: &str, chain: &str| -> Vec<Vec<_>> {
            let handles = listed("ip", table, chain).into_iter();
            handles
                .map(|(handle, _)| {
                    nft.rule_text(IPV4, table, chain, handle)
                        .unwrap()
                        .unwrap()
                        .rewrites
                })
                .collect()
        };
        assert_eq!(read("t", "c"), nft_rules.map(|(_, changed)| changed));
        assert_eq!(read("nat", "POSTROUTING"), iptables);
    });
}

#[test]
fn counters_and_limits_are_told_without_their_numbers_of_the_moment() {
    alone(|_| {
        run(
            "nft",
            &["-f", "-"],
            "table ip t { chain c { type filter hook forward priority 0; counter limit rate 10/second drop; }; }",
        );
        let (handle, _) = listed("ip", "t", "c").remove(0);
        let mut nft = Nft::open().unwrap();
        let text = nft.rule_text(IPV4, "t", "c", handle).unwrap();
        assert_eq!(
            text.map(|said| said.text).as_deref(),
            Some("counter limit rate 10/second drop")
        );
        assert_eq!(nft.rule_text(IPV4, "t", "c", handle + 100).unwrap(), None);
        assert_eq!(nft.rule_text(IPV4, "absent", "c", handle).unwrap(), None);
    });
}

#[test]
fn rules_of_iptables_are_told_with_the_names_of_their_targets() {
    alone(|_| {
        for rule in [
            "-A FORWARD -s 10.3.0.0/16 -m comment --comment as_agreed -j REJECT --reject-with icmp-host-prohibited",
            "-A FORWARD -p tcp --dport 80 -j DROP",
        ] {
            let arguments: Vec<&str> = rule.split(' ').collect();
            run("iptables-nft", &arguments, "");
        }
        let mut nft = Nft::open().unwrap();
        let listed = listed("ip", "filter", "FORWARD");
        let texts: Vec<String> = listed
            .iter()
            .map(|(handle, _)| {
                nft.rule_text(IPV4, "filter", "FORWARD", *handle)
                    .unwrap()
                    .unwrap()
                    .text
            })
            .collect();
        assert_eq!(
            texts,
            [
                "ip saddr 10.3.0.0/16 comment \"as_agreed\" counter xt target \"REJECT\" with icmp-host-prohibited",
                "tcp dport 80 counter drop",
            ]
        );
    });
}
