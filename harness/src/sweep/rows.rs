//! From a file to rows: every product expanded, every expectation with those it is of.
use std::collections::BTreeMap;
use std::path::Path;

use super::file::{Axis, Blocks, File, Matrix, OneOrMore, Single, When};
use super::options::{Options, Word, is_option, unknown_option};
use super::row::{Combination, Row, plain};
use crate::{Error, Result};

/// More than anybody has the patience for: a product of too many axes.
const MOST: usize = 5_000;

/// All rows of a file, in its order. `text` is the file's, for the lines that errors name.
///
/// # Errors
/// [`Error::Input`]: two rows of one name, an axis that is no option, an expectation or exclusion that is of no row.
pub(super) fn rows(path: &Path, text: &str, file: &File) -> Result<Vec<Row>> {
    let source = Source { path, text };
    let mut rows: Vec<Row> = Vec::new();
    for matrix in &file.matrices {
        rows.extend(source.expand(matrix, &file.defaults)?);
        if rows.len() > MOST {
            return Err(source.wrong(
                &[&matrix.name],
                format!("more than {MOST} rows; give fewer values, or exclude some"),
            ));
        }
    }
    for single in &file.rows {
        rows.push(source.single(single, &file.defaults)?);
    }
    let mut axes: Vec<&str> = Vec::new();
    for matrix in &file.matrices {
        axes.extend(matrix.axes.keys().map(String::as_str));
    }
    source.give(&file.expect, &mut rows, &axes, "expect")?;
    for (at, row) in rows.iter().enumerate() {
        if rows[..at].iter().any(|other| other.name == row.name) {
            return Err(source.wrong(
                &[&row.name],
                format!("two rows are called {:?}; give one another name", row.name),
            ));
        }
    }
    match rows.is_empty() {
        true => Err(source.wrong(&[], "no rows; add matrices or rows".to_owned())),
        false => Ok(rows),
    }
}

/// With the first line that has all of these words, which is where they were written.
pub(super) fn wrong(path: &Path, text: &str, words: &[&str], why: String) -> Error {
    let has_all = |line: &str| {
        let between = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
        let mut tokens = line.split(between);
        words.iter().all(|word| tokens.any(|token| token == *word))
    };
    let line = match words.is_empty() {
        true => None,
        false => text.lines().position(has_all),
    };
    let line = line.map(|at| format!(":{}", at + 1)).unwrap_or_default();
    Error::Input(format!("{}{line}: {why}", path.display()))
}

