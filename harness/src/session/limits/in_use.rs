//! What processes of this user use of what the kernel allows a user.
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

/// Counts over the processes of this user in this user namespace that can be read: there may be more elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct InUse {
    /// Processes and threads.
    pub(super) tasks: u64,
    pub(super) inotify_instances: u64,
}

/// Counts below `root`, usually `/`.
pub(super) fn of_user(root: &Path) -> InUse {
    let proc = root.join("proc");
    let own = user_namespace(&proc.join("self"));
    let mut all = InUse::default();
    for process in entries(&proc) {
        let mine = fs::metadata(&process).is_ok_and(|found| found.uid() == geteuid().as_raw());
        if is_numbered(&process) && mine && user_namespace(&process) == own {
            all.tasks += threads(&process);
            all.inotify_instances += inotify_instances(&process);
        }
    }
    all
}

fn user_namespace(process: &Path) -> Option<PathBuf> {
    fs::read_link(process.join("ns/user")).ok()
}

fn threads(process: &Path) -> u64 {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let threads = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:")?.trim().parse().ok());
    threads.unwrap_or_default()
}

fn inotify_instances(process: &Path) -> u64 {
    let files = process.join("fd");
    entries(&files)
        .filter_map(|file| fs::read_link(file).ok())
        .filter(|link| link == Path::new("anon_inode:inotify"))
        .count() as u64
}

fn is_numbered(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.iter().all(u8::is_ascii_digit)
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A process with these threads and descriptors.
    fn process(root: &Path, id: &str, namespace: &str, threads: u64, files: &[&str]) {
        let folder = root.join("proc").join(id);
        fs::create_dir_all(folder.join("fd")).unwrap();
        fs::create_dir_all(folder.join("ns")).unwrap();
        let status = format!("Name:\tx\nThreads:\t{threads}\nSigQ:\t0/1\n");
        fs::write(folder.join("status"), status).unwrap();
        symlink(namespace, folder.join("ns/user")).unwrap();
        for (number, file) in files.iter().enumerate() {
            symlink(file, folder.join("fd").join(number.to_string())).unwrap();
        }
    }

    #[test]
    fn processes_of_this_user_and_namespace_are_counted() {
        let root = tempfile::tempdir().unwrap();
        let inotify = "anon_inode:inotify";
        process(root.path(), "self", "user:[1]", 3, &[]);
        process(root.path(), "7", "user:[1]", 3, &["/dev/null", inotify]);
        process(root.path(), "81", "user:[1]", 4, &[inotify, inotify]);
        process(root.path(), "82", "user:[2]", 50, &[inotify]);
        assert_eq!(
            of_user(root.path()),
            InUse {
                tasks: 7,
                inotify_instances: 3
            }
        );
    }

    #[test]
    fn this_process_is_among_them() {
        let before = of_user(Path::new("/")).inotify_instances;
        let _instance = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC);
        let after = of_user(Path::new("/"));
        assert!(after.inotify_instances > before, "{before}, {after:?}");
        assert!(after.tasks > 0);
    }
}
