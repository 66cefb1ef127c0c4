//! flatnet's agents on a lab: daemons of its nodes.
use flatnet_model::symptoms::{Agent, AgentOnNode};

use super::{AGENT, LabCluster};
use crate::Result;

/// So many lines of what a daemon printed are its last words.
const LAST_LINES: usize = 5;

/// flatnet's agents, where the lab was made with them or any was ever started.
pub(super) async fn read(lab: &LabCluster) -> Result<Vec<Agent>> {
    let info = lab.info().await?;
    let mut on_nodes = Vec::new();
    for node in info.spec.nodes.iter().map(|node| &node.name) {
        // A node on which none was started has no log: that is an answer.
        let Ok((said, exit)) = lab.daemon_log(node, AGENT).await else {
            continue;
        };
        let stopped = match exit {
            None => lab.stopped_daemon(node, AGENT).await?,
            Some(_) => None,
        };
        let lines: Vec<&str> = said.trim().lines().collect();
        let from = lines.len().saturating_sub(LAST_LINES);
        on_nodes.push(AgentOnNode {
            node: node.clone(),
            pod: None,
            ready: exit.is_none() && stopped.is_none(),
            stopped,
            status: match (exit, stopped) {
                (Some(code), _) => format!("ended with exit code {code}"),
                (None, Some(pid)) => format!("a signal has stopped its process {pid}"),
                (None, None) => "Running".to_owned(),
            },
            last_words: Ok(lines[from..].join("\n")),
        });
    }
    let made_with = info
        .spec
        .labels
        .get("cni")
        .is_some_and(|cni| cni == "flatnet");
    Ok(if made_with || !on_nodes.is_empty() {
        vec![Agent {
            name: AGENT.to_owned(),
            set: None,
            on_nodes,
        }]
    } else {
        Vec::new()
    })
}
