//! `flatnet plugin-test`: a verdict for every clause of the CNI specification.
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use flatnet_model::cni::Version;
use flatnet_plugin_test::{
    self as plugin_test, Bench, Kind, Options, Outcome, Row, clauses, report,
};

use super::{duration, output};
use crate::{Error, Result};

/// Options of `flatnet plugin-test`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet plugin-test ./my-plugin                          every clause, and the damage table\n  flatnet plugin-test /usr/lib/cni/bridge --only D,G       groups D (DEL) and G (GC)\n  flatnet plugin-test ./my-plugin --conf my.json --only A5 one clause, with a configuration of yours\n  flatnet plugin-test my.conflist --cni-bin /opt/cni/bin   each plugin of a list, after those before it\n  flatnet plugin-test ./my-plugin --report report/         plugin-test.json, junit.xml, summary.md\n  flatnet plugin-test --list                               the clauses\n\nWhat clauses and verdicts mean: docs/plugin-test.md\n\nExit codes:\n  0    no clause of level must is broken (with --strict: none at all)\n  1    one is\n  2    wrong usage or input: what is given is not a plugin\n  3    the machine lacks or forbids something (user namespaces)\n  4    a clause could not be measured, or no ADD succeeds with any configuration\n  130  interrupted (129 by SIGHUP, 143 by SIGTERM)"
)]
pub(super) struct PluginTestArgs {
    /// The plugin, or a conflist
    #[arg(value_name = "PLUGIN|CONFLIST", required_unless_present = "list")]
    plugin: Option<PathBuf>,

    /// Directory with other plugins that it calls, or that a conflist names; may be repeated [default: the plugin's own]
    #[arg(long, value_name = "DIR")]
    cni_bin: Vec<PathBuf>,

    /// Configuration of the plugin, JSON [default: one that is known for its type, or found by trying]
    #[arg(long, value_name = "FILE")]
    conf: Option<PathBuf>,

    /// Kind of plugin [default: found by trying]
    #[arg(long, value_enum)]
    kind: Option<KindArg>,

    /// Clauses (D1), groups (D), the damage table (X), or a row of it (X-bridge); may be repeated [default: all]
    #[arg(long, value_name = "CLAUSE", value_delimiter = ',')]
    only: Vec<String>,

    /// Version of the specification under which clauses are tried [default: the newest that the plugin lists]
    #[arg(long, value_name = "VERSION", value_parser = version)]
    cni_version: Option<Version>,

    /// Exit code 1 for a broken should as well
    #[arg(long)]
    strict: bool,

    /// Time for one execution of the plugin
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    timeout: Duration,

    /// Number of clauses that are tried side by side [default: twice the processors]
    #[arg(long, short, env = "FLATNET_JOBS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=250))]
    jobs: Option<u16>,

    /// Directory to write plugin-test.json, junit.xml and summary.md to
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,

    /// Output format
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,

    /// List the clauses and the damages, as a page of Markdown, and run nothing
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
    Junit,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArg {
    Interface,
    Chained,
    Ipam,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Interface => Kind::Interface,
            KindArg::Chained => Kind::Chained,
            KindArg::Ipam => Kind::Ipam,
        }
    }
}

fn version(text: &str) -> std::result::Result<Version, String> {
    let all = Version::ALL.map(Version::as_str).join(", ");
    text.parse()
        .map_err(|_| format!("not a version of the CNI specification; those are {all}"))
}

/// Beds are started before this process has any other thread: it is its own bench.
pub(super) fn bed() -> std::process::ExitCode {
    plugin_test::bench::main()
}

pub(super) fn run(args: &PluginTestArgs) -> Result<u8> {
    if args.list {
        return output::print(clauses::page::markdown()).map(|()| 0);
    }
    let Some(plugin) = &args.plugin else {
        return Err(Error::Input("give a plugin, or a conflist".to_owned()));
    };
    output::check_report(args.report.as_deref(), &report::FILES)?;
    let outcomes = tested(args, plugin).map_err(error)?;
    let code = outcomes
        .iter()
        .map(|outcome| outcome.exit_code(args.strict))
        .reduce(worse)
        .unwrap_or(4);
    let text = match args.output {
        Format::Text => Ok(outcomes
            .iter()
            .map(report::text)
            .collect::<Vec<_>>()
            .join("\n")),
        Format::Json => report::json(&outcomes, args.strict).map_err(error),
        Format::Markdown => Ok(report::markdown(&outcomes)),
        Format::Junit => report::junit(&outcomes, args.strict).map_err(error),
    };
    let kept = args.report.as_deref().map_or(Ok(()), |dir| {
        for path in report::write_to(dir, &outcomes, args.strict).map_err(error)? {
            output::say(format_args!("wrote {}", path.display()));
        }
        Ok(())
    });
    Ok(output::delivered(
        code,
        [text.and_then(output::print), kept],
    ))
}

fn tested(
    args: &PluginTestArgs,
    plugin: &Path,
) -> std::result::Result<Vec<Outcome>, plugin_test::Error> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let bench = Bench {
        program: std::env::current_exe()
            .map_err(|e| plugin_test::Error::Failed(format!("find this program: {e}")))?,
        limit: args.timeout,
        side_by_side: args.jobs.map_or(processors * 2, usize::from),
    };
    let options = Options {
        folders: args.cni_bin.clone(),
        conf: args.conf.as_deref().map(conf).transpose()?,
        kind: args.kind.map(Kind::from),
        only: args.only.clone(),
        version: args.cni_version,
    };
    let is_list = plugin
        .extension()
        .is_some_and(|extension| extension == "conflist" || extension == "json");
    let quiet = |_: &Row| {};
    match is_list {
        true => plugin_test::run_conflist(&bench, plugin, &options, &quiet),
        false => Ok(vec![plugin_test::run(&bench, plugin, &options, &quiet)?]),
    }
}

fn conf(path: &Path) -> std::result::Result<serde_json::Value, plugin_test::Error> {
    let wrong =
        |why: String| plugin_test::Error::Input(format!("--conf {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let conf: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| wrong(format!("is not JSON: {e}")))?;
    match conf.get("plugins").is_some() || !conf.is_object() {
        true => Err(wrong(
            "is not the configuration of one plugin; give a conflist in place of the plugin"
                .to_owned(),
        )),
        false => Ok(conf),
    }
}

/// A broken clause decides over one that could not be measured.
fn worse(one: u8, other: u8) -> u8 {
    match (one, other) {
        (1, _) | (_, 1) => 1,
        (one, other) => one.max(other),
    }
}

fn error(error: plugin_test::Error) -> Error {
    match error {
        plugin_test::Error::Input(words) => Error::Input(words),
        plugin_test::Error::Missing { what, remedy } => Error::Missing { what, remedy },
        plugin_test::Error::Failed(words) => Error::Failed(words),
        failed @ plugin_test::Error::Write { .. } => Error::Failed(failed.to_string()),
    }
}
