//! Processes, as /proc shows them. One that ends while it is looked at is passed over.
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::NodeProcess;
use crate::error::{Error, Result};

/// Longest command line that is read, bytes.
const MOST: u64 = 64 * 1024;
/// /proc/PID/comm holds no more bytes (TASK_COMM_LEN without its NUL).
const COMM: usize = 15;

/// Process ids, ascending.
pub(crate) fn pids(proc: &Path) -> Result<Vec<u32>> {
    let failed = |error| Error::system(format!("read {}", proc.display()), error);
    let mut pids = Vec::new();
    for entry in fs::read_dir(proc).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    pids.sort_unstable();
    Ok(pids)
}

/// See [`NodeProcess::program`].
pub(crate) fn program(proc: &Path, pid: u32) -> Option<String> {
    let comm = fs::read_to_string(proc.join(pid.to_string()).join("comm")).ok()?;
    let comm = comm.trim_end_matches('\n').to_owned();
    if comm.len() < COMM {
        return Some(comm);
    }
    let argv = argv(proc, pid);
    let whole = argv
        .first()
        .and_then(|path| path.rsplit('/').next())
        .filter(|name| name.starts_with(&comm));
    Some(whole.map_or(comm, str::to_owned))
}

/// The command line; empty for a kernel thread, and where it may not be read.
fn argv(proc: &Path, pid: u32) -> Vec<String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(proc.join(pid.to_string()).join("cmdline"));
    if file
        .and_then(|file| file.take(MOST).read_to_end(&mut bytes))
        .is_err()
    {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    match text.trim_end_matches('\0') {
        "" => Vec::new(),
        words => words.split('\0').map(str::to_owned).collect(),
    }
}

/// The inode of the network namespace of `who` (a process id or `thread-self`); none where the kernel does not say.
pub(crate) fn network_namespace(proc: &Path, who: &str) -> Option<u64> {
    let metadata = fs::metadata(proc.join(who).join("ns/net")).ok()?;
    Some(metadata.ino())
}

/// Processes with one of these program names in this network namespace. The kernel tells whose namespace is which only
/// with the right to trace; a process of which it does not tell counts in.
pub(crate) fn named(proc: &Path, names: &[String]) -> Result<Vec<NodeProcess>> {
    let own = network_namespace(proc, "thread-self");
    let elsewhere = |pid: u32| {
        let theirs = network_namespace(proc, &pid.to_string());
        matches!((own, theirs), (Some(own), Some(theirs)) if own != theirs)
    };
    let found = pids(proc)?.into_iter().filter_map(|pid| {
        let program = program(proc, pid)?;
        (names.contains(&program) && !elsewhere(pid)).then(|| NodeProcess {
            pid,
            program,
            argv: argv(proc, pid),
        })
    });
    Ok(found.collect())
}
