//! Runs commands in the namespaces of a lab.
use std::sync::Arc;

use flatnet_cluster::{Cluster, Target};

use crate::ground::{Ground, Spot};

/// The command that runs a program in a namespace, and where to run it.
pub(crate) fn within(ground: &Ground, spot: Spot, argv: &[&str]) -> (Target, Vec<String>) {
    let node = Target::Node(ground.nodes[ground.node_of(spot)].name.clone());
    let enter = match spot {
        Spot::Node(_) => Vec::new(),
        Spot::Pod(pod) => format!("nsenter -t {} -n", ground.pods[pod].pid)
            .split(' ')
            .map(str::to_owned)
            .collect(),
    };
    let argv = argv.iter().map(|word| (*word).to_owned());
    (node, enter.into_iter().chain(argv).collect())
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
    let (node, argv) = within(ground, spot, &["sh", "-c", line]);
    let done = cluster.exec(&node, &argv, b"").await;
    let done = done.map_err(|e| e.to_string())?;
    match done.code {
        0 => Ok(done.stdout),
        code => Err(format!("{line}: exit code {code}: {}", done.stderr.trim())),
    }
}
