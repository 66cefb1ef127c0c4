//! A: ADD, its result, and several at once.
use std::collections::BTreeSet;

use flatnet_model::cni::Version;
use serde_json::{Value, json};

use super::result;
use crate::bench::{Added, Bed, Stop};
use crate::clause::{Clause, Level};
use crate::subject::Kind;

pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "A1",
        section: "2 ADD",
        level: Level::Should,
        since: "0.1",
        words: "ADD makes the interface CNI_IFNAME in CNI_NETNS, or adjusts it",
        tried: "ADD with CNI_IFNAME net5: the kernel has a link of that name in that namespace",
        run: interface_made,
    },
    Clause {
        id: "A2",
        section: "2 ADD",
        level: Level::Must,
        since: "0.1",
        words: "ADD that succeeds prints a result on standard output",
        tried: "ADD with CNI_ARGS as a kubelet gives them: standard output is one JSON object with cniVersion, and with interfaces or addresses",
        run: result_printed,
    },
    Clause {
        id: "A3",
        section: "2 ADD",
        level: Level::Must,
        since: "0.3",
        words: "a prevResult that is given is passed on, as it was or modified",
        tried: "ADD with a prevResult of another interface and address: both are in the result",
        run: prev_result_kept,
    },
    Clause {
        id: "A4",
        section: "2 ADD",
        level: Level::Must,
        since: "1.0",
        words: "ADD is an error where an interface of that name exists in the container",
        tried: "a bridge of that name is there first: ADD fails, and the link is as it was",
        run: existing_interface,
    },
    Clause {
        id: "A5",
        section: "5 ADD Success",
        level: Level::Must,
        since: "0.3",
        words: "the result says what there is: all interfaces that were made, their names, MACs and namespaces, addresses, gateways, routes",
        tried: "each value compared with the kernel in both namespaces, and each new link and address with the result",
        run: result::is_true,
    },
    Clause {
        id: "A6",
        section: "5 ADD Success",
        level: Level::Must,
        since: "1.1",
        words: "the MTU of an interface, its socketPath and pciID, and mtu, advmss, priority, table and scope of a route are right where they are given",
        tried: "types, and values compared with the kernel",
        run: result::details_are_true,
    },
    Clause {
        id: "A7",
        section: "5 ADD Success",
        level: Level::Must,
        since: "0.3",
        words: "a plugin that changes nothing returns what it was given",
        tried: "ADD of a chained plugin without settings: the result is equivalent to prevResult",
        run: unchanged,
    },
    Clause {
        id: "A8",
        section: "3 Lifecycle",
        level: Level::Must,
        since: "0.1",
        words: "ADD and DEL of different containers may run at once",
        tried: "32 ADD at once, then 16 DEL and 16 ADD, then DEL of all: no error, no address twice, nothing left",
        run: at_once,
    },
    Clause {
        id: "A9",
        section: "2 ADD, 3",
        level: Level::Must,
        since: "1.0",
        words: "container id and interface name together are the attachment: one container may have several",
        tried: "ADD of eth0 and of net1, DEL of net1: eth0 is as it was",
        run: two_interfaces,
    },
    Clause {
        id: "A10",
        section: "3",
        level: Level::Must,
        since: "1.0",
        words: "DEL after an ADD that failed leaves nothing",
        tried: "ADD fails at each stage (namespace missing, name taken, no address), then DEL; compared with before",
        run: failed_add,
    },
];

fn interface_made(bed: &mut Bed) -> Result<String, Stop> {
    bed.only(&[Kind::Interface])?;
    let pod = bed.pod()?;
    // What configures lo does nothing else.
    let ifname = if bed.subject.recipe.ifname == "lo" {
        "lo"
    } else {
        "net5"
    };
    let request = bed.request("ADD", &pod).with("CNI_IFNAME", ifname);
    bed.added(request)?;
    let ledger = bed.ledger()?;
    let there = ledger.of(&pod.id, "link").find(|(name, _)| *name == ifname);
    match there.map(|(_, words)| words.to_owned()) {
        Some(words) => Ok(format!("{ifname} ({words})")),
        None => {
            bed.fail(format!(
                "ADD succeeds, and there is no link {ifname} in {}",
                pod.netns()
            ));
            Err(Stop::Found)
        }
    }
}

fn result_printed(bed: &mut Bed) -> Result<String, Stop> {
    let pod = bed.pod()?;
    let request = bed.request("ADD", &pod).with(
        "CNI_ARGS",
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=busybox-1",
    );
    let result = bed.added(request)?;
    let added = Added { pod, result };
    if !added.result["cniVersion"].is_string() {
        bed.fail("the result has no cniVersion".to_owned());
    }
    let keys = ["interfaces", "ips", "ip4", "ip6"];
    let has = keys.iter().any(|key| !added.result[*key].is_null());
    if !has && bed.subject.recipe.kind != Kind::Chained {
        bed.fail(format!(
            "the result has neither interfaces nor addresses: {}",
            added.result
        ));
    }
    let keys: Vec<&str> = added
        .result
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    Ok(keys.join(", "))
}

