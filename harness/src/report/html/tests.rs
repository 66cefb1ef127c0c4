//! Pages of synthetic runs, compared with what a reader should get.
use flatnet_analysis::diff::{Change, Class, Diff, Example, HopLine, Newcomers, SCHEMA};
use flatnet_analysis::example::build::{Cluster, Style};
use flatnet_analysis::example::pieces::bare;
use flatnet_model::fact::{Kind, Place, Role};
use flatnet_model::observations::Observations;
use flatnet_model::probe::{DialOutcome, Failure};
use rstest::rstest;

use super::{embedded_json, render};
use crate::report::tests::{healthy, mixed, report};
use crate::report::{Against, Comparison, Report, json};

fn page(report: &Report) -> String {
    render(report).unwrap()
}

/// Without the report's JSON and the style sheet.
fn shown(report: &Report) -> String {
    shown_of(&page(report))
}

fn shown_of(page: &str) -> String {
    let (before, _) = page.split_once("<script ").unwrap();
    let (head, body) = before.split_once("<style>").unwrap();
    let (_, body) = body.split_once("</style>").unwrap();
    format!("{head}{body}")
}

fn fail(observations: &mut Observations, failing: impl Fn(&str, &str) -> bool) {
    let dials = observations.dials.iter_mut();
    for dial in dials.filter(|dial| failing(bare(&dial.from), bare(&dial.to))) {
        dial.result = DialOutcome::Failed {
            kind: Failure::TimedOut,
            detail: "no answer".to_owned(),
            attempts: 2,
        };
    }
}

#[test]
fn failures_come_first_and_checks_are_all_there() {
    let report = mixed();
    let text = shown(&report);
    let at = |what: &str| {
        text.find(what)
            .unwrap_or_else(|| panic!("no {what}: {text}"))
    };
    assert!(at("are broken: ") < at("id=\"failures\""));
    assert!(at("id=\"failures\"") < at("id=\"cluster\""));
    assert!(at("id=\"fail-gateway\"") < at("id=\"checks\""));
    for check in &report.checks {
        assert!(text.contains(&format!("<span class=\"id\">{}</span>", check.id)));
    }
    for label in ["expected", "observed", "culprit", "look"] {
        at(&format!("<dt>{label}</dt>"));
    }
    assert!(at("class=\"ended\"") > at("id=\"paths\""));
}

#[test]
fn a_healthy_page_has_no_failures_and_no_paths() {
    let text = shown(&report(healthy()));
    assert!(text.contains("promises that were checked hold"), "{text}");
    for absent in [
        "id=\"failures\"",
        "id=\"paths\"",
        "id=\"changes\"",
        "suspect",
        "✗</b>",
    ] {
        let words = text.matches(absent).count();
        // The badge that counts failures is there with a zero.
        let counted = usize::from(absent == "✗</b>");
        assert_eq!(words, counted, "{absent}");
    }
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    let page = page(&mixed());
    assert!(
        page.contains("content=\"default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;\"")
    );
    assert_eq!(page.matches("<script").count(), 1);
    for absent in [" src=", "<link", "@import", "url(", " onload", " onclick"] {
        assert!(!page.contains(absent), "{absent}");
    }
}

/// Names, messages and addresses come from a cluster that anybody may run.
#[test]
fn what_comes_from_a_cluster_is_never_markup() {
    let hostile = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>&";
    let mut observations = healthy();
    observations.nodes[0].object.name = hostile.to_owned();
    observations.nodes[1].inside.facts = Some(Err(hostile.to_owned()));
    let pod = &mut observations.pods[0];
    pod.object.reference.name = hostile.to_owned();
    pod.status = hostile.to_owned();
    pod.facts = Err(hostile.to_owned());
    pod.warnings = vec![hostile.to_owned()];
    let mut report = report(observations);
    report.run.cni = hostile.to_owned();
    report.run.cluster = Some(hostile.to_owned());
    let page = page(&report);
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("</script").count(), 1);
    assert!(!page.contains("<img"), "{page}");
    assert!(page.contains("&quot;&gt;&lt;script&gt;alert(1)"));
    let back = from_page(&page);
    assert_eq!(back.observations.unwrap().pods[0].warnings, [hostile]);
}

fn from_page(page: &str) -> Report {
    json::read(|| Ok(embedded_json(page).expect("a report"))).unwrap()
}

#[test]
fn the_report_comes_back_from_its_page() {
    let report = mixed();
    let page = page(&report);
    let back = from_page(&page);
    assert_eq!(json::render(&back).unwrap(), json::render(&report).unwrap());
}

