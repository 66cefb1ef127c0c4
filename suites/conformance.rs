//! One test a promise, all judged by one shared run: `cargo test --test conformance`, `cargo test --test conformance no_nat`.
//! `FLATNET_*` variables choose the cluster, with the names of `flatnet test`'s options.
use std::io::Write;
use std::sync::{Arc, LazyLock};

use flatnet::compare::Recorded;
use flatnet::config::{BaselineArgs, RequireArgs, RunArgs};
use flatnet::report::{CheckReport, Counts, diff, outcome, terminal, terminal::Detail};
use flatnet::session::conduct;
use flatnet_analysis::checks::{Required, catalogue};
use flatnet_analysis::words::Words;
use flatnet_model::observations::Observations;
use flatnet_model::verdict::Verdict;
use rstest::{fixture, rstest};

/// What the one run of this process saw. The cluster is gone by the time anybody reads it, so nothing is left behind
/// however the tests end.
struct Run(Result<(Observations, Required), String>);

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let observed = || {
        let (args, required) = (RunArgs::from_env()?, RequireArgs::from_env()?);
        let runtime = flatnet::session::runtime()?;
        let outcome = runtime.block_on(conduct(&args, None, Arc::new(|_| {})))?;
        Ok((outcome.observations, required))
    };
    Run(observed().map_err(|e: flatnet::Error| e.to_string()))
});

#[fixture]
fn run() -> &'static Run {
    &RUN
}

impl Run {
    #[track_caller]
    fn observed(&self) -> &(Observations, Required) {
        let run = self.0.as_ref();
        run.unwrap_or_else(|e| panic!("the run failed to start: {e}"))
    }

    /// Judges one check; panics with the evidence unless it passes, and with the reason where it is required and skipped.
    #[track_caller]
    fn holds(&self, id: &str) {
        let (observations, required) = self.observed();
        let check = catalogue::find(id).unwrap_or_else(|e| panic!("{e}"));
        let report = CheckReport::of(check, required, observations);
        match &report.verdict {
            Verdict::Pass { .. } => {}
            // A pass in libtest's words; the facts are what it has to say.
            Verdict::Report { facts } => drop(writeln!(
                std::io::stderr(),
                "{id}: reported: {}",
                facts.join("; ")
            )),
            Verdict::Skip { reason } if report.required => {
                let reason = Words::of_report(Some(observations), None).skip(reason);
                panic!("{id} was required and was skipped: {reason}")
            }
            // libtest knows no skip at run time; the reason goes past its capture.
            Verdict::Skip { reason } => {
                let reason = Words::of_report(Some(observations), None).skip(reason);
                drop(writeln!(std::io::stderr(), "{id}: skipped: {reason}"))
            }
            Verdict::Fail { .. } | Verdict::Broken { .. } => {
                let words = Words::of_report(Some(observations), None);
                panic!("{}", terminal::render_check(&report, &words, Detail::Full))
            }
        }
    }
}

#[rstest]
fn pod_ip_present(run: &Run) {
    run.holds("pod-ip-present");
}

#[rstest]
fn pod_ip_unique(run: &Run) {
    run.holds("pod-ip-unique");
}

#[rstest]
fn same_node(run: &Run) {
    run.holds("same-node");
}

#[rstest]
fn cross_node(run: &Run) {
    run.holds("cross-node");
}

#[rstest]
fn no_nat(run: &Run) {
    run.holds("no-nat");
}

#[rstest]
fn subnet(run: &Run) {
    run.holds("subnet");
}

#[rstest]
fn gateway(run: &Run) {
    run.holds("gateway");
}

#[rstest]
fn node_routes(run: &Run) {
    run.holds("node-routes");
}

#[rstest]
fn bridge(run: &Run) {
    run.holds("bridge");
}

#[rstest]
fn cni_config(run: &Run) {
    run.holds("cni-config");
}

#[rstest]
fn mtu(run: &Run) {
    run.holds("mtu");
}

#[rstest]
fn first_packet(run: &Run) {
    run.holds("first-packet");
}

#[rstest]
fn duplicates(run: &Run) {
    run.holds("duplicates");
}

#[rstest]
fn hairpin(run: &Run) {
    run.holds("hairpin");
}

#[rstest]
fn service(run: &Run) {
    run.holds("service");
}

#[rstest]
fn dns(run: &Run) {
    run.holds("dns");
}

#[rstest]
fn hostport(run: &Run) {
    run.holds("hostport");
}

#[rstest]
fn nodeport(run: &Run) {
    run.holds("nodeport");
}

#[rstest]
fn egress(run: &Run) {
    run.holds("egress");
}

#[rstest]
fn daemonset(run: &Run) {
    run.holds("daemonset");
}

/// The facts are those of the baseline that `FLATNET_BASELINE` names; what was found is left beside it otherwise.
#[rstest]
fn facts_are_those_of_the_baseline(run: &Run) {
    let args = BaselineArgs::from_env().unwrap_or_else(|e| panic!("{e}"));
    let Some(held) = args.held().unwrap_or_else(|e| panic!("{e}")) else {
        let why = "FLATNET_BASELINE names no baseline to compare with";
        return drop(writeln!(std::io::stderr(), "baseline: skipped: {why}"));
    };
    let (observations, required) = run.observed();
    let judge = |check| CheckReport::of(check, required, observations);
    let checks: Vec<CheckReport> = catalogue::all().iter().map(judge).collect();
    let words = Words::of_report(Some(observations), None);
    let recorded = Recorded::of_run("this run", observations, &checks, &words);
    let judgement = held.judge(&recorded);
    let made = format!("{} on {}", observations.cni, observations.provider);
    let left = held
        .leave(&judgement, &made)
        .unwrap_or_else(|e| panic!("{e}"));
    if let Some(left) = left {
        panic!(
            "the run differs from {}; what is there now is in {}: to accept it, flatnet baseline accept {}\n{}",
            held.path().display(),
            left.display(),
            held.path().display(),
            diff::text(&judgement.diff, false)
        );
    }
}

/// Skipped tests pass in libtest's words: a run that judges nothing must not.
#[rstest]
fn something_was_judged(run: &Run) {
    let (observations, required) = run.observed();
    let judge = |check| CheckReport::of(check, required, observations);
    let checks: Vec<CheckReport> = catalogue::all().iter().map(judge).collect();
    let outcome = outcome(&checks, &Words::of_report(Some(observations), None));
    let Counts { passed, failed, .. } = outcome.counts;
    assert!(passed + failed > 0, "{}", outcome.notes.join("; "));
}

/// A check that the catalogue gains is a promise that this suite must test too.
#[rstest]
fn every_check_has_its_test() {
    let source = include_str!("conformance.rs");
    for check in catalogue::all() {
        assert!(
            source.contains(&format!("holds(\"{}\")", check.id)),
            "no test for {}",
            check.id
        );
    }
}
