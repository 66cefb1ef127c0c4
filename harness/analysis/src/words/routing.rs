//! Routes, policy rules and tables.
use flatnet_model::kernel::{Rule, RuleAction, table_name};
use flatnet_model::rule::RouteChoice;

use super::Words;
use super::sentence::Say;

/// `rule 100 `from 10.244.0.0/16 lookup 51820``.
pub fn policy_rule(rule: &Rule) -> String {
    format!("rule {} `{rule}`", rule.priority)
}

/// What decided about a packet: `rule 100 `from all lookup 51820`, table 51820: `default dev wg0``.
pub fn route_choice(choice: &RouteChoice) -> String {
    match choice {
        RouteChoice::Main { route } => format!("`{route}`"),
        RouteChoice::Table { rule, route } => {
            let table = match rule.action {
                RuleAction::Lookup(table) => format!("table {}", table_name(table)),
                _ => "the table of the VRF".to_owned(),
            };
            format!("{}, {table}: `{route}`", policy_rule(rule))
        }
        RouteChoice::Rule { rule } => policy_rule(rule),
        RouteChoice::Unknown { detail } => format!("its kernel answers \"{detail}\""),
    }
}

impl Say for RouteChoice {
    fn say(&self, _: &Words<'_>) -> String {
        route_choice(self)
    }
}
