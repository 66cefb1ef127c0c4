//! nftables: a table that lasts as long as a socket.
use flatnet_netlink::nft::{ChainType, Expr, Hook, OwnedTable};
use nix::errno::Errno;
use serde_json::json;

use crate::nft_listing::{chain, objects, table};
use crate::scene::alone;

#[test]
fn it_goes_with_its_owner_and_is_nobody_elses() {
    alone(|_| {
        let rules = vec![vec![Expr::Masquerade]];
        let wanted = table(vec![chain(ChainType::Nat, Hook::Postrouting, 99, rules)]);
        let owned = OwnedTable::create(&wanted).unwrap();
        assert_eq!(objects("rule")[0]["expr"], json!([{"masquerade": null}]));
        let second = OwnedTable::create(&wanted).err().unwrap();
        assert_eq!(second.errno(), Some(Errno::EPERM));
        assert_eq!(objects("table").len(), 1);
        drop(owned);
        assert_eq!(objects("table").len(), 0);
    });
}
