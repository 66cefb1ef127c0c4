//! A kind cluster to boot: its name, its configuration, and the images it is given.
use std::num::NonZeroUsize;

use super::source::{Archives, ClusterSource};
use super::{pod_ranges, run_id};
use crate::config::RunArgs;
use crate::{Error, Result};
use flatnet_cluster::input;
use flatnet_cluster::kind::Boot;
use flatnet_cluster::kind::config::{KindConfig, Shape};

/// The user's configuration, or the default one with what was chosen.
pub(super) fn plan(args: &RunArgs) -> Result<ClusterSource> {
    pod_ranges::check(&args.pod_cidr)?;
    let kind = &args.kind;
    let archives = archives(args)?;
    let image = kind.node_image();
    let config = match &kind.kind_config {
        Some(path) => {
            let origin = path.display().to_string();
            let text = input::text(path).map_err(|e| {
                Error::Input(format!(
                    "--kind-config {origin}: {e}; name a readable kind configuration"
                ))
            })?;
            KindConfig::parse(&text, &origin)
        }
        None => KindConfig::default_for(&Shape {
            nodes: NonZeroUsize::new(usize::from(args.nodes())).unwrap_or(NonZeroUsize::MIN),
            family: args.ip_family(),
            pod_network: &args.pod_cidr,
            image: image.as_deref(),
        }),
    }?;
    let name = match &args.name {
        Some(name) => cluster_name(name)?,
        None => format!("flatnet-{}", run_id()),
    };
    let logs = args.report.clone().unwrap_or_else(std::env::temp_dir);
    let boot = Boot {
        name,
        config: config.yaml().to_owned(),
        // The image of the engine beside is for nodes whose image the user's configuration does not name.
        image: match kind.image {
            None if kind.kind_config.is_some() && names_images(config.yaml()) => None,
            _ => image,
        },
        logs,
    };
    Ok(ClusterSource::NewKind(boot, archives))
}

/// Whether a kind configuration says which image its nodes have.
fn names_images(yaml: &str) -> bool {
    let config = serde_yaml::from_str::<serde_json::Value>(yaml).unwrap_or_default();
    let nodes = config["nodes"].as_array();
    nodes
        .into_iter()
        .flatten()
        .any(|node| node["image"].is_string())
}

/// kind makes container and host names of it: RFC 1123 label, and room for `-control-plane2`.
fn cluster_name(name: &str) -> Result<String> {
    let fits = !name.is_empty()
        && name.len() <= 45
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    if fits {
        Ok(name.to_owned())
    } else {
        Err(Error::Input(format!(
            "--name {name}: not a name for a kind cluster; use 1 to 45 lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
        )))
    }
}

/// Those for the nodes; each is readable.
pub(super) fn archives(args: &RunArgs) -> Result<Archives> {
    let archives = args.kind.archives(args.cni());
    for archive in &archives {
        input::open(archive).map_err(|e| {
            Error::Input(format!(
                "--image-archive {}: {e}; name a readable archive made by docker save",
                archive.display()
            ))
        })?;
    }
    Ok(Archives(archives))
}
