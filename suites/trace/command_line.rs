//! `flatnet inspect route` as a person meets it.
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use flatnet::plant;
use flatnet_analysis::trace::Netns;

use rstest::rstest;
use serde_json::Value;

use crate::bed::{BEHIND_ROUTERS, Bed, ONE_SEGMENT};

fn flatnet(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flatnet"))
        .args(arguments)
        .output()
        .expect("flatnet starts")
}

fn route(bed: &Bed, arguments: &[&str]) -> Output {
    let cluster = ["inspect", "route", "--cluster", bed.name()];
    flatnet(&[&cluster, arguments].concat())
}

#[track_caller]
fn text(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[rstest]
#[case::nobody("nobody", "busybox-1", "--from nobody: no pod or node of that name")]
#[case::no_address("busybox-1", "10.0.0.1/24", "--to 10.0.0.1/24: no pod or node")]
#[case::of_many(
    "busybox-1",
    "224.0.0.1",
    "a multicast address has any number of receivers"
)]
#[case::of_a_link("busybox-1", "fe80::1", "another host on each link")]
fn bad_input_is_reported_in_one_line(#[case] from: &str, #[case] to: &str, #[case] says: &str) {
    let bed = Bed::new(ONE_SEGMENT);

    let output = route(&bed, &["--from", from, "--to", to]);

    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(
        words.contains(says) && words.lines().count() == 1,
        "{words}"
    );
}

#[test]
fn a_line_of_the_table_fits_a_hundred_columns() {
    let bed = Bed::new(BEHIND_ROUTERS);

    let shown = text(&route(
        &bed,
        &["--from", "busybox-1", "--to", "busybox-2", "--both"],
    ));

    assert!(shown.contains("delivered: pod/busybox-2 holds"), "{shown}");
    assert!(
        shown.contains("the return path is the mirror image"),
        "{shown}"
    );
    let long = shown.lines().find(|line| line.chars().count() > 100);
    assert_eq!(long, None, "{shown}");
}

/// Without the values that are said to vary.
fn stable(output: &Output) -> Value {
    let mut whole: Value = serde_json::from_str(&text(output)).expect("JSON alone");
    for fact in whole["answers"][0]["facts"].as_array_mut().unwrap() {
        let varies = fact["varies"].as_array().cloned().unwrap_or_default();
        let values = fact["values"].as_object_mut().unwrap();
        values.retain(|name, _| !varies.contains(&Value::String(name.clone())));
    }
    whole
}

#[test]
fn json_is_the_same_again_but_for_what_varies() {
    let bed = Bed::new(BEHIND_ROUTERS);
    let arguments = ["--from", "busybox-1", "--to", "busybox-2", "-o", "json"];
    // The first packet makes neighbour and forwarding entries.
    let found = bed.trace("busybox-1", "busybox-2");
    bed.ping(&found.there.from, found.there.destination, 1);

    let first = stable(&route(&bed, &arguments));
    let again = stable(&route(&bed, &arguments));

    assert_eq!(first, again);
    assert_eq!(first["answers"][0]["id"], "route");
    let facts = first["answers"][0]["facts"].as_array().unwrap();
    let vtep = facts.iter().find(|fact| !fact["values"]["vtep"].is_null());
    assert_eq!(vtep.unwrap()["values"]["vtep"], "172.18.2.2");
    assert_eq!(facts.last().unwrap()["values"]["ending"], "delivered");
}

/// As pasted into a shell, where other clusters may run.
#[test]
fn every_command_that_is_offered_works() {
    let bed = Bed::new(BEHIND_ROUTERS);
    let ends = ["--from", "busybox-1", "--to", "busybox-2", "--both"];

    let shown = text(&route(&bed, &[&ends[..], &["-o", "json"]].concat()));
    let explained = text(&route(&bed, &[&ends[..], &["--explain"]].concat()));

    let whole: Value = serde_json::from_str(&shown).unwrap();
    let facts = whole["answers"][0]["facts"].as_array().unwrap();
    assert!(facts.len() > 10, "{shown}");
    let sources = facts
        .iter()
        .map(|fact| fact["source"]["text"].as_str().unwrap());
    let lines = explained
        .lines()
        .filter_map(|line| Some(&line[line.find("flatnet exec")?..]));
    let commands: BTreeSet<&str> = sources.chain(lines).collect();
    for command in commands {
        let done = pasted(command);
        assert!(
            done.status.success() && !done.stdout.is_empty(),
            "{command}: {done:?}"
        );
    }
}

#[test]
fn the_command_that_shows_where_a_packet_ends_works() {
    let bed = Bed::new(BEHIND_ROUTERS);
    bed.run(
        &Netns::Node("node1".to_owned()),
        "ip route del 10.244.1.0/24",
    );

    let shown = text(&route(
        &bed,
        &["--from", "busybox-1", "--to", "10.244.1.99"],
    ));

    let mut looks = shown
        .lines()
        .filter_map(|line| line.trim().strip_prefix("look: "));
    let done = pasted(looks.next().expect("a command"));
    assert!(done.status.success() && !done.stdout.is_empty(), "{done:?}");
}

/// The form in which findings print it: with the address that was dialled.
#[test]
fn packets_to_an_address_are_answered_by_who_has_it() {
    let bed = Bed::broken(ONE_SEGMENT, plant::find("udp-drop").unwrap());
    let pod = bed.trace("busybox-1", "busybox-2").there.destination;
    let live = |to: &str, transport: &str| {
        let ends = ["--from", "busybox-1", "--to", to];
        let output = route(
            &bed,
            &[&ends[..], &["--live", "--transports", transport]].concat(),
        );
        let (out, errors) = (&output.stdout, &output.stderr);
        let words = [out.as_slice(), errors]
            .map(String::from_utf8_lossy)
            .concat();
        (output.status.code(), words)
    };

    let (code, lost) = live(&pod.to_string(), "udp");
    assert_eq!(code, Some(1), "{lost}");
    assert!(lost.contains("chain"), "{lost}");
    let (code, whole) = live(&pod.to_string(), "tcp");
    assert_eq!(code, Some(0), "{whole}");
    // The bridge's, on the pod's node.
    let (code, gateway) = live("10.244.1.1", "tcp");
    assert_eq!(code, Some(0), "{gateway}");
    let (code, nobody) = live("10.244.1.99", "tcp");
    assert_eq!(code, Some(2), "{nobody}");
    assert!(
        nobody.contains("no pod or node has 10.244.1.99"),
        "{nobody}"
    );
}

fn pasted(line: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_flatnet"));
    let programs = program.parent().expect("a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("sh")
        .args(["-c", line])
        .env("PATH", format!("{programs}:{path}"))
        .env_remove("FLATNET_CLUSTER")
        .output()
        .expect("a shell")
}