/// What was drawn is what was observed.
#[rstest]
#[case(Style::Vxlan, "flatnet.1 · VXLAN, VNI 1")]
#[case(Style::Direct, "eth0 · uplink")]
fn the_cluster_is_drawn_with_its_names_and_addresses(#[case] style: Style, #[case] device: &str) {
    let observations = Cluster::new(style, 3, 2).dual().observe();
    let text = shown(&report(observations.clone()));
    for node in &observations.nodes {
        assert!(text.contains(&format!("class=\"title\">{}<", node.object.name)));
    }
    for pod in observations
        .pods
        .iter()
        .filter(|pod| !pod.object.host_network)
    {
        for ip in &pod.object.ips {
            assert!(text.contains(&format!("class=\"address\">{ip}<")), "{ip}");
        }
    }
    assert!(text.contains(device), "{text}");
    assert!(text.contains("cni0 · bridge"), "{text}");
    assert!(!text.contains("port off"), "{text}");
}

#[test]
fn a_pod_that_is_on_no_port_of_the_bridge_is_drawn_so() {
    let mut observations = healthy();
    let links = &mut observations.nodes[0].inside.facts.as_mut().unwrap();
    let links = &mut links.as_mut().unwrap().links;
    links
        .iter_mut()
        .find(|link| link.name == "veth0")
        .unwrap()
        .master = None;
    let text = shown(&report(observations));
    // Once for wide screens, once for narrow ones.
    assert_eq!(text.matches("class=\"port off\"").count(), 2);
    assert_eq!(text.matches("(on no port of the bridge)").count(), 2);
}

/// Of a pod that was not looked into nobody knows where its host end is.
#[test]
fn a_pod_that_was_not_looked_into_is_drawn_without_a_line() {
    let mut observations = healthy();
    let ports = |observations: &Observations| {
        let text = shown(&report(observations.clone()));
        assert!(!text.contains("port off") && !text.contains("on no port"));
        text.matches("x1=\"22\"").count()
    };
    let before = ports(&observations);
    observations.pods[0].facts = Err("not looked into".to_owned());
    assert_eq!(ports(&observations), before - 2);
}

/// One pod over one transport: the others are alike, and are one table.
#[test]
fn heat_maps_tell_transports_apart_where_they_differ() {
    let mut observations = healthy();
    let alike = shown(&report(observations.clone()));
    assert_eq!(alike.matches("TCP, UDP, ICMP over IPv4, each: ").count(), 2);
    let udp = observations.dials.iter_mut().filter(|dial| {
        dial.request.transport.as_str() == "udp"
            && (bare(&dial.from), bare(&dial.to)) == ("busybox-1", "busybox-2")
    });
    for dial in udp {
        dial.result = DialOutcome::Failed {
            kind: Failure::TimedOut,
            detail: "no answer".to_owned(),
            attempts: 2,
        };
    }
    let text = shown(&report(observations));
    assert_eq!(text.matches(">✓ TCP, ICMP over IPv4, each: ").count(), 2);
    assert_eq!(text.matches(">✗ UDP over IPv4: ").count(), 2);
    assert_eq!(text.matches("<td class=\"none\">✗</td>").count(), 1);
    assert_eq!(text.matches("<td class=\"some\">! ").count(), 1);
}

/// The page of a large run says what it leaves out, and its JSON has it.
#[test]
fn large_clusters_are_bounded() {
    let mut observations = Cluster::new(Style::Direct, 14, 8).observe();
    fail(&mut observations, |_, to| to == "busybox-7");
    let page = page(&report(observations));
    let text = shown_of(&page);
    assert!(
        text.contains("and 2 nodes more: report.json has them"),
        "{text}"
    );
    assert!(text.contains("and 2 more pods"));
    assert!(
        text.contains("1 column have a dial that was not answered (the first 20 of each are shown")
    );
    assert!(text.len() < 400_000, "{} bytes", text.len());
    let whole = from_page(&page);
    assert_eq!(whole.observations.unwrap().pods.len(), 126);
}

#[test]
fn a_run_that_could_not_be_observed_has_a_page() {
    let mut report = mixed();
    report.observations = None;
    report.matrix = Default::default();
    for check in &mut report.checks {
        check.verdict = flatnet_model::verdict::Verdict::broken("no <nodes>");
    }
    let text = shown(&report);
    assert!(text.contains("20 checks could not be measured"), "{text}");
    assert_eq!(
        text.matches("<dd>no &lt;nodes&gt;</dd>").count(),
        1,
        "{text}"
    );
    assert!(!text.contains("id=\"cluster\""));
}

