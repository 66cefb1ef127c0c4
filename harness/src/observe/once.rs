//! A probe that is asked some questions and ends: for a look that needs no traffic.
use std::time::Duration;

use flatnet_probe::{Answer, Ask, Facts};

use super::Observed;
use super::gather::{READ_WITHIN, unexpected};
use crate::cluster::{Cluster, ExecOutput, Target};
use crate::{Error, Result};

/// Puts questions to a new probe on `target`; the answers in their order.
///
/// # Errors
/// A probe that cannot be put there or started, or that answers otherwise than it should.
pub async fn ask(cluster: &dyn Cluster, target: &Target, questions: &[Ask]) -> Result<Vec<Answer>> {
    let asking = async {
        let path = cluster.place_probe(target).await?;
        let done = cluster.exec(target, &[path], &lines(questions)?).await?;
        answers(&done, target, questions.len())
    };
    within(READ_WITHIN, asking, target).await
}

/// Gives up after `limit`.
async fn within<T>(
    limit: Duration,
    asking: impl Future<Output = Result<T>>,
    whom: impl std::fmt::Display,
) -> Result<T> {
    tokio::time::timeout(limit, asking)
        .await
        .unwrap_or_else(|_| {
            Err(Error::Failed(format!(
                "the probe of {whom} did not answer within {limit:?}"
            )))
        })
}

/// Questions as a probe reads them.
pub(crate) fn lines(questions: &[Ask]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for question in questions {
        serde_json::to_writer(&mut lines, question)
            .map_err(|e| Error::failed("encode a question", e))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// What a probe wrote, as so many answers.
pub(crate) fn answers(
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
pub(crate) fn facts(answers: Result<Vec<Answer>>) -> Observed<Facts> {
    let mut answers = answers.map_err(|e| e.to_string())?;
    match answers.pop() {
        Some(Answer::Facts(facts)) => Ok(*facts),
        Some(Answer::Failed { error }) => Err(error),
        Some(other) => Err(unexpected(&other)),
        None => Err("the probe did not answer".to_owned()),
    }
}
