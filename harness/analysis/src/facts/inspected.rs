//! Facts of what `flatnet inspect` answered.
use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_model::fact::{Fact, Kind, Place, Value};
use flatnet_model::inspection::{self, Inspection, Outcome};
use flatnet_model::observations::{Observations, ObservedNode};
use flatnet_model::snapshot::NodeSnapshot;
use ipnet::IpNet;
use serde_json::Value as Json;

use super::collect::Collected;
use super::roles::Roles;
use super::whose::Whose;

/// One fact for each value of an answer, but for those that vary by nature: they are recorded and not compared. A question that could not
/// be answered is a fact that could not be observed.
pub fn facts(inspection: &Inspection) -> Vec<Fact> {
    let cluster = cluster(inspection);
    let roles = Roles::of(&cluster);
    let whose = Whose::of(&cluster, &roles);
    let mut facts = Collected::default();
    for answer in &inspection.answers {
        match &answer.outcome {
            Outcome::Answered { facts: rows, .. } => {
                for row in rows {
                    values(&answer.id, row, &roles, &whose, &mut facts);
                }
            }
            Outcome::Skipped { reason } => {
                let about = (Kind::Inspected, answer.id.as_str());
                facts.add(about, Place::Cluster, format!("skipped: {reason}"), None);
            }
            Outcome::Unanswered { error } => {
                facts.unread((Kind::Inspected, answer.id.as_str()), Place::Cluster, error);
            }
        }
    }
    facts.sorted()
}

fn values(
    question: &str,
    row: &inspection::Fact,
    roles: &Roles<'_>,
    whose: &Whose<'_>,
    facts: &mut Collected,
) {
    let node = row.node.as_deref().and_then(|node| roles.node(node));
    let at = node.map_or(Place::Cluster, Place::Node);
    let named = |text: &str| match roles.node(text) {
        Some(number) => Place::Node(number).to_string(),
        None => whose.text(text, at),
    };
    // Host ends of pods are named at random.
    let row_about = match row.about.starts_with("veth") {
        true => "a host end".to_owned(),
        false => named(&row.about),
    };
    for (name, value) in &row.values {
        let about = format!("{question}: {} {row_about}: {name}", row.topic);
        let value_of = |json: &Json| match json {
            Json::String(text) => named(text),
            Json::Null => "none".to_owned(),
            other => other.to_string(),
        };
        let random = ["mac", "pid"].contains(&name.as_str());
        let raw = Some(value.to_string());
        let value = match value {
            _ if random || row.varies.contains(name) => Value::from("as it is now"),
            Json::Bool(flag) => Value::Flag(*flag),
            Json::Number(number) if number.is_i64() => {
                Value::Number(number.as_i64().unwrap_or_default())
            }
            Json::Array(list) => Value::List(list.iter().map(value_of).collect()),
            other => Value::Text(value_of(other)),
        };
        facts.add((Kind::Inspected, about), at, value, raw);
    }
}

/// Nodes with their addresses and podCIDRs, as far as the answers tell: enough to say whose an address is.
fn cluster(inspection: &Inspection) -> Observations {
    let rows = inspection
        .answers
        .iter()
        .flat_map(|answer| match &answer.outcome {
            Outcome::Answered { facts, .. } => &facts[..],
            _ => &[],
        });
    let rows: Vec<&inspection::Fact> = rows.collect();
    let mut nodes: BTreeMap<&str, NodeSnapshot> = BTreeMap::new();
    for name in rows.iter().filter_map(|row| row.node.as_deref()) {
        nodes.entry(name).or_insert_with(|| NodeSnapshot {
            name: name.to_owned(),
            ..NodeSnapshot::default()
        });
    }
    let mut pod_network = Vec::new();
    for row in &rows {
        let texts = |name: &str| texts(row.values.get(name));
        match row.topic.as_str() {
            "node" => {
                let node = nodes.get_mut(row.about.as_str());
                let ips = texts("internal-ip").into_iter();
                let ips = ips.filter_map(|ip| ip.parse::<IpAddr>().ok());
                node.into_iter()
                    .for_each(|node| node.internal_ips.extend(ips.clone()));
            }
            "range" => {
                let Ok(range) = row.about.parse::<IpNet>() else {
                    continue;
                };
                for of in texts("of") {
                    match of
                        .strip_prefix("pods of ")
                        .and_then(|node| nodes.get_mut(node))
                    {
                        Some(node) if !node.pod_cidrs.contains(&range) => {
                            node.pod_cidrs.push(range);
                        }
                        None if of == "pods" && !pod_network.contains(&range) => {
                            pod_network.push(range);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Observations {
        nodes: nodes.into_values().map(ObservedNode::new).collect(),
        pod_network,
        provider: inspection.provider.clone(),
        ..Observations::default()
    }
}

fn texts(value: Option<&Json>) -> Vec<String> {
    match value {
        Some(Json::String(text)) => vec![text.clone()],
        Some(Json::Array(list)) => {
            let texts = list.iter().filter_map(Json::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}
