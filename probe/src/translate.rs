//! The table that translates what clients send to an address that nobody has.
use flatnet_model::probe::ask;
use flatnet_netlink::nft::{Chain, ChainType, Expr, Hook, OwnedTable, Table};
use ipnet::IpNet;

use crate::error::Result;

/// Before `dstnat` (-100) and `srcnat` (100): the first translation of a connection is the one that counts.
const BEFORE_DSTNAT: i32 = -101;
const BEFORE_SRCNAT: i32 = 99;

/// Adds the table. Needs CAP_NET_ADMIN in this namespace.
pub(crate) fn start(asked: &ask::Translate) -> Result<OwnedTable> {
    Ok(OwnedTable::create(&table(asked))?)
}

fn table(asked: &ask::Translate) -> Table {
    let each = || asked.translations.iter();
    let destinations = each().map(|one| {
        vec![
            Expr::SourceIn(IpNet::from(one.from)),
            Expr::DestinationIn(IpNet::from(one.dialled)),
            Expr::DnatAddress(one.to),
        ]
    });
    let sources = each().map(|one| {
        vec![
            Expr::SourceIn(IpNet::from(one.from)),
            Expr::DestinationIn(IpNet::from(one.to)),
            Expr::Masquerade,
        ]
    });
    let chain = |name: &str, hook, priority, rules| Chain {
        name: name.to_owned(),
        kind: ChainType::Nat,
        hook,
        priority,
        rules,
    };
    Table {
        name: asked.table.clone(),
        sets: Vec::new(),
        chains: vec![
            chain(
                "prerouting",
                Hook::Prerouting,
                BEFORE_DSTNAT,
                destinations.collect(),
            ),
            chain(
                "postrouting",
                Hook::Postrouting,
                BEFORE_SRCNAT,
                sources.collect(),
            ),
        ],
    }
}
