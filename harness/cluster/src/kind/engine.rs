//! The programs behind a kind cluster: kind itself, and docker or podman; whether they are installed and work.
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::program::run;
use crate::Process;
use crate::{Error, Result};

/// The oldest kind whose flags and config are used here (`kind get nodes --all-clusters`, config v1alpha4 with dual-stack).
const OLDEST_KIND: (u32, u32) = (0, 20);

/// kind and its container engine, both seen working.
#[derive(Clone, Debug)]
pub struct Engine {
    kind: PathBuf,
    program: PathBuf,
    /// `docker` or `podman`.
    pub name: String,
}

impl Engine {
    /// Finds both and asks each for its version.
    ///
    /// # Errors
    /// [`Error::Missing`]: not installed, too old, not running, not permitted; each with what to do.
    pub async fn find() -> Result<Self> {
        let kind = which::which("kind").map_err(|_| Error::Missing {
            what: "the program kind is not on PATH".to_owned(),
            remedy: "install it: go install sigs.k8s.io/kind@latest, or its release for your system; without it: --provider lab".to_owned(),
        })?;
        let said = run(Command::new(&kind).arg("version"), "kind version").await?;
        let mut words = said.stdout.split_whitespace();
        let version = words.find(|word| word.starts_with("v0") || word.starts_with("v1"));
        if version
            .and_then(parse_version)
            .is_none_or(|version| version < OLDEST_KIND)
        {
            return Err(Error::Missing {
                what: format!("{} is {:?}, too old", kind.display(), said.stdout.trim()),
                remedy: format!("install kind v{}.{} or newer", OLDEST_KIND.0, OLDEST_KIND.1),
            });
        }
        let (name, program) = chosen()?;
        let asked = run(
            Command::new(&program).args(["info", "--format", "{{json .}}"]),
            &format!("{name} info"),
        )
        .await
        .map_err(|e| engine_trouble(&name, &e.to_string()))?;
        // docker's client prints what it knows of itself and exits 0 in some versions, with the server's error inside.
        let server_error = asked.stdout.contains("\"ServerErrors\":[");
        if asked.code != 0 || server_error {
            let words = if asked.stderr.trim().is_empty() {
                asked.stdout
            } else {
                asked.stderr
            };
            return Err(engine_trouble(&name, &words));
        }
        Ok(Engine {
            kind,
            program,
            name,
        })
    }

    /// One that was not asked anything yet.
    #[cfg(test)]
    pub(crate) fn unchecked(name: &str) -> Self {
        Engine {
            kind: PathBuf::from("kind"),
            program: PathBuf::from(name),
            name: name.to_owned(),
        }
    }

    /// A call of kind.
    pub fn kind(&self) -> Command {
        let mut command = Command::new(&self.kind);
        command
            .env("KIND_EXPERIMENTAL_PROVIDER", &self.name)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// The path of kind, for deleting the cluster later.
    pub fn kind_path(&self) -> &Path {
        &self.kind
    }

    /// The path of the engine, for removing a container later.
    pub fn path(&self) -> &Path {
        &self.program
    }

    /// A call of docker or podman.
    pub fn engine(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts a command in a node's container, its streams connected.
    ///
    /// # Errors
    /// When the engine's client does not start.
    pub fn exec(&self, container: &str, argv: &[String]) -> Result<Process> {
        let doing = format!("{} exec {container} {argv:?}", self.name);
        let mut command = self.engine();
        command.args(["exec", "-i", container]).args(argv);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Error::failed(&doing, e))?;
        let lost = || Error::Failed(format!("{doing}: a stream is missing"));
        Ok(Process {
            stdin: Box::new(child.stdin.take().ok_or_else(lost)?),
            stdout: Box::new(child.stdout.take().ok_or_else(lost)?),
            stderr: Box::new(child.stderr.take().ok_or_else(lost)?),
            exit: Box::pin(async move {
                let status = child.wait().await.map_err(|e| Error::failed(&doing, e))?;
                status
                    .code()
                    .ok_or_else(|| Error::Failed(format!("{doing}: ended by {status}")))
            }),
        })
    }

    /// Runs a command in a node's container on this process's own terminal, of that kind (`TERM`), to its end; its exit code.
    /// The engine's client makes the terminal raw meanwhile.
    ///
    /// # Errors
    /// When the engine's client does not start, or a signal ends it.
    pub async fn exec_on_terminal(
        &self,
        container: &str,
        argv: &[String],
        terminal: Option<&str>,
    ) -> Result<i32> {
        let doing = format!("{} exec -it {container} {argv:?}", self.name);
        let mut command = self.engine();
        command.args(["exec", "-it"]);
        if let Some(kind) = terminal {
            command.args(["-e", &format!("TERM={kind}")]);
        }
        let status = command
            .arg(container)
            .args(argv)
            .stdin(Stdio::inherit())
            .status()
            .await
            .map_err(|e| Error::failed(&doing, e))?;
        status
            .code()
            .ok_or_else(|| Error::Failed(format!("{doing}: ended by {status}")))
    }
}

/// The engine the user chose by kind's own variable, else the first that is installed.
fn chosen() -> Result<(String, PathBuf)> {
    let named = std::env::var("KIND_EXPERIMENTAL_PROVIDER").ok();
    let names: Vec<&str> = match named.as_deref() {
        Some(name @ ("docker" | "podman" | "nerdctl")) => vec![name],
        Some(other) => {
            return Err(Error::Input(format!(
                "KIND_EXPERIMENTAL_PROVIDER={other}: kind knows docker, podman and nerdctl"
            )));
        }
        None => vec!["docker", "podman"],
    };
    names
        .iter()
        .find_map(|name| Some(((*name).to_owned(), which::which(name).ok()?)))
        .ok_or_else(|| Error::Missing {
            what: format!("no container engine: {} is not on PATH", names.join(" or ")),
            remedy: "install docker or podman, which kind needs; without them: --provider lab"
                .to_owned(),
        })
}

/// What an engine that answers with an error needs.
fn engine_trouble(name: &str, words: &str) -> Error {
    let line = words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("Client:"))
        .find(|line| {
            let line = line.to_lowercase();
            ["cannot connect", "permission denied", "error", "refused"]
                .iter()
                .any(|sign| line.contains(sign))
        })
        .unwrap_or_else(|| words.trim())
        .chars()
        .take(300)
        .collect::<String>();
    let remedy = if line.to_lowercase().contains("permission denied") {
        format!("not permitted: run as root, or join the group that may use {name}")
    } else {
        format!(
            "is it running? start {name}, or point DOCKER_HOST at it; without it: --provider lab"
        )
    };
    Error::Missing {
        what: format!("{name} does not answer: {line}"),
        remedy,
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim_start_matches('v').split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(parse_version("v0.33.0"), Some((0, 33)));
        assert_eq!(parse_version("v0.9.0-alpha+1"), Some((0, 9)));
        assert!(parse_version("v0.9.0") < Some(OLDEST_KIND));
        assert_eq!(parse_version("nonsense"), None);
    }

    #[test]
    fn what_an_engine_needs_is_read_from_its_message() {
        let error = engine_trouble(
            "docker",
            "Client:\n Version: 20\nerrors pretty printing info: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        );
        assert!(error.to_string().contains("start docker"), "{error}");
        let error = engine_trouble(
            "docker",
            "Got permission denied while trying to connect to the Docker daemon socket",
        );
        assert!(error.to_string().contains("not permitted"), "{error}");
    }
}
