//! Runs commands in the namespaces of a lab.
use std::sync::Arc;

use flatnet_cluster::{Cluster, Process, Target};

use crate::ground::{Ground, Spot};

/// Starts a program in a namespace, with the programs of its node.
pub(crate) async fn start(
    cluster: &Arc<dyn Cluster>,
    ground: &Ground,
    spot: Spot,
    argv: &[&str],
) -> flatnet_cluster::Result<Process> {
    let enter = match spot {
        Spot::Node(_) | Spot::Wire => Vec::new(),
        Spot::Pod(pod) => format!("nsenter -t {} -n", ground.pods[pod].pid)
            .split(' ')
            .map(str::to_owned)
            .collect(),
    };
    let argv = argv.iter().map(|word| (*word).to_owned());
    let argv: Vec<String> = enter.into_iter().chain(argv).collect();
    match ground.node_of(spot) {
        Some(node) => {
            let node = Target::Node(ground.nodes[node].name.clone());
            cluster.start(&node, &argv).await
        }
        None => cluster.start_on_wire(&argv).await,
    }
}

/// Runs a line of shell in a namespace, with the programs of its node; what it printed.
///
/// # Errors
/// What it complained of.
pub(crate) async fn sh(
    cluster: &Arc<dyn Cluster>,
    ground: &Ground,
    spot: Spot,
    line: &str,
) -> Result<String, String> {
    let process = start(cluster, ground, spot, &["sh", "-c", line]).await;
    let process = process.map_err(|e| e.to_string())?;
    let done = process.finish("a line of shell", b"").await;
    let done = done.map_err(|e| e.to_string())?;
    match done.code {
        0 => Ok(done.stdout),
        code => Err(format!("{line}: exit code {code}: {}", done.stderr.trim())),
    }
}
