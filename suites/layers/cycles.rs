//! Finds cycles among the children of a module. A child includes everything below it; the module's own code is part of none.
use std::collections::{BTreeMap, BTreeSet};
use std::iter::{successors, zip};
use std::path::Path;

use crate::modules::{Crate, Id, Names};

/// Which child uses which, and what one file of it uses of another.
type Uses<'c> = BTreeMap<(Id, Id), BTreeMap<(&'c Path, &'c Path), BTreeSet<&'c str>>>;

/// One text for each module whose children form cycles. Paths of files are relative to `root`.
pub(crate) fn find(krate: &Crate, root: &Path) -> Vec<String> {
    let shown = |file: &Path| {
        file.strip_prefix(root)
            .unwrap_or(file)
            .display()
            .to_string()
    };
    let mut found = Vec::new();
    for (parent, uses) in all_uses(krate) {
        let in_cycles = uses
            .iter()
            .filter(|((user, used), _)| reaches(&uses, *used, *user));
        let lines: Vec<String> = in_cycles
            .flat_map(|(_, files)| files)
            .map(|((from, to), names)| {
                let names: Vec<&str> = names.iter().copied().collect();
                format!("\n  {} -> {}: {}", shown(from), shown(to), names.join(", "))
            })
            .collect();
        if !lines.is_empty() {
            let file = shown(&krate.modules[parent].file);
            found.push(format!("modules of {file} form a cycle:{}", lines.concat()));
        }
    }
    found
}

/// Uses between the children of a module, by that module.
fn all_uses(krate: &Crate) -> BTreeMap<Id, Uses<'_>> {
    let mut all: BTreeMap<Id, Uses> = BTreeMap::new();
    for (from, module) in krate.modules.iter().enumerate() {
        let imports = module.names.values().flatten().chain(&module.globs);
        let mentions = module.mentions.iter().map(|path| (path, false));
        for (path, is_import) in imports.map(|path| (path, true)).chain(mentions) {
            let through = krate.follow(from, path, is_import).into_iter();
            // Of several modules in one child, the last is the one that defines what is used.
            let last: BTreeMap<_, Id> = through
                .filter_map(|to| Some((fork(krate, from, to)?, to)))
                .collect();
            for ((parent, user, used), to) in last {
                let files = all
                    .entry(parent)
                    .or_default()
                    .entry((user, used))
                    .or_default();
                let names = files
                    .entry((&module.file, &krate.modules[to].file))
                    .or_default();
                names.insert(what_is_used(path));
            }
        }
    }
    all
}

/// The innermost module around both, and which of its children they are in. `None` if one is inside the other.
fn fork(krate: &Crate, from: Id, to: Id) -> Option<(Id, Id, Id)> {
    let lineage = |module: Id| {
        let mut lineage: Vec<Id> =
            successors(Some(module), |module| krate.modules[*module].parent).collect();
        lineage.reverse();
        lineage
    };
    let (from, to) = (lineage(from), lineage(to));
    let depth = zip(&from, &to).position(|(from, to)| from != to)?;
    Some((from[depth - 1], from[depth], to[depth]))
}

/// The type of `Type::method`, else the last name.
fn what_is_used(path: &Names) -> &str {
    let of_type = path
        .iter()
        .find(|name| name.starts_with(char::is_uppercase));
    let last = path.iter().rfind(|name| *name != "self");
    of_type.or(last).map_or("", String::as_str)
}

fn reaches(uses: &Uses, from: Id, to: Id) -> bool {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(at) = waiting.pop() {
        if reached.insert(at) {
            waiting.extend(
                uses.keys()
                    .filter(|(user, _)| *user == at)
                    .map(|(_, used)| *used),
            );
        }
    }
    reached.contains(&to)
}
