//! A table that is not as it was written: what `nft` changed is found.
use flatnet_netlink::nft::{Nft, Table, masquerade_table};

use crate::observer::succeeds;
use crate::scene::alone;

fn wanted() -> Table {
    let nets = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| text.parse().unwrap())
            .collect::<Vec<_>>()
    };
    masquerade_table(
        "flatnet",
        &nets(&["10.244.1.0/24", "fd00:10:244:1::/64"]),
        &nets(&["10.244.0.0/16", "172.18.0.2/32", "fd00:10:244::/48"]),
    )
}

#[test]
fn every_change_of_a_table_is_found_and_named() {
    alone(|_| {
        let (mut nft, wanted) = (Nft::open().unwrap(), wanted());
        let missing = nft.difference(&wanted).unwrap();
        assert_eq!(missing.unwrap(), "nftables table inet flatnet is missing");
        for (harm, named) in [
            (
                "flush table inet flatnet",
                "chain postrouting has 0 of 2 rules",
            ),
            (
                "flush chain inet flatnet postrouting",
                "chain postrouting has 0 of 2 rules",
            ),
            (
                "insert rule inet flatnet postrouting accept",
                "chain postrouting has 3 of 2 rules",
            ),
            (
                "flush set inet flatnet pods4",
                "set pods4 has other elements",
            ),
            (
                "delete element inet flatnet unmasked4 { 172.18.0.2 }",
                "set unmasked4 has other elements",
            ),
            (
                "add element inet flatnet unmasked6 { fd01::/64 }",
                "set unmasked6 has other elements",
            ),
            (
                "add chain inet flatnet postrouting { policy drop ; }",
                "chain postrouting has another hook or policy",
            ),
        ] {
            nft.replace_table(&wanted).unwrap();
            assert_eq!(nft.difference(&wanted).unwrap(), None, "before {harm}");
            assert!(succeeds("nft", harm), "{harm}");
            let found = nft.difference(&wanted).unwrap();
            assert_eq!(
                found.as_deref(),
                Some(format!("nftables table inet flatnet: {named}").as_str()),
                "{harm}"
            );
        }
    });
}

#[test]
fn a_rule_that_was_replaced_is_another() {
    alone(|_| {
        let (mut nft, wanted) = (Nft::open().unwrap(), wanted());
        for rule in [
            "accept",
            "ip saddr @pods4 ip daddr @unmasked4 ip daddr != 224.0.0.0/4 masquerade",
            "ip saddr @pods4 ip daddr != @unmasked4 ip daddr != 224.0.0.0/5 masquerade",
            "ip saddr @pods4 ip daddr != @unmasked4 ip daddr != 224.0.0.0/4 masquerade random",
        ] {
            nft.replace_table(&wanted).unwrap();
            let handle = crate::observer::nft("chain inet flatnet postrouting")
                .iter()
                .find_map(|object| object["rule"]["handle"].as_u64())
                .unwrap();
            let harm = format!("replace rule inet flatnet postrouting handle {handle} {rule}");
            assert!(succeeds("nft", &harm), "{harm}");
            assert_eq!(
                nft.difference(&wanted).unwrap().as_deref(),
                Some("nftables table inet flatnet: rule 1 of chain postrouting is another"),
                "{rule}"
            );
        }
    });
}
