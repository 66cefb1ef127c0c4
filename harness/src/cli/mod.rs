//! The command line: parses, runs, prints, and turns the outcome into a documented exit code.
mod answers;
mod baseline;
mod change;
mod checks;
mod clusters;
mod diagnose;
mod diff;
mod exec;
mod inspect;
mod inspect_route;
mod log;
mod output;
mod progress;
mod sweep;
mod test;
mod up;
mod which;

use std::process::ExitCode;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

use tracing_subscriber::filter::Targets;

use crate::Error;
use crate::config::variable;
use crate::session::reaper;

const EXIT_CODES: &str = "\
Exit codes:
  0    every check passed
  1    a check failed, or was required and was skipped, or a comparison found a difference
  2    wrong usage or input
  3    something the run needs is missing (named, with how to get it)
  4    could not measure, judged nothing, or could not write the results
  130  interrupted (129 by SIGHUP, 143 by SIGTERM)";

const EXAMPLES: &str = "\
Examples:
  flatnet test                                   boot three nodes, deploy nine pods, run every check
  flatnet test --underlay routed --ip-family dual
  flatnet test --cni reference --report report/  check the reference plugins and write report/
  flatnet test --plant masquerade                plant a fault and see a check fail
  flatnet test --provider kind --cni flannel     run the same checks on a real cluster in containers
  flatnet test --provider kubeconfig             run them on the cluster kubectl talks to
  flatnet sweep suites/sweep.yaml                run a table of configurations, each beside what is expected of it
  flatnet up && flatnet exec busybox-1 -- ip route && flatnet down";

/// Proves that a Kubernetes cluster's pod network is as flat as Kubernetes promises, and says what is wrong where it is not.
#[derive(Parser)]
#[command(name = "flatnet", version, about, after_help = const_str(), propagate_version = true)]
struct Cli {
    /// Log level on standard error: info logs phases and steps with their times, debug adds every command, API call and lab
    /// call; or TARGET=LEVEL,…
    #[arg(long, global = true, env = "FLATNET_LOG", value_name = "LEVEL", value_parser = log::filter, hide_env_values = true, display_order = 100)]
    log: Option<Targets>,

    #[command(subcommand)]
    command: Command,
}

fn const_str() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES}")
}

#[derive(Subcommand)]
enum Command {
    /// Boot a cluster, install a CNI, deploy pods, run the checks, report, tear down
    Test(test::TestArgs),
    /// Boot a cluster with a CNI and pods, and leave it running
    Up(up::UpArgs),
    /// Delete a cluster that `up` or --keep left running
    Down(clusters::DownArgs),
    /// List the running clusters
    List(clusters::ListArgs),
    /// Run a command in a pod or on a node
    Exec(exec::ExecArgs),
    /// Answer questions about a running cluster's network, with the source of each answer
    Inspect(Box<inspect::InspectArgs>),
    /// Explain why a pod does not run or cannot be reached, and how to fix it
    Diagnose(diagnose::DiagnoseArgs),
    /// Say what is different between two runs: promises broken or restored, other paths, other facts
    Diff(diff::DiffArgs),
    /// Run a table of configurations on labs, and compare each with what is expected of it
    Sweep(sweep::SweepArgs),
    /// Take what a run found into a baseline
    Baseline(baseline::BaselineCommand),
    /// Change the CNI configuration of a cluster that runs, under traffic, and say what that did
    Change(Box<change::ChangeArgs>),
    /// List the checks, how each one observes its promise, and the faults that prove it
    Checks(checks::ChecksArgs),
    /// Wait for a run to end and delete what it created; started by the run itself
    #[command(name = reaper::SUBCOMMAND, hide = true)]
    Reap,
    /// Print shell completions
    #[command(
        after_help = "Examples:\n  source <(flatnet completions bash)\n  flatnet completions zsh > ~/.zfunc/_flatnet"
    )]
    Completions {
        /// Shell to complete for
        shell: clap_complete::Shell,
    },
}

/// Parses `500ms`, `10s`, `2m`, `1m 30s`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = |why: &str| format!("{why}; write it as 500ms, 10s or 2m");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let span: SignedDuration = text.parse().map_err(|_| wrong("not a duration"))?;
    Duration::try_from(span).map_err(|_| wrong("it is negative"))
}

/// How results are printed that are a page of Markdown, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Plain text.
    Text,
    /// JSON.
    Json,
}

/// How commands that run something show it.
#[derive(Args)]
struct ShowArgs {
    /// Output format
    #[arg(
        long,
        short,
        value_enum,
        default_value = "text",
        help_heading = "Report"
    )]
    output: Output,

    /// Print only the report, no progress
    #[arg(long, short, help_heading = "Report")]
    quiet: bool,
}

/// The innermost subcommand and where its options come from: those that were typed win over what the environment chooses.
struct Typed {
    command: clap::Command,
    matches: ArgMatches,
}

impl Typed {
    fn of(mut command: clap::Command, mut matches: ArgMatches) -> Self {
        while let Some((name, inner)) = matches.remove_subcommand() {
            if let Some(subcommand) = command.find_subcommand(&name) {
                command = subcommand.clone();
            }
            matches = inner;
        }
        Typed { command, matches }
    }

    fn is(&self, option: &str) -> bool {
        let known = self.matches.try_contains_id(option).is_ok();
        known && self.matches.value_source(option) == Some(ValueSource::CommandLine)
    }
}

fn parse() -> Result<(Cli, Typed), clap::Error> {
    let command = variable::nonempty(Cli::command());
    let matches = command.clone().try_get_matches()?;
    let cli = Cli::from_arg_matches(&matches)?;
    Ok((cli, Typed::of(command, matches)))
}

/// The command line as data, for what describes it: man pages.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let (cli, typed) = match parse() {
        Ok(parsed) => parsed,
        Err(e) => {
            if !e.use_stderr() {
                let help = output::print(e.render().ansi());
                return ExitCode::from(output::delivered(0, [help]));
            }
            output::say(e.render().ansi().to_string().trim_end());
            if let Some(variable) = variable::behind(&e) {
                output::say(format_args!("note: {variable} sets that value"));
            }
            return ExitCode::from(2);
        }
    };
    if let Some(filter) = cli.log {
        log::start(filter);
    }
    let done = match cli.command {
        Command::Test(args) => test::run(args, &typed),
        Command::Up(args) => up::run(args, &typed),
        Command::Down(args) => clusters::down(&args, &typed),
        Command::List(args) => clusters::list(&args),
        Command::Exec(args) => exec::run(&args),
        Command::Inspect(args) => inspect::run(*args, &typed),
        Command::Diagnose(args) => diagnose::run(args, &typed),
        Command::Baseline(args) => baseline::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Change(args) => change::run(*args, &typed),
        Command::Checks(args) => checks::run(&args),
        Command::Reap => reaper::serve().map(|()| 0),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "flatnet", &mut script);
            output::print(String::from_utf8_lossy(&script)).map(|()| 0)
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            let words = match &e {
                // The other errors have words of other programs in them.
                Error::Input(words) => variable::named(words, &typed.command, &typed.matches),
                other => other.to_string(),
            };
            output::say(format_args!("error: {words}"));
            ExitCode::from(e.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_do() {
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert!(duration("-1s").unwrap_err().contains("negative"));
        assert!(duration("soon").unwrap_err().contains("500ms, 10s or 2m"));
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
