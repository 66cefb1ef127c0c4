//! Whether this machine lets a run have what it needs: found before anything is started, because a run that is short of it hangs or
//! tells a broken network.
mod in_use;
mod tasks;

use std::fmt::Display;
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use self::in_use::InUse;
use crate::{Error, Result};

/// Descriptors of flatnet and of the lab, each: a lab of 250 nodes and 1,000 pods was seen with 5,763.
const DESCRIPTORS: u64 = 256;
const DESCRIPTORS_EACH: u64 = 8;
/// Address space of either, bytes: most of it is stacks of threads, reserved and not used.
const ADDRESS_SPACE: u64 = 2 << 30;
const ADDRESS_SPACE_EACH: u64 = 8 << 20;
/// Processes and threads of a whole run, those of its pods and probes included: one of 250 nodes and 750 pods was seen with 6,341.
const TASKS: u64 = 256;
const TASKS_EACH: u64 = 8;
/// Network namespaces besides those of nodes and pods.
const NAMESPACES: u64 = 8;

/// The size of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Nodes and pods together.
    pub(super) ends: usize,
    /// Agents on nodes, each of which watches a file.
    pub(super) agents: usize,
}

/// Something of which a run needs so much.
struct Need {
    what: String,
    /// Besides what is in use.
    least: u64,
    allowed: u64,
    /// What is known to be in use of that.
    in_use: u64,
    remedy: String,
}

/// Raises what may be raised, and checks the limits of this process, which the lab and its pods inherit, and of this machine.
///
/// # Errors
/// [`Error::Missing`] names the limit that is too low, and how to raise it.
pub(super) fn check_limits(size: Size) -> Result<()> {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Up to the hard limit everybody may; what it cannot be raised to is refused below.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
    let limit = |resource| match getrlimit(resource) {
        Ok((now, _)) => Ok(now),
        Err(e) => Err(Error::failed("read limits", e)),
    };
    let ends = size.ends as u64;
    let files = DESCRIPTORS + DESCRIPTORS_EACH * ends;
    let root = Path::new("/");
    let used = in_use::of_user(root);
    let mut needs = vec![
        Need {
            what: "open files (RLIMIT_NOFILE)".to_owned(),
            least: files,
            allowed: limit(Resource::RLIMIT_NOFILE)?,
            in_use: 0,
            remedy: raises("nofile", files),
        },
        Need {
            what: "bytes of address space (RLIMIT_AS)".to_owned(),
            least: ADDRESS_SPACE + ADDRESS_SPACE_EACH * ends,
            allowed: limit(Resource::RLIMIT_AS)?,
            in_use: 0,
            remedy: raises("as", "unlimited"),
        },
    ];
    needs.extend(settings(size, &root.join("proc/sys"), used));
    let least = TASKS + TASKS_EACH * ends;
    needs.extend(tasks::limits(root, used).map(|limit| Need {
        what: format!("processes and threads ({})", limit.name),
        least,
        allowed: limit.allowed,
        in_use: limit.in_use,
        remedy: limit.remedy(least),
    }));
    needs.iter().try_for_each(|need| need.met(size))
}

/// Raises a limit of the shell it is typed in, above the hard limit too.
fn raises(limit: &str, to: impl Display) -> String {
    format!("sudo prlimit --pid $$ --{limit}={to}:{to}")
}

/// Needs of what the kernel allows one user; a setting that cannot be read sets no limit.
fn settings(size: Size, root: &Path, used: InUse) -> impl Iterator<Item = Need> {
    let watches = size.agents as u64 + 1;
    let namespaces = size.ends as u64 + NAMESPACES;
    let each = [
        (
            "inotify instances",
            "fs.inotify.max_user_instances",
            watches,
            used.inotify_instances,
        ),
        (
            "inotify instances",
            "user.max_inotify_instances",
            watches,
            used.inotify_instances,
        ),
        (
            "network namespaces",
            "user.max_net_namespaces",
            namespaces,
            0,
        ),
        ("mount namespaces", "user.max_mnt_namespaces", namespaces, 0),
        ("pid namespaces", "user.max_pid_namespaces", namespaces, 0),
    ];
    each.into_iter()
        .filter_map(|(what, setting, least, in_use)| {
            let file = root.join(setting.replace('.', "/"));
            let allowed = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
            Some(Need {
                what: format!("{what} ({setting})"),
                least,
                allowed,
                in_use,
                remedy: format!("sysctl -w {setting}={}", in_use + least * 2),
            })
        })
}

