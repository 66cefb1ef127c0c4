//! What goes on between pods while a cluster is changed, and the steps that it falls into.
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_analysis::checks::{Required, catalogue};
use flatnet_cluster::observe::fleet::Fleet;
use flatnet_cluster::observe::gather;
use flatnet_cluster::observe::scope::Scope;
use flatnet_model::change::{Begun, Step};
use flatnet_model::observations::Observations;
use flatnet_model::snapshot::PodSnapshot;

use crate::events::{Event, Observer};
use crate::report::CheckReport;
use crate::session::Session;
use crate::{Error, Result};

/// How long streams run on before the first step and after the last.
pub(super) const QUIET: Duration = Duration::from_millis(300);

/// Steps so far.
pub(super) struct Steps<'a> {
    begun: Vec<Begun>,
    observer: &'a Observer,
}

impl<'a> Steps<'a> {
    pub(super) fn new(observer: &'a Observer) -> Self {
        Steps {
            begun: Vec::new(),
            observer,
        }
    }

    pub(super) fn begin(&mut self, step: Step) {
        (self.observer)(&Event::Step(step.words()));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at_us = u64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(u64::MAX);
        self.begun.push(Begun { step, at_us });
    }

    pub(super) fn into_begun(self) -> Vec<Begun> {
        self.begun
    }
}

/// Sends the traffic of every check between these pods, from probes that run, and judges what came of it.
///
/// # Errors
/// Only what keeps the cluster's objects from being read.
pub(super) async fn judged(
    session: &Session,
    fleet: &mut Arc<Fleet>,
    pods: &[PodSnapshot],
) -> Result<(Observations, Vec<CheckReport>)> {
    fleet.start_over().await;
    let nodes = session.cluster().nodes().await?;
    let scope = Scope {
        pods,
        before: None,
        ..session.scope()
    };
    let observations = gather::everything(fleet, nodes, &scope).await?;
    let checks = catalogue::all().iter();
    let required = Required::default();
    let checks = checks.map(|check| CheckReport::of(check, &required, &observations));
    let checks = checks.collect();
    Ok((observations, checks))
}

/// The only user of the fleet may change it.
///
/// # Errors
/// When somebody still asks.
pub(super) fn own(fleet: &mut Arc<Fleet>) -> Result<&mut Fleet> {
    Arc::get_mut(fleet).ok_or_else(|| Error::Failed("the probes are still being asked".to_owned()))
}
