//! E: errors, parameters and their names.
use serde_json::{Value, json};

use crate::bench::{Bed, Stop};
use crate::call::{Answer, Request};
use crate::clause::{Clause, Level};
use crate::subject::Kind;

pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "E1",
        section: "2 Errors",
        level: Level::Must,
        since: "0.1",
        words: "the exit code is 0 on success and another on failure",
        tried: "ADD, CHECK, DEL and VERSION that succeed, and calls that cannot: what is printed and the exit code agree",
        run: exit_codes,
    },
    Clause {
        id: "E2",
        section: "2, 5 Errors",
        level: Level::Should,
        since: "0.1",
        words: "a failure prints one JSON object on standard output, with cniVersion, a code and a message",
        tried: "calls that cannot succeed; standard output is that object and nothing else",
        run: error_objects,
    },
    Clause {
        id: "E3",
        section: "5 Error",
        level: Level::Must,
        since: "0.4",
        words: "the message of error code 4 names the variables that are missing or invalid",
        tried: "each variable left out or given a value that it cannot have",
        run: variables_named,
    },
    Clause {
        id: "E4",
        section: "5 Error",
        level: Level::Must,
        since: "0.4",
        words: "the message of error code 2 holds key and value of the field that is not supported",
        tried: "fields with values that a plugin may not support; judged where it answers with code 2",
        run: fields_named,
    },
    Clause {
        id: "E5",
        section: "5 Error",
        level: Level::Must,
        since: "0.1",
        words: "codes below 100 mean what the specification lists, and nothing else",
        tried: "an unknown cniVersion (1), input that is not JSON (6), a configuration without a name (7), a missing variable (4)",
        run: listed_codes,
    },
    Clause {
        id: "E6",
        section: "2 Parameters",
        level: Level::Must,
        since: "1.0",
        words: "a container id begins with a letter or digit and goes on with those, _, . or -",
        tried: "ADD for ids that do not: it fails, and nothing is made",
        run: container_ids,
    },
    Clause {
        id: "E7",
        section: "2 Parameters",
        level: Level::Must,
        since: "1.0",
        words: "an interface name that cannot be used is an error",
        tried: "ADD with names that no interface can have: it fails, and nothing is made",
        run: interface_names,
    },
    Clause {
        id: "E8",
        section: "2 ADD to GC",
        level: Level::Must,
        since: "1.0",
        words: "a command without a parameter that it requires is an error",
        tried: "ADD, DEL and CHECK with each of their variables left out, no CNI_COMMAND, and an unknown one",
        run: required,
    },
    Clause {
        id: "E9",
        section: "1 Configuration; CONVENTIONS",
        level: Level::Should,
        since: "0.2",
        words: "a plugin works with a configuration that holds args for others",
        tried: "ADD with args.cni.labels in the configuration, and with a key that nobody knows",
        run: args,
    },
];

/// Calls that cannot succeed, each with what is wrong.
fn failing(bed: &mut Bed) -> Result<Vec<(&'static str, Request)>, Stop> {
    let pod = bed.pod()?;
    let add = bed.request("ADD", &pod);
    Ok(vec![
        (
            "under an unknown cniVersion",
            add.clone().with_key("cniVersion", json!("99.0.0")),
        ),
        (
            "with input that is not JSON",
            add.clone().with_stdin("{ this is not JSON"),
        ),
        (
            "without a network name",
            add.clone().with_key("name", Value::Null),
        ),
        ("without CNI_IFNAME", add.clone().without("CNI_IFNAME")),
        (
            "of a container id with a slash",
            add.with("CNI_CONTAINERID", "a/b"),
        ),
    ])
}

fn exit_codes(bed: &mut Bed) -> Result<String, Stop> {
    let mut count = 0;
    let added = bed.add()?;
    let mut fine = vec![
        bed.request_on_node("VERSION"),
        bed.request_of("DEL", &added),
    ];
    if bed.version.has_check() {
        fine.insert(0, bed.request_of("CHECK", &added));
    }
    for request in fine {
        let command = request.command().to_owned();
        let answer = bed.call(request)?;
        agree(bed, &command, &answer);
        count += 1;
    }
    for (what, request) in failing(bed)? {
        let answer = bed.call(request)?;
        agree(bed, &format!("ADD {what}"), &answer);
        count += 1;
    }
    Ok(format!(
        "{count} calls: what they print and their exit codes agree"
    ))
}