fn prev_result_kept(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V0_3_0)?;
    bed.only(&[Kind::Interface, Kind::Chained])?;
    let mut pod = bed.pod()?;
    if pod.prev.is_null() {
        bed.shell(&format!("ip -n {} link add other0 type bridge", pod.id))?;
        let mut ip = json!({"interface": 0, "address": "192.0.2.7/24"});
        if bed.version < Version::V1_0_0 {
            ip["version"] = json!("4");
        }
        pod.prev = json!({
            "cniVersion": bed.version.as_str(),
            "interfaces": [{"name": "other0", "sandbox": pod.netns()}],
            "ips": [ip],
        });
    }
    let request = bed.request("ADD", &pod);
    let result = bed.added(request)?;
    for (list, key) in [("interfaces", "name"), ("ips", "address")] {
        let has: BTreeSet<&str> = result::strings(&result, list, key).collect();
        for given in result::strings(&pod.prev, list, key) {
            if !has.contains(given) {
                bed.fail(format!("{given} of prevResult.{list} is not in the result"));
            }
        }
    }
    Ok("interfaces and addresses of prevResult are in the result".to_owned())
}

fn existing_interface(bed: &mut Bed) -> Result<String, Stop> {
    bed.only(&[Kind::Interface])?;
    if bed.subject.recipe.ifname == "lo" {
        return Err(Stop::NotApplicable("lo always exists".to_owned()));
    }
    if !bed.subject.recipe.single {
        bed.warm()?;
    }
    let pod = bed.pod()?;
    let (id, ifname) = (pod.id.clone(), bed.subject.recipe.ifname.clone());
    bed.shell(&format!(
        "ip -n {id} link add {ifname} address 02:00:00:00:77:77 type bridge"
    ))?;
    let before: Vec<String> = links(bed, &id)?;
    let request = bed.request("ADD", &pod);
    bed.refuses(&format!("where {ifname} exists"), request)?;
    if links(bed, &id)? != before {
        bed.fail(format!(
            "ADD where {ifname} exists does not leave the links of the container as they were"
        ));
    }
    Ok(format!("refused; the link {ifname} is as it was"))
}

fn links(bed: &Bed, place: &str) -> Result<Vec<String>, Stop> {
    let ledger = bed.ledger()?;
    Ok(ledger
        .of(place, "link")
        .map(|(name, words)| format!("{name} {words}"))
        .collect())
}

fn unchanged(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V0_3_0)?;
    bed.only(&[Kind::Chained])?;
    let pod = bed.pod()?;
    let mut request = bed.request("ADD", &pod);
    for key in bed.subject.recipe.work.clone() {
        request = request.with_key(&key, Value::Null);
    }
    let result = bed.added(request)?;
    let (given, got) = (plain(&pod.prev), plain(&result));
    if given != got {
        bed.fail(format!(
            "without settings the result is {got}, and prevResult was {given}"
        ));
    }
    Ok("the result is prevResult".to_owned())
}

/// Without what says nothing: empty lists, objects and texts.
fn plain(value: &Value) -> Value {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(object) => {
            let kept = object
                .iter()
                .map(|(key, value)| (key.clone(), plain(value)));
            Value::Object(kept.filter(|(_, value)| !empty(value)).collect())
        }
        Value::Array(list) => list.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// So many at once.
const MANY: usize = 32;

fn at_once(bed: &mut Bed) -> Result<String, Stop> {
    bed.several()?;
    bed.warm()?;
    let pods = (0..MANY)
        .map(|_| bed.pod())
        .collect::<Result<Vec<_>, _>>()?;
    let more = (0..MANY / 2)
        .map(|_| bed.pod())
        .collect::<Result<Vec<_>, _>>()?;
    let before = bed.ledger()?;
    let first = super::load::add_all(bed, &pods)?;
    let mut requests: Vec<_> = first
        .iter()
        .take(MANY / 2)
        .map(|added| bed.request_of("DEL", added))
        .collect();
    requests.extend(more.iter().map(|pod| bed.request("ADD", pod)));
    let answers = bed.together(&requests)?;
    for (request, answer) in requests
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| !answer.ok())
    {
        bed.about(request, answer);
        bed.fail(format!(
            "{} of {} fails among others: {}",
            request.command(),
            request.env["CNI_CONTAINERID"],
            answer.summary()
        ));
    }
    let mut alive: Vec<Added> = first.into_iter().skip(MANY / 2).collect();
    let late = more.into_iter().zip(answers.into_iter().skip(MANY / 2));
    alive.extend(late.filter_map(|(pod, answer)| {
        Some(Added {
            pod,
            result: answer.json().filter(|_| answer.ok())?,
        })
    }));
    super::load::addresses_differ(bed, &alive);
    super::load::del_all(bed, &alive)?;
    bed.same_as(&before, "after DEL of all there is still a difference")?;
    Ok(format!(
        "{MANY} ADD, {} DEL among {} ADD, DEL of all",
        MANY / 2,
        MANY / 2
    ))
}

