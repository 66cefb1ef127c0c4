//! V: versions.
use flatnet_model::cni::Version;
use serde_json::json;

use crate::bench::{Added, Bed, Stop};
use crate::clause::{Clause, Level};

pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "V1",
        section: "5 VERSION",
        level: Level::Must,
        since: "0.2",
        words: "VERSION gives back the cniVersion of its input, and lists the versions that are supported",
        tried: "VERSION with each version in its input",
        run: answers,
    },
    Clause {
        id: "V2",
        section: "5 ADD Success",
        level: Level::Must,
        since: "0.2",
        words: "every version that is listed works, and a result has the form of the version asked for",
        tried: "ADD and DEL under each version that VERSION lists",
        run: each_works,
    },
    Clause {
        id: "V3",
        section: "2 CHECK, GC, STATUS",
        level: Level::Should,
        since: "0.4",
        words: "a command is refused under a version that has it not",
        tried: "CHECK under versions before 0.4.0, GC and STATUS under versions before 1.1.0: an error",
        run: older_commands,
    },
];

fn answers(bed: &mut Bed) -> Result<String, Stop> {
    let mut listed = Vec::new();
    for version in Version::ALL {
        let request = bed
            .request_on_node("VERSION")
            .with_stdin(&json!({"cniVersion": version.as_str()}).to_string());
        let answer = bed.call(request)?;
        let Some(json) = answer.json().filter(|_| answer.ok()) else {
            bed.fail(format!(
                "VERSION under {version} fails: {}",
                answer.summary()
            ));
            continue;
        };
        let list = json["supportedVersions"].as_array();
        if list.is_none_or(|list| list.is_empty() || !list.iter().all(serde_json::Value::is_string))
        {
            bed.fail(format!(
                "VERSION: supportedVersions is {}",
                json["supportedVersions"]
            ));
        }
        if json["cniVersion"].as_str() != Some(version.as_str()) {
            bed.fail_of_library(format!(
                "VERSION with cniVersion {version} on input answers with cniVersion {}",
                json["cniVersion"]
            ));
        }
        listed = list
            .into_iter()
            .flatten()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect();
    }
    Ok(listed.join(", "))
}

fn each_works(bed: &mut Bed) -> Result<String, Stop> {
    let versions: Vec<Version> = bed
        .subject
        .versions
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let mut told = Vec::new();
    for version in versions {
        bed.version = version;
        let pod = bed.pod()?;
        let request = bed.request("ADD", &pod);
        let answer = bed.call(request)?;
        let Some(result) = answer.json().filter(|_| answer.ok()) else {
            bed.fail(format!(
                "VERSION lists {version}, and ADD under it fails: {}",
                answer.summary()
            ));
            continue;
        };
        if result["cniVersion"].as_str() != Some(version.as_str()) {
            bed.fail(format!(
                "ADD under {version} answers with cniVersion {}",
                result["cniVersion"]
            ));
        }
        let ips = result["ips"].as_array().filter(|ips| !ips.is_empty());
        let labelled = ips.is_some_and(|ips| ips.iter().all(|ip| ip["version"].is_string()));
        if version < Version::V0_3_0 && (ips.is_some() || !result["interfaces"].is_null()) {
            bed.fail(format!(
                "ADD under {version} has lists that came with 0.3.0"
            ));
        } else if version >= Version::V0_3_0
            && !(result["ip4"].is_null() && result["ip6"].is_null())
        {
            bed.fail(format!(
                "ADD under {version} has ip4 or ip6, which went with 0.3.0"
            ));
        } else if ips.is_some() && (version < Version::V1_0_0) != labelled {
            bed.fail(format!(
                "ADD under {version}: ips have {} key version, which went with 1.0.0",
                if labelled { "a" } else { "no" }
            ));
        }
        let mtu = result["interfaces"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|one| one.get("mtu").is_some());
        if mtu && version < Version::V1_1_0 {
            bed.fail(format!(
                "ADD under {version}: interfaces have mtu, which came with 1.1.0"
            ));
        }
        bed.del(&Added { pod, result })?;
        told.push(version.to_string());
    }
    Ok(told.join(", "))
}

fn older_commands(bed: &mut Bed) -> Result<String, Stop> {
    let versions: Vec<Version> = bed
        .subject
        .versions
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let newest = bed.version;
    let mut count = 0;
    for (command, since) in [
        ("CHECK", Version::V0_4_0),
        ("GC", Version::V1_1_0),
        ("STATUS", Version::V1_1_0),
    ] {
        // A plugin that does not know the command refuses it under every version.
        if newest < since {
            continue;
        }
        let Some(older) = versions.iter().rfind(|version| **version < since) else {
            continue;
        };
        bed.version = *older;
        let request = match command {
            "CHECK" => {
                let added = bed.add()?;
                bed.request_of("CHECK", &added)
                    .with_key("prevResult", added.result.clone())
            }
            "GC" => bed.gc(&[]),
            _ => bed.request_on_node(command),
        };
        bed.refuses(&format!("under {older}"), request)?;
        count += 1;
    }
    match count {
        0 => Err(Stop::NotApplicable(
            "it lists no version that lacks a command".to_owned(),
        )),
        _ => Ok(format!(
            "{count} commands refused under a version that has them not"
        )),
    }
}
