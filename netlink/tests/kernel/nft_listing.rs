//! Tables for tests, and the words in which `nft -j` lists them.
use flatnet_netlink::nft::{Chain, ChainType, Expr, Hook, Table};
use serde_json::{Value, json};

use crate::observer::nft;

pub(crate) fn table(chains: Vec<Chain>) -> Table {
    Table {
        name: "t".to_owned(),
        sets: Vec::new(),
        chains,
    }
}

pub(crate) fn chain(kind: ChainType, hook: Hook, priority: i32, rules: Vec<Vec<Expr>>) -> Chain {
    Chain {
        name: "c".to_owned(),
        kind,
        hook,
        priority,
        rules,
    }
}

/// The objects of one kind in the ruleset.
pub(crate) fn objects(kind: &str) -> Vec<Value> {
    nft("ruleset")
        .into_iter()
        .filter_map(|mut object| object.get_mut(kind).map(Value::take))
        .collect()
}

pub(crate) fn matches(operation: &str, left: Value, right: Value) -> Value {
    json!({"match": {"op": operation, "left": left, "right": right}})
}

pub(crate) fn field(protocol: &str, field: &str) -> Value {
    json!({"payload": {"protocol": protocol, "field": field}})
}

pub(crate) fn prefix(address: &str, length: u8) -> Value {
    json!({"prefix": {"addr": address, "len": length}})
}
