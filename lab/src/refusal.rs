//! Says which setting of the machine forbids namespaces, and how it is changed.
use std::path::Path;

use nix::errno::Errno;

use crate::Error;

/// Why `what` was refused with `errno`, found by reading the settings that can forbid it.
pub(crate) fn explain(what: &str, errno: Errno) -> Error {
    explain_in(Path::new("/proc/sys"), what, errno)
}

fn explain_in(sysctls: &Path, what: &str, errno: Errno) -> Error {
    let setting = |key: &str| {
        std::fs::read_to_string(sysctls.join(key.replace('.', "/")))
            .map(|text| text.trim().to_owned())
    };
    let missing = |what: String, remedy: String| Error::Missing { what, remedy };
    let system = format!("{what}: {}", errno.desc());
    match errno {
        Errno::ENOSPC | Errno::EUSERS => {
            let kind = ["user", "mnt", "net", "pid", "uts", "ipc"]
                .into_iter()
                .find_map(|kind| {
                    let key = format!("user.max_{kind}_namespaces");
                    let value = setting(&key).ok()?;
                    (value == "0").then_some((key, value))
                });
            let (key, value) = kind.unwrap_or_else(|| {
                let key = "user.max_user_namespaces".to_owned();
                let value = setting(&key).unwrap_or_else(|_| "unknown".to_owned());
                (key, value)
            });
            missing(
                format!("{system} ({key} = {value})"),
                format!("raise it (`sysctl -w {key}=15000`, as root)"),
            )
        }
        Errno::EPERM | Errno::EACCES => {
            if setting("kernel.unprivileged_userns_clone").is_ok_and(|value| value == "0") {
                missing(
                    format!("{system} (kernel.unprivileged_userns_clone = 0)"),
                    "allow user namespaces (`sysctl -w kernel.unprivileged_userns_clone=1`, as root), or run as root".into(),
                )
            } else if setting("kernel.apparmor_restrict_unprivileged_userns")
                .is_ok_and(|value| value != "0")
            {
                missing(
                    format!("{system} (kernel.apparmor_restrict_unprivileged_userns = 1)"),
                    "allow it (`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, as root), or run as root".into(),
                )
            } else {
                missing(
                    format!("{system}: neither the capability CAP_SYS_ADMIN nor user namespaces are allowed here"),
                    "run as root, or, inside a container, give it `--privileged` or \
                     `--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
                        .into(),
                )
            }
        }
        Errno::EINVAL | Errno::ENOSYS => missing(
            system,
            "use a kernel with user, pid, mount, net, uts and ipc namespaces (CONFIG_*_NS)".into(),
        ),
        _ => Error::Failed { what: system },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysctls(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, value) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{value}\n")).unwrap();
        }
        dir
    }

    #[test]
    fn each_setting_that_forbids_namespaces_is_named_with_its_remedy() {
        for (file, value, errno) in [
            ("kernel/unprivileged_userns_clone", "0", Errno::EPERM),
            (
                "kernel/apparmor_restrict_unprivileged_userns",
                "1",
                Errno::EPERM,
            ),
            ("user/max_user_namespaces", "0", Errno::ENOSPC),
            ("user/max_net_namespaces", "0", Errno::ENOSPC),
        ] {
            let dir = sysctls(&[(file, value)]);
            let error = explain_in(dir.path(), "create a user namespace", errno);
            let key = file.replace('/', ".");
            assert!(matches!(error, Error::Missing { .. }), "{error:?}");
            let text = error.to_string();
            assert!(
                text.contains(&format!("{key} = {value}"))
                    && text.contains(&format!("sysctl -w {key}=")),
                "{text}"
            );
        }
    }

    #[test]
    fn without_such_a_setting_the_capability_is_named() {
        let dir = sysctls(&[("kernel/unprivileged_userns_clone", "1")]);
        let text = explain_in(dir.path(), "create a user namespace", Errno::EPERM).to_string();
        assert!(text.contains("CAP_SYS_ADMIN"), "{text}");
    }
}
