//! A probe that is asked some questions and ends: for a look that needs no traffic.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flatnet_model::probe::{Answer, Ask, Facts};
use tokio::sync::Mutex;

use super::gather::{READ_WITHIN, unexpected};
use crate::{Cluster, ExecOutput, Target};
use crate::{Error, Result};
use flatnet_model::observations::Observed;

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

    /// Puts questions to a new probe on `target`; the answers in their order.
    ///
    /// # Errors
    /// A probe that cannot be put there or started, or that answers otherwise than it should.
    pub async fn ask(&self, target: &Target, questions: &[Ask]) -> Result<Vec<Answer>> {
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
        let input = lines(questions)?;
        let asking = self
            .cluster
            .exec(target, std::slice::from_ref(&path), &input);
        let done = within(READ_WITHIN, asking, "answer", target).await?;
        answers(&done, target, questions.len())
    }
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

/// Questions as a probe reads them.
pub fn lines(questions: &[Ask]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for question in questions {
        serde_json::to_writer(&mut lines, question)
            .map_err(|e| Error::failed("encode a question", e))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// What a probe wrote, as so many answers.
pub fn answers(
    done: &ExecOutput,
    whom: impl std::fmt::Display,
    wanted: usize,
) -> Result<Vec<Answer>> {
    let read = done.stdout.lines().map(serde_json::from_str::<Answer>);
    let answers = read
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|e| Error::failed(format!("read the answer of the probe of {whom}"), e))?;
    if answers.len() == wanted {
        return Ok(answers);
    }
    Err(Error::Failed(format!(
        "the probe of {whom} ended with exit code {}: {}",
        done.code,
        done.stderr.trim()
    )))
}

/// The one answer that is facts.
pub fn facts(answers: Result<Vec<Answer>>) -> Observed<Facts> {
    let mut answers = answers.map_err(|e| e.to_string())?;
    match answers.pop() {
        Some(Answer::Facts(facts)) => Ok(*facts),
        Some(Answer::Failed { error }) => Err(error),
        Some(other) => Err(unexpected(&other)),
        None => Err("the probe did not answer".to_owned()),
    }
}
