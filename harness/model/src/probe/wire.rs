//! Questions and answers as lines of JSON: `{"ask":"seen"}` and `{"answer":"seen","requests":[]}`; a question that could not
//! be answered gets `{"answer":"failed","error":"…"}`.
use serde::{Deserialize, Serialize};

use super::Question;

/// The `answer` of a question that could not be answered.
const FAILED: &str = "failed";

/// A line that is not a complete answer to the question.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The probe could not answer; its own words.
    #[error("{0}")]
    Failed(String),
    /// The line does not parse.
    #[error("the probe's answer to {asked:?} does not parse: {source}")]
    Malformed {
        /// [`Question::NAME`].
        asked: &'static str,
        /// What serde_json found.
        source: serde_json::Error,
    },
    /// The answer belongs to another question.
    #[error("the probe answered {answered:?} when it was asked {asked:?}")]
    Other {
        /// [`Question::NAME`].
        asked: &'static str,
        /// The name in the answer.
        answered: String,
    },
    /// Results are missing.
    #[error("the probe's answer to {0:?} lacks results")]
    Incomplete(&'static str),
}

#[derive(Serialize)]
struct Asking<'a, Q> {
    ask: &'static str,
    #[serde(flatten)]
    question: &'a Q,
}

#[derive(Deserialize)]
struct Asked {
    ask: String,
}

#[derive(Serialize)]
struct Answering<'a, A> {
    answer: &'static str,
    #[serde(flatten)]
    value: &'a A,
}

#[derive(Deserialize)]
struct Answered {
    answer: String,
    error: Option<String>,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
}

/// A question as the probe reads it, with its newline.
///
/// # Errors
/// Those of serde_json; a question holds nothing that has no JSON form.
pub fn question_line<Q: Question>(question: &Q) -> serde_json::Result<Vec<u8>> {
    line(&Asking {
        ask: Q::NAME,
        question,
    })
}

/// The answer to `question`.
///
/// # Errors
/// A line that is anything but a complete answer to this question.
pub fn read_answer<Q: Question>(question: &Q, line: &[u8]) -> Result<Q::Answer, NoAnswer> {
    let malformed = |source| NoAnswer::Malformed {
        asked: Q::NAME,
        source,
    };
    let head: Answered = serde_json::from_slice(line).map_err(malformed)?;
    if head.answer == FAILED {
        return Err(NoAnswer::Failed(head.error.unwrap_or_default()));
    }
    if head.answer != Q::NAME {
        return Err(NoAnswer::Other {
            asked: Q::NAME,
            answered: head.answer,
        });
    }
    let answer = serde_json::from_slice(line).map_err(malformed)?;
    match question.is_answered_by(&answer) {
        true => Ok(answer),
        false => Err(NoAnswer::Incomplete(Q::NAME)),
    }
}

/// Which question a line asks: its [`Question::NAME`], if it is one.
///
/// # Errors
/// A line that is not a JSON object with a string `ask`.
pub fn question_name(line: &[u8]) -> serde_json::Result<String> {
    serde_json::from_slice::<Asked>(line).map(|asked| asked.ask)
}

/// The question of a line whose [`question_name`] is `Q`'s.
///
/// # Errors
/// A field that is missing or of another type.
pub fn read_question<Q: Question>(line: &[u8]) -> serde_json::Result<Q> {
    serde_json::from_slice(line)
}

/// An answer as the harness reads it, with its newline.
///
/// # Errors
/// Those of serde_json; an answer holds nothing that has no JSON form.
pub fn answer_line<Q: Question>(answer: &Q::Answer) -> serde_json::Result<Vec<u8>> {
    line(&Answering {
        answer: Q::NAME,
        value: answer,
    })
}

/// The answer to a question that could not be answered: a lower-case fragment with its causes.
///
/// # Errors
/// Those of serde_json; a string always has a JSON form.
pub fn failure_line(error: &str) -> serde_json::Result<Vec<u8>> {
    line(&Answering {
        answer: FAILED,
        value: &Failure { error },
    })
}

fn line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{
        DialOutcome, DialRequest, DialResults, Failure as Kind, ReceivedRequests, Transport, ask,
    };

    fn dial(targets: usize) -> ask::Dial {
        let target = DialRequest {
            address: "10.0.0.1".parse().unwrap(),
            transport: Transport::Tcp,
            port: 7,
        };
        ask::Dial {
            targets: vec![target; targets],
            at_once: 1,
            timeout_ms: 10,
            attempts: 2,
        }
    }

    fn results(count: usize) -> DialResults {
        let failed = DialOutcome::Failed {
            kind: Kind::Refused,
            detail: "connection refused".to_owned(),
            attempts: 2,
        };
        DialResults {
            results: vec![failed; count],
            took_us: 5,
        }
    }

    #[test]
    fn a_question_without_fields_is_its_name() {
        let line = question_line(&ask::Facts {}).unwrap();
        assert_eq!(line, b"{\"ask\":\"facts\"}\n");
        assert_eq!(question_name(&line).unwrap(), ask::Facts::NAME);
        read_question::<ask::Facts>(&line).unwrap();
    }

    #[test]
    fn a_question_and_its_answer_survive_the_wire() {
        let question = dial(1);
        let line = question_line(&question).unwrap();
        assert_eq!(question_name(&line).unwrap(), "dial");
        let read: ask::Dial = read_question(&line).unwrap();
        assert_eq!((read.targets.len(), read.attempts), (1, 2));
        let line = answer_line::<ask::Dial>(&results(1)).unwrap();
        assert!(line.starts_with(b"{\"answer\":\"dial\",\"results\":["));
        let answer = read_answer(&question, &line).unwrap();
        assert_eq!((answer.results.len(), answer.took_us), (1, 5));
    }

    #[test]
    fn only_a_complete_answer_to_the_same_question_is_one() {
        let seen = answer_line::<ask::Seen>(&ReceivedRequests {
            requests: vec![],
            repeated_answers: vec![],
        })
        .unwrap();
        assert!(read_answer(&ask::Seen {}, &seen).is_ok());
        let no_answer = |line: &[u8]| read_answer(&dial(2), line).unwrap_err().to_string();
        assert_eq!(
            no_answer(&seen),
            "the probe answered \"seen\" when it was asked \"dial\""
        );
        assert_eq!(
            no_answer(&answer_line::<ask::Dial>(&results(1)).unwrap()),
            "the probe's answer to \"dial\" lacks results"
        );
        assert_eq!(no_answer(&failure_line("no room").unwrap()), "no room");
        for garbage in [&b"what?"[..], b"{\"answer\":\"dial\"}", b"{}"] {
            let words = no_answer(garbage);
            assert!(words.contains("does not parse"), "{words}");
        }
    }
}