fn difference() -> Diff {
    let hop = |text: &str, differs| HopLine {
        hop: text.to_owned(),
        differs,
    };
    Diff {
        schema: SCHEMA.to_owned(),
        before: "baseline.yaml".to_owned(),
        after: "this run".to_owned(),
        summary: "12 facts are the same".to_owned(),
        changes: vec![Change {
            class: Class::PathDiffers,
            id: Kind::Path,
            about: "IPv4".to_owned(),
            before: None,
            after: None,
            subjects: vec![Role::Between(Place::Node(1), Place::Node(2))],
            of: 6,
            text: "packets from <node1> take another path".to_owned(),
            rule: None,
            evidence: Vec::new(),
            example: Some(Example {
                flow: "busybox-1 to busybox-2, IPv4".to_owned(),
                before: vec![hop("the client out by eth0", false), hop("flatnet.1", true)],
                after: vec![hop("the client out by eth0", false), hop("eth1", true)],
            }),
        }],
        same: 12,
        uncompared: Vec::new(),
        newcomers: Newcomers::default(),
    }
}

#[test]
fn a_difference_is_part_of_the_page_where_there_is_a_baseline() {
    let green = report(healthy());
    let against = Against {
        file: "baseline.yaml".to_owned(),
        diff: Some(difference()),
        allowed: vec!["device-mtu <1400>: a tunnel".to_owned()],
        unused: Vec::new(),
        over: vec!["path, until 2026-11-26, which is over".to_owned()],
        wrote: Some("baseline.yaml.new".to_owned()),
    };
    let comparison = Comparison {
        baseline: Some(against),
        runs: 3,
        flaky: vec!["reach of node1 <differs>".to_owned()],
    };
    let page = page(&green.clone().with_comparison(comparison));
    for there in [
        "<h2>What changed</h2>",
        "The run differs from its baseline; what is observed differs among 3 runs; all 13 promises that",
        "1 difference; 12 facts are the same",
        "packets from &lt;node1&gt; take another path",
        "<li class=\"differs\">≠ flatnet.1</li>",
        "reach of node1 &lt;differs&gt;",
        "device-mtu &lt;1400&gt;: a tunnel",
        "until 2026-11-26, which is over",
        "<code>flatnet baseline accept baseline.yaml</code>",
    ] {
        assert!(page.contains(there), "no {there}");
    }
    assert_eq!(page.matches("<li>the client out by eth0</li>").count(), 2);
    let first = Against {
        file: "new.yaml".to_owned(),
        diff: None,
        allowed: Vec::new(),
        unused: Vec::new(),
        over: Vec::new(),
        wrote: None,
    };
    let comparison = Comparison {
        baseline: Some(first),
        runs: 1,
        flaky: Vec::new(),
    };
    let page = self::page(&green.with_comparison(comparison));
    assert!(page.contains("there is no baseline new.yaml yet"));
    assert!(!page.contains("differs from its baseline</h1>"));
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        match value <= 0.04045 {
            true => value / 12.92,
            false => ((value + 0.055) / 1.055).powf(2.4),
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

/// WCAG 2.2, success criterion 1.4.3: text has a contrast of 4.5 to what is behind it, in both colour schemes.
#[test]
fn text_has_enough_contrast_in_both_schemes() {
    let style = include_str!("style.css");
    let schemes: Vec<&str> = style.split(":root {").skip(1).take(2).collect();
    assert_eq!(schemes.len(), 2);
    for scheme in schemes {
        let (variables, _) = scheme.split_once('}').unwrap();
        let colour = |name: &str| {
            let (_, rest) = variables.split_once(&format!("--{name}: ")).unwrap();
            luminance(rest.split(';').next().unwrap())
        };
        let own = ["pass", "fail", "some", "note", "broken", "skip"];
        let own = own.map(|name| (name.to_owned(), vec![format!("{name}-bg")]));
        let pale = ["note-bg", "skip-bg", "fail-bg", "some-bg"].map(str::to_owned);
        let plain = ["text", "muted", "link"].map(|name| (name.to_owned(), pale.to_vec()));
        for (text, behind) in own.into_iter().chain(plain) {
            for behind in behind.iter().map(String::as_str).chain(["page", "panel"]) {
                let (a, b) = (colour(&text), colour(behind));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= 4.5, "{text} on {behind}: {contrast:.2}");
            }
        }
    }
}
