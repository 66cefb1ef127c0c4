//! Runs cases side by side. The words of a command line that it knows are those of `cargo test`: parts of names, `--exact`, `--list`.
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// One case: its name, and what is wrong where something is.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) run: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        run: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Case {
        Case {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// How many labs run at once, where `FLATNET_LABS` does not say.
const LABS: usize = 6;

pub(crate) fn main(cases: Vec<Case>) -> ExitCode {
    let (options, words): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|word| word.starts_with('-'));
    let is_set = |option: &str| options.iter().any(|given| given == option);
    let wanted = |case: &Case| {
        words.is_empty()
            || words.iter().any(|word| match is_set("--exact") {
                true => case.name == *word,
                false => case.name.contains(word.as_str()),
            })
    };
    let cases: VecDeque<Case> = cases.into_iter().filter(wanted).collect();
    if is_set("--list") {
        for case in &cases {
            println!("{}: test", case.name);
        }
        return ExitCode::SUCCESS;
    }
    let count = cases.len();
    println!("\nrunning {count} cases");
    let start = Instant::now();
    let labs = std::env::var("FLATNET_LABS").ok();
    let labs = labs.map_or(LABS, |labs| labs.parse().expect("FLATNET_LABS: a number"));
    let (left, failed) = (Mutex::new(cases), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..labs.max(1) {
            scope.spawn(|| {
                loop {
                    let Some(case) = left.lock().expect("cases").pop_front() else {
                        break;
                    };
                    if let Err(why) = tried(&case) {
                        failed.lock().expect("failures").push((case.name, why));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("failures");
    for (name, why) in &failed {
        println!("\n---- {name} ----\n{why}");
    }
    println!(
        "\n{} of {count} cases passed, in {:.1} s",
        count - failed.len(),
        start.elapsed().as_secs_f64()
    );
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// A case that panics failed.
fn tried(case: &Case) -> Result<(), String> {
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (case.run)())).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", words.unwrap_or_default()))
    });
    let word = if result.is_ok() { "ok" } else { "FAILED" };
    let took = start.elapsed().as_secs_f64();
    println!("{} ... {word} ({took:.1} s)", case.name);
    result
}
