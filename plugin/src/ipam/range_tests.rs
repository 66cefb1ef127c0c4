//! Ranges: excluded addresses, wrapping around, and invalid ranges.
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn pools(json: &str) -> Result<Pools> {
    Pools::new(serde_json::from_str(json).unwrap())
}

fn text(set: &RangeSet, after: Option<&str>) -> Vec<String> {
    let after = after.map(|a| a.parse().unwrap());
    set.candidates(after)
        .map(|one| one.address.to_string())
        .collect()
}

#[test]
fn network_broadcast_and_gateway_are_left_out() {
    let pools =
        pools(r#"[[{"subnet":"10.1.0.0/29"}],[{"subnet":"fd00::/126","gateway":"fd00::2"}]]"#)
            .unwrap();
    let [v4, v6] = pools.sets() else {
        panic!("two sets")
    };
    assert_eq!(
        text(v4, None),
        ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"]
    );
    assert_eq!(text(v6, None), ["fd00::1", "fd00::3"]);
    assert_eq!((v4.capacity(), v6.capacity()), (5, 2));
    let gateways: Vec<String> = pools.gateways().iter().map(ToString::to_string).collect();
    assert_eq!(gateways, ["10.1.0.1/29", "fd00::2/126"]);
}

#[test]
fn the_search_goes_round_through_all_ranges_of_a_set() {
    let pools = pools(
        r#"[[{"subnet":"10.1.0.0/24","rangeStart":"10.1.0.5","rangeEnd":"10.1.0.7"},
             {"subnet":"10.2.0.0/24","rangeStart":"10.2.0.1","rangeEnd":"10.2.0.2"}]]"#,
    )
    .unwrap();
    let set = &pools.sets()[0];
    assert_eq!(
        text(set, None),
        ["10.1.0.5", "10.1.0.6", "10.1.0.7", "10.2.0.2"]
    );
    assert_eq!(
        text(set, Some("10.1.0.6")),
        ["10.1.0.7", "10.2.0.2", "10.1.0.5", "10.1.0.6"]
    );
    assert_eq!(
        text(set, Some("10.2.0.2")),
        ["10.1.0.5", "10.1.0.6", "10.1.0.7", "10.2.0.2"]
    );
    assert_eq!(text(set, Some("192.0.2.1")), text(set, None));
}

#[test]
fn ranges_that_make_no_sense_are_refused() {
    for bad in [
        r#"[]"#,
        r#"[[]]"#,
        r#"[[{"subnet":"10.1.0.1/24"}]]"#,
        r#"[[{"subnet":"10.1.0.0/31"}]]"#,
        r#"[[{"subnet":"fd00::/127"}]]"#,
        r#"[[{"subnet":"127.0.0.0/8"}]]"#,
        r#"[[{"subnet":"ff00::/64"}]]"#,
        r#"[[{"subnet":"10.1.0.0/24","gateway":"10.2.0.1"}]]"#,
        r#"[[{"subnet":"10.1.0.0/24","gateway":"10.1.0.255"}]]"#,
        r#"[[{"subnet":"10.1.0.0/24","gateway":"fd00::1"}]]"#,
        r#"[[{"subnet":"10.1.0.0/24","rangeStart":"10.1.1.0"}]]"#,
        r#"[[{"subnet":"10.1.0.0/24","rangeStart":"10.1.0.9","rangeEnd":"10.1.0.8"}]]"#,
        r#"[[{"subnet":"10.1.0.0/24","rangeStart":"10.1.0.1","rangeEnd":"10.1.0.1"}]]"#,
        r#"[[{"subnet":"10.1.0.0/24"},{"subnet":"fd00::/64"}]]"#,
        r#"[[{"subnet":"10.1.0.0/24"}],[{"subnet":"10.1.0.128/25"}]]"#,
    ] {
        assert_eq!(pools(bad).unwrap_err().code(), 7, "{bad}");
    }
}

#[test]
fn the_whole_address_space_does_not_overflow() {
    let pools = pools(r#"[[{"subnet":"::/0"}]]"#).unwrap();
    let set = &pools.sets()[0];
    assert_eq!(set.capacity(), u128::MAX - 1);
    let last: IpAddr = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap();
    assert_eq!(
        set.candidates(Some(last))
            .next()
            .unwrap()
            .address
            .to_string(),
        "::2"
    );
}

proptest! {
    #[test]
    fn every_pod_address_comes_up_exactly_once(
        prefix in 22u8..=30, start in 0u32..1024, length in 1u32..1024, gateway in 0u32..1024, after in 0u32..1024,
    ) {
        let base = 0x0a01_0000;
        let ip = |offset: u32| IpAddr::from(Ipv4Addr::from_bits(base + offset));
        let raw = RawRange {
            subnet: IpNet::new(ip(0), prefix).unwrap(),
            range_start: Some(ip(start)),
            range_end: Some(ip(start + length - 1)),
            gateway: Some(ip(gateway)),
        };
        let size = 1u32 << (32 - prefix);
        let Ok(pools) = Pools::new(vec![vec![raw]]) else { return Ok(()) };
        let set = &pools.sets()[0];
        let got: Vec<IpAddr> = set.candidates(Some(ip(after))).map(|one| one.address).collect();
        let unique: BTreeSet<IpAddr> = got.iter().copied().collect();
        let expected: BTreeSet<IpAddr> = (start..start + length)
            .filter(|offset| *offset > 0 && *offset < size - 1 && *offset != gateway)
            .map(ip)
            .collect();
        prop_assert_eq!(got.len(), unique.len());
        prop_assert_eq!(got.len() as u128, set.capacity());
        prop_assert_eq!(&unique, &expected);
        if let Some(next) = expected.range(ip(after)..).find(|a| **a != ip(after)) && expected.contains(&ip(after)) {
            prop_assert_eq!(got[0], *next);
        }
    }
}
