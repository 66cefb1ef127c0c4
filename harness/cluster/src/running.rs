//! Clusters that run on this machine, and the one of them that a person means.
use std::fmt;
use std::time::Duration;

use flatnet_lab::Lab;
use flatnet_model::naming::listed;

use crate::kind::{self, engine::Engine};
use crate::{Error, Result};

/// How long the container engine may take to say which kind clusters there are.
const ENGINE_WITHIN: Duration = Duration::from_secs(10);

/// A cluster that runs.
#[derive(Clone, Debug)]
pub enum Running {
    /// A lab of this user, by name. Whether it answers is not known.
    Lab(String),
    /// A kind cluster, booted by flatnet or not.
    Kind {
        /// Its name.
        name: String,
        /// The engine that its nodes are in.
        engine: Engine,
    },
}

impl Running {
    /// Its name: unique among labs and among kind clusters, but not between the two.
    pub fn name(&self) -> &str {
        match self {
            Running::Lab(name) | Running::Kind { name, .. } => name,
        }
    }

    /// Who made it.
    pub fn maker(&self) -> Maker {
        match self {
            Running::Lab(_) => Maker::Lab,
            Running::Kind { .. } => Maker::Kind,
        }
    }
}

/// `lab demo`.
impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.maker().word(), self.name())
    }
}

/// Who makes clusters on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// flatnet's lab.
    Lab,
    /// kind.
    Kind,
}

impl Maker {
    /// As `--provider` and the front of `--cluster lab/NAME` have it.
    pub fn word(self) -> &'static str {
        match self {
            Maker::Lab => "lab",
            Maker::Kind => "kind",
        }
    }
}

/// A cluster as a person names it: `NAME`, or `lab/NAME` and `kind/NAME` where both have one of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterName {
    maker: Option<Maker>,
    name: String,
}

impl ClusterName {
    /// Takes a maker's word off the front. Neither a lab's nor a kind cluster's name has a slash in it.
    pub fn new(text: &str) -> Self {
        let front =
            |maker: Maker| Some((maker, text.strip_prefix(maker.word())?.strip_prefix('/')?));
        match front(Maker::Lab).or_else(|| front(Maker::Kind)) {
            Some((maker, name)) => ClusterName {
                maker: Some(maker),
                name: name.to_owned(),
            },
            None => ClusterName {
                maker: None,
                name: text.to_owned(),
            },
        }
    }

    /// Only what this maker made.
    pub fn of(mut self, maker: Maker) -> Self {
        self.maker.get_or_insert(maker);
        self
    }

    fn fits(&self, cluster: &Running) -> bool {
        cluster.name() == self.name && self.maker.is_none_or(|maker| maker == cluster.maker())
    }
}

/// What runs on this machine.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Labs, then kind clusters.
    pub clusters: Vec<Running>,
    /// Why kind clusters are not among them although kind is installed and its engine answers; nothing where that is in order.
    pub unlisted: Option<String>,
}

/// Looks for labs of this user, and for kind clusters where kind and its engine are here and work. No cluster is asked
/// anything: one that hangs keeps nobody from the others.
///
/// # Errors
/// When the kernel does not list this machine's sockets.
pub async fn find() -> Result<Found> {
    let mut found = Found {
        clusters: Lab::names()?.into_iter().map(Running::Lab).collect(),
        unlisted: None,
    };
    match tokio::time::timeout(ENGINE_WITHIN, kind_clusters()).await {
        Ok(Ok(clusters)) => found.clusters.extend(clusters),
        Ok(Err(e)) => found.unlisted = Some(format!("kind clusters cannot be listed: {e}")),
        Err(_) => {
            found.unlisted = Some(format!(
                "kind clusters cannot be listed: the container engine does not answer within {} s",
                ENGINE_WITHIN.as_secs()
            ));
        }
    }
    tracing::debug!(
        clusters = %listed(found.clusters.iter()),
        unlisted = found.unlisted,
        "looked for clusters that run"
    );
    Ok(found)
}

async fn kind_clusters() -> Result<Vec<Running>> {
    // Without kind or an engine there are no kind clusters.
    let Ok(engine) = Engine::find().await else {
        return Ok(Vec::new());
    };
    let of_engine = |name| Running::Kind {
        name,
        engine: engine.clone(),
    };
    let names = kind::clusters(&engine).await?;
    Ok(names.into_iter().map(of_engine).collect())
}

