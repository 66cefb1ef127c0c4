//! The cluster handle where things go wrong: refusals, calls that never return, Ctrl-C and kills at every moment. Each ends
//! with one clear error and its exit code, and leaves nothing behind.
mod api;
mod hangs;
mod interrupts;
mod namespace;
mod silent_lab;
#[path = "../started.rs"]
mod started;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use api::Api;
use started::alone;

/// flatnet with these arguments, its programs looked for in `path`.
fn flatnet(path: &Path, arguments: &[&str]) -> Command {
    let mut command = alone(path);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// `flatnet test` on the cluster behind this API server.
fn on_api(api: &Api, options: &[&str]) -> Command {
    let kubeconfig = api.kubeconfig();
    let mut command = flatnet(Path::new("/nowhere"), &["test", "--provider", "kubeconfig"]);
    command.args(["--kubeconfig", &kubeconfig]).args(options);
    command
}

/// Started, with both output streams kept.
fn running(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("flatnet starts")
}

/// Ctrl-C.
fn interrupt(child: &Child) {
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGINT).expect("a signal to flatnet");
}
