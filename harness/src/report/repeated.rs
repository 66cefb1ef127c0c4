//! Findings of one culprit for one cause: a node that is cut off lacks a route to each of the others.
use std::collections::BTreeMap;

use flatnet_analysis::words::Text;

/// So many of them are shown to people; data holds them all.
const MOST_SHOWN: usize = 4;

/// The findings that are shown, and a sentence for each culprit and cause of which there are more.
pub(super) fn shown(evidence: &[Text]) -> (Vec<&Text>, Vec<String>) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let shown = evidence.iter().filter(|text| {
        let key = (text.culprit.as_deref(), text.cause.as_deref());
        let (Some(culprit), Some(cause)) = key else {
            return true;
        };
        let count = counts.entry((culprit, cause)).or_default();
        *count += 1;
        *count <= MOST_SHOWN
    });
    let shown = shown.collect();
    let more = counts.into_iter().filter(|(_, count)| *count > MOST_SHOWN);
    let more = more.map(|((culprit, cause), count)| {
        let left = count - MOST_SHOWN;
        format!(
            "and {left} more of {culprit} for the same cause ({cause}); --output json lists them"
        )
    });
    (shown, more.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(what: usize, culprit: Option<&str>) -> Text {
        Text {
            what: what.to_string(),
            expected: String::new(),
            observed: String::new(),
            culprit: culprit.map(str::to_owned),
            cause: Some("the route was removed".to_owned()),
            look: String::new(),
            fix: None,
        }
    }

    #[test]
    fn many_of_one_culprit_and_cause_are_counted_and_others_are_all_shown() {
        let mut all: Vec<Text> = (0..9).map(|what| text(what, Some("node2"))).collect();
        all.extend((9..11).map(|what| text(what, Some("node3"))));
        all.extend((11..20).map(|what| text(what, None)));
        let (shown, more) = shown(&all);
        let whats: Vec<&str> = shown.iter().map(|text| text.what.as_str()).collect();
        let expected: Vec<String> = (0..4).chain(9..20).map(|what| what.to_string()).collect();
        assert_eq!(whats, expected);
        assert_eq!(
            more,
            [
                "and 5 more of node2 for the same cause (the route was removed); --output json lists them"
            ]
        );
    }
}
