//! What the programs in a node's plugin folder say to CNI_COMMAND=VERSION.
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::programs::{self, Said};
use crate::{PluginVersion, VersionResult, files};

/// Longest output that is read, bytes; the rest stays unread, and the program is stopped.
const MOST: u64 = 64 * 1024;
/// Programs that run at once.
const AT_ONCE: usize = 8;
/// Longest line that is passed on, characters.
const LINE: usize = 200;
/// The newest version of the specification; plugins answer VERSION whatever version is named.
const QUESTION: &str = r#"{"cniVersion":"1.1.0"}"#;

/// A node's plugin folder.
struct Folder {
    root: String,
    path: String,
    limit: Duration,
    turns: Semaphore,
}

/// Asks every executable file of `path` below `root`, or of those only the ones with these names, each for `limit` at most. No
/// folder: no plugins.
pub(crate) async fn ask(
    root: &str,
    path: &str,
    only: Option<&[String]>,
    limit: Duration,
) -> Result<Vec<PluginVersion>> {
    let failed = |error| Error::system(format!("read {path}"), error);
    let names = match files::open(root, path).and_then(files::names) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(failed)?,
    };
    let folder = Arc::new(Folder {
        root: root.to_owned(),
        path: path.to_owned(),
        limit,
        turns: Semaphore::new(AT_ONCE),
    });
    let mut asking = JoinSet::new();
    let wanted = |name: &String| only.is_none_or(|only| only.contains(name));
    for name in names.into_iter().filter(wanted) {
        if folder.has_executable(&name) {
            let folder = Arc::clone(&folder);
            asking.spawn_local(async move { folder.ask(name).await });
        }
    }
    let mut versions = asking.join_all().await;
    versions.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(versions)
}

impl Folder {
    fn has_executable(&self, name: &str) -> bool {
        let metadata = self.open(name).and_then(|file| file.metadata());
        metadata
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        files::open(&self.root, &format!("{}/{name}", self.path))
    }

    /// execvp(3) would hand anything else to a shell; a container runtime does not.
    fn is_program(&self, name: &str) -> bool {
        let mut magic = [0; 4];
        let read = self.open(name).and_then(|mut file| file.read(&mut magic));
        read.is_ok_and(|length| {
            magic[..length].starts_with(b"\x7fELF") || magic[..length].starts_with(b"#!")
        })
    }

    async fn ask(&self, name: String) -> PluginVersion {
        if !self.is_program(&name) {
            return PluginVersion {
                name,
                versions: Err("it is neither an ELF program nor a script".to_owned()),
                about: None,
            };
        }
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        let versions = self.versions(&name).await;
        let about = match &versions {
            // A program that is not a plugin is not executed a second time.
            Ok(_) => self.about(&name).await,
            Err(_) => None,
        };
        PluginVersion {
            name,
            versions,
            about,
        }
    }

    async fn versions(&self, name: &str) -> std::result::Result<VersionResult, String> {
        let said = self.run(name, Some("VERSION"), QUESTION.as_bytes()).await?;
        if !said.status.success() {
            return Err(refusal(&said));
        }
        serde_json::from_slice(&said.out)
            .map_err(|error| format!("its answer is not a version result: {error}"))
    }

    /// The reference plugins print a line such as `CNI bridge plugin v1.4.0` (containernetworking/cni, pkg/skel).
    async fn about(&self, name: &str) -> Option<String> {
        let said = self.run(name, None, b"").await.ok()?;
        first_line(&said.err).or_else(|| first_line(&said.out))
    }

    async fn run(
        &self,
        name: &str,
        command: Option<&str>,
        input: &[u8],
    ) -> std::result::Result<Said, String> {
        let mut process = Command::new(format!("{}/{name}", self.path));
        process
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(command.map(|command| ("CNI_COMMAND", command)))
            .current_dir("/");
        if !self.root.is_empty() {
            let root = self.root.clone();
            // SAFETY: between fork and exec this makes two system calls and allocates nothing.
            unsafe {
                process.pre_exec(move || {
                    nix::unistd::chroot(root.as_str())?;
                    nix::unistd::chdir("/")?;
                    Ok(())
                });
            }
        }
        programs::run(&mut process, input, MOST, self.limit).await
    }
}

/// Why it did not answer: the error object's message (CNI specification, section 5, Error), or what it said else.
fn refusal(Said { status, out, err }: &Said) -> String {
    #[derive(Deserialize)]
    struct Failure {
        msg: String,
    }
    let how = status.to_string();
    let said = match serde_json::from_slice::<Failure>(out) {
        Ok(failure) => Some(failure.msg),
        Err(_) => first_line(err).or_else(|| first_line(out)),
    };
    match said {
        Some(said) => format!("it ended with {how}: {said}"),
        None => format!("it ended with {how} and said nothing"),
    }
}

fn first_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(
        line.chars()
            .filter(|c| !c.is_control())
            .take(LINE)
            .collect(),
    )
}
