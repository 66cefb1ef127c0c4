//! Annotations for GitHub Actions: what fails, and what differs from a baseline, at the file that was changed. A line of these in a step's output is a workflow
//! command (GitHub, "Workflow commands for GitHub Actions").
use std::path::{Path, PathBuf};

use flatnet_analysis::words::Words;
use flatnet_model::verdict::Verdict;

use super::{CheckReport, Report};

/// GitHub shows ten errors of a step, and drops the others without a word.
const MOST: usize = 10;

/// Something to say at a line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// The check that it is about, where it is about one.
    pub check: Option<String>,
    /// In a few words.
    pub title: String,
    /// What is wrong.
    pub text: String,
}

/// One for each failing check, on that file.
pub fn failing(report: &Report, file: &Path) -> Vec<Mark> {
    let words = report.words();
    let told = report.checks.iter().filter_map(|check| told(check, &words));
    let marks = told.map(|(id, text)| Mark {
        file: file.to_owned(),
        line: 1,
        title: id.clone(),
        check: Some(id),
        text,
    });
    marks.collect()
}

/// One line for each. `workspace` is where the repository is checked out: GitHub finds files by their paths in it.
pub fn render(mut marks: Vec<Mark>, workspace: Option<&Path>) -> Vec<String> {
    if marks.len() > MOST {
        let left = marks.split_off(MOST - 1);
        let more = left.len();
        let names = left.iter().map(|mark| match &mark.check {
            Some(check) => check.as_str(),
            None => mark.text.as_str(),
        });
        let text = names.collect::<Vec<_>>().join(", ");
        marks.extend(left.first().map(|first| Mark {
            title: format!("{more} more"),
            text,
            ..first.clone()
        }));
    }
    let lines = marks.iter().map(|mark| {
        let inside = workspace.and_then(|workspace| mark.file.strip_prefix(workspace).ok());
        let file = inside.unwrap_or(&mark.file).display().to_string();
        format!(
            "::error file={},line={},title={}::{}",
            property(&file),
            mark.line,
            property(&format!("flatnet: {}", mark.title)),
            data(&mark.text)
        )
    });
    lines.collect()
}

/// The check, and what is wrong; nothing where it did not fail.
fn told(check: &CheckReport, words: &Words<'_>) -> Option<(String, String)> {
    let text = match &check.verdict {
        Verdict::Fail { evidence } => {
            let text = words.text(evidence.first()?);
            let more = evidence.len() - 1;
            let cause = text.cause.map(|cause| format!("\ncause: {cause}"));
            let fix = text.fix.map(|fix| format!("\nfix: {fix}"));
            let more = (more > 0).then(|| format!("\nand {more} more; see the report"));
            [Some(text.what), cause, fix, more]
                .into_iter()
                .flatten()
                .collect()
        }
        _ => format!("required, and skipped: {}", words.skip(check.missed()?)),
    };
    Some((check.id.clone(), text))
}

/// As `escapeData` of actions/toolkit.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// As its `escapeProperty`.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{healthy, mixed, report};
    use super::*;

    #[test]
    fn each_failing_check_is_one_line_at_the_file() {
        let workspace = Path::new("/home/runner/repo");
        let file = workspace.join("cni/my, 100%:new.conflist");
        let red = mixed();
        let lines = render(failing(&red, &file), Some(workspace));
        let failed = red.outcome().counts.failed;
        assert!(failed > 1);
        assert_eq!(lines.len(), failed, "{lines:?}");
        let start =
            "::error file=cni/my%2C 100%25%3Anew.conflist,line=1,title=flatnet%3A gateway::";
        let gateway = lines.iter().find(|line| line.starts_with(start));
        let gateway = gateway.unwrap_or_else(|| panic!("{lines:?}"));
        assert!(gateway.contains("%0Acause: "), "{gateway}");
        assert!(lines.iter().all(|line| !line.contains('\n')));
        assert!(failing(&report(healthy()), &file).is_empty());
    }

    #[test]
    fn what_github_would_drop_is_one_line() {
        let mut red = report(healthy());
        let Verdict::Fail { evidence } = &mixed().checks[6].verdict else {
            panic!("gateway passes")
        };
        for check in &mut red.checks {
            let evidence = evidence.clone();
            check.verdict = Verdict::Fail { evidence };
        }
        let lines = render(failing(&red, Path::new("a.conflist")), None);
        assert_eq!(lines.len(), MOST);
        let last = &lines[MOST - 1];
        assert!(last.starts_with(
            "::error file=a.conflist,line=1,title=flatnet%3A 11 more::cni-config, mtu"
        ));
        assert!(last.ends_with("daemonset"), "{last}");
    }
}
