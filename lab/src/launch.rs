//! Programs started in a node or pod as a container runtime does: an environment of their own, a session of their own.
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::spawn::{Child, Program};

/// Where programs are looked for unless the environment says otherwise.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where nodes have busybox's applets, last in their PATH: a bare machine has no `ping`.
pub(crate) const NODE_APPLETS: &str = "/.busybox";

/// A command with everything but its streams.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) directory: Option<PathBuf>,
    /// The first process of its pid namespace covers /proc with its own.
    pub(crate) mount_proc: bool,
}

/// Standard streams for the child.
pub(crate) struct Streams {
    /// None: nothing to read.
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// What every environment on a node begins with.
pub(crate) fn node_env(hostname: &str) -> BTreeMap<String, String> {
    let mut env = base_env(hostname);
    env.insert("PATH".to_owned(), format!("{PATH}:{NODE_APPLETS}"));
    env
}

/// What every environment of a container begins with.
pub(crate) fn base_env(hostname: &str) -> BTreeMap<String, String> {
    [("PATH", PATH), ("HOME", "/root"), ("HOSTNAME", hostname)]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

impl Launch {
    pub(crate) fn new(argv: &[String], env: BTreeMap<String, String>) -> Self {
        Launch {
            argv: argv.to_vec(),
            env,
            directory: None,
            mount_proc: false,
        }
    }

    /// Starts it with the calling thread's namespaces and root.
    ///
    /// # Errors
    /// In runc's words, as `kubectl` shows them: `exec: "foo": executable file not found in $PATH`.
    pub(crate) fn start(&self, streams: Streams) -> Result<Child, String> {
        let Some(name) = self.argv.first().filter(|name| !name.is_empty()) else {
            return Err("no command is given".to_owned());
        };
        let directory = self.directory.as_deref().unwrap_or(Path::new("/"));
        let program = find(
            name,
            self.env.get("PATH").map_or(PATH, String::as_str),
            directory,
        )?;
        self.execute(&program, directory, streams)
            .map_err(|e| format!("exec {name}: {e}"))
    }

    fn execute(&self, program: &Path, directory: &Path, streams: Streams) -> io::Result<Child> {
        let Streams {
            stdin,
            stdout,
            stderr,
        } = streams;
        let stdin = match stdin {
            Some(stdin) => stdin,
            None => File::open("/dev/null")?.into(),
        };
        let argv = self.argv.iter().map(c_string);
        let env = self
            .env
            .iter()
            .map(|(key, value)| c_string(format!("{key}={value}")));
        let (argv, env) = (
            argv.collect::<io::Result<Vec<_>>>()?,
            env.collect::<io::Result<Vec<_>>>()?,
        );
        let program = Program {
            path: &c_string(program)?,
            argv: &argv,
            env: &env,
            directory: &c_string(directory)?,
            streams: [&stdin, &stdout, &stderr],
            mount_proc: self.mount_proc,
        };
        retry_busy(|| program.spawn())
    }
}

fn c_string(text: impl AsRef<OsStr>) -> io::Result<CString> {
    Ok(CString::new(text.as_ref().as_bytes())?)
}

/// Runs `spawn` again while the program is open for writing: a fork of another thread may still hold the descriptor by which
/// it was written, until that child reaches its exec.
pub(crate) fn retry_busy<T>(mut spawn: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut pause = std::time::Duration::from_millis(1);
    loop {
        match spawn() {
            Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy && pause.as_millis() < 500 => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            other => return other,
        }
    }
}

fn find(name: &str, path: &str, directory: &Path) -> Result<PathBuf, String> {
    let runnable = |file: &Path| {
        std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let file = directory.join(name);
        return match std::fs::metadata(&file) {
            Err(e) => Err(format!("exec: {name:?}: stat {name}: {}", plain(&e))),
            Ok(_) if runnable(&file) => Ok(file),
            Ok(_) => Err(format!("exec: {name:?}: permission denied")),
        };
    }
    let found = path
        .split(':')
        .filter(|dir| !dir.is_empty())
        .map(|dir| Path::new(dir).join(name))
        .find(|file| runnable(file));
    found.ok_or_else(|| format!("exec: {name:?}: executable file not found in $PATH"))
}

/// The system's words alone, in lower case as Go writes them.
fn plain(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(
        || error.to_string(),
        |code| nix::errno::Errno::from_raw(code).desc().to_lowercase(),
    )
}

/// What a shell makes of it: the exit code, or 128 and the signal.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_reported_as_kubectl_reports_it() {
        assert_eq!(
            find("no-such", "/bin:/usr/bin", Path::new("/")).unwrap_err(),
            "exec: \"no-such\": executable file not found in $PATH"
        );
        assert_eq!(
            find("/no/such", "", Path::new("/")).unwrap_err(),
            "exec: \"/no/such\": stat /no/such: no such file or directory"
        );
        assert_eq!(
            find("/etc/passwd", "", Path::new("/")).unwrap_err(),
            "exec: \"/etc/passwd\": permission denied"
        );
    }

    #[test]
    fn the_first_directory_of_the_path_wins() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sh");
        std::fs::write(&file, "#!/bin/true\n").unwrap();
        let path = format!("{}:/bin", dir.path().display());
        assert_eq!(
            find("sh", &path, Path::new("/")).unwrap(),
            Path::new("/bin/sh"),
            "not executable: passed over"
        );
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(find("sh", &path, Path::new("/")).unwrap(), file);
    }

    #[test]
    fn a_signal_counts_as_128_and_its_number() {
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(exit_code(ExitStatus::from_raw(9)), 137);
    }
}
