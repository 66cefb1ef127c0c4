//! Questions a person asks about a running cluster's network, answered with facts and where each fact comes from.
//!
//! [`gather`] looks at a cluster once, into a [`view`]; [`catalogue`] lists the questions, and each of `answers` is a pure
//! function from that view to an [`Answer`]; [`print`] shows what was answered. [`trace`] follows a packet:
//! a question with two ends, which looks at its own.
pub(crate) mod answers;
pub mod catalogue;

use catalogue::Question;
use flatnet_model::inspection::{self, Answer, Inspection, Outcome};
use flatnet_model::view::View;

/// Answers questions from what was gathered, in their order; with what each means where `explain`.
pub fn answer(view: &View, questions: &[&Question], explain: bool) -> Inspection {
    let answers = questions.iter().map(|question| {
        let mut outcome = (question.answer)(view);
        if !explain && let Outcome::Answered { facts, .. } = &mut outcome {
            facts.iter_mut().for_each(|fact| fact.explanation = None);
        }
        Answer {
            id: question.id.to_owned(),
            question: question.words.to_owned(),
            outcome,
            explanation: explain.then(|| question.explanation.to_owned()),
        }
    });
    Inspection {
        schema: inspection::SCHEMA,
        provider: view.provider.clone(),
        cluster: view.cluster.clone(),
        answers: answers.collect(),
    }
}
