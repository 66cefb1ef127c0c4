//! What `flatnet diagnose` printed, and what comes first in it: the same question on a lab and on a real cluster.
use std::process::Output;

use flatnet::report::diagnosis as report;
use flatnet_analysis::words::{Text, Words};
use flatnet_model::cause::{Cause, CauseId};
use flatnet_model::diagnosis::{Diagnosis, Finding};

/// The exit code and the diagnosis of a run with `--output json`.
pub(crate) fn read(output: &Output) -> (i32, Diagnosis) {
    let diagnosis: Diagnosis =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    // Shown where the test fails, or with --nocapture.
    print!("{}", report::render(&diagnosis));
    (output.status.code().unwrap_or_default(), diagnosis)
}

/// The first cause that is named for a pod.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) finding: Finding,
    pub(crate) text: Text,
}

impl First {
    /// The cause as data: that of the finding, or a special case of it.
    pub(crate) fn cause(&self) -> Option<CauseId> {
        self.finding.evidence.cause().map(Cause::id)
    }

    pub(crate) fn fix(&self) -> &str {
        self.text.fix.as_deref().unwrap_or_default()
    }
}

/// The first cause that is named for that pod, which must be this one and name all these.
#[track_caller]
pub(crate) fn is(
    (code, diagnosis): (i32, Diagnosis),
    pod: &str,
    cause: CauseId,
    names: &[&str],
) -> First {
    assert_eq!(code, 1, "{diagnosis:#?}");
    let subject = diagnosis.subjects.first().expect("the pod");
    assert_eq!(subject.name, pod);
    let first = subject.first().expect("a cause").clone();
    assert_eq!(first.id, cause, "{:#?}", subject.findings);
    let text = Words::of_diagnosis(&diagnosis).text(&first.evidence);
    let said = format!("{text:?} {first:?}");
    for name in names {
        assert!(said.contains(name), "{name} is missing: {first:#?}");
    }
    assert!(!text.look.is_empty());
    // What a special case is named by is what keeps the pod from being well.
    let named = first.evidence.cause().map(|cause| cause.id().entry());
    if let Some(entry) = named {
        assert_eq!(entry.within.unwrap_or(entry.cause), cause, "{first:#?}");
    }
    let first = First {
        finding: first,
        text,
    };
    assert!(!first.fix().is_empty());
    first
}