/// Where errors are.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn wrong(&self, words: &[&str], why: String) -> Error {
        wrong(self.path, self.text, words, why)
    }

    fn expand(&self, matrix: &Matrix, defaults: &Options) -> Result<Vec<Row>> {
        let mut all = vec![Combination {
            names: vec![matrix.name.clone()],
            options: defaults.with(&matrix.options),
            values: BTreeMap::new(),
        }];
        for (axis, through) in &matrix.axes {
            let steps = self.steps(axis, through)?;
            if all.len() * steps.len() > MOST {
                let why = format!(
                    "matrix {:?} has more than {MOST} combinations; give fewer values",
                    matrix.name
                );
                return Err(self.wrong(&[axis], why));
            }
            let next = all.iter().flat_map(|combination| {
                steps.iter().map(move |(name, options)| {
                    let mut names = combination.names.clone();
                    names.push(plain(name));
                    let mut values = combination.values.clone();
                    values.insert(axis.clone(), name.clone());
                    Combination {
                        names,
                        options: combination.options.with(options),
                        values,
                    }
                })
            });
            all = next.collect();
        }
        let axes: Vec<&str> = matrix.axes.keys().map(String::as_str).collect();
        let mut rows: Vec<Row> = all
            .into_iter()
            .map(|combination| Row::of(combination, Some(matrix.name.clone())))
            .collect();
        for left_out in &matrix.exclude {
            self.check_keys(left_out, &axes)?;
            let before = rows.len();
            rows.retain(|row| !row.is_at(left_out));
            if rows.len() == before {
                return Err(self.of_none("exclude", left_out));
            }
        }
        self.give(&matrix.expect, &mut rows, &axes, "expect")?;
        Ok(rows)
    }

    fn single(&self, single: &Single, defaults: &Options) -> Result<Row> {
        let name = plain(&single.name);
        if name != single.name {
            let why = format!(
                "a row's name has letters, digits, '.', '_' and '-'; {:?} could be {name:?}",
                single.name
            );
            return Err(self.wrong(&["name"], why));
        }
        let combination = Combination {
            names: vec![name],
            options: defaults.with(&single.options),
            values: BTreeMap::new(),
        };
        let mut rows = [Row::of(combination, None)];
        self.give(&single.expect, &mut rows, &[], "expect")?;
        let [row] = rows;
        Ok(row)
    }

    /// What an axis goes through, by name.
    fn steps(&self, axis: &str, through: &Axis) -> Result<Vec<(String, Options)>> {
        match through {
            Axis::Named(named) => {
                let named = named.iter();
                Ok(named
                    .map(|(n, options)| (n.clone(), options.clone()))
                    .collect())
            }
            Axis::Values(values) if is_option(axis) => {
                let one = |value: &Word| (value.0.clone(), Options::one(axis, value));
                Ok(values.iter().map(one).collect())
            }
            Axis::Values(_) => Err(self.wrong(
                &[axis],
                format!(
                    "{}; an axis of another name maps names to options",
                    unknown_option(axis, &[])
                ),
            )),
        }
    }

    /// Gives each row what is expected of it.
    fn give(&self, blocks: &Blocks, rows: &mut [Row], axes: &[&str], what: &str) -> Result<()> {
        for block in &blocks.0 {
            self.check_keys(&block.when, axes)?;
            let mut of = rows
                .iter_mut()
                .filter(|row| row.is_at(&block.when))
                .peekable();
            if of.peek().is_none() {
                return Err(self.of_none(what, &block.when));
            }
            of.for_each(|row| row.expect.push(block.clone()));
        }
        Ok(())
    }

    fn check_keys(&self, when: &When, axes: &[&str]) -> Result<()> {
        let unknown = when
            .keys()
            .find(|key| !is_option(key) && !axes.contains(&key.as_str()));
        match unknown {
            Some(key) => Err(self.wrong(&[key], unknown_option(key, axes))),
            None => Ok(()),
        }
    }

    /// What is said of nobody would never be looked at.
    fn of_none(&self, what: &str, when: &When) -> Error {
        let words: Vec<String> = when
            .iter()
            .flat_map(|(key, OneOrMore(values))| {
                std::iter::once(key.clone()).chain(values.iter().map(Word::to_string))
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = when.iter().map(|(key, OneOrMore(values))| {
            let values: Vec<&str> = values.iter().map(|word| word.0.as_str()).collect();
            format!("{key} {}", values.join(" or "))
        });
        let said = said.collect::<Vec<_>>().join(", ");
        self.wrong(&words, format!("{what}: no row has {said}"))
    }
}

/// The rows of these names.
///
/// # Errors
/// [`Error::Input`] for a name that no row has, with the nearest one.
pub(super) fn named(rows: Vec<Row>, names: &[String]) -> Result<Vec<Row>> {
    let known: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    for name in names {
        if !known.contains(&name.as_str()) {
            let near = flatnet_model::nearest::near(name, &known, 3);
            let near: Vec<String> = near.iter().map(|near| format!("{near:?}")).collect();
            let meant = match near.is_empty() {
                true => String::new(),
                false => format!(", did you mean {}?", near.join(" or ")),
            };
            return Err(Error::Input(format!(
                "--row {name}: no row has that name{meant}; to list all: --list"
            )));
        }
    }
    let mut rows = rows;
    rows.retain(|row| names.is_empty() || names.contains(&row.name));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<Vec<Row>> {
        let path = Path::new("table.yaml");
        let text = format!("flatnet: sweep/v1\n{text}");
        let file = File::parse(path, &text)?;
        rows(path, &text, &file)
    }

    #[track_caller]
    fn says(text: &str, words: &[&str]) {
        let error = expanded(text).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        for word in words {
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn a_product_without_what_is_excluded() {
        let rows = expanded(
            "defaults: {nodes: 2}\nmatrices:\n- name: m\n  axes:\n    mtu: [1400, 1500]\n    kind:\n      plain: {cni: reference}\n      own: {backend: vxlan}\n  exclude: [{mtu: 1400, kind: own}]\n  expect:\n  - {checks: {mtu: pass}}\n  - {when: {kind: [own]}, checks: {mtu: skip}}\n",
        )
        .unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["m-1400-plain", "m-1500-plain", "m-1500-own"]);
        assert_eq!(
            rows[2].options.words(),
            ["--nodes=2", "--mtu=1500", "--backend=vxlan"]
        );
        assert_eq!(rows[2].expect.len(), 2);
        assert_eq!(rows[1].expect.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_what_is_allowed() {
        let matrix = "matrices:\n- name: m\n  axes:\n    mtu: [1400]\n";
        says(
            "rws: []\n",
            &[
                "table.yaml:2: ",
                "unknown key \"rws\"",
                "did you mean \"rows\"?",
                "allowed: flatnet, defaults",
            ],
        );
        says(
            "rows:\n- name: a\n  options:\n    nodes: 1\n    mtuu: 1400\n",
            &[
                "table.yaml:6: ",
                "did you mean \"mtu\"?",
                "allowed: cni, backend, nodes",
            ],
        );
        says(
            "rows:\n- name: a\n  options: {cluster: x}\n",
            &["unknown option \"cluster\"", "allowed: "],
        );
        says(
            "rows:\n- name: a\n  expect:\n    checks: {no-natt: pass}\n",
            &["table.yaml:5: ", "did you mean \"no-nat\"?"],
        );
        says(
            "rows:\n- name: a\n  expect:\n    checks:\n      no-nat: maybe\n",
            &[
                "table.yaml:6: ",
                "unknown word \"maybe\"",
                "allowed: pass, fail, skip, any",
            ],
        );
        says(
            "rows:\n- name: a\n  expect:\n  - facts:\n      devce-mtu: []\n",
            &["table.yaml:6: ", "did you mean \"device-mtu\"?"],
        );
        says(
            "rows:\n- name: a\n  expect:\n    facts:\n      device-mtu: [{on: everybody, is: 1}]\n",
            &["table.yaml:6: ", "every node"],
        );
        says(
            "matrices:\n- name: m\n  axes:\n    mtuu: [1400]\n",
            &[
                "table.yaml:5: ",
                "did you mean \"mtu\"?",
                "maps names to options",
            ],
        );
        says(
            &format!("{matrix}  exclude: [{{mtu: 1500}}]\n"),
            &["table.yaml:6: ", "exclude: no row has mtu 1500"],
        );
        says(
            &format!("{matrix}  expect: [{{when: {{hairpn: off}}}}]\n"),
            &["table.yaml:6: ", "unknown option \"hairpn\""],
        );
        says(
            &format!("{matrix}rows:\n- name: m-1400\n"),
            &["two rows are called \"m-1400\""],
        );
        says("", &["no rows"]);
    }
}