impl Found {
    /// The cluster of that name.
    ///
    /// # Errors
    /// [`Error::Input`] where none is called that, or a lab and a kind cluster are.
    pub fn named(&self, wanted: &ClusterName) -> Result<Running> {
        let name = &wanted.name;
        let fitting: Vec<&Running> = self.clusters.iter().filter(|c| wanted.fits(c)).collect();
        match fitting[..] {
            [cluster] => Ok(cluster.clone()),
            [] => {
                let kind = match wanted.maker {
                    Some(Maker::Kind) => " --provider kind",
                    Some(Maker::Lab) | None => "",
                };
                let what = match wanted.maker {
                    Some(Maker::Lab) => "lab",
                    Some(Maker::Kind) => "kind cluster",
                    None => "cluster",
                };
                Err(Error::Input(format!(
                    "--cluster {name}: no {what} of that name is running; running: {}{}; to boot it: flatnet up{kind} --name {name}",
                    listed(self.clusters.iter()),
                    self.aside()
                )))
            }
            _ => Err(Error::Input(format!(
                "--cluster {name}: both a lab and a kind cluster have that name; choose --cluster lab/{name} or --cluster kind/{name}"
            ))),
        }
    }

    /// The only cluster that runs.
    ///
    /// # Errors
    /// [`Error::Input`] where none or several do.
    pub fn only(&self) -> Result<Running> {
        match &self.clusters[..] {
            [cluster] => Ok(cluster.clone()),
            [] => Err(Error::Input(format!(
                "no cluster is running{}; to boot one: flatnet up",
                self.aside()
            ))),
            several => Err(Error::Input(format!(
                "several clusters are running: {}; choose one with --cluster NAME",
                listed(several.iter())
            ))),
        }
    }

    fn aside(&self) -> String {
        self.unlisted
            .as_ref()
            .map(|why| format!(" ({why})"))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(name: &str) -> Running {
        Running::Lab(name.to_owned())
    }

    fn kind(name: &str) -> Running {
        Running::Kind {
            name: name.to_owned(),
            engine: Engine::unchecked("docker"),
        }
    }

    fn found(clusters: Vec<Running>) -> Found {
        Found {
            clusters,
            unlisted: None,
        }
    }

    fn named(found: &Found, text: &str) -> std::result::Result<String, String> {
        let cluster = found.named(&ClusterName::new(text));
        cluster.map(|c| c.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_name_is_found_and_an_ambiguous_one_names_both() {
        let found = found(vec![lab("demo"), lab("mine"), kind("demo"), kind("kind")]);
        assert_eq!(named(&found, "mine").as_deref(), Ok("lab mine"));
        assert_eq!(named(&found, "kind").as_deref(), Ok("kind kind"));
        assert_eq!(named(&found, "lab/demo").as_deref(), Ok("lab demo"));
        assert_eq!(named(&found, "kind/demo").as_deref(), Ok("kind demo"));
        assert_eq!(
            named(&found, "demo").unwrap_err(),
            "--cluster demo: both a lab and a kind cluster have that name; choose --cluster lab/demo or --cluster kind/demo"
        );
        let of_kind = found.named(&ClusterName::new("demo").of(Maker::Kind));
        assert_eq!(of_kind.unwrap().to_string(), "kind demo");
    }

    #[test]
    fn an_unknown_cluster_is_reported_with_the_running_ones() {
        let found = found(vec![lab("demo"), kind("kind")]);
        assert_eq!(
            named(&found, "nobody").unwrap_err(),
            "--cluster nobody: no cluster of that name is running; running: lab demo, kind kind; to boot it: flatnet up --name nobody"
        );
        assert_eq!(
            named(&found, "kind/demo").unwrap_err(),
            "--cluster demo: no kind cluster of that name is running; running: lab demo, kind kind; to boot it: flatnet up --provider kind --name demo"
        );
    }

    #[test]
    fn without_a_name_only_a_single_cluster_is_meant() {
        assert_eq!(found(vec![kind("a")]).only().unwrap().to_string(), "kind a");
        assert_eq!(
            found(vec![lab("a"), kind("b")])
                .only()
                .unwrap_err()
                .to_string(),
            "several clusters are running: lab a, kind b; choose one with --cluster NAME"
        );
        let silent = Found {
            clusters: Vec::new(),
            unlisted: Some("kind clusters cannot be listed: boom".to_owned()),
        };
        assert_eq!(
            silent.only().unwrap_err().to_string(),
            "no cluster is running (kind clusters cannot be listed: boom); to boot one: flatnet up"
        );
    }
}
