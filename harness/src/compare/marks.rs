//! What differs from a baseline, at the lines that a person reviews: of the configuration where the change is about one of its keys, of
//! the baseline otherwise.
use std::path::Path;

use flatnet_analysis::diff::{Change, Class, Diff};
use flatnet_model::fact::Kind;

use super::baseline;
use super::json_lines;
use crate::report::annotations::Mark;

/// A file, with its text.
pub type Text<'a> = (&'a Path, &'a str);

/// One for each difference that counts. `conflist`: the configuration that the run was given, where it was a file.
pub fn of(diff: &Diff, baseline: Text<'_>, conflist: Option<Text<'_>>) -> Vec<Mark> {
    let (file, text) = baseline;
    let changes = diff.changes.iter();
    let changes = changes.filter(|change| change.class != Class::Noise);
    let marks = changes.map(|change| {
        let in_conflist = conflist.and_then(|(file, text)| Some((file, key_line(change, text)?)));
        let in_baseline = || {
            let of = |subject| baseline::line_of(text, change.id, &change.about, subject);
            (
                file,
                change.subjects.first().map_or(1, |subject| of(*subject)),
            )
        };
        let (file, line) = in_conflist.unwrap_or_else(in_baseline);
        Mark {
            file: file.to_owned(),
            line,
            check: matches!(change.id, Kind::Verdict | Kind::Finding).then(|| change.about.clone()),
            title: change.class.heading().to_owned(),
            text: change.text.clone(),
        }
    });
    let newcomers = [
        ("appeared", &diff.newcomers.appeared),
        ("gone", &diff.newcomers.gone),
    ];
    let newcomers = newcomers.into_iter().filter(|(_, who)| !who.is_empty());
    let newcomers = newcomers.map(|(title, who)| Mark {
        file: file.to_owned(),
        line: 1,
        check: None,
        title: title.to_owned(),
        text: who.join(", "),
    });
    marks.chain(newcomers).collect()
}

fn key_line(change: &Change, conflist: &str) -> Option<usize> {
    let is_key = change.id == Kind::CniKey;
    is_key
        .then(|| json_lines::line_of(conflist, &change.about))
        .flatten()
}

#[cfg(test)]
mod tests {
    use flatnet_analysis::diff::{Newcomers, SCHEMA};
    use flatnet_model::fact::{Place, Role, Seen};

    use super::*;

    fn change(class: Class, id: Kind, about: &str) -> Change {
        Change {
            class,
            id,
            about: about.to_owned(),
            before: Some(Seen::Value(1500_u32.into())),
            after: Some(Seen::Value(1400_u32.into())),
            subjects: vec![Role::At(Place::Node(1))],
            of: 1,
            text: format!("{about}: 1500 → 1400"),
            rule: None,
            evidence: Vec::new(),
            example: None,
        }
    }

    #[test]
    fn a_difference_is_told_where_a_person_would_change_it() {
        let diff = Diff {
            schema: SCHEMA.to_owned(),
            before: "b".to_owned(),
            after: "a".to_owned(),
            summary: String::new(),
            changes: vec![
                change(Class::PromiseBroken, Kind::Verdict, "mtu"),
                change(Class::FactDiffers, Kind::DeviceMtu, "cni0"),
                change(Class::FactDiffers, Kind::CniKey, "plugins[0].mtu"),
                change(Class::Noise, Kind::Route, "default"),
            ],
            same: 0,
            uncompared: Vec::new(),
            newcomers: Newcomers {
                appeared: vec!["node4".to_owned()],
                gone: Vec::new(),
            },
        };
        let text = "flatnet: baseline/v1\nfacts:\n  device-mtu:\n    - {about: cni0, on: every node, is: 1500}\n  cni-key:\n    - {about: \"plugins[0].mtu\", on: every node, is: 1500}\n";
        let baseline = (Path::new("lab.yaml"), text);
        let told = |marks: &[Mark]| -> Vec<(String, usize, String)> {
            let marks = marks.iter();
            marks
                .map(|mark| {
                    (
                        mark.file.display().to_string(),
                        mark.line,
                        mark.title.clone(),
                    )
                })
                .collect()
        };
        let at = |file: &str, line, title: &str| (file.to_owned(), line, title.to_owned());
        let conflist = (
            Path::new("my.conflist"),
            "{\n \"plugins\": [{\n \"mtu\": 1400}]}",
        );
        let marks = of(&diff, baseline, Some(conflist));
        assert_eq!(
            told(&marks),
            [
                at("lab.yaml", 2, "promise broken"),
                at("lab.yaml", 4, "fact differs"),
                at("my.conflist", 3, "fact differs"),
                at("lab.yaml", 1, "appeared"),
            ]
        );
        assert_eq!(marks[0].check.as_deref(), Some("mtu"));
        // Without the file it is the baseline's line.
        let marks = of(&diff, baseline, None);
        assert_eq!(told(&marks)[2], at("lab.yaml", 6, "fact differs"));
    }
}
