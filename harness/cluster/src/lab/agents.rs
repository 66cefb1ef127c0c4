//! flatnet's agents on a lab: daemons of its nodes.
use flatnet_model::symptoms::{Agent, Member};

use super::{AGENT, LabCluster};
use crate::Result;

/// So many lines of what a daemon printed are its last words.
const LAST_LINES: usize = 5;

/// flatnet's agents, where the lab was made with them or any was ever started.
pub(super) async fn read(lab: &LabCluster) -> Result<Vec<Agent>> {
    let info = lab.info().await?;
    let mut members = Vec::new();
    for node in info.spec.nodes.iter().map(|node| &node.name) {
        // A node on which none was started has no log: that is an answer.
        let Ok((said, exit)) = lab.daemon_log(node, AGENT).await else {
            continue;
        };
        let lines: Vec<&str> = said.trim().lines().collect();
        let from = lines.len().saturating_sub(LAST_LINES);
        members.push(Member {
            node: node.clone(),
            pod: None,
            ready: exit.is_none(),
            status: exit.map_or_else(
                || "Running".to_owned(),
                |code| format!("ended with exit code {code}"),
            ),
            last_words: Ok(lines[from..].join("\n")),
        });
    }
    let made_with = info
        .spec
        .labels
        .get("cni")
        .is_some_and(|cni| cni == "flatnet");
    Ok(if made_with || !members.is_empty() {
        vec![Agent {
            name: AGENT.to_owned(),
            set: None,
            members,
        }]
    } else {
        Vec::new()
    })
}
