//! From options to a plan: every address and every pod decided and validated before anything is started.
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use flatnet_model::coverage::Coverage;
use flatnet_model::probe::Transport;

use super::limits::{self, Size};
use super::locate::{self, Existing, Located};
use super::reaper::ClusterRef;
use super::source::ClusterSource;
use super::workload::Workload;
use super::{new_kind, new_lab};
use crate::cni::Choice;
use crate::config::{Provider, RunArgs};
use crate::consent::Consent;
use crate::events::Event;
use crate::plant::Fault;
use crate::programs::Programs;
use crate::{Error, Result};

/// What pods of a lab see where there is no static busybox.
const NO_BUSYBOX: &str = "no static busybox on this machine: pods use the host's programs, read-only; to change that, install one (Debian: package busybox-static)";

/// Whether what a run booted, or put into a cluster that ran, stays when the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It goes.
    Never,
    /// It stays if it came up: `flatnet up`.
    OnceUp,
    /// It stays also where its CNI or its pods do not come up: `--keep`.
    Always,
}

/// A run, decided.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cluster.
    pub source: ClusterSource,
    /// What networks the pods.
    pub cni: Choice,
    /// As given.
    pub cni_name: String,
    /// Pods under test.
    pub workload: Workload,
    /// How long they may take to run.
    pub pod_timeout: Duration,
    /// Transports of the matrix.
    pub transports: Vec<Transport>,
    /// How many of its pairs are dialled.
    pub coverage: Coverage,
    /// Chooses them.
    pub seed: u64,
    /// Whether packets may be followed.
    pub consent: Consent,
    /// Whether only pods are deployed: no services, no ports of nodes, no peer outside.
    pub pods_only: bool,
    /// What stays afterwards.
    pub keep: Keep,
    /// flatnet's own parts.
    pub programs: Programs,
    /// One line that a reader should know, if there is one.
    pub note: Option<String>,
}

impl Plan {
    /// Decides everything, with options that fit each other and the cluster they name ([`super::locate`]); starts nothing.
    ///
    /// # Errors
    /// [`Error::Input`] for what the user can correct on the command line, [`Error::Missing`] for what is not there.
    pub fn new(args: &RunArgs, existing: Option<Existing>, fault: Option<&Fault>) -> Result<Plan> {
        let programs = Programs::locate()?;
        let cni = match &existing {
            Some(existing) if existing.cni_stays => Choice::Kept,
            _ => Choice::parse(args)?,
        };
        let source = match (existing.map(|existing| existing.cluster), args.provider()) {
            (Some(Located::Lab(spec)), _) => {
                if let Some(fault) = fault {
                    return Err(Error::Input(format!(
                        "--plant {}: the fault would stay in the lab, which is kept; leave --cluster out, or plant it by hand with flatnet exec",
                        fault.id
                    )));
                }
                ClusterSource::RunningLab {
                    pod_network: locate::pod_network(&spec),
                    spec,
                }
            }
            (Some(Located::Kind { name, engine }), _) => ClusterSource::RunningKind {
                name,
                engine,
                archives: new_kind::archives(args)?,
            },
            (None, Provider::Lab) => new_lab::plan(args, &programs, &cni, fault)?,
            (None, Provider::Kind) => new_kind::plan(args)?,
            (None, Provider::Kubeconfig) => ClusterSource::Kubeconfig(args.kube.clone()),
        };
        let note = match &source {
            ClusterSource::NewLab { spec, .. } if spec.busybox.is_none() => {
                Some(NO_BUSYBOX.to_owned())
            }
            _ => None,
        };
        let workload = Workload::choose(args)?;
        if let ClusterSource::NewLab { spec, .. } = &source {
            let nodes: Vec<String> = spec.nodes.iter().map(|node| node.name.clone()).collect();
            let pods = workload.place(&nodes, "default")?;
            limits::check_limits(Size {
                ends: nodes.len() + pods.len(),
                agents: match cni {
                    Choice::Flatnet(_) => nodes.len(),
                    _ => 0,
                },
            })?;
        }
        Ok(Plan {
            source,
            cni,
            cni_name: args.cni().to_owned(),
            workload,
            pod_timeout: args.pod_timeout(),
            transports: args.transports.clone(),
            coverage: args.coverage,
            seed: args.seed.unwrap_or_else(new_seed),
            consent: Consent::of(args.provider() != Provider::Kubeconfig, args.trace),
            pods_only: args.pods_only,
            keep: match (args.keep, args.stays_up) {
                (true, _) => Keep::Always,
                (false, true) => Keep::OnceUp,
                (false, false) => Keep::Never,
            },
            programs,
            note,
        })
    }

    /// The cluster's name, where it is there after the run.
    pub fn outlives_run(&self) -> Option<&str> {
        let outlives = self.keep != Keep::Never || self.source.is_running();
        self.source.name().filter(|_| outlives)
    }

    /// How the reaper finds a cluster behind an API again.
    pub fn reference(&self) -> Option<ClusterRef> {
        match &self.source {
            ClusterSource::NewKind(boot, _) => Some(ClusterRef::Kind {
                name: boot.name.clone(),
            }),
            ClusterSource::RunningKind { name, .. } => {
                Some(ClusterRef::Kind { name: name.clone() })
            }
            ClusterSource::Kubeconfig(args) => Some(ClusterRef::Kubeconfig {
                file: args.kubeconfig.clone(),
                context: args.context.clone(),
            }),
            ClusterSource::NewLab { .. } | ClusterSource::RunningLab { .. } => None,
        }
    }

    /// What there is to look at after a failure.
    pub(super) fn how_to_look(&self) -> String {
        match self.source.name() {
            Some(name) => format!(
                "to look at it: flatnet diagnose --cluster {name}; flatnet inspect --cluster {name}; flatnet exec --cluster {name} node1 -- ls /etc/cni/net.d"
            ),
            None => "to look at it: flatnet diagnose --current-context".to_owned(),
        }
    }

    /// What to tell when the cluster, or `namespace` in a cluster that the run did not boot, is kept.
    pub(super) fn kept(&self, namespace: &str) -> Event {
        Event::Kept {
            cluster: self.source.name().map(str::to_owned),
            words: self.kept_words(namespace),
        }
    }

    fn kept_words(&self, namespace: &str) -> String {
        match self.source.name() {
            Some(name) if self.source.is_running() => format!(
                "pods are kept in namespace {namespace} of cluster {name}; to delete both: flatnet down {name}"
            ),
            Some(name) => format!("cluster {name} is kept; to delete it: flatnet down {name}"),
            None => format!(
                "namespace {namespace} is kept; to delete it: kubectl delete namespace {namespace}"
            ),
        }
    }
}

/// Of six digits, so that a person can type it again.
fn new_seed() -> u64 {
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}
