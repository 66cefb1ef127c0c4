//! Policy rules and other tables are named as `ip` lists them.
use flatnet::report::route as table;
use flatnet_analysis::trace::Netns;
use flatnet_model::advice::Advice;
use rstest::rstest;

use crate::bed::{Bed, ONE_SEGMENT};

#[rstest]
#[case::rule_refuses(
    "ip rule add prio 100 to 10.244.1.0/24 prohibit",
    "ends at node/node1: its policy rule rejects it: rule 100 `from all to 10.244.1.0/24 prohibit`",
    None
)]
#[case::table_refuses(
    "ip route add unreachable default table 105; ip rule add prio 100 from 10.244.0.0/24 lookup 105",
    "ends at node/node1: its route rejects it: rule 100 `from 10.244.0.0/24 lookup 105`, table 105: `unreachable default`",
    Some(105)
)]
#[case::table_leads_away(
    "ip link add wg0 type bridge; ip link set wg0 up arp off; ip route add default dev wg0 table 51820; \
     ip rule add prio 100 not fwmark 51820 lookup 51820",
    "rule 100 `not from all fwmark 0xca6c lookup 51820`, table 51820: `default dev wg0`",
    Some(51820)
)]
fn the_rule_and_its_table_are_named(
    #[case] plant: &str,
    #[case] says: &str,
    #[case] looked_up: Option<u32>,
) {
    let bed = Bed::new(ONE_SEGMENT);
    let node1 = Netns::Node("node1".to_owned());
    bed.run(&node1, plant);

    let found = bed.trace("busybox-1", "busybox-2");

    let shown = table::text(&found, false, &Advice::brief());
    assert!(shown.contains(says), "{shown}");
    let quoted: Vec<&str> = says.split('`').skip(1).step_by(2).collect();
    let listed = bed.run(&node1, "ip rule");
    assert!(listed.contains(&format!("100:\t{}", quoted[0])), "{listed}");
    if let Some(number) = looked_up {
        let listed = bed.run(&node1, &format!("ip route show table {number}"));
        assert!(listed.contains(quoted[1]), "{listed}");
    }
}
