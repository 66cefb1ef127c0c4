//! What `flatnet diagnose` printed, and what comes first in it: the same question on a lab and on a real cluster.
use std::process::Output;

use flatnet::report::diagnosis as text;
use flatnet_model::cause::Cause;
use flatnet_model::diagnosis::{Diagnosis, Finding};

/// The exit code and the diagnosis of a run with `--output json`.
pub(crate) fn read(output: &Output) -> (i32, Diagnosis) {
    let diagnosis: Diagnosis =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    // Shown where the test fails, or with --nocapture.
    print!("{}", text::render(&diagnosis));
    (output.status.code().unwrap_or_default(), diagnosis)
}

/// The first cause that is named for that pod, which must be this one and name all these.
#[track_caller]
pub(crate) fn is(
    (code, diagnosis): (i32, Diagnosis),
    pod: &str,
    cause: Cause,
    names: &[&str],
) -> Finding {
    assert_eq!(code, 1, "{diagnosis:#?}");
    let subject = diagnosis.subjects.first().expect("the pod");
    assert_eq!(subject.name, pod);
    let first = subject.first().expect("a cause").clone();
    assert_eq!(first.id, cause, "{:#?}", subject.findings);
    let said = format!("{first:?}");
    for name in names {
        assert!(said.contains(name), "{name} is missing: {first:#?}");
    }
    assert!(!first.mend.is_empty() && !first.evidence.look.is_empty());
    first
}
