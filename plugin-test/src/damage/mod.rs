//! The damage table: what each command does after something was taken away or changed by hand.
use flatnet_model::cni::Version;
use serde_json::{Value, json};

use crate::bench::{Added, Bed, Stop};
use crate::clauses::host_end;
use crate::subject::Kind;
use crate::verdict::Verdict;

/// What is done to an attachment or its node.
pub struct Damage {
    /// Stable.
    pub id: &'static str,
    /// In words.
    pub words: &'static str,
    /// CHECK is to notice it, where ADD made what is missing.
    noticed: bool,
    /// The shell line; none where there is nothing of the kind.
    line: fn(&Bed, &Added) -> Result<Option<String>, Stop>,
}

/// The commands that are tried after each.
pub const COMMANDS: [&str; 5] = ["DEL", "CHECK", "GC", "STATUS", "ADD"];

fn always(
    line: impl Fn(&Bed, &Added) -> String,
) -> impl Fn(&Bed, &Added) -> Result<Option<String>, Stop> {
    move |bed, added| Ok(Some(line(bed, added)))
}

fn has_link(bed: &Bed) -> bool {
    bed.subject.recipe.kind != Kind::Ipam && bed.subject.recipe.ifname != "lo"
}

/// All of them.
pub const ALL: &[Damage] = &[
    Damage {
        id: "namespace",
        words: "the network namespace is gone",
        noticed: true,
        line: |bed, added| always(|_, added| format!("ip netns del {}", added.pod.id))(bed, added),
    },
    Damage {
        id: "namespace-file",
        words: "the namespace's path is a plain file",
        noticed: true,
        line: |bed, added| {
            always(|_, added| format!("umount -l {}", added.pod.netns()))(bed, added)
        },
    },
    Damage {
        id: "host-end",
        words: "the host end of the veth is deleted",
        noticed: true,
        line: |_, added| Ok(host_end(&added.result).map(|name| format!("ip link del {name}"))),
    },
    Damage {
        id: "pod-end",
        words: "the interface in the container is deleted",
        noticed: true,
        line: |bed, added| {
            Ok(has_link(bed).then(|| {
                format!(
                    "ip -n {} link del {}",
                    added.pod.id, bed.subject.recipe.ifname
                )
            }))
        },
    },
    Damage {
        id: "pod-end-down",
        words: "the interface in the container is down",
        noticed: false,
        line: |bed, added| {
            Ok((bed.subject.recipe.kind != Kind::Ipam).then(|| {
                format!(
                    "ip -n {} link set {} down",
                    added.pod.id, bed.subject.recipe.ifname
                )
            }))
        },
    },
    Damage {
        id: "bridge",
        words: "the bridge is deleted",
        noticed: true,
        line: |_, added| Ok(bridge(&added.result).map(|name| format!("ip link del {name}"))),
    },
    Damage {
        id: "address",
        words: "the address in the container is removed",
        noticed: true,
        line: |bed, added| {
            Ok(has_link(bed).then(|| {
                format!(
                    "ip -n {} addr flush dev {}",
                    added.pod.id, bed.subject.recipe.ifname
                )
            }))
        },
    },
    Damage {
        id: "route",
        words: "the routes in the container are removed",
        noticed: false,
        line: |bed, added| {
            Ok(has_link(bed).then(|| {
                format!(
                    "ip -n {} route flush dev {}",
                    added.pod.id, bed.subject.recipe.ifname
                )
            }))
        },
    },
    Damage {
        id: "lease",
        words: "the records that name the container are deleted",
        noticed: true,
        line: lease,
    },
    Damage {
        id: "lease-folder",
        words: "everything under /var/lib/cni is deleted",
        noticed: false,
        line: |bed, added| {
            always(|_, _| "find /var/lib/cni -mindepth 1 -delete".to_owned())(bed, added)
        },
    },
    Damage {
        id: "rules",
        words: "all nftables rules are flushed",
        noticed: false,
        line: |bed, _| {
            Ok(bed
                .ledger()?
                .of(crate::ledger::NODE, "nftables")
                .next()
                .map(|_| "nft flush ruleset".to_owned()))
        },
    },
    Damage {
        id: "master",
        words: "the device below the interface is deleted",
        noticed: false,
        line: |bed, _| {
            Ok(bed
                .ledger()?
                .of(crate::ledger::NODE, "link")
                .any(|(name, _)| name == "master0")
                .then(|| "ip link del master0".to_owned()))
        },
    },
    Damage {
        id: "prev-result",
        words: "prevResult is of another attachment",
        noticed: true,
        line: |_, _| Ok(Some(String::new())),
    },
    Damage {
        id: "cached-result",
        words: "the runtime lost the cached result: there is no prevResult",
        noticed: true,
        line: |_, _| Ok(Some(String::new())),
    },
];

fn bridge(result: &Value) -> Option<String> {
    let list = result["interfaces"].as_array()?;
    let names = list
        .iter()
        .filter(|one| one["sandbox"].as_str().is_none_or(str::is_empty))
        .filter_map(|one| one["name"].as_str());
    names
        .filter(|name| !name.starts_with("veth"))
        .map(str::to_owned)
        .next()
}

fn lease(bed: &Bed, added: &Added) -> Result<Option<String>, Stop> {
    let ledger = bed.ledger()?;
    let files: Vec<&str> = ledger
        .items()
        .filter(|(item, details)| {
            item.kind == "file" && details.split([' ', ',']).any(|word| word == added.pod.id)
        })
        .map(|(item, _)| item.name.as_str())
        .collect();
    Ok((!files.is_empty()).then(|| format!("rm {}", files.join(" "))))
}

