//! A probe that goes on running, and what it is asked.
use std::time::Duration;

use flatnet_model::observations::Observed;
use flatnet_model::probe::{Question, wire};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::Process;
use crate::limit::patiently;

/// One question, one answer, until the process ends.
pub(super) struct Conversation {
    process: Process,
    answers: BufReader<Box<dyn tokio::io::AsyncRead + Send + Unpin>>,
    /// Why it answers no more questions: it ended, or an answer is overdue that would be read as the next question's.
    ended: Option<String>,
}

impl Conversation {
    /// With the probe that `process` is.
    pub(super) fn with(mut process: Process) -> Self {
        let stdout = std::mem::replace(&mut process.stdout, Box::new(tokio::io::empty()));
        Conversation {
            process,
            answers: BufReader::new(stdout),
            ended: None,
        }
    }

    /// Puts a question; one that is not answered within `limit` ends the conversation.
    pub(super) async fn ask<Q: Question>(
        &mut self,
        question: &Q,
        limit: Duration,
    ) -> Observed<Q::Answer> {
        if let Some(why) = &self.ended {
            return Err(why.clone());
        }
        let answer = patiently(limit, self.exchange(question)).await;
        answer.unwrap_or_else(|| {
            let why = format!("the probe did not answer {:?} within {limit:?}", Q::NAME);
            self.ended = Some(why.clone());
            Err(why)
        })
    }

    async fn exchange<Q: Question>(&mut self, question: &Q) -> Observed<Q::Answer> {
        let mut line =
            wire::question_line(question).map_err(|e| format!("encode a question: {e}"))?;
        let sent = async {
            self.process.stdin.write_all(&line).await?;
            self.process.stdin.flush().await
        };
        if sent.await.is_err() {
            return Err(self.exit_reason().await);
        }
        line.clear();
        match self.answers.read_until(b'\n', &mut line).await {
            Ok(0) => Err(self.exit_reason().await),
            Ok(_) => wire::read_answer(question, &line).map_err(|e| e.to_string()),
            Err(e) => Err(format!("read the probe's answer: {e}")),
        }
    }

    /// Why the probe ended; what it wrote to standard error can be read only once.
    async fn exit_reason(&mut self) -> String {
        let mut words = String::new();
        let said = self.process.stderr.read_to_string(&mut words).await;
        let code = (&mut self.process.exit).await;
        let why = match (said, code) {
            (_, Err(e)) => format!("the probe could not run: {e}"),
            (Ok(_), Ok(code)) => format!("the probe ended with exit code {code}: {}", words.trim()),
            (Err(e), Ok(code)) => {
                format!("the probe ended with exit code {code} and its words cannot be read: {e}")
            }
        };
        self.ended = Some(why.clone());
        why
    }
}
