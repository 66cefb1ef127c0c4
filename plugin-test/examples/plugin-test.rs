//! The crate without flatnet's command line: `cargo run -p flatnet-plugin-test --example plugin-test -- PLUGIN [CLAUSE…]`.
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use flatnet_plugin_test::{Bench, Options, bench, report, run};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let first = args.next().unwrap_or_default();
    if first == bench::ARGUMENT {
        return bench::main();
    }
    let bench = Bench {
        program: std::env::current_exe().unwrap_or_default(),
        limit: Duration::from_secs(10),
        side_by_side: std::thread::available_parallelism().map_or(1, usize::from) * 2,
    };
    let options = Options {
        only: args.collect(),
        folders: std::env::var_os("CNI_BIN")
            .map(Into::into)
            .into_iter()
            .collect(),
        ..Options::default()
    };
    match run(&bench, Path::new(&first), &options, &|_| {}) {
        Ok(outcome) => {
            print!("{}", report::text(&outcome));
            ExitCode::from(outcome.exit_code(false))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
