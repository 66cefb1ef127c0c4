//! Lists of what was observed: the first of each kind, as many as a person reads, and how many more there are. Data has all of them.
use std::mem::{Discriminant, discriminant};

use flatnet_model::evidence::{State, Talk};

use super::Words;

/// More than the first of each kind is said up to so many characters.
const MOST: usize = 280;

/// Neighbours in a list that say the same of different ones.
struct Alike {
    kind: (Discriminant<State>, Option<Discriminant<Talk>>),
    said: Vec<String>,
    /// Those that are not in the list.
    more: usize,
    are_pairs: bool,
    /// How many are said.
    shown: usize,
}

impl Alike {
    fn parts(&self) -> impl Iterator<Item = String> {
        let shown = self.said.iter().take(self.shown).cloned();
        let more = self.said.len().saturating_sub(self.shown) + self.more;
        let noun = if self.are_pairs { " pairs" } else { "" };
        shown.chain((more > 0).then(|| format!("and {more} more{noun}")))
    }
}

impl Words<'_> {
    /// Joined by semicolons.
    pub(super) fn states(&self, states: &[State]) -> String {
        let mut all = self.alike(states);
        let text = |all: &[Alike]| {
            let parts: Vec<String> = all.iter().flat_map(Alike::parts).collect();
            parts.join("; ")
        };
        // The shortest first: so that most is told.
        while let Some(next) = (0..all.len())
            .filter(|at| all[*at].shown < all[*at].said.len())
            .min_by_key(|at| all[*at].said[all[*at].shown].len())
        {
            all[next].shown += 1;
            if text(&all).chars().count() > MOST {
                all[next].shown -= 1;
                break;
            }
        }
        text(&all)
    }

    fn alike(&self, states: &[State]) -> Vec<Alike> {
        let mut all: Vec<Alike> = Vec::new();
        for state in states {
            let kind = match state {
                State::Talk(talk) => (discriminant(state), Some(discriminant(talk))),
                _ => (discriminant(state), None),
            };
            match (state, all.last_mut()) {
                (State::More { count }, Some(last)) => last.more += count,
                (State::MorePairs { count }, Some(last)) => {
                    last.more += count;
                    last.are_pairs = true;
                }
                (_, Some(last)) if last.kind == kind => last.said.push(self.state(state)),
                _ => all.push(Alike {
                    kind,
                    said: vec![self.state(state)],
                    more: 0,
                    are_pairs: false,
                    shown: 1,
                }),
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use flatnet_model::advice::Advice;
    use flatnet_model::evidence::State;

    use crate::words::{Names, Words};

    fn text(states: &[State]) -> String {
        let words = Words {
            advice: Advice::brief(),
            names: Names::Bare,
        };
        words.states(states)
    }

    fn range(number: usize) -> State {
        State::RangeOf {
            node: format!("node{number}"),
            range: "10.244.0.0/24".parse().expect("a range"),
        }
    }

    fn said(text: &str) -> State {
        State::Said {
            text: text.to_owned(),
        }
    }

    #[test]
    fn of_a_long_list_the_first_few_of_each_kind_are_said_and_the_others_counted() {
        let mut states: Vec<State> = (1..=40).map(range).collect();
        states.push(State::MorePairs { count: 5 });
        states.push(said("the last word"));
        let text = text(&states);
        assert!(text.chars().count() <= super::MOST, "{text}");
        assert!(
            text.starts_with("node1: 10.244.0.0/24; node2: 10.244.0.0/24; "),
            "{text}"
        );
        let shown = text.matches("10.244.0.0/24").count();
        let end = format!("; and {} more pairs; the last word", 45 - shown);
        assert!(text.ends_with(&end), "{text}");
    }

    #[test]
    fn a_short_list_is_whole_and_one_long_word_is_not_cut() {
        assert_eq!(
            text(&[range(1), range(2), said("so")]),
            "node1: 10.244.0.0/24; node2: 10.244.0.0/24; so"
        );
        let long = "x".repeat(400);
        assert_eq!(text(&[said(&long)]), long);
        assert_eq!(
            text(&[said(&long), said(&long)]),
            format!("{long}; and 1 more")
        );
    }
}
