//! Files that a plugin may leave on a node.
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Ledger, NAMESPACES, NODE};
use crate::stand_in;

/// Where they are looked for.
const FOLDERS: [&str; 5] = ["/var/lib/cni", "/run", "/etc/cni", "/var/run/cni", "/tmp"];
/// A file is searched for names so far.
const SEARCHED: u64 = 1 << 20;
/// Deeper folders are not entered.
const DEPTH: usize = 6;

pub(super) fn read(names: &[String], ledger: &mut Ledger) {
    for folder in FOLDERS {
        let folder = Path::new(folder);
        if let Ok(data) = folder.symlink_metadata() {
            Search {
                names,
                device: data.dev(),
            }
            .enter(folder, DEPTH, ledger);
        }
    }
}

struct Search<'a> {
    names: &'a [String],
    /// Mounts below a folder are of others: the bench shows the host's programs where they are.
    device: u64,
}

impl Search<'_> {
    fn enter(&self, folder: &Path, depth: usize, ledger: &mut Ledger) {
        let skipped = [NAMESPACES, stand_in::FOLDER];
        if depth == 0 || skipped.iter().any(|path| folder == Path::new(path)) {
            return;
        }
        for entry in fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
        {
            let path = entry.path();
            let Ok(data) = path.symlink_metadata() else {
                continue;
            };
            if data.is_dir() {
                if data.dev() == self.device {
                    self.enter(&path, depth - 1, ledger);
                }
                continue;
            }
            let mut held = Vec::new();
            let label = path.display().to_string();
            if data.is_file() && data.len() <= SEARCHED {
                let content = fs::read(&path).unwrap_or_default();
                let content = String::from_utf8_lossy(&content);
                let named = |name: &&String| holds(&content, name) || holds(&label, name);
                held.extend(self.names.iter().filter(named).cloned());
            }
            let details = match held.is_empty() {
                true => String::new(),
                false => format!("names {}", held.join(", ")),
            };
            ledger.add(NODE, "file", label, details);
        }
    }
}

/// Whether the name is in the text, and not only as a part of another.
fn holds(text: &str, name: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric();
    text.match_indices(name).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + name.len()..].chars().next();
        !before.is_some_and(inside) && !after.is_some_and(inside)
    })
}
