//! Clusters that run: list them, end them, find the one that is meant.
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use comfy_table::{Table, presets};
use flatnet_lab::{Lab, LabInfo};

use super::Output;
use crate::{Error, Result};

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
    /// Every cluster of this user
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

pub(super) fn list(args: &ListArgs) -> Result<u8> {
    let labs = Lab::list()?;
    if args.output == Output::Json {
        let text =
            serde_json::to_string_pretty(&labs).map_err(|e| Error::failed("write JSON", e))?;
        anstream::println!("{text}");
    } else if labs.is_empty() {
        anstream::eprintln!("no cluster runs; start one: flatnet up");
    } else {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_header(["NAME", "PROVIDER", "CNI", "NODES", "PODS", "AGE", "PID"]);
        for lab in &labs {
            table.add_row(row(lab));
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

fn row(lab: &LabInfo) -> [String; 7] {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|d| d.as_secs())
        .unwrap_or(0);
    let age = now.saturating_sub(lab.started);
    let age = match age {
        0..120 => format!("{age}s"),
        120..7200 => format!("{}m", age / 60),
        _ => format!("{}h", age / 3600),
    };
    let cni = lab.spec.labels.get("cni").cloned().unwrap_or_default();
    [
        lab.spec.name.clone(),
        "lab".to_owned(),
        cni,
        lab.spec.nodes.len().to_string(),
        lab.pods.len().to_string(),
        age,
        lab.pid.to_string(),
    ]
}

pub(super) fn down(args: &DownArgs) -> Result<u8> {
    let names = match &args.name {
        _ if args.all => Lab::list()?.into_iter().map(|lab| lab.spec.name).collect(),
        name => vec![meant(name.as_deref())?],
    };
    if names.is_empty() {
        anstream::eprintln!("no cluster runs");
    }
    for name in names {
        Lab::connect(&name)?.shutdown()?;
        anstream::eprintln!("cluster {name} is gone");
    }
    Ok(0)
}

/// The name of the cluster that is meant: the one named, or the only one there is.
pub(super) fn meant(name: Option<&str>) -> Result<String> {
    let running: Vec<String> = Lab::list()?.into_iter().map(|lab| lab.spec.name).collect();
    match (name, &running[..]) {
        (Some(name), _) if running.iter().any(|r| r == name) => Ok(name.to_owned()),
        (_, []) => Err(Error::Input(
            "no cluster runs; start one: flatnet up".to_owned(),
        )),
        (Some(name), _) => Err(Error::Input(format!(
            "no cluster {name:?} runs; running: {}",
            running.join(", ")
        ))),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Error::Input(format!(
            "several clusters run ({}); say which with its name",
            running.join(", ")
        ))),
    }
}
