//! Reports of synthetic runs, compared with what a reader should get.
use std::time::Duration;

use jiff::Timestamp;
use rstest::rstest;

use super::terminal::Detail;
use super::{
    CheckReport, ClusterReport, FILES, Gone, Phase, Report, ReportError, Run, check, json, junit,
    summary, terminal, write_to,
};
use flatnet_analysis::checks::{Check, Required, all};
use flatnet_analysis::example::build::{Cluster, ETH0, Style};
use flatnet_analysis::example::pieces::bare;
use flatnet_model::observations::Observations;
use flatnet_model::skip::SkipReason;
use flatnet_model::verdict::Verdict;

pub(super) fn report(observations: Observations) -> Report {
    let checks: Vec<_> = all().iter().collect();
    judged(observations, &checks, &Required::OfProvider)
}

pub(crate) fn judged(observations: Observations, checks: &[&Check], required: &Required) -> Report {
    let run = Run {
        provider: "lab".to_owned(),
        cluster: None,
        gone: None,
        cni: "flatnet".to_owned(),
        nodes: observations.nodes.len(),
        pods: observations.pods.len(),
        underlay: Some("l2".to_owned()),
        mtu: Some(1500),
        ip_family: "ipv4".to_owned(),
        coverage: "full".to_owned(),
        planted: None,
    };
    let phases = vec![
        Phase::new("boot", Duration::from_millis(210)),
        Phase::new("observe", Duration::from_millis(1404)),
    ];
    let mut report = Report::of(
        run,
        at(1_793_696_707),
        phases,
        (checks, required),
        observations,
    );
    report.flatnet_version = "0.0.0".to_owned();
    report
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn healthy() -> Observations {
    Cluster::new(Style::Direct, 3, 2).observe()
}

/// One pod lost its default route, one node's files cannot be read, and there is no bridge to look at.
pub(super) fn mixed() -> Report {
    let mut observations = healthy();
    let pod = &mut observations.pods[0];
    pod.facts
        .as_mut()
        .unwrap()
        .routes
        .retain(|route| route.dst.prefix_len() != 0);
    for dial in observations.dials.iter_mut().filter(|dial| {
        let gateway = flatnet_analysis::example::pieces::gateway(1, false);
        let involved = bare(&dial.from) == "busybox-1" || bare(&dial.to) == "busybox-1";
        involved && dial.from != dial.to && dial.request.address != gateway
    }) {
        dial.result = flatnet_model::probe::DialOutcome::Failed {
            kind: flatnet_model::probe::Failure::TimedOut,
            detail: "no answer within 1s".to_owned(),
            attempts: 2,
        };
    }
    observations.nodes[2].inside.cni = Some(Err("exec failed".to_owned()));
    let mut report = report(observations);
    report.run.planted = Some("default-route-missing".to_owned());
    let bridge = report
        .checks
        .iter_mut()
        .find(|check| check.id == "bridge")
        .unwrap();
    bridge.required = false;
    bridge.verdict = Verdict::Skip {
        reason: SkipReason::NoBridge,
    };
    report
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// What a reader pastes may be gone by then: every form of the report says so, where there is a command to paste.
#[test]
fn what_the_run_deleted_is_said_where_commands_are() {
    let texts = |report: &Report| {
        [
            plain(&terminal::render(report, Detail::Brief)),
            summary::render(report),
            junit::render(report).unwrap(),
            json::render(report).unwrap(),
        ]
    };
    let pods = Gone::Pods {
        namespace: "flatnet-1b2665".to_owned(),
    };
    for (gone, said) in [
        (
            Some(Gone::Cluster),
            "the cluster that the commands above are for is deleted",
        ),
        (Some(pods), "pods (namespace flatnet-1b2665) are deleted"),
    ] {
        let mut failed = mixed();
        failed.run.gone = gone.clone();
        for text in texts(&failed) {
            assert!(text.contains(said), "{text}");
        }
        let mut well = report(healthy());
        well.run.gone = gone;
        for text in texts(&well) {
            assert!(!text.contains(said), "{text}");
        }
    }
    for text in texts(&mixed()) {
        assert!(!text.contains(" deleted"), "{text}");
    }
}

/// A node where no probe ran is one block, and JSON has each check's own.
#[test]
fn one_reason_of_many_checks_is_told_once() {
    let mut observations = healthy();
    let inside = &mut observations.nodes[1].inside;
    inside.facts = Some(Err("the probe could not run: no space left".to_owned()));
    inside.cni = Some(Err("the probe could not run: no space left".to_owned()));
    let report = report(observations);
    let text = plain(&terminal::render(&report, Detail::Brief));
    assert_eq!(text.matches("no space left").count(), 1, "{text}");
    let block = "BROKEN  could not measure, because the probe could not run: no space left\n        \
                 pod-ip-unique   addresses of node2\n        \
                 no-nat          whether 10.244.2.1 is an address of node2\n        \
                 gateway         ";
    assert!(text.contains(block), "{text}");
    assert!(
        text.contains("\n        cni-config      CNI files of node2\n"),
        "{text}"
    );
    assert!(
        text.contains("SKIP    service, dns, hostport, nodeport, egress, daemonset\n        provider lab has no"),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&json::render(&report).unwrap()).unwrap();
    let checks = json["checks"].as_array().unwrap();
    for id in ["pod-ip-unique", "node-routes", "cni-config"] {
        let check = checks.iter().find(|check| check["id"] == id).unwrap();
        assert_eq!(
            check["unmeasured"][0]["why"],
            "the probe could not run: no space left"
        );
        assert!(check["error"].as_str().unwrap().ends_with("no space left"));
    }
}

#[test]
fn terminal_of_a_healthy_run() {
    insta::assert_snapshot!(plain(&terminal::render(&report(healthy()), Detail::Brief)));
}

#[test]
fn terminal_of_a_mixed_run() {
    insta::assert_snapshot!(plain(&terminal::render(&mixed(), Detail::Full)));
}

#[test]
fn a_failure_points_to_the_diagnosis_as_long_as_its_cluster_is_there() {
    let diagnosis = "flatnet diagnose --cluster demo POD";
    for (mut report, cluster, points) in [
        (mixed(), Some("demo"), true),
        (mixed(), None, false),
        (report(healthy()), Some("demo"), false),
    ] {
        report.run.cluster = cluster.map(str::to_owned);
        let text = terminal::render(&report, Detail::Brief);
        assert_eq!(text.contains(diagnosis), points, "{text}");
    }
}

#[test]
fn colours_are_codes_around_the_same_text() {
    let coloured = terminal::render(&mixed(), Detail::Full);
    assert!(coloured.contains("\u{1b}[1m\u{1b}[31mFAIL"), "{coloured}");
    assert!(!plain(&coloured).contains('\u{1b}'));
}

#[test]
fn large_matrices_show_only_what_is_red() {
    let large = Cluster::new(Style::Direct, 20, 1);
    let mut observations = large.observe();
    assert_eq!(
        plain(&terminal::render_matrix(
            &report(observations.clone()).matrix
        )),
        "pairs answered, from row to column\nall of 20 by 20 complete\n"
    );
    for dial in observations
        .dials
        .iter_mut()
        .filter(|d| bare(&d.from) == "busybox-3" && bare(&d.to) == "busybox-7")
    {
        dial.result = flatnet_model::probe::DialOutcome::Failed {
            kind: flatnet_model::probe::Failure::TimedOut,
            detail: "no answer".to_owned(),
            attempts: 2,
        };
    }
    let report = report(observations);
    assert!(report.matrix.pods.is_none());
    insta::assert_snapshot!(plain(&terminal::render_matrix(&report.matrix)), @r"
    pairs answered, from row to column
           node7
    node3   [5/6]
    ");
}

#[test]
fn json_without_observations() {
    let mut report = mixed();
    report.observations = None;
    insta::assert_snapshot!(json::render(&report).unwrap());
}

fn parse(text: &str) -> Result<Report, ReportError> {
    json::read(|| Ok(text.as_bytes()))
}

#[test]
fn json_reads_back_as_it_was() {
    let report = mixed();
    let text = json::render(&report).unwrap();
    let back = parse(&text).unwrap();
    assert_eq!(back.checks, report.checks);
    assert_eq!(json::render(&back).unwrap(), text);
    // Observations that were read back give the same verdicts.
    let observations = back.observations.unwrap();
    let again = CheckReport::of(
        flatnet_analysis::checks::find("gateway").unwrap(),
        &Required::OfProvider,
        &observations,
    );
    assert_eq!(
        again,
        *report
            .checks
            .iter()
            .find(|check| check.id == "gateway")
            .unwrap()
    );
}

#[test]
fn another_schema_is_refused_by_name() {
    let error = parse(r#"{"schema": "flatnet.report/v9", "new": true}"#).unwrap_err();
    assert!(
        matches!(&error, ReportError::Schema { found } if found == "flatnet.report/v9"),
        "{error}"
    );
    assert!(parse("{").unwrap_err().to_string().contains("line 1"));
}

#[test]
fn junit_of_a_mixed_run() {
    insta::assert_snapshot!(junit::render(&mixed()).unwrap());
}

#[rstest]
#[case(0, "1970-01-01T00:00:00Z")]
#[case(951_782_400, "2000-02-29T00:00:00Z")]
#[case(1_704_067_199, "2023-12-31T23:59:59Z")]
#[case(1_793_696_707, "2026-11-03T09:05:07Z")]
#[case(4_107_542_400, "2100-03-01T00:00:00Z")]
fn times_are_rfc_3339(#[case] second: i64, #[case] text: &str) {
    let started = at(second) + Duration::from_millis(999);
    let report = ClusterReport::new("lab", "flatnet", "default", started);
    assert_eq!(report.started, text);
}

#[test]
fn a_directory_gets_all_files_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a/b");
    let written = write_to(&target, &mixed()).unwrap();
    assert_eq!(written, FILES.map(|name| target.join(name)));
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 4);
    parse(&std::fs::read_to_string(&written[1]).unwrap()).unwrap();
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let error = write_to(&blocked, &mixed()).unwrap_err();
    assert!(error.to_string().contains("--report"), "{error}");
}

#[test]
fn what_cannot_be_written_is_found_before_a_run_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let entries = || std::fs::read_dir(dir.path()).unwrap().count();
    check(dir.path(), &FILES).unwrap();
    assert_eq!(entries(), 0);
    std::fs::create_dir(dir.path().join("summary.md")).unwrap();

    let error = check(dir.path(), &FILES).unwrap_err().to_string();
    let late = write_to(dir.path(), &mixed()).unwrap_err().to_string();

    assert!(error.contains("summary.md: is a directory;"), "{error}");
    assert!(late.contains("summary.md: "), "{late}");
    assert_eq!(entries(), 4, "three reports and the folder");
}

/// Every key of the JSON form is documented.
#[test]
fn the_schema_page_knows_every_field() {
    let page = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/report-schema.md"
    ))
    .unwrap();
    let mut observations = Cluster::new(Style::Vxlan, 2, 2).observe();
    observations.pods[0].facts.as_mut().unwrap().routes[0].oif = Some(ETH0);
    observations.dials[0].result = flatnet_model::probe::DialOutcome::Failed {
        kind: flatnet_model::probe::Failure::Refused,
        detail: String::new(),
        attempts: 1,
    };
    let whole = serde_json::to_value([report(observations), mixed()]).unwrap();
    let mut keys = std::collections::BTreeSet::new();
    collect(&whole, &mut keys);
    let undocumented: Vec<_> = keys
        .iter()
        .filter(|key| !page.contains(&format!("`{key}`")))
        .collect();
    assert!(
        undocumented.is_empty(),
        "docs/report-schema.md does not mention {undocumented:?}"
    );
}

/// Keys of objects; those of maps (counters, sysctls, endpoints) are data.
fn collect(value: &serde_json::Value, keys: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, keys)),
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                keys.insert(key.clone());
                match key.as_str() {
                    "counters" | "counters_before" | "sysctls" => {}
                    "received" => value
                        .as_object()
                        .unwrap()
                        .values()
                        .for_each(|seen| collect(seen, keys)),
                    _ => collect(value, keys),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_summary_has_a_row_a_check_and_breaks_no_table() {
    let report = mixed();
    let text = summary::render(&report);
    let rows = text.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, report.checks.len());
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let bars = line.replace("\\|", "").matches('|').count();
        assert_eq!(bars, 4, "{line}");
    }
    assert!(
        text.contains("❌ fail") && text.contains("  look: `"),
        "{text}"
    );
}