fn two_interfaces(bed: &mut Bed) -> Result<String, Stop> {
    bed.only(&[Kind::Interface, Kind::Ipam])?;
    bed.several()?;
    if bed.subject.recipe.ifname == "lo" {
        return Err(Stop::NotApplicable(
            "it configures lo and nothing else".to_owned(),
        ));
    }
    let added = bed.add()?;
    let before = bed.ledger()?;
    let request = bed.request("ADD", &added.pod).with("CNI_IFNAME", "net1");
    let second = bed.added(request)?;
    super::load::addresses_differ(
        bed,
        &[
            added.clone(),
            Added {
                pod: added.pod.clone(),
                result: second.clone(),
            },
        ],
    );
    let other = Added {
        pod: added.pod.clone(),
        result: second,
    };
    let request = bed.request_of("DEL", &other).with("CNI_IFNAME", "net1");
    bed.succeeds("of net1", request)?;
    bed.same_as(
        &before,
        "after ADD and DEL of net1 beside eth0 there is a difference",
    )?;
    Ok("net1 beside eth0, and gone without a trace".to_owned())
}

fn failed_add(bed: &mut Bed) -> Result<String, Stop> {
    if !bed.subject.recipe.single {
        bed.warm()?;
    }
    let pod = bed.pod()?;
    let (id, ifname) = (pod.id.clone(), bed.subject.recipe.ifname.clone());
    let before = bed.ledger()?;
    let mut stages = 0;
    let request = bed.request("ADD", &pod);
    let missing = request.clone().with("CNI_NETNS", "/run/netns/nowhere");
    stages += usize::from(undone(bed, "the namespace is missing", missing, &before)?);
    if bed.subject.recipe.kind == Kind::Interface && ifname != "lo" {
        // Something else has the name, and goes before DEL: it is not the plugin's to delete.
        bed.shell(&format!("ip -n {id} link add {ifname} type bridge"))?;
        let answer = bed.call(request.clone())?;
        bed.shell(&format!("ip -n {id} link del {ifname} 2>/dev/null || true"))?;
        let request = bed.request("DEL", &pod);
        if answer.ok() {
            // That is A4's to tell.
            bed.call(request)?;
        } else {
            bed.succeeds("after ADD that failed because the name was taken", request)?;
            bed.same_as(
                &before,
                "ADD failed because the name was taken, then DEL: there is a difference",
            )?;
            stages += 1;
        }
    }
    if bed.subject.delegates {
        bed.stand_in_fails("ADD")?;
        stages += usize::from(undone(
            bed,
            "its IPAM plugin fails",
            request.clone(),
            &before,
        )?);
        bed.shell(&format!("rm {}/fail-ADD", crate::stand_in::FOLDER))?;
    }
    if let Some(few) = bed.subject.recipe.one_address.clone() {
        let other = bed.pod()?;
        let first = bed.added(with_keys(request, &few))?;
        let before = bed.ledger()?;
        let second = with_keys(bed.request("ADD", &other), &few);
        stages += usize::from(undone(bed, "no address is left", second, &before)?);
        let request = with_keys(bed.request_of("DEL", &Added { pod, result: first }), &few);
        bed.succeeds("of the one address", request)?;
    }
    match stages {
        0 => Err(Stop::NotApplicable(
            "ADD could not be made to fail".to_owned(),
        )),
        _ => Ok(format!(
            "ADD failed at {stages} stages, and DEL left nothing"
        )),
    }
}

/// ADD that is to fail, and DEL after it. Whether it failed.
fn undone(
    bed: &mut Bed,
    why: &str,
    request: crate::call::Request,
    before: &crate::ledger::Ledger,
) -> Result<bool, Stop> {
    let answer = bed.call(request.clone())?;
    let del = request.with("CNI_COMMAND", "DEL");
    bed.succeeds(&format!("after ADD where {why}"), del)?;
    bed.same_as(
        before,
        &format!("after ADD where {why}, and DEL, there is a difference"),
    )?;
    Ok(!answer.ok())
}

pub(super) fn with_keys(mut request: crate::call::Request, keys: &Value) -> crate::call::Request {
    for (key, value) in keys.as_object().into_iter().flatten() {
        request = request.with_key(key, value.clone());
    }
    request
}
