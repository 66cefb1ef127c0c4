//! What runs come to, in the words of every report.
use rstest::rstest;

use super::*;
use crate::report::{junit, summary, terminal};
use flatnet_analysis::checks::{Required, find};
use flatnet_model::skip::SkipReason;

/// A verdict a letter: passed, failed, skipped, broken, reported.
fn verdicts_of(letters: &str) -> Vec<Verdict> {
    let verdict = |letter: char| match letter {
        'p' => Verdict::Pass { facts: Vec::new() },
        'f' => Verdict::Fail {
            evidence: Vec::new(),
        },
        's' => Verdict::Skip {
            reason: SkipReason::OneNode,
        },
        'b' => Verdict::broken("the probe died"),
        _ => Verdict::Report { facts: Vec::new() },
    };
    letters.chars().map(verdict).collect()
}

#[rstest]
#[case("ppf", 1, "3 checks: 2 passed, 1 failed, 0 skipped, 0 broken", &[])]
#[case("pfbr", 1, "4 checks: 1 passed, 1 failed, 0 skipped, 1 broken, 1 reported", &[])]
#[case("psb", 4, "3 checks: 1 passed, 0 failed, 1 skipped, 1 broken", &[])]
#[case("p", 0, "1 check: 1 passed, 0 failed, 0 skipped, 0 broken", &[])]
#[case("ss", 4, "2 checks: 0 passed, 0 failed, 2 skipped, 0 broken", &["nothing was judged: every check was skipped"])]
#[case("rs", 4, "2 checks: 0 passed, 0 failed, 1 skipped, 0 broken, 1 reported", &["nothing was judged: every check was skipped"])]
#[case("bb", 4, "2 checks: 0 passed, 0 failed, 0 skipped, 2 broken", &["nothing was judged: no check could be measured"])]
#[case("sb", 4, "2 checks: 0 passed, 0 failed, 1 skipped, 1 broken", &["nothing was judged: every check was skipped or could not be measured"])]
#[case("r", 0, "1 check: 0 passed, 0 failed, 0 skipped, 0 broken, 1 reported", &[])]
#[case("", 4, "0 checks: 0 passed, 0 failed, 0 skipped, 0 broken", &["nothing was judged: there was no check to judge by"])]
fn verdicts_give_the_closing_line_and_the_exit_code(
    #[case] verdicts: &str,
    #[case] code: u8,
    #[case] line: &str,
    #[case] notes: &[&str],
) {
    let outcome = Outcome::of(&verdicts_of(verdicts), Vec::new());
    assert_eq!(
        (outcome.exit_code, outcome.counts.to_string().as_str()),
        (code, line)
    );
    assert_eq!(outcome.notes, notes);
}

/// The example has no control plane: what is to be required of it is skipped.
#[test]
fn a_required_check_that_is_skipped_fails_the_run_in_every_report() {
    let observations = crate::report::tests::healthy();
    let run = |required: Required| {
        let checks = ["mtu", "nodeport", "egress"].map(|id| find(id).unwrap());
        crate::report::tests::judged(observations.clone(), &checks, &required)
    };
    let fine = run(Required::OfProvider);
    assert_eq!(
        (fine.outcome().exit_code, fine.outcome().notes.len()),
        (0, 0)
    );

    let report = run(Required::Named(vec!["nodeport", "egress"]));

    let outcome = report.outcome();
    assert_eq!(outcome.exit_code, 1);
    assert_eq!(outcome.missed, ["nodeport", "egress"]);
    let [note] = &outcome.notes[..] else {
        panic!("one reason is said once: {outcome:#?}")
    };
    assert!(
        note.starts_with("nodeport, egress were required and were skipped: "),
        "{note}"
    );
    let text = terminal::render(&report, terminal::Detail::Brief);
    assert!(text.contains(note), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&crate::report::json::render(&report).unwrap()).unwrap();
    assert_eq!(json["outcome"]["exit_code"], 1);
    assert_eq!(json["outcome"]["missed"][0], "nodeport");
    assert_eq!(json["checks"][1]["required"], true);
    let junit = junit::render(&report).unwrap();
    assert!(junit.contains("failures=\"2\""), "{junit}");
    assert!(junit.contains("required, and skipped: "), "{junit}");
    let page = summary::render(&report);
    assert!(
        page.contains("| `nodeport` | ❌ skip, required |"),
        "{page}"
    );
    assert!(page.contains("**nodeport, egress were required"), "{page}");
}

#[test]
fn what_changed_during_the_run_is_said_once() {
    use flatnet_model::observations::{Change, Item, Moment};
    use flatnet_model::reference::Netns;

    let mut observations = crate::report::tests::healthy();
    observations.changes.push(Change {
        at: Netns::Node("node2".to_owned()),
        item: Item::Mtu {
            device: "cni0".to_owned(),
        },
        since: Moment::DialsBegan,
        before: Some("1400".to_owned()),
        now: Some("1500".to_owned()),
    });
    let checks = ["same-node", "cross-node"].map(|id| find(id).unwrap());
    let report = crate::report::tests::judged(observations, &checks, &Required::OfProvider);
    let outcome = report.outcome();
    assert_eq!(outcome.exit_code, 0);
    assert_eq!(
        outcome.notes,
        [
            "the MTU of cni0 of node2 was 1400 when the dials began and is 1500 now; verdicts tell of a network that changed meanwhile"
        ]
    );
    let text = terminal::render(&report, terminal::Detail::Brief);
    assert_eq!(text.matches("changed meanwhile").count(), 1, "{text}");
}
