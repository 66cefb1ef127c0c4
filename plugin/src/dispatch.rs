//! Reads variables and configuration, runs the command, and writes its result for the runtime.
use std::ffi::OsString;
use std::io::{self, Read, Write};

use flatnet_model::cni::Version;
use serde::Deserialize;

use crate::args::Call;
use crate::error::{Error, Result};
use crate::types::{NetConf, failure, read, versions};
use crate::{datapath, gc, status};

/// The inputs and outputs of one execution.
pub struct Invocation<'a> {
    /// Reads an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
    /// The network configuration.
    pub stdin: &'a mut dyn Read,
    /// Where the result or the error object goes.
    pub stdout: &'a mut dyn Write,
    /// Where to explain the program to a person who runs it by hand.
    pub stderr: &'a mut dyn Write,
}

/// Runs one command in the calling thread's network namespace. `true`: success, exit code 0; `false`: an error object has
/// been written (CNI spec, section 2, Errors).
///
/// DEL may fork: the child sends one netlink request and exits.
pub fn run(invocation: Invocation<'_>) -> bool {
    let Invocation {
        env,
        stdin,
        stdout,
        stderr,
    } = invocation;
    if env("CNI_COMMAND").is_none_or(|command| command.is_empty()) {
        // Run by hand: the error object alone would not say what this program is.
        let _ = writeln!(stderr, "{}", about());
    }
    let mut version = None;
    let outcome = call(env, stdin, &mut version);
    let fine = outcome.is_ok();
    let output = outcome.or_else(|error| failure(&error, version).map(Some));
    let mut output = match output {
        Ok(Some(output)) => output,
        Ok(None) => return fine,
        Err(error) => {
            let _ = writeln!(stderr, "flatnet-cni: {error}");
            return false;
        }
    };
    output.push('\n');
    match stdout
        .write_all(output.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => fine,
        Err(error) => {
            let _ = writeln!(stderr, "flatnet-cni: write result: {error}");
            false
        }
    }
}

/// Name, version and supported protocol versions, in two lines.
fn about() -> String {
    format!(
        "CNI plugin flatnet-cni {}; a container runtime executes it (https://www.cni.dev)\nCNI protocol versions supported: {}",
        env!("CARGO_PKG_VERSION"),
        Version::spoken()
    )
}

/// Sets `version` as soon as it is known, so that the error object has the caller's version.
fn call(
    env: &dyn Fn(&str) -> Option<OsString>,
    stdin: &mut dyn Read,
    version: &mut Option<Version>,
) -> Result<Option<String>> {
    let call = Call::from_env(env)?;
    let mut input = Vec::new();
    stdin.read_to_end(&mut input).map_err(Error::io(
        "read the network configuration from standard input",
    ))?;
    if call == Call::Version {
        return versions(asked_version(&input)?.as_deref()).map(Some);
    }
    let conf = NetConf::parse(&input)?;
    *version = Some(conf.version);
    if conf.version < call.command().since() {
        return Err(Error::CommandTooNew {
            command: call.command(),
            got: conf.version,
        });
    }
    match &call {
        Call::Add { owner, netns } => datapath::add(&conf, owner, netns).map(Some),
        Call::Check { owner, netns } => datapath::check(&conf, owner, netns).map(|()| None),
        Call::Del { owner } => datapath::del(&conf, owner).map(|()| None),
        Call::Gc => gc::gc(&conf).map(|()| None),
        Call::Status => status::status(&conf).map(|()| None),
        Call::Version => Ok(None),
    }
}

/// `cniVersion` of VERSION's input. Any value is returned as it came, because the answer tells the runtime which version
/// to use. Runtimes older than the key send no input at all.
fn asked_version(input: &[u8]) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Input {
        #[serde(rename = "cniVersion")]
        version: Option<String>,
    }
    if input.trim_ascii().is_empty() {
        return Ok(None);
    }
    Ok(read::<Input>(input)?.version)
}

/// The program: environment, standard streams, exit code. `--help` and `--version` print [`about`].
pub(crate) fn program() -> bool {
    if std::env::args_os().nth(1).is_some_and(|arg| {
        ["-h", "--help", "-V", "--version"]
            .iter()
            .any(|flag| arg == *flag)
    }) {
        return writeln!(io::stdout(), "{}", about()).is_ok();
    }
    run(Invocation {
        env: &|name| std::env::var_os(name),
        stdin: &mut io::stdin().lock(),
        stdout: &mut io::stdout().lock(),
        stderr: &mut io::stderr().lock(),
    })
}
