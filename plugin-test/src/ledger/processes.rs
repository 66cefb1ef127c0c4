//! Processes of this pid namespace, besides the first and this one.
use std::fs;

use super::{Ledger, NODE};

pub(super) fn read(ledger: &mut Ledger) {
    let own = [1, std::process::id()];
    for entry in fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
    {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // pid (comm) state …: the comm may hold brackets and blanks.
        let Some((head, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let ended = matches!(rest.trim_start().chars().next(), Some('Z' | 'X'));
        if own.contains(&pid) || ended {
            continue;
        }
        let comm = head.split_once('(').map_or("?", |(_, comm)| comm);
        ledger.add(NODE, "process", format!("{comm} (pid {pid})"), "");
    }
}