/// An error object is a failure, and only that is.
fn agree(bed: &mut Bed, what: &str, answer: &Answer) {
    let error = answer
        .json()
        .is_some_and(|json| json.get("code").is_some_and(|code| *code != json!(0)));
    if error && answer.ok() {
        bed.fail(format!(
            "{what} prints an error object and ends with exit code 0: {}",
            answer.message().trim()
        ));
    }
    let result = answer.json().is_some_and(|json| {
        json.get("code").is_none()
            && ["ips", "interfaces", "supportedVersions"]
                .iter()
                .any(|key| json.get(key).is_some())
    });
    if result && !answer.ok() {
        bed.fail(format!(
            "{what} prints a result and ends with {}",
            answer.ending
        ));
    }
}

fn error_objects(bed: &mut Bed) -> Result<String, Stop> {
    let mut count = 0;
    for (what, request) in failing(bed)? {
        let answer = bed.call(request)?;
        if answer.ok() {
            continue;
        }
        count += 1;
        let Some(json) = answer.json() else {
            bed.fail(format!(
                "ADD {what} fails, and standard output is not one JSON object"
            ));
            continue;
        };
        if !json["code"].is_u64() {
            bed.fail(format!(
                "ADD {what}: the error object has no number as code"
            ));
        }
        if !json["msg"].is_string() {
            bed.fail(format!("ADD {what}: the error object has no msg"));
        }
        if !json["cniVersion"]
            .as_str()
            .is_some_and(|version| !version.is_empty())
        {
            bed.fail_of_library(format!("ADD {what}: the error object has no cniVersion"));
        }
    }
    match count {
        0 => Err(Stop::NotApplicable(
            "no call could be made to fail".to_owned(),
        )),
        _ => Ok(format!("{count} failures, each one JSON object")),
    }
}

fn variables_named(bed: &mut Bed) -> Result<String, Stop> {
    let pod = bed.pod()?;
    let add = bed.request("ADD", &pod);
    let cases = [
        ("CNI_COMMAND", add.clone().without("CNI_COMMAND")),
        ("CNI_COMMAND", add.clone().with("CNI_COMMAND", "NONSENSE")),
        ("CNI_CONTAINERID", add.clone().without("CNI_CONTAINERID")),
        (
            "CNI_CONTAINERID",
            add.clone().with("CNI_CONTAINERID", "../x"),
        ),
        ("CNI_NETNS", add.clone().without("CNI_NETNS")),
        ("CNI_IFNAME", add.clone().without("CNI_IFNAME")),
        ("CNI_IFNAME", add.with("CNI_IFNAME", "a/b")),
    ];
    let mut count = 0;
    for (name, request) in cases {
        let given = request.env.get(name).cloned();
        let answer = bed.call(request)?;
        if answer.code() != Some(4) {
            continue;
        }
        count += 1;
        if !answer.message().contains(name) {
            let what = given.map_or("without it".to_owned(), |value| format!("= {value:?}"));
            bed.fail_of_library(format!(
                "{name} {what}: code 4 with the message {:?}, which does not name it",
                answer.message().trim()
            ));
        }
    }
    match count {
        0 => Err(Stop::NotApplicable(
            "no variable makes it answer with code 4".to_owned(),
        )),
        _ => Ok(format!(
            "{count} answers with code 4, each names its variable"
        )),
    }
}

fn fields_named(bed: &mut Bed) -> Result<String, Stop> {
    let pod = bed.pod()?;
    let add = bed.request("ADD", &pod);
    let cases = [
        ("isGateway", json!(false)),
        ("mode", json!("no-such-mode")),
        ("backend", json!("no-such-backend")),
        ("dataDir", json!("no-such-kind")),
        ("vlan", json!(99999)),
        ("mtu", json!(-7)),
    ];
    let mut count = 0;
    for (key, value) in cases {
        let written = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        // What the plugin needs anyway cannot stand beside a refusal of one key.
        let request = match key {
            "isGateway" => add
                .clone()
                .with_key("isDefaultGateway", json!(false))
                .with_key(key, value),
            _ => add.clone().with_key(key, value),
        };
        let answer = bed.call(request)?;
        if answer.code() != Some(2) {
            // It may have worked: the next one must find the container as it was.
            let request = bed.request("DEL", &pod);
            bed.call(request)?;
            continue;
        }
        count += 1;
        let message = answer.message();
        if !message.contains(key) || !message.contains(&written) {
            bed.fail(format!(
                "{key} = {written}: code 2 with the message {:?}, which lacks key or value",
                message.trim()
            ));
        }
    }
    match count {
        0 => Err(Stop::NotApplicable(
            "no field that was tried makes it answer with code 2".to_owned(),
        )),
        _ => Ok(format!("{count} answers with code 2, with key and value")),
    }
}

