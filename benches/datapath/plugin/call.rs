//! One execution of a CNI plugin, done as a container runtime does it (libcni, pkg/invoke): variables, configuration on
//! standard input, both outputs read to their end, exit awaited.
use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::outcome::{Failure, Result};

/// Interface name in every pod.
pub(super) const IFNAME: &str = "eth0";
/// A range with room for as many pods as a bridge takes ports.
const RANGE: &str = "10.244.0.0/20";
/// The whole pod network.
const POD_NETWORK: &str = "10.244.0.0/16";
/// Name of the network, and of its folder among the reservations.
pub(super) const NETWORK: &str = "bench";

/// The two that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ours,
    Reference,
}

/// A plugin with its configuration.
pub(super) struct Plugin {
    pub(super) kind: Kind,
    program: PathBuf,
    config: Value,
}

/// What a runtime does with a plugin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Add,
    Del,
}

/// How one execution went.
pub(super) struct Call {
    pub(super) took: Duration,
    pub(super) stdout: Vec<u8>,
}

impl Plugin {
    /// Both are told the same: bridge, gateway, hairpin, MTU, range.
    pub(super) fn new(kind: Kind, program: &Path, data_dir: &Path) -> Plugin {
        let mut config = json!({
            "cniVersion": "1.0.0",
            "name": NETWORK,
            "bridge": "cni0",
            "mtu": 1450,
            "isGateway": true,
            "isDefaultGateway": true,
            "hairpinMode": true,
            "ipam": { "ranges": [[{ "subnet": RANGE }]], "dataDir": data_dir },
        });
        match kind {
            Kind::Ours => {
                config["type"] = json!("flatnet-cni");
                config["podNetwork"] = json!([POD_NETWORK]);
            }
            Kind::Reference => {
                config["type"] = json!("bridge");
                config["ipam"]["type"] = json!("host-local");
            }
        }
        Plugin {
            kind,
            program: program.to_owned(),
            config,
        }
    }

    /// What the plugin reads; from CNI 0.4.0 on, DEL is given the result of its ADD.
    pub(super) fn input(&self, masquerade: bool, result: Option<&Value>) -> Vec<u8> {
        let mut config = self.config.clone();
        config["ipMasq"] = json!(masquerade);
        if let Some(result) = result {
            config["prevResult"] = result.clone();
        }
        config.to_string().into_bytes()
    }

    /// Executes it in the calling thread's network namespace.
    pub(super) fn call(
        &self,
        command: Operation,
        id: &str,
        netns: &Path,
        input: &[u8],
    ) -> Result<Call> {
        let start = Instant::now();
        let name = match command {
            Operation::Add => "ADD",
            Operation::Del => "DEL",
        };
        let output = run(
            &self.program,
            &[
                ("CNI_COMMAND", name.as_ref()),
                ("CNI_CONTAINERID", id.as_ref()),
                ("CNI_NETNS", netns.as_os_str()),
            ],
            input,
        )
        .map_err(Failure::broken(format!(
            "execute {}",
            self.program.display()
        )))?;
        let took = start.elapsed();
        if !output.status.success() {
            let says = String::from_utf8_lossy(&output.stdout);
            return Err(Failure::Broken(format!(
                "{name} by {}: {}: {}",
                self.program.display(),
                output.status,
                says.trim()
            )));
        }
        Ok(Call {
            took,
            stdout: output.stdout,
        })
    }
}

/// The execution itself.
pub(super) fn run(
    program: &Path,
    variables: &[(&str, &OsStr)],
    input: &[u8],
) -> std::io::Result<Output> {
    let mut child = Command::new(program)
        .envs(variables.iter().copied())
        .env("CNI_IFNAME", IFNAME)
        .env("CNI_PATH", program.parent().unwrap_or(Path::new("/")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // A program may end without reading its input; its exit code then tells more than EPIPE.
    match child.stdin.take().map(|mut stdin| stdin.write_all(input)) {
        Some(Err(error)) if error.kind() != ErrorKind::BrokenPipe => return Err(error),
        _ => {}
    }
    child.wait_with_output()
}
