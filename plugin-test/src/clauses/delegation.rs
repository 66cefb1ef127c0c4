//! P: delegation to other plugins.
use std::fs;
use std::path::Path;

use flatnet_model::cni::Version;
use serde_json::{Value, json};

use crate::bench::{Bed, Stop};
use crate::clause::{Clause, Level};
use crate::stand_in;
use crate::subject::Kind;

pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "P1",
        section: "4",
        level: Level::Should,
        since: "0.1",
        words: "a delegate is found in CNI_PATH, and gets the same environment and the whole configuration",
        tried: "what the IPAM stand-in recorded, compared with what the plugin was given",
        run: everything_given,
    },
    Clause {
        id: "P2",
        section: "4",
        level: Level::Must,
        since: "0.4",
        words: "DEL calls DEL of the delegate, and returns its error",
        tried: "the IPAM stand-in records DEL; told to fail, DEL of the plugin fails",
        run: del_forwarded,
    },
    Clause {
        id: "P3",
        section: "4",
        level: Level::Should,
        since: "1.0",
        words: "ADD that fails after its delegate was called calls the delegate's DEL",
        tried: "ADD of the stand-in fails; and the plugin's own part fails: DEL is recorded after each ADD",
        run: undone,
    },
    Clause {
        id: "P4",
        section: "4",
        level: Level::Should,
        since: "1.0",
        words: "what a delegate writes to standard error is written there by the plugin",
        tried: "a stand-in that writes a line to standard error during ADD",
        run: stderr,
    },
    Clause {
        id: "P5",
        section: "5 Delegated plugins",
        level: Level::Must,
        since: "0.3",
        words: "the result of an IPAM plugin has no interfaces, and its addresses name none",
        tried: "the result of ADD",
        run: ipam_result,
    },
];

fn recorded(command: &str, what: &str) -> String {
    fs::read_to_string(Path::new(stand_in::FOLDER).join(format!("{command}.{what}")))
        .unwrap_or_default()
}

fn everything_given(bed: &mut Bed) -> Result<String, Stop> {
    bed.delegating()?;
    let pod = bed.pod()?;
    let request = bed
        .request("ADD", &pod)
        .with("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=busybox-1")
        .with_key(
            "args",
            json!({"cni": {"labels": [{"key": "app", "value": "web"}]}}),
        );
    bed.added(request.clone())?;
    let env = recorded("ADD", "env");
    for (name, value) in &request.env {
        if !env.lines().any(|line| line == format!("{name}={value}")) {
            let got = env
                .lines()
                .find(|line| line.starts_with(&format!("{name}=")))
                .unwrap_or("nothing");
            bed.fail(format!(
                "{name} was {value:?}, and the IPAM plugin got {got:?}"
            ));
        }
    }
    let got: Value = serde_json::from_str(&recorded("ADD", "stdin")).unwrap_or(Value::Null);
    for (key, value) in request.conf().as_object().into_iter().flatten() {
        if got[key] != *value {
            bed.fail(format!(
                "the IPAM plugin got {key} = {}, and it was {value}",
                got[key]
            ));
        }
    }
    Ok(format!(
        "{} variables and {} keys",
        request.env.len(),
        request.conf().as_object().map_or(0, serde_json::Map::len)
    ))
}

fn del_forwarded(bed: &mut Bed) -> Result<String, Stop> {
    bed.delegating()?;
    let added = bed.add()?;
    bed.del(&added)?;
    if !bed.delegated().iter().any(|command| command == "DEL") {
        bed.fail("DEL does not call DEL of its IPAM plugin".to_owned());
    }
    if bed.version < Version::V0_4_0 {
        return Ok("called".to_owned());
    }
    bed.stand_in_fails("DEL")?;
    let request = bed.request_of("DEL", &added);
    bed.refuses("where DEL of its IPAM plugin fails", request)?;
    Ok("called, and its error is returned".to_owned())
}

/// Whether the delegate's last command was DEL, where its ADD was called at all.
fn ended_with_del(bed: &mut Bed, when: &str) {
    let calls = bed.delegated();
    if calls.last().is_some_and(|last| last != "DEL") {
        bed.fail(format!(
            "{when}: the IPAM plugin was called with {}, and not with DEL",
            calls.join(", ")
        ));
    }
}

fn undone(bed: &mut Bed) -> Result<String, Stop> {
    bed.delegating()?;
    let pod = bed.pod()?;
    bed.stand_in_fails("ADD")?;
    let request = bed.request("ADD", &pod);
    bed.refuses("where ADD of its IPAM plugin fails", request.clone())?;
    ended_with_del(bed, "ADD of the IPAM plugin failed");
    bed.shell(&format!("rm {}/fail-ADD", stand_in::FOLDER))?;
    if bed.subject.recipe.kind == Kind::Interface
        && bed.subject.recipe.ifname != "lo"
        && !bed.subject.recipe.single
    {
        let pod = bed.pod()?;
        let request = bed.request("ADD", &pod);
        let (id, ifname) = (&pod.id, bed.subject.recipe.ifname.clone());
        bed.shell(&format!("ip -n {id} link add {ifname} type bridge"))?;
        let answer = bed.call(request)?;
        if !answer.ok() {
            ended_with_del(bed, "the name was taken and ADD failed");
        }
    }
    Ok("DEL of the delegate is called".to_owned())
}

fn stderr(bed: &mut Bed) -> Result<String, Stop> {
    bed.delegating()?;
    bed.shell(&format!("touch {}/speak", stand_in::FOLDER))?;
    let pod = bed.pod()?;
    let request = bed.request("ADD", &pod);
    let answer = bed.call(request)?;
    if !answer.stderr.contains("stand-in speaks") {
        bed.fail(
            "the IPAM plugin writes \"stand-in speaks\" to standard error, and the plugin does not"
                .to_owned(),
        );
    }
    Ok("written".to_owned())
}

fn ipam_result(bed: &mut Bed) -> Result<String, Stop> {
    bed.only(&[Kind::Ipam])?;
    bed.needs(Version::V0_3_0)?;
    let added = bed.add()?;
    if added.result["interfaces"]
        .as_array()
        .is_some_and(|list| !list.is_empty())
    {
        bed.fail(format!(
            "the result has interfaces: {}",
            added.result["interfaces"]
        ));
    }
    for ip in added.result["ips"].as_array().into_iter().flatten() {
        if !ip["interface"].is_null() {
            bed.fail(format!(
                "the address {} names interface {}",
                ip["address"], ip["interface"]
            ));
        }
    }
    Ok("addresses and no interfaces".to_owned())
}
