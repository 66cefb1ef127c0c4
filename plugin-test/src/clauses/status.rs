//! S: STATUS.
use flatnet_model::cni::Version;
use serde_json::Value;

use super::add::with_keys;
use crate::bench::{Bed, Stop};
use crate::clause::{Clause, Level};

pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "S1",
        section: "2 STATUS",
        level: Level::Must,
        since: "1.1",
        words: "STATUS succeeds where the plugin can serve ADD",
        tried: "STATUS on a node on which ADD works, before it and after it",
        run: ready,
    },
    Clause {
        id: "S2",
        section: "2 STATUS",
        level: Level::Should,
        since: "1.1",
        words: "STATUS is an error with code 50 or 51 where ADD cannot be served",
        tried: "a range whose one address is taken: STATUS fails, and says so with one of these codes",
        run: exhausted,
    },
    Clause {
        id: "S3",
        section: "2 STATUS",
        level: Level::Must,
        since: "1.1",
        words: "STATUS calls STATUS of its delegate, and returns its error",
        tried: "the IPAM stand-in records STATUS; told to fail, STATUS of the plugin fails",
        run: delegate,
    },
    Clause {
        id: "S4",
        section: "2 STATUS",
        level: Level::Must,
        since: "1.1",
        words: "nothing depends on STATUS having been called",
        tried: "the results of an ADD before any STATUS and of one after it have the same parts",
        run: never_called,
    },
    Clause {
        id: "S5",
        section: "2 STATUS",
        level: Level::Should,
        since: "1.1",
        words: "other commands work while STATUS fails",
        tried: "DEL while no address is left, or while STATUS of the delegate fails",
        run: others_work,
    },
];

fn ready(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V1_1_0)?;
    let request = bed.request_on_node("STATUS");
    bed.succeeds("before any ADD", request.clone())?;
    bed.add()?;
    bed.succeeds("where ADD works", request)?;
    Ok("ready before ADD and after it".to_owned())
}

fn exhausted(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V1_1_0)?;
    let Some(few) = bed.subject.recipe.one_address.clone() else {
        return Err(Stop::NotApplicable(
            "it assigns no addresses itself, or none is known to be its last".to_owned(),
        ));
    };
    let pod = bed.pod()?;
    let request = with_keys(bed.request("ADD", &pod), &few);
    bed.added(request)?;
    let request = with_keys(bed.request_on_node("STATUS"), &few);
    let answer = bed.refuses("with no address left", request)?;
    if !answer.ok() && !matches!(answer.code(), Some(50 | 51)) {
        bed.fail(format!(
            "STATUS with no address left: code {}, where the specification has 50 and 51",
            answer.code().unwrap_or(0)
        ));
    }
    Ok(format!("code {}", answer.code().unwrap_or(0)))
}

fn delegate(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V1_1_0)?;
    bed.delegating()?;
    let request = bed.request_on_node("STATUS");
    bed.succeeds("where its IPAM plugin is ready", request.clone())?;
    if !bed.delegated().iter().any(|command| command == "STATUS") {
        bed.fail("STATUS does not call STATUS of its IPAM plugin".to_owned());
    }
    bed.stand_in_fails("STATUS")?;
    bed.refuses("where STATUS of its IPAM plugin fails", request)?;
    Ok("called, and its error is returned".to_owned())
}

/// The keys of a value, and of what is in it.
fn parts(value: &Value, prefix: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = format!("{prefix}.{key}");
                found.push(path.clone());
                parts(value, &path, found);
            }
        }
        Value::Array(list) => {
            for value in list {
                parts(value, &format!("{prefix}[]"), found);
            }
        }
        _ => {}
    }
}

fn never_called(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V1_1_0)?;
    bed.several()?;
    let first = bed.add()?;
    let request = bed.request_on_node("STATUS");
    bed.call(request)?;
    let second = bed.add()?;
    let of = |value: &Value| {
        let mut found = Vec::new();
        parts(value, "", &mut found);
        found.sort();
        found
    };
    let (first, second) = (of(&first.result), of(&second.result));
    if first != second {
        let more = second
            .iter()
            .find(|part| !first.contains(part))
            .or_else(|| first.iter().find(|part| !second.contains(part)));
        bed.fail(format!(
            "before STATUS and after it results have different parts: {}",
            more.map_or("another number of them", String::as_str)
        ));
    }
    Ok(format!("{} parts, before and after", first.len()))
}

fn others_work(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V1_1_0)?;
    if bed.subject.delegates {
        let added = bed.add()?;
        bed.stand_in_fails("STATUS")?;
        bed.del(&added)?;
        return Ok("DEL while STATUS of its delegate fails".to_owned());
    }
    let Some(few) = bed.subject.recipe.one_address.clone() else {
        return Err(Stop::NotApplicable(
            "STATUS cannot be made to fail".to_owned(),
        ));
    };
    let pod = bed.pod()?;
    let request = with_keys(bed.request("ADD", &pod), &few);
    let result = bed.added(request)?;
    let added = crate::bench::Added { pod, result };
    let status = with_keys(bed.request_on_node("STATUS"), &few);
    let answer = bed.call(status)?;
    if answer.ok() {
        return Err(Stop::NotApplicable(
            "STATUS cannot be made to fail".to_owned(),
        ));
    }
    for command in ["CHECK", "DEL"] {
        let request = with_keys(bed.request_of(command, &added), &few);
        bed.succeeds("while STATUS fails", request)?;
    }
    Ok("CHECK and DEL while STATUS fails".to_owned())
}
