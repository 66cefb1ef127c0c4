//! Options of a run; each is also a `FLATNET_*` variable of the same name.
mod baseline;
pub(crate) mod booted;
mod provider;
mod required;
pub(crate) mod variable;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};
use flatnet_model::IpFamily;
use flatnet_model::coverage::Coverage;
use flatnet_model::network::UnknownWord;
use flatnet_model::probe::Transport;
use ipnet::IpNet;

pub use baseline::BaselineArgs;
pub(crate) use booted::is_file;
pub use provider::{KindArgs, KubeArgs, LabArgs};
pub use required::{RequireArgs, selected};

use crate::{Error, Result};

/// Where the cluster comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// Linux namespaces on this machine; needs no container engine and no root.
    Lab,
    /// A real cluster in containers on this machine; needs kind, and docker or podman.
    Kind,
    /// An existing cluster, reached through a kubeconfig.
    Kubeconfig,
}

impl Provider {
    /// As the user writes it.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Lab => "lab",
            Provider::Kind => "kind",
            Provider::Kubeconfig => "kubeconfig",
        }
    }
}

/// Parses one of a set of words, which `--help` and errors list.
pub(crate) fn one_of<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = UnknownWord> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// The cluster that a run boots and what it deploys there.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub struct RunArgs {
    /// Where the cluster comes from [default: lab; with --cluster, the provider of that cluster]
    #[arg(long, env = "FLATNET_PROVIDER", value_enum)]
    pub provider: Option<Provider>,

    /// Running lab or kind cluster to use and keep: the run's pods go into a namespace of their own, which is deleted
    /// afterwards; lab/NAME or kind/NAME if both have a cluster of that name
    #[arg(long, env = "FLATNET_CLUSTER", value_name = "NAME")]
    pub cluster: Option<String>,

    /// CNI to install: flatnet, flannel, weave, reference, none, or a FILE (a conflist for the lab, with --cni-bin; a manifest
    /// for kind) [default: flatnet; with --cluster or a kubeconfig, the CNI already there]
    #[arg(long, env = "FLATNET_CNI", value_name = "NAME|FILE")]
    pub cni: Option<String>,

    /// How the flatnet CNI connects nodes: with VXLAN, with plain routes, or with the one that fits [default: auto]
    #[arg(long, env = "FLATNET_BACKEND", value_parser = ["auto", "vxlan", "routes"])]
    pub backend: Option<String>,

    /// Replace the CNI of the kind cluster named by --cluster where it differs from --cni and --backend; deletes every pod that the
    /// old CNI networks, also those that nothing creates again
    #[arg(long, env = "FLATNET_CHANGE_CNI")]
    pub change_cni: bool,

    /// Number of nodes, 1 to 250 [default: 3]
    #[arg(long, env = "FLATNET_NODES", value_parser = clap::value_parser!(u16).range(1..=250))]
    pub nodes: Option<u16>,

    /// Number of busybox pods per node, in addition to one hostNetwork pod per node [default: 3]
    #[arg(long, env = "FLATNET_PODS_PER_NODE", value_parser = clap::value_parser!(u16).range(1..))]
    pub pods_per_node: Option<u16>,

    /// IP families of nodes and pods [default: ipv4]
    #[arg(long, env = "FLATNET_IP_FAMILY", value_parser = one_of::<IpFamily>(IpFamily::WORDS))]
    pub ip_family: Option<IpFamily>,

    /// Pod network ranges, at most one per IP family, separated by commas [default: 10.244.0.0/16 and fd00:10:244::/48]
    #[arg(
        long,
        env = "FLATNET_POD_CIDR",
        value_delimiter = ',',
        value_name = "CIDR"
    )]
    pub pod_cidr: Vec<IpNet>,

    /// Manifest of the pods to deploy instead of the busybox pods; each pod names its node (node1, node2, … count the nodes of
    /// any cluster)
    #[arg(long, env = "FLATNET_MANIFEST", value_name = "FILE")]
    pub manifest: Option<PathBuf>,

    /// Name of the new cluster [default: a generated one; flatnet for `up`]
    #[arg(long, env = "FLATNET_NAME", value_name = "NAME")]
    pub name: Option<String>,

    /// Keep the cluster after the run (`flatnet list` shows it, `flatnet down` deletes it)
    #[arg(long, env = "FLATNET_KEEP")]
    pub keep: bool,

    /// Further options of the CNI, by key, as `flatnet change --from` names them.
    #[arg(skip)]
    pub cni_options: BTreeMap<String, String>,

    /// Only pods are deployed: no services, no ports of nodes, no peer outside the cluster.
    #[arg(skip)]
    pub pods_only: bool,

    /// The cluster is to stay once it is up, without `--keep` too.
    #[arg(skip)]
    pub stays_up: bool,

    /// Time limit for all pods to run, in seconds, 1 to 3600 [default: 30 on the lab, 120 elsewhere: images may have to be pulled]
    #[arg(long, env = "FLATNET_POD_TIMEOUT", value_parser = clap::value_parser!(u64).range(1..=3600), value_name = "SECONDS")]
    pub pod_timeout: Option<u64>,

    /// Options of the lab.
    #[command(flatten)]
    pub lab: LabArgs,

    /// Options of kind.
    #[command(flatten)]
    pub kind: KindArgs,

    /// Options of a cluster reached through a kubeconfig.
    #[command(flatten)]
    pub kube: KubeArgs,

    /// Directory to write report.html, report.json, junit.xml and summary.md to (`up`: cluster.json), and the logs of a cluster that
    /// does not come up
    #[arg(
        long,
        env = "FLATNET_REPORT",
        value_name = "DIR",
        help_heading = "Report"
    )]
    pub report: Option<PathBuf>,

    /// Follow packets of failing pairs on a cluster that flatnet did not boot, too: adds an nftables table of flatnet's own to its
    /// nodes for less than a second each; on labs and kind clusters this is always done
    #[arg(long, env = "FLATNET_TRACE", help_heading = "Checks")]
    pub trace: bool,

    /// Transports to test between all pairs, separated by commas
    #[arg(long, env = "FLATNET_TRANSPORTS", value_parser = one_of::<Transport>(Transport::WORDS), value_delimiter = ',', default_values = ["tcp", "udp", "icmp"], help_heading = "Checks")]
    pub transports: Vec<Transport>,

    /// How many of the pairs to dial: full (every pair), nodes (every ordered pair of nodes, and every pod as client and as server),
    /// sampled[=N] (N pairs drawn at random, 10000 without a number), auto (full up to 40000 dials, beyond that nodes)
    #[arg(
        long,
        env = "FLATNET_COVERAGE",
        default_value = "auto",
        value_name = "COVERAGE",
        help_heading = "Checks"
    )]
    pub coverage: Coverage,

    /// Number that chooses the pairs of --coverage nodes and sampled; verdicts print it [default: a new one for each run]
    #[arg(
        long,
        env = "FLATNET_SEED",
        value_name = "NUMBER",
        help_heading = "Checks"
    )]
    pub seed: Option<u64>,
}

