//! How often each law held, per class of fault.
use crate::grammar::Class;
use crate::trial::{End, Trial};

/// Counts of one class.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    planted: usize,
    not_flat: usize,
    red_of_not_flat: usize,
    flat: usize,
    green_of_flat: usize,
    culprit: usize,
    culprit_right: usize,
    cause: usize,
    cause_right: usize,
    green_again: usize,
}

const HEADING: &str = "\
| class | planted | not flat: red | flat: not red | culprit named: planted one | cause seen: planted one | taken away: green |\n\
|---|---|---|---|---|---|---|\n";

/// The table, in Markdown.
pub(crate) fn table(trials: &[Trial]) -> String {
    let mut text = HEADING.to_owned();
    for class in Class::all() {
        let row = Row::of(trials.iter().filter(|trial| trial.class == class));
        if row.planted > 0 {
            text.push_str(&row.line(&class.to_string()));
        }
    }
    let all = Row::of(trials.iter());
    text + &all.line("all")
}

impl Row {
    fn of<'a>(trials: impl Iterator<Item = &'a Trial>) -> Row {
        let mut row = Row::default();
        for trial in trials {
            let End::Judged(judged) = &trial.end else {
                continue;
            };
            let said = &judged.said;
            let breaks = |law| trial.violations().any(|violation| violation.law == law);
            row.planted += 1;
            match judged.not_flat.is_empty() {
                true => {
                    row.flat += 1;
                    row.green_of_flat += usize::from(!breaks(2));
                }
                false => {
                    row.not_flat += 1;
                    row.red_of_not_flat += usize::from(!breaks(1));
                }
            }
            row.culprit += usize::from(said.culprit.is_some());
            row.culprit_right += usize::from(said.culprit == Some(true));
            row.cause += usize::from(said.cause.is_some());
            row.cause_right += usize::from(said.cause == Some(true));
            row.green_again += usize::from(judged.after.is_none());
        }
        row
    }

    fn line(&self, name: &str) -> String {
        format!(
            "| {name} | {} | {}/{} | {}/{} | {}/{} | {}/{} | {}/{} |\n",
            self.planted,
            self.red_of_not_flat,
            self.not_flat,
            self.green_of_flat,
            self.flat,
            self.culprit_right,
            self.culprit,
            self.cause_right,
            self.cause,
            self.green_again,
            self.planted,
        )
    }
}
