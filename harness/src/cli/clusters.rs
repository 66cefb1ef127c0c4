//! Clusters that run on this machine: list and delete them.
mod listed;

use clap::Args;
use comfy_table::{Table, presets};
use flatnet_lab::Lab;

use super::which::{ClusterArg, look, say_of_change};
use super::{Output, Typed, output};
use crate::session::reaper::{Reap, remove};
use crate::session::run_until_interrupted;
use crate::{Error, Result, torn_down};
use flatnet_cluster::running::Running;
use futures::future::join_all;
use listed::Listed;
use tokio::task::spawn_blocking;

/// Options of `flatnet list`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet list\n  flatnet list --output json\n\nWhat a cluster does not answer within 5 seconds is shown as ?; --output json says why"
)]
pub(super) struct ListArgs {
    /// Output format
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
}

/// Options of `flatnet down`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet down demo    delete the cluster demo\n  flatnet down         delete the only running cluster, or the one that FLATNET_CLUSTER names\n  flatnet down --all   delete every lab"
)]
pub(super) struct DownArgs {
    /// Name of the cluster, as with --cluster
    #[arg(value_name = "NAME", conflicts_with = "all")]
    named: Option<String>,
    /// Delete every lab of this user (kind clusters are deleted by name only)
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    cluster: ClusterArg,
}

pub(super) fn list(args: &ListArgs) -> Result<u8> {
    let clusters = run_until_interrupted(async {
        let found = look().await?;
        Ok(listed::all(&found.clusters).await)
    })?;
    for spec in clusters.iter().filter_map(|cluster| cluster.spec.as_ref()) {
        say_of_change(spec);
    }
    match args.output {
        Output::Json => {
            let text = serde_json::to_string_pretty(&clusters)
                .map_err(|e| Error::failed("write JSON", e))?;
            output::print_line(text)?;
        }
        Output::Text if clusters.is_empty() => {
            output::say("no cluster is running; to boot one: flatnet up");
        }
        Output::Text => output::print_line(table(&clusters))?,
    }
    Ok(0)
}

fn table(clusters: &[Listed]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["NAME", "PROVIDER", "CNI", "NODES", "PODS", "AGE", "PID"]);
    for cluster in clusters {
        table.add_row(cluster.row());
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

pub(super) fn down(args: &DownArgs, typed: &Typed) -> Result<u8> {
    // A variable may name a cluster too; what was typed wins over it.
    let other = args.named.as_deref().or(args.all.then_some("--all"));
    if let Some(other) = other.filter(|_| typed.is("cluster")) {
        return Err(Error::Input(format!(
            "{other} cannot be used with --cluster; give one of the two"
        )));
    }
    run_until_interrupted(delete(args))?;
    Ok(0)
}

async fn delete(args: &DownArgs) -> Result<()> {
    let found = look().await?;
    let ending = if args.all {
        let labs = |cluster: &Running| matches!(cluster, Running::Lab(_));
        found.clusters.into_iter().filter(labs).collect()
    } else {
        let cluster = match &args.named {
            Some(name) => ClusterArg::named(name),
            None => args.cluster.clone(),
        };
        vec![cluster.of(&found)?]
    };
    if ending.is_empty() {
        output::say("no cluster is running");
    }
    // One that does not end keeps none of the others.
    let ended = join_all(ending.iter().map(end)).await;
    ended.into_iter().fold(Ok(()), torn_down)
}

async fn end(cluster: &Running) -> Result<()> {
    match cluster {
        Running::Lab(name) => {
            let name = name.clone();
            let ending = spawn_blocking(move || Lab::connect(&name)?.shutdown());
            let ended = ending.await.map_err(|e| Error::failed("end the lab", e))?;
            ended?;
        }
        Running::Kind { name, engine } => {
            let cluster = Reap::KindCluster {
                kind: engine.kind_path().to_owned(),
                engine: engine.name.clone(),
                name: name.clone(),
            };
            remove(&cluster).await?;
        }
    }
    output::say(format_args!("deleted cluster {}", cluster.name()));
    Ok(())
}