impl RunArgs {
    /// The CNI's name, the provider's default where none was given.
    pub fn cni(&self) -> &str {
        match (&self.cni, self.provider()) {
            (Some(name), _) => name,
            (None, Provider::Kubeconfig) => "none",
            (None, Provider::Lab | Provider::Kind) => "flatnet",
        }
    }

    /// Where the cluster comes from.
    pub fn provider(&self) -> Provider {
        self.provider.unwrap_or(Provider::Lab)
    }

    /// How the flatnet CNI connects nodes.
    pub fn backend(&self) -> &str {
        self.backend.as_deref().unwrap_or("auto")
    }

    /// How long pods may take to run.
    pub fn pod_timeout(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.pod_timeout.unwrap_or(match self.provider() {
            Provider::Lab => 30,
            Provider::Kind | Provider::Kubeconfig => 120,
        }))
    }

    /// Number of nodes, where it can be chosen.
    pub fn nodes(&self) -> u16 {
        self.nodes.unwrap_or(3)
    }

    /// IP families, where they can be chosen.
    pub fn ip_family(&self) -> IpFamily {
        self.ip_family.unwrap_or_default()
    }

    /// Refuses options that the provider does not support: each would have no effect, silently.
    ///
    /// # Errors
    /// [`Error::Input`] names every one of them.
    pub fn check_provider(&self) -> Result<()> {
        /// An option, whether it was given, and which providers support it.
        type Placed<'a> = (&'a str, bool, &'a [Provider]);
        let lab_only: &[Provider] = &[Provider::Lab];
        let kind_only: &[Provider] = &[Provider::Kind];
        let foreign: &[Provider] = &[Provider::Kubeconfig];
        let booted: &[Provider] = &[Provider::Lab, Provider::Kind];
        let shape = [
            ("--nodes", self.nodes.is_some(), booted),
            ("--ip-family", self.ip_family.is_some(), booted),
            ("--pod-cidr", !self.pod_cidr.is_empty(), booted),
        ];
        let lab = [
            ("--underlay", self.lab.underlay.is_some(), lab_only),
            ("--mtu", self.lab.mtu.is_some(), lab_only),
            (
                "--node-cidr-mask",
                self.lab.node_cidr_mask.is_some(),
                lab_only,
            ),
            ("--cni-bin", self.lab.cni_bin.is_some(), lab_only),
            ("--busybox", self.lab.busybox.is_some(), lab_only),
        ];
        let new = [
            ("--name", self.name.is_some(), booted),
            ("--image", self.kind.image.is_some(), kind_only),
            ("--kind-config", self.kind.kind_config.is_some(), kind_only),
        ];
        let other = [
            ("--cluster", self.cluster.is_some(), booted),
            ("--change-cni", self.change_cni, booted),
            (
                "--image-archive",
                !self.kind.image_archive.is_empty(),
                kind_only,
            ),
            ("--kubeconfig", self.kube.kubeconfig.is_some(), foreign),
            ("--context", self.kube.context.is_some(), foreign),
            ("--namespace", self.kube.namespace.is_some(), foreign),
        ];
        let all = shape.iter().chain(&lab).chain(&new).chain(&other);
        let misplaced: Vec<&str> = all
            .filter(|(_, given, fits)| *given && !fits.contains(&self.provider()))
            .map(|(name, ..)| *name)
            .collect();
        if !misplaced.is_empty() {
            return Err(Error::Input(format!(
                "{}: not supported by --provider {}; leave it out, or choose another provider",
                misplaced.join(", "),
                self.provider().name()
            )));
        }
        let decided = |by: &str, options: &mut dyn Iterator<Item = &Placed>| {
            let given: Vec<&str> = options
                .filter(|(_, given, _)| *given)
                .map(|(name, ..)| *name)
                .collect();
            if given.is_empty() {
                return Ok(());
            }
            Err(Error::Input(format!(
                "{}: cannot be combined with {by}, which already determines this; leave one of them out",
                given.join(", ")
            )))
        };
        if self.cluster.is_some() {
            let mut fixed = shape.iter().chain(&lab).chain(&new);
            return decided("--cluster", &mut fixed);
        }
        if self.change_cni {
            return Err(Error::Input(
                "--change-cni: a new cluster has no CNI to replace; name a running cluster with --cluster"
                    .to_owned(),
            ));
        }
        if self.kind.kind_config.is_some() {
            return decided("--kind-config", &mut shape.iter());
        }
        Ok(())
    }

    /// Of two options that name different clusters, the one typed wins over the one set by a variable.
    pub fn settle(&mut self, typed: impl Fn(&str) -> bool) {
        if self.name.is_some() && self.cluster.is_some() {
            match (typed("name"), typed("cluster")) {
                (true, false) => self.cluster = None,
                (false, true) => self.name = None,
                _ => {}
            }
        }
        if self.provider == Some(Provider::Kubeconfig) && self.cluster.is_some() {
            match (typed("provider"), typed("cluster")) {
                (true, false) => self.cluster = None,
                (false, true) => self.provider = None,
                _ => {}
            }
        }
    }

    /// The defaults, with what `FLATNET_*` variables choose.
    ///
    /// # Errors
    /// [`Error::Input`] names the variable whose value does not fit.
    pub fn from_env() -> Result<Self> {
        RunArgs::parse([])
    }

    /// As [`RunArgs::from_env`], with these options on top.
    ///
    /// # Errors
    /// [`Error::Input`] names the option or variable whose value does not fit.
    pub fn parse<'a>(options: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        parsed(options)
    }

    /// The defaults with these options on top, whatever `FLATNET_*` variables say.
    ///
    /// # Errors
    /// [`Error::Input`] names the option whose value does not fit.
    pub fn written<'a>(options: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        parsed_as(options, variable::unheard).map_err(|e| Error::Input(words(&e)))
    }

    /// The names of all options, as they are typed after `--`.
    pub fn names() -> Vec<String> {
        let command = RunArgs::augment_args(clap::Command::new("flatnet"));
        let names = command.get_arguments().filter_map(clap::Arg::get_long);
        names.map(str::to_owned).collect()
    }
}

