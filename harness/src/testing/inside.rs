//! What a cluster's handle, its nodes and its pods share.
use std::fmt;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;

use flatnet_analysis::checks::{Check, Required};
use flatnet_cluster::observe::once::Probes;
use flatnet_model::observations::Observations;
use flatnet_model::snapshot::NodeSnapshot;
use jiff::Timestamp;
use tokio::runtime::Runtime;

use crate::Result;
use crate::report::{Report, Run};
use crate::session::Session;

/// A cluster that runs.
pub(super) struct Inside {
    pub(super) runtime: Runtime,
    pub(super) session: Session,
    pub(super) probes: Probes,
    pub(super) nodes: Vec<NodeSnapshot>,
    /// Directory of the plugins that its conflist names.
    pub(super) cni_bin: Option<PathBuf>,
}

/// What looks at it.
#[derive(Clone, Copy)]
pub(super) struct Looked<'a> {
    pub(super) session: &'a Session,
    pub(super) probes: &'a Probes,
}

impl Inside {
    /// Does work on the cluster that needs its runtime.
    pub(super) fn run<T: Send>(
        &self,
        work: impl AsyncFnOnce(Looked<'_>) -> Result<T> + Send,
    ) -> Result<T> {
        let looked = Looked {
            session: &self.session,
            probes: &self.probes,
        };
        on_runtime(&self.runtime, async || work(looked).await)
    }

    /// What `look` sees of the cluster as it is now, with the CNI and the ranges of pods that a change may have given it.
    pub(super) fn observed(
        &self,
        look: impl AsyncFnOnce(&Session) -> Result<Observations> + Send,
    ) -> Result<Observations> {
        self.run(async |looked| {
            let mut observations = look(looked.session).await?;
            if let Some((cni, pod_network)) = looked.session.network_now().await? {
                observations.cni = cni;
                observations.pod_network = pod_network;
            }
            Ok(observations)
        })
    }

    /// Judges what was observed, as a test asks for it: what cannot be judged on this cluster is not a pass.
    pub(super) fn judged(&self, observations: Observations, checks: &[&Check]) -> Report {
        let ids: Vec<String> = checks.iter().map(|check| check.id.to_owned()).collect();
        // Ids of the catalogue.
        let required = Required::parse(&ids).unwrap_or_default();
        let run = Run {
            // Evidence says in its own words how to keep it.
            gone: None,
            cni: observations.cni.clone(),
            ..Run::of(self.session.plan(), &observations, None)
        };
        let now = Timestamp::now();
        Report::of(run, now, Vec::new(), (checks, &required), observations)
    }
}

/// What there is, or a panic at the line of the test.
#[track_caller]
pub(super) fn or_panic<T>(result: std::result::Result<T, impl fmt::Display>) -> T {
    match result {
        Ok(value) => value,
        Err(e) => panic!("{e}"),
    }
}

/// Works from a thread that belongs to no runtime: a test may have one of its own.
pub(super) fn on_runtime<T: Send>(runtime: &Runtime, work: impl AsyncFnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let worker = scope.spawn(|| runtime.block_on(work()));
        worker.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
