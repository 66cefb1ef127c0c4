//! A probe that is asked one question and ends: for a look that needs no traffic.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flatnet_model::probe::{Question, wire};
use tokio::sync::Mutex;

use super::fleet::READ_WITHIN;
use crate::{Cluster, ExecOutput, Process, Target};
use crate::{Error, Result};
use flatnet_lab::PROGRAMS_DIR;

/// A probe has to be carried to a place only once, and may have a slow connection to travel by.
const PLACED_WITHIN: Duration = Duration::from_secs(60);

/// Probes that are put where they are needed, and asked there as often as is wanted.
pub struct Probes {
    cluster: Arc<dyn Cluster>,
    /// Where they are.
    placed: Mutex<HashMap<Target, String>>,
}

impl Probes {
    /// None yet.
    pub fn on(cluster: Arc<dyn Cluster>) -> Self {
        Probes {
            cluster,
            placed: Mutex::default(),
        }
    }

    /// Puts a question to a new probe on `target`.
    ///
    /// # Errors
    /// A probe that cannot be put there or started, or that cannot answer.
    pub async fn ask<Q: Question>(&self, target: &Target, question: &Q) -> Result<Q::Answer> {
        let known = self.placed.lock().await.get(target).cloned();
        let path = match known {
            Some(path) => path,
            None => {
                let placing = self.cluster.place_probe(target);
                let path = within(PLACED_WITHIN, placing, "be put", target).await?;
                let mut placed = self.placed.lock().await;
                placed.insert(target.clone(), path.clone());
                path
            }
        };
        let input = line(question)?;
        let asking = self
            .cluster
            .exec(target, std::slice::from_ref(&path), &input);
        let done = within(READ_WITHIN, asking, "answer", target).await?;
        answer(question, &done, target)
    }
}

/// Starts a probe on what joins the nodes.
///
/// # Errors
/// Where the cluster has nothing of that kind that can be looked at, or the probe does not start.
pub async fn start_on_wire(cluster: &dyn Cluster) -> Result<Process> {
    let probe = format!("{PROGRAMS_DIR}/flatnet-probe");
    cluster.start_on_wire(&[probe]).await
}

/// Gives up after `limit`.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T>>,
    what: &str,
    whom: &Target,
) -> Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::Failed(format!(
            "the probe of {whom} did not {what} within {limit:?}"
        )))
    })
}

/// A question as a probe reads it.
///
/// # Errors
/// A question that cannot be written as JSON.
pub fn line<Q: Question>(question: &Q) -> Result<Vec<u8>> {
    wire::question_line(question).map_err(|e| Error::failed("encode a question", e))
}

/// The answer in what a probe wrote.
///
/// # Errors
/// A probe that ended without an answer, or could not answer.
pub fn answer<Q: Question>(
    question: &Q,
    done: &ExecOutput,
    whom: impl std::fmt::Display,
) -> Result<Q::Answer> {
    match done.stdout.lines().next() {
        Some(line) => wire::read_answer(question, line.as_bytes())
            .map_err(|e| Error::failed(format!("ask the probe of {whom}"), e)),
        None => Err(Error::Failed(format!(
            "the probe of {whom} ended with exit code {}: {}",
            done.code,
            done.stderr.trim()
        ))),
    }
}