/// Options of one kind: the defaults, with what `FLATNET_*` variables choose, and these on top.
fn parsed<'a, A: Args>(options: impl IntoIterator<Item = &'a str>) -> Result<A> {
    parsed_as(options, variable::nonempty).map_err(|e| {
        let origin = variable::behind(&e).map(|name| format!("; {name} sets that value"));
        Error::Input(words(&e) + &origin.unwrap_or_default())
    })
}

/// What is wrong and similar options, without what only a command line has: its usage and its `--help`.
fn words(e: &clap::Error) -> String {
    let text = e.to_string();
    let paragraphs = text.trim().trim_start_matches("error: ").split("\n\n");
    let of_terminals = |words: &&str| {
        ["Usage: ", "For more information"]
            .iter()
            .any(|start| words.starts_with(start))
    };
    let kept = paragraphs
        .map(str::trim_end)
        .filter(|words| !of_terminals(words));
    Vec::from_iter(kept).join("\n")
}

fn parsed_as<'a, A: Args>(
    options: impl IntoIterator<Item = &'a str>,
    variables: fn(clap::Command) -> clap::Command,
) -> std::result::Result<A, clap::Error> {
    #[derive(Parser)]
    struct Command<A: Args> {
        #[command(flatten)]
        args: A,
    }
    let command = variables(Command::<A>::command());
    command
        .try_get_matches_from(std::iter::once("flatnet").chain(options))
        .and_then(|matches| Command::from_arg_matches(&matches))
        .map(|command| command.args)
}
