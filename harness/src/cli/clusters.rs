//! Clusters that run on this machine: list them, end them, find the one that is meant.
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use comfy_table::{Table, presets};
use flatnet_lab::{Lab, LabInfo};
use serde::Serialize;

use super::Output;
use crate::session::reaper::{Reap, take_away};
use crate::{Error, Result, session};
use flatnet_cluster::kind::{self, engine::Engine};

/// Options of `flatnet list`.
#[derive(Args)]
pub(super) struct ListArgs {
    /// How to print
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
}

/// Options of `flatnet down`.
#[derive(Args)]
pub(super) struct DownArgs {
    /// Which cluster [default: the only one that runs]
    name: Option<String>,
    /// Every lab of this user (kind clusters go by their name)
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

/// A cluster that runs.
#[derive(Serialize)]
#[serde(tag = "provider", rename_all = "kebab-case")]
pub(super) enum Running {
    /// A lab.
    Lab(Box<LabInfo>),
    /// A kind cluster, whoever booted it.
    Kind {
        /// Its name.
        name: String,
        /// Its nodes' containers.
        nodes: Vec<String>,
        #[serde(skip)]
        engine: Engine,
    },
}

impl Running {
    pub(super) fn name(&self) -> &str {
        match self {
            Running::Lab(lab) => &lab.spec.name,
            Running::Kind { name, .. } => name,
        }
    }

    fn row(&self) -> [String; 7] {
        let dash = || "-".to_owned();
        match self {
            Running::Kind { name, nodes, .. } => [
                name.clone(),
                "kind".to_owned(),
                dash(),
                nodes.len().to_string(),
                dash(),
                dash(),
                dash(),
            ],
            Running::Lab(lab) => [
                lab.spec.name.clone(),
                "lab".to_owned(),
                lab.spec.labels.get("cni").cloned().unwrap_or_default(),
                lab.spec.nodes.len().to_string(),
                lab.pods.len().to_string(),
                age(lab),
                lab.pid.to_string(),
            ],
        }
    }

    fn end(&self) -> Result<()> {
        match self {
            Running::Lab(lab) => Ok(Lab::connect(&lab.spec.name)?.shutdown()?),
            Running::Kind { name, engine, .. } => take_away(&Reap::KindCluster {
                kind: engine.kind_path().to_owned(),
                engine: engine.name.clone(),
                name: name.clone(),
            }),
        }
    }
}

fn age(lab: &LabInfo) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|d| d.as_secs())
        .unwrap_or(0);
    match now.saturating_sub(lab.started) {
        age @ 0..120 => format!("{age}s"),
        age @ 120..7200 => format!("{}m", age / 60),
        age => format!("{}h", age / 3600),
    }
}

/// Labs, and kind clusters where kind is here and works.
fn running() -> Result<Vec<Running>> {
    let labs = Lab::list()?;
    let mut all: Vec<Running> = labs
        .into_iter()
        .map(|lab| Running::Lab(Box::new(lab)))
        .collect();
    let kinds = session::runtime()?.block_on(async {
        // Without kind there are no kind clusters to list; that is no error here.
        let Ok(engine) = Engine::find().await else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for name in kind::clusters(&engine).await? {
            let nodes = kind::logs::containers(&engine, &name).await?;
            found.push(Running::Kind {
                name,
                nodes,
                engine: engine.clone(),
            });
        }
        Ok::<_, Error>(found)
    })?;
    all.extend(kinds);
    Ok(all)
}

pub(super) fn list(args: &ListArgs) -> Result<u8> {
    let clusters = running()?;
    if args.output == Output::Json {
        let text =
            serde_json::to_string_pretty(&clusters).map_err(|e| Error::failed("write JSON", e))?;
        anstream::println!("{text}");
    } else if clusters.is_empty() {
        anstream::eprintln!("no cluster runs; start one: flatnet up");
    } else {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_header(["NAME", "PROVIDER", "CNI", "NODES", "PODS", "AGE", "PID"]);
        for cluster in &clusters {
            table.add_row(cluster.row());
        }
        anstream::println!(
            "{}",
            table
                .to_string()
                .lines()
                .map(str::trim_end)
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
    Ok(0)
}

pub(super) fn down(args: &DownArgs) -> Result<u8> {
    let doomed = match &args.name {
        _ if args.all => running()?
            .into_iter()
            .filter(|cluster| matches!(cluster, Running::Lab(_)))
            .collect(),
        name => vec![meant(name.as_deref())?],
    };
    if doomed.is_empty() {
        anstream::eprintln!("no cluster runs");
    }
    for cluster in doomed {
        cluster.end()?;
        anstream::eprintln!("cluster {} is gone", cluster.name());
    }
    Ok(0)
}

/// The cluster that is meant: the one named, or the only one there is.
pub(super) fn meant(name: Option<&str>) -> Result<Running> {
    let mut running = running()?;
    let listed = running
        .iter()
        .map(Running::name)
        .collect::<Vec<_>>()
        .join(", ");
    if running.is_empty() {
        return Err(Error::Input(
            "no cluster runs; start one: flatnet up".to_owned(),
        ));
    }
    match name {
        Some(name) => running
            .into_iter()
            .find(|cluster| cluster.name() == name)
            .ok_or_else(|| Error::Input(format!("no cluster {name:?} runs; running: {listed}"))),
        None if running.len() == 1 => Ok(running.remove(0)),
        None => Err(Error::Input(format!(
            "several clusters run ({listed}); say which with its name"
        ))),
    }
}