/// Ids of all cells, row by row.
pub fn cells() -> impl Iterator<Item = String> {
    ALL.iter()
        .flat_map(|damage| COMMANDS.map(|command| cell(damage.id, command)))
}

/// The id of one.
pub fn cell(damage: &str, command: &str) -> String {
    format!("X-{damage}-{command}")
}

/// What a command should do after any damage.
pub fn expected(command: &str) -> &'static str {
    match command {
        "DEL" => "succeeds, and releases what is left",
        "CHECK" => "is an error where ADD made what is missing, and never succeeds without looking",
        "GC" => "succeeds, and removes what is left",
        "STATUS" => "ends, with an error object where it fails",
        _ => "of another container works, or is an error that leaves nothing",
    }
}

pub(crate) fn judge(id: &str, mut bed: Bed) -> Verdict {
    let found = ALL.iter().find_map(|damage| {
        let command = COMMANDS
            .into_iter()
            .find(|command| cell(damage.id, command) == id)?;
        Some((damage, command))
    });
    match found {
        Some((damage, command)) => {
            let end = run(&mut bed, damage, command);
            bed.verdict(end)
        }
        None => Verdict::Broken {
            error: format!("there is no cell {id}"),
        },
    }
}

fn run(bed: &mut Bed, damage: &Damage, command: &str) -> Result<String, Stop> {
    match command {
        "CHECK" => bed.needs(Version::V0_4_0)?,
        "GC" | "STATUS" => bed.needs(Version::V1_1_0)?,
        _ => {}
    }
    if bed.subject.recipe.single && command == "ADD" {
        return Err(Stop::NotApplicable(
            "with this configuration it makes one attachment at a time".to_owned(),
        ));
    }
    let added = bed.add()?;
    let Some(line) = (damage.line)(bed, &added)? else {
        return Err(Stop::NotApplicable(
            "ADD makes nothing of the kind".to_owned(),
        ));
    };
    if !line.is_empty() {
        bed.shell(&line)?;
    }
    match command {
        "DEL" => {
            let request = changed(bed, damage, &added, "DEL");
            if bed.succeeds(&format!("after the damage: {}", damage.words), request)? {
                released(bed, &added, "DEL")?;
            }
            Ok("it succeeds, and nothing names the container any more".to_owned())
        }
        "CHECK" => check(bed, damage, &added),
        "GC" => {
            let request = bed.gc(&[]);
            if bed.succeeds(&format!("after the damage: {}", damage.words), request)? {
                released(bed, &added, "GC")?;
            }
            Ok("it succeeds, and nothing names the container any more".to_owned())
        }
        "STATUS" => {
            let request = bed.request_on_node("STATUS");
            let answer = bed.call(request)?;
            if !answer.ok() && answer.code().is_none() {
                bed.fail(format!(
                    "STATUS fails without an error object: {}",
                    answer.summary()
                ));
            }
            Ok(answer.summary())
        }
        _ => again(bed),
    }
}

fn changed(bed: &Bed, damage: &Damage, added: &Added, command: &str) -> crate::call::Request {
    let request = bed.request_of(command, added);
    match damage.id {
        "prev-result" => {
            let other = json!({
                "cniVersion": bed.version.as_str(),
                "interfaces": [{"name": "nobody0"}, {"name": "other0", "sandbox": "/run/netns/nowhere"}],
                "ips": [{"interface": 1, "address": "198.51.100.7/24"}],
            });
            request.with_key("prevResult", other)
        }
        "cached-result" => request.with_key("prevResult", Value::Null),
        _ => request,
    }
}

fn released(bed: &mut Bed, added: &Added, command: &str) -> Result<(), Stop> {
    if let Some(line) = lease(bed, added)? {
        bed.fail(format!(
            "{command} succeeds, and records still name the container: {}",
            line.trim_start_matches("rm ")
        ));
    }
    Ok(())
}

fn check(bed: &mut Bed, damage: &Damage, added: &Added) -> Result<String, Stop> {
    let request = changed(bed, damage, added, "CHECK");
    let own = bed.subject.recipe.kind != Kind::Chained || damage.id == "cached-result";
    let answer = bed.call(request)?;
    if answer.ok()
        && damage.noticed
        && own
        && !(bed.subject.recipe.kind == Kind::Ipam && damage.id != "lease")
    {
        bed.fail(format!("CHECK succeeds although {}", damage.words));
    }
    if !answer.ok() && answer.code().is_none() {
        bed.fail(format!(
            "CHECK fails without an error object: {}",
            answer.summary()
        ));
    }
    Ok(answer.summary())
}

/// ADD of another container.
fn again(bed: &mut Bed) -> Result<String, Stop> {
    let pod = bed.pod()?;
    let before = bed.ledger()?;
    let request = bed.request("ADD", &pod);
    let answer = bed.call(request)?;
    if answer.ok() {
        return Ok("it works".to_owned());
    }
    if answer.code().is_none() {
        bed.fail(format!(
            "ADD fails without an error object: {}",
            answer.summary()
        ));
    }
    let changes = bed.remains(&before)?;
    if let Some(change) = changes
        .iter()
        .find(|change| change.item().place == pod.id || change.to_string().contains(&pod.id))
    {
        bed.fail(format!(
            "ADD of another container fails and leaves {change}"
        ));
    }
    Ok(answer.summary())
}