impl Need {
    fn met(&self, size: Size) -> Result<()> {
        if self.allowed.saturating_sub(self.in_use) >= self.least {
            return Ok(());
        }
        let (in_use, more) = match self.in_use {
            0 => (String::new(), ""),
            in_use => (format!(", {in_use} in use"), " more"),
        };
        Err(Error::Missing {
            what: format!(
                "{}: {} allowed{in_use}, {}{more} needed for {} nodes and pods",
                self.what, self.allowed, self.least, size.ends
            ),
            remedy: format!(
                "raise the limit (`{}`), or run fewer nodes and pods",
                self.remedy
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        ends: 15,
        agents: 3,
    };

    #[test]
    fn a_limit_that_is_too_low_is_named_with_what_raises_it() {
        let files = |allowed| Need {
            what: "open files (RLIMIT_NOFILE)".to_owned(),
            least: 376,
            allowed,
            in_use: 0,
            remedy: raises("nofile", 376),
        };
        assert!(files(376).met(SIZE).is_ok());
        assert!(files(u64::MAX).met(SIZE).is_ok(), "unlimited");
        let error = files(375).met(SIZE).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert_eq!(
            error.to_string(),
            "open files (RLIMIT_NOFILE): 375 allowed, 376 needed for 15 nodes and pods; \
             raise the limit (`sudo prlimit --pid $$ --nofile=376:376`), or run fewer nodes and pods"
        );
    }

    #[test]
    fn what_is_in_use_is_not_there_for_a_run() {
        let tasks = |in_use| Need {
            what: "processes and threads (RLIMIT_NPROC)".to_owned(),
            least: 376,
            allowed: 1000,
            in_use,
            remedy: raises("nproc", 1377),
        };
        assert!(tasks(624).met(SIZE).is_ok());
        assert_eq!(
            tasks(625).met(SIZE).unwrap_err().to_string(),
            "processes and threads (RLIMIT_NPROC): 1000 allowed, 625 in use, 376 more needed for 15 nodes and pods; \
             raise the limit (`sudo prlimit --pid $$ --nproc=1377:1377`), or run fewer nodes and pods"
        );
        assert!(tasks(2000).met(SIZE).is_err());
    }

    #[test]
    fn settings_of_the_kernel_are_compared_one_by_one() {
        let root = tempfile::tempdir().unwrap();
        let set = |setting: &str, value: &str| {
            let file = root.path().join(setting.replace('.', "/"));
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, value).unwrap();
        };
        let short = |inotify_instances| {
            let used = InUse {
                tasks: 0,
                inotify_instances,
            };
            let needs = settings(SIZE, root.path(), used).filter(|need| need.met(SIZE).is_err());
            needs.map(|need| need.what).collect::<Vec<_>>()
        };
        assert_eq!(short(0), [""; 0], "nothing is known");
        set("fs.inotify.max_user_instances", "4\n");
        set("user.max_inotify_instances", "3\n");
        set("user.max_net_namespaces", "23\n");
        set("user.max_mnt_namespaces", "22\n");
        set("user.max_pid_namespaces", "0\n");
        assert_eq!(
            short(0),
            [
                "inotify instances (user.max_inotify_instances)",
                "mount namespaces (user.max_mnt_namespaces)",
                "pid namespaces (user.max_pid_namespaces)"
            ]
        );
        assert_eq!(
            short(1)[0],
            "inotify instances (fs.inotify.max_user_instances)"
        );
    }
}
