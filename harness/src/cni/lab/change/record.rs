//! The record of a change in its lab.
use std::collections::BTreeMap;
use std::time::Duration;

use flatnet_lab::LabSpec;
use flatnet_model::change::Step;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::config::{Config, labelled};
use super::work::Work;
use crate::Result;
use crate::cni::Given;
use flatnet_cluster::lab::LabCluster;

/// The label of a lab that is being changed: [`Pending`].
const PENDING: &str = "change";
/// The label with the process that changes it: its id, and when it was started in ticks since the boot.
const PROCESS: &str = "change-process";
/// The label with one sentence about a change that was not finished.
const UNFINISHED: &str = "unfinished-change";

/// How long a lab may be busy with a call whose caller was killed.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);

/// A change that is under way, or whose process was killed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// What the lab had.
    pub from: Config,
    /// What it is to get.
    pub to: Config,
    /// How far it has come.
    pub step: Step,
}

impl Pending {
    /// Of a lab whose change was not finished.
    pub fn of_lab(spec: &LabSpec) -> Option<Self> {
        serde_json::from_str(spec.labels.get(PENDING)?).ok()
    }

    /// In words, as one that ended early.
    fn words(&self) -> String {
        self.from.wanted.unfinished(&self.to.wanted, &self.step)
    }
}

/// Notes that a change which was undone has been told.
///
/// # Errors
/// A lab that does not answer.
pub async fn told(lab: &LabCluster, spec: &LabSpec) -> Result<()> {
    if !spec.labels.contains_key(UNFINISHED) {
        return Ok(());
    }
    let mut labels = spec.labels.clone();
    labels.remove(UNFINISHED);
    lab.record(labels, BTreeMap::new()).await
}

/// What the next command on a lab should say of a change that was not finished.
pub fn unfinished(spec: &LabSpec) -> Option<String> {
    pending(spec).or_else(|| spec.labels.get(UNFINISHED).cloned())
}

/// What every command that looks at a lab should say of a change that is not finished and that nothing has undone, with what to do.
pub fn pending(spec: &LabSpec) -> Option<String> {
    let pending = Pending::of_lab(spec)?;
    if let Some(process) = under_way(&spec.labels) {
        return Some(format!(
            "lab {}: process {process} is changing it from {} to {}, and is at the step \"{}\"; its nodes have either of the two until it ends",
            spec.name,
            pending.from.wanted,
            pending.to.wanted,
            pending.step.words()
        ));
    }
    Some(format!(
        "lab {}: {}; its nodes have either of the two; to put {} back: flatnet change --cluster {} --to {}",
        spec.name,
        pending.words(),
        pending.from.wanted,
        spec.name,
        pending.from.wanted
    ))
}

/// The process that is changing it, while it runs.
fn under_way(labels: &BTreeMap<String, String>) -> Option<u32> {
    let (process, since) = labels.get(PROCESS)?.split_once(' ')?;
    let process = process.parse().ok()?;
    (since.parse() == Ok(started(process)?)).then_some(process)
}

/// When a process was started, ticks since the boot (proc_pid_stat(5), field 22): an id is given again.
fn started(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name in parentheses, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let is_dead = fields
        .next()
        .is_none_or(|state| state == "Z" || state == "X");
    fields.nth(18).filter(|_| !is_dead)?.parse().ok()
}

/// Notes in the lab that a change has come to this step.
///
/// # Errors
/// A lab that does not answer.
pub async fn note(lab: &LabCluster, pending: &Pending) -> Result<()> {
    let mut labels = lab.info().await?.spec.labels;
    labels.extend([labelled(PENDING, pending)?]);
    let own = std::process::id();
    let process = started(own).map(|since| (PROCESS.to_owned(), format!("{own} {since}")));
    labels.extend(process);
    labels.remove(UNFINISHED);
    lab.record(labels, BTreeMap::new()).await
}

/// Notes in the lab what it has now, and nothing of a change any more but `unfinished`, in one sentence.
///
/// # Errors
/// A lab that does not answer.
pub async fn settle(lab: &LabCluster, config: &Config, unfinished: Option<String>) -> Result<()> {
    let spec = lab.info().await?.spec;
    let mut labels = spec.labels;
    for label in [PENDING, PROCESS, UNFINISHED] {
        labels.remove(label);
    }
    labels.extend(unfinished.map(|words| (UNFINISHED.to_owned(), words)));
    let Given { name, backend, .. } = config.wanted.as_given();
    labels.insert("cni".to_owned(), name);
    labels.remove("backend");
    labels.extend(backend.map(|backend| ("backend".to_owned(), backend)));
    let ranges: Vec<String> = config.pod_network.iter().map(IpNet::to_string).collect();
    labels.insert("pod-cidr".to_owned(), ranges.join(","));
    labels.extend([config.label()?]);
    lab.record(labels, config.pod_cidrs.clone()).await
}

/// Puts back what a lab had before a change that was not finished; nothing where there is none.
///
/// # Errors
/// When a node does not take it back: the lab keeps its record, and the next command says so.
pub async fn undo(lab: &LabCluster) -> Result<()> {
    let Some(pending) = Pending::of_lab(&lab.info().await?.spec) else {
        return Ok(());
    };
    // The lab may still carry out what it was asked for last.
    tokio::time::sleep(SETTLES_WITHIN).await;
    let mut work = Work::new(lab.clone(), pending.from.clone()).await?;
    work.bring_about(&pending.to).await?;
    let words = format!(
        "{}; the lab has {} on every node again",
        pending.words(),
        pending.from.wanted
    );
    settle(lab, &pending.from, Some(words)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_id_and_its_start() {
        let own = std::process::id();
        let since = started(own).expect("this process runs");
        let is_under_way =
            |label: String| under_way(&BTreeMap::from([(PROCESS.to_owned(), label)]));
        assert_eq!(is_under_way(format!("{own} {since}")), Some(own));
        assert_eq!(is_under_way(format!("{own} {}", since + 1)), None);
        assert_eq!(is_under_way(format!("{} {since}", u32::MAX)), None);
        assert_eq!(is_under_way(String::new()), None);
    }
}