fn listed_codes(bed: &mut Bed) -> Result<String, Stop> {
    // A container id is a parameter, too.
    let expected: [&[u64]; 5] = [&[1], &[6], &[7], &[4], &[4]];
    let mut seen = Vec::new();
    for ((what, request), expected) in failing(bed)?.into_iter().zip(expected) {
        let answer = bed.call(request)?;
        let Some(code) = answer.code().filter(|_| !answer.ok()) else {
            continue;
        };
        seen.push(code.to_string());
        if code < 100 && !expected.contains(&code) {
            bed.fail(format!(
                "ADD {what}: code {code}, where the specification has {}",
                expected[0]
            ));
        }
    }
    match seen.is_empty() {
        true => Err(Stop::NotApplicable("no failure has a code".to_owned())),
        false => Ok(format!("codes {}", seen.join(", "))),
    }
}

fn container_ids(bed: &mut Bed) -> Result<String, Stop> {
    bed.warm()?;
    let pod = bed.pod()?;
    let before = bed.ledger()?;
    let wrong = ["-a", "a/b", "../x", "", ".a", "a b", "ä"];
    for id in wrong {
        let request = bed.request("ADD", &pod).with("CNI_CONTAINERID", id);
        bed.refuses(&format!("of container id {id:?}"), request)?;
        if !bed.same_as(
            &before,
            &format!("ADD of container id {id:?} leaves something"),
        )? {
            return Err(Stop::Found);
        }
    }
    Ok(format!("{} ids refused, nothing made", wrong.len()))
}

fn interface_names(bed: &mut Bed) -> Result<String, Stop> {
    bed.only(&[Kind::Interface, Kind::Chained])?;
    if bed.subject.recipe.ifname == "lo" {
        return Err(Stop::NotApplicable(
            "it configures lo and nothing else".to_owned(),
        ));
    }
    bed.warm()?;
    let pod = bed.pod()?;
    let before = bed.ledger()?;
    let wrong = ["sixteen-bytes-xx", "a/b", ".", "..", "a b", ""];
    for name in wrong {
        let request = bed.request("ADD", &pod).with("CNI_IFNAME", name);
        bed.refuses(&format!("with CNI_IFNAME {name:?}"), request)?;
        if !bed.same_as(
            &before,
            &format!("ADD with CNI_IFNAME {name:?} leaves something"),
        )? {
            return Err(Stop::Found);
        }
    }
    Ok(format!("{} names refused, nothing made", wrong.len()))
}

fn required(bed: &mut Bed) -> Result<String, Stop> {
    let added = bed.add()?;
    let other = bed.pod()?;
    let mut count = 0;
    let mut commands = vec![
        (
            bed.request("ADD", &other),
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"][..],
        ),
        (
            bed.request_of("DEL", &added),
            &["CNI_CONTAINERID", "CNI_IFNAME"],
        ),
    ];
    if bed.version.has_check() {
        commands.push((
            bed.request_of("CHECK", &added),
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
        ));
    }
    for (request, names) in commands {
        for name in names {
            bed.refuses(&format!("without {name}"), request.clone().without(name))?;
            count += 1;
        }
    }
    let request = bed.request("ADD", &other);
    bed.refuses(
        "without CNI_COMMAND",
        request.clone().without("CNI_COMMAND"),
    )?;
    bed.refuses(
        "in CNI_COMMAND",
        request.clone().with("CNI_COMMAND", "NONSENSE"),
    )?;
    if bed.has_findings() {
        return Err(Stop::Found);
    }
    let answer = bed.call(request.without("CNI_PATH"))?;
    if !answer.ok() && !bed.subject.delegates {
        return Err(Stop::Advisory(vec![
            format!("without CNI_PATH ADD fails: {}", answer.summary()),
            "section 2 has CNI_PATH among the optional parameters of ADD: the plugin should work"
                .to_owned(),
            "section 3 has the runtime always give it: the plugin may require it".to_owned(),
        ]));
    }
    Ok(format!(
        "{} calls without a parameter that they require, all refused",
        count + 2
    ))
}

fn args(bed: &mut Bed) -> Result<String, Stop> {
    let pod = bed.pod()?;
    let labels = json!({"cni": {"labels": [{"key": "app", "value": "web"}]}});
    let request = bed.request("ADD", &pod).with_key("args", labels);
    bed.succeeds("with args in the configuration", request)?;
    let request = bed.request("DEL", &pod);
    bed.succeeds("of it", request)?;
    if bed.has_findings() {
        return Err(Stop::Found);
    }
    let other = bed.pod()?;
    let request = bed
        .request("ADD", &other)
        .with_key("example.org/unknown", json!("x"));
    let answer = bed.call(request)?;
    if !answer.ok() {
        return Err(Stop::Advisory(vec![
            format!("ADD with an unknown key fails: {}", answer.summary()),
            "section 1: a plugin may fail on keys that it does not know".to_owned(),
            "CONVENTIONS: keys of others (capabilities, args, domain-prefixed ones) are common, and to be ignored".to_owned(),
        ]));
    }
    Ok("args and an unknown key are ignored".to_owned())
}
