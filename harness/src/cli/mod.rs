//! The command line: parses, runs, prints, and turns the outcome into a documented exit code.
mod checks;
mod clusters;
mod diagnose;
mod exec;
mod inspect;
mod inspect_route;
mod progress;
mod test;
mod up;
mod which;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::session::reaper;

const EXIT_CODES: &str = "\
Exit codes:
  0    every check passed
  1    a check failed
  2    wrong usage or input
  3    something the run needs is missing (named, with how to get it)
  4    could not measure
  130  interrupted";

const EXAMPLES: &str = "\
Examples:
  flatnet test                                   three nodes, nine pods, every check
  flatnet test --underlay routed --ip-family dual
  flatnet test --cni reference --report report/
  flatnet test --plant masquerade                see a check fail
  flatnet test --provider kind --cni flannel     the same checks on a real cluster of containers
  flatnet test --provider kubeconfig             the same on the cluster kubectl talks to
  flatnet up && flatnet exec busybox-1 -- ip route && flatnet down";

/// Proves that a Kubernetes cluster's pod network is as flat as Kubernetes promises, and says what is wrong where it is not.
#[derive(Parser)]
#[command(name = "flatnet", version, about, after_help = const_str(), propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn const_str() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES}")
}

#[derive(Subcommand)]
enum Command {
    /// Boot, install the CNI, deploy pods, check, report, tear down
    Test(test::TestArgs),
    /// Boot a cluster to explore by hand
    Up(up::UpArgs),
    /// End a cluster that `up` or --keep left running
    Down(clusters::DownArgs),
    /// Clusters that run
    List(clusters::ListArgs),
    /// Run a command in a pod or on a node
    Exec(exec::ExecArgs),
    /// Questions about a running cluster's network, answered with where each answer comes from
    Inspect(inspect::InspectArgs),
    /// Why a pod does not run or is not reached, and what mends it
    Diagnose(diagnose::DiagnoseArgs),
    /// What is checked, how it is observed, and the faults that prove it
    Checks(checks::ChecksArgs),
    /// Wait for a run to end and take away what it made; the run starts this itself
    #[command(name = reaper::SUBCOMMAND, hide = true)]
    Reap,
    /// Print shell completions
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let code = if e.use_stderr() { 2 } else { 0 };
            // A closed terminal is no reason to fail differently.
            let _ = e.print();
            return ExitCode::from(code);
        }
    };
    let done = match cli.command {
        Command::Test(args) => test::run(args),
        Command::Up(args) => up::run(args),
        Command::Down(args) => clusters::down(&args),
        Command::List(args) => clusters::list(&args),
        Command::Exec(args) => exec::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Diagnose(args) => diagnose::run(&args),
        Command::Checks(args) => checks::run(&args),
        Command::Reap => reaper::serve().map(|()| 0),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "flatnet",
                &mut std::io::stdout(),
            );
            Ok(0)
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            anstream::eprintln!("error: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}
