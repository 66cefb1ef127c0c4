//! How many processes and threads this process's cgroups, its user and the machine allow, and how many there are.
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};

use super::in_use::InUse;

/// A limit, and what is used of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// The setting or file that sets it.
    pub(super) name: String,
    pub(super) allowed: u64,
    pub(super) in_use: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cgroup,
    User,
    Machine,
}

impl Limit {
    /// What allows so many more.
    pub(super) fn remedy(&self, more: u64) -> String {
        match self.kind {
            Kind::Cgroup => format!("echo max > {}", self.name),
            Kind::User => super::raises("nproc", self.in_use + more * 2),
            Kind::Machine => format!("sysctl -w {}=4194304", self.name),
        }
    }
}

/// Those that can be read below `root`, usually `/`.
pub(super) fn limits(root: &Path, in_use: InUse) -> impl Iterator<Item = Limit> {
    cgroups(root)
        .into_iter()
        .filter_map(|folder| of_cgroup(&folder))
        .chain(of_user(in_use))
        .chain(of_machine(root))
}

/// The folders of this process's cgroups that may limit tasks, and of those around them (cgroups(7); versions 1 and 2).
fn cgroups(root: &Path) -> Vec<PathBuf> {
    let own = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut folders = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let top = match controllers {
            "" => root.join("sys/fs/cgroup"),
            _ if controllers.split(',').any(|name| name == "pids") => {
                root.join("sys/fs/cgroup").join(controllers)
            }
            _ => continue,
        };
        let own = top.join(path.trim_start_matches('/'));
        let above = own
            .ancestors()
            .take_while(|folder| folder.starts_with(&top));
        folders.extend(above.map(Path::to_owned));
    }
    folders
}

fn of_cgroup(folder: &Path) -> Option<Limit> {
    let number = |file: &str| -> Option<u64> {
        let text = std::fs::read_to_string(folder.join(file)).ok()?;
        text.trim().parse().ok()
    };
    // `max` is no number, and no limit.
    let most = number("pids.max")?;
    Some(Limit {
        name: folder.join("pids.max").display().to_string(),
        allowed: most,
        in_use: number("pids.current")?,
        kind: Kind::Cgroup,
    })
}

/// RLIMIT_NPROC counts all tasks of a user; the kernel does not hold root to it (setrlimit(2)).
fn of_user(in_use: InUse) -> Option<Limit> {
    let (most, _) = getrlimit(Resource::RLIMIT_NPROC).ok()?;
    (!nix::unistd::geteuid().is_root()).then(|| Limit {
        name: "RLIMIT_NPROC".to_owned(),
        allowed: most,
        in_use: in_use.tasks,
        kind: Kind::User,
    })
}

/// Each task has a number of its own, up to `pid_max`.
fn of_machine(root: &Path) -> Vec<Limit> {
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_default();
    // `0.20 0.18 0.12 1/80 11206`: of 80 tasks one runs (proc_loadavg(5)).
    let load = read("proc/loadavg");
    let tasks = load.split_whitespace().nth(3);
    let tasks = tasks.and_then(|tasks| tasks.split_once('/')?.1.parse::<u64>().ok());
    let limits = ["pid_max", "threads-max"].into_iter().filter_map(|name| {
        let most: u64 = read(&format!("proc/sys/kernel/{name}"))
            .trim()
            .parse()
            .ok()?;
        Some(Limit {
            name: format!("kernel.{name}"),
            allowed: most,
            in_use: tasks?,
            kind: Kind::Machine,
        })
    });
    limits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let file = root.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        root
    }

    fn cgroup_limits(files: &[(&str, &str)]) -> Vec<(String, u64, u64)> {
        let root = root(files);
        let found =
            limits(root.path(), InUse::default()).filter(|limit| limit.kind == Kind::Cgroup);
        let below = |name: &str| {
            let prefix = root.path().display().to_string();
            name.strip_prefix(&prefix).unwrap().to_owned()
        };
        found
            .map(|limit| (below(&limit.name), limit.allowed, limit.in_use))
            .collect()
    }

    #[test]
    fn a_cgroup_and_those_around_it_limit_tasks() {
        let own = ("proc/self/cgroup", "0::/user.slice/session.scope\n");
        let found = cgroup_limits(&[
            own,
            ("sys/fs/cgroup/user.slice/session.scope/pids.max", "max\n"),
            ("sys/fs/cgroup/user.slice/session.scope/pids.current", "7\n"),
            ("sys/fs/cgroup/user.slice/pids.max", "100\n"),
            ("sys/fs/cgroup/user.slice/pids.current", "40\n"),
        ]);
        assert_eq!(
            found,
            [("/sys/fs/cgroup/user.slice/pids.max".to_owned(), 100, 40)]
        );
    }

    #[test]
    fn cgroups_of_the_first_version_are_found_by_their_controller() {
        let found = cgroup_limits(&[
            ("proc/self/cgroup", "9:memory:/a\n8:pids:/docker/x\n0::/\n"),
            ("sys/fs/cgroup/pids/docker/x/pids.max", "50\n"),
            ("sys/fs/cgroup/pids/docker/x/pids.current", "60\n"),
        ]);
        assert_eq!(
            found,
            [("/sys/fs/cgroup/pids/docker/x/pids.max".to_owned(), 50, 60)]
        );
    }

    #[test]
    fn tasks_of_the_machine_count_against_its_limits() {
        let root = root(&[
            ("proc/loadavg", "0.20 0.18 0.12 1/80 11206\n"),
            ("proc/sys/kernel/pid_max", "32768\n"),
        ]);
        let found: Vec<_> = of_machine(root.path());
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_str(), found[0].allowed, found[0].in_use),
            ("kernel.pid_max", 32_768, 80)
        );
        assert_eq!(found[0].remedy(9), "sysctl -w kernel.pid_max=4194304");
    }
}
