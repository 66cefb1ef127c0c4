//! What is wrong with a configuration, said so that a person finds the place.
use std::fmt;

use super::walk::Findings;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Place in the document (`nodes[2].role`); empty for the document as a whole.
    pub path: String,
    /// What is wrong there, and what would be right.
    pub what: String,
}

impl Problem {
    pub(super) fn whole(what: String) -> Self {
        Problem {
            path: String::new(),
            what,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.what)
        } else {
            write!(f, "{}: {}", self.path, self.what)
        }
    }
}

/// Everything that is wrong with one file; at least one problem. Shown on one line, or as a list where there are several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: String,
    list: Vec<Problem>,
}

impl Problems {
    pub(super) fn one(file: &str, problem: Problem) -> Self {
        Problems {
            file: file.to_owned(),
            list: vec![problem],
        }
    }

    /// None where nothing was found.
    pub(super) fn of(file: &str, found: Findings) -> Option<Self> {
        let list = found.into_list();
        (!list.is_empty()).then(|| Problems {
            file: file.to_owned(),
            list,
        })
    }

    /// In the order of the rules that found them.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.list.as_slice() {
            return write!(f, "{}: {only}", self.file);
        }
        write!(f, "{}: {} problems", self.file, self.list.len())?;
        for problem in &self.list {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
