//! C: CHECK.
use flatnet_model::cni::Version;
use serde_json::{Value, json};

use super::result;
use crate::bench::{Added, Bed, Stop};
use crate::clause::{Clause, Level};
use crate::subject::Kind;

pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "C1",
        section: "2 CHECK",
        level: Level::Must,
        since: "0.4",
        words: "CHECK takes from prevResult which interfaces and addresses to expect",
        tried: "CHECK with an address, and with an interface, in prevResult that nobody has: an error",
        run: false_result,
    },
    Clause {
        id: "C2",
        section: "2 CHECK",
        level: Level::Must,
        since: "0.4",
        words: "CHECK allows what later plugins add",
        tried: "CHECK after a route and an address were added by hand, and with them in prevResult",
        run: later_plugins,
    },
    Clause {
        id: "C3",
        section: "2 CHECK",
        level: Level::Should,
        since: "0.4",
        words: "CHECK is an error where a resource of the result is missing or invalid",
        tried: "the address, the route, the interface and the host end deleted by hand, one at a time: an error each",
        run: missing,
    },
    Clause {
        id: "C4",
        section: "2 CHECK",
        level: Level::Should,
        since: "0.4",
        words: "CHECK is an error where firewall rules, traffic shaping or reservations are missing",
        tried: "the container's records, rules and queueing disciplines removed by hand, as far as ADD made them: an error",
        run: hidden_missing,
    },
    Clause {
        id: "C5",
        section: "2 CHECK",
        level: Level::Must,
        since: "0.4",
        words: "CHECK right after ADD succeeds",
        tried: "ADD and CHECK, ten times",
        run: right_after,
    },
    Clause {
        id: "C6",
        section: "2, 4 CHECK",
        level: Level::Must,
        since: "0.4",
        words: "CHECK calls CHECK of its delegate, and returns its error",
        tried: "the IPAM stand-in records CHECK; told to fail, its code or message is in the plugin's error",
        run: delegate,
    },
    Clause {
        id: "C7",
        section: "2",
        level: Level::Should,
        since: "0.4",
        words: "commands without a result print nothing on success",
        tried: "standard output of CHECK, DEL, GC and STATUS",
        run: silent,
    },
];

fn checked(bed: &mut Bed) -> Result<Added, Stop> {
    bed.needs(Version::V0_4_0)?;
    bed.add()
}

fn false_result(bed: &mut Bed) -> Result<String, Stop> {
    let added = checked(bed)?;
    let mut told = Vec::new();
    for (list, key, value) in [
        ("ips", "address", "198.51.100.77/24"),
        ("interfaces", "name", "nobody0"),
    ] {
        // What an earlier plugin made is that plugin's to check.
        let own = bed.subject.recipe.kind != Kind::Chained;
        let mut changed = added.clone();
        let Some(last) = changed.result[list]
            .as_array_mut()
            .and_then(|list| list.last_mut())
        else {
            continue;
        };
        last[key] = json!(value);
        if !own {
            continue;
        }
        let request = bed.request_of("CHECK", &changed);
        bed.refuses(&format!("with {key} {value} in prevResult.{list}"), request)?;
        told.push(list);
    }
    match told.is_empty() {
        true => Err(Stop::NotApplicable(
            "its result holds nothing of its own".to_owned(),
        )),
        false => Ok(format!("false {} are errors", told.join(" and "))),
    }
}

fn later_plugins(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V0_4_0)?;
    bed.only(&[Kind::Interface, Kind::Chained])?;
    if bed.subject.recipe.ifname == "lo" {
        return Err(Stop::NotApplicable(
            "it configures lo and nothing else".to_owned(),
        ));
    }
    let added = checked(bed)?;
    let (id, ifname) = (added.pod.id.clone(), bed.subject.recipe.ifname.clone());
    bed.shell(&format!("ip -n {id} addr add 192.0.2.9/32 dev {ifname}; ip -n {id} route add 198.51.100.0/24 dev {ifname}"))?;
    let request = bed.request_of("CHECK", &added);
    bed.succeeds("after an address and a route were added", request)?;
    let mut later = added;
    if let Some(routes) = later.result["routes"].as_array_mut() {
        routes.push(json!({"dst": "198.51.100.0/24"}));
    }
    let request = bed.request_of("CHECK", &later);
    bed.succeeds("with that route in prevResult", request)?;
    Ok("an address and a route more".to_owned())
}

fn missing(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V0_4_0)?;
    bed.only(&[Kind::Interface])?;
    if bed.subject.recipe.ifname == "lo" {
        let added = checked(bed)?;
        bed.shell(&format!("ip -n {} link set lo down", added.pod.id))?;
        let request = bed.request_of("CHECK", &added);
        bed.refuses("after lo was taken down", request)?;
        return Ok("lo that is down".to_owned());
    }
    let ifname = bed.subject.recipe.ifname.clone();
    let mut told = Vec::new();
    for what in ["address", "route", "interface", "host end"] {
        if bed.subject.recipe.single && !told.is_empty() {
            break;
        }
        let added = checked(bed)?;
        let id = added.pod.id.clone();
        let address = result::strings(&added.result, "ips", "address")
            .next()
            .map(str::to_owned);
        let route = result::strings(&added.result, "routes", "dst")
            .last()
            .map(str::to_owned);
        let host_end = host_end(&added.result);
        let line = match (what, address, route, host_end) {
            ("address", Some(address), _, _) => {
                let plain = address.split('/').next().unwrap_or_default().to_owned();
                format!("ip -n {id} addr flush dev {ifname} to {plain}")
            }
            ("route", _, Some(route), _) => format!("ip -n {id} route del {route}"),
            ("interface", ..) => format!("ip -n {id} link del {ifname}"),
            ("host end", _, _, Some(name)) => format!("ip link del {name}"),
            _ => continue,
        };
        // Not every kernel resource is there to be deleted: ADD may leave a route of its result to somebody else.
        bed.shell(&format!("{line} 2>/dev/null || true"))?;
        let request = bed.request_of("CHECK", &added);
        bed.refuses(&format!("after the {what} was deleted (`{line}`)"), request)?;
        told.push(what);
        let request = bed.request_of("DEL", &added);
        bed.call(request)?;
    }
    Ok(format!("{}: an error each", told.join(", ")))
}

/// The veth that the result names outside of the container: the last that is not a bridge's.
pub(crate) fn host_end(result: &Value) -> Option<String> {
    let list = result["interfaces"].as_array()?;
    let outside = list
        .iter()
        .filter(|one| one["sandbox"].as_str().is_none_or(str::is_empty));
    let names: Vec<&str> = outside.filter_map(|one| one["name"].as_str()).collect();
    names
        .into_iter()
        .rfind(|name| name.starts_with("veth"))
        .map(str::to_owned)
}

fn hidden_missing(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V0_4_0)?;
    if !bed.subject.recipe.single {
        bed.warm()?;
    }
    let before = bed.ledger()?;
    let added = checked(bed)?;
    let made = crate::ledger::difference(&before, &bed.ledger()?);
    let is = |kind: &str| made.iter().any(|change| change.item().kind == kind);
    let files: Vec<&str> = made
        .iter()
        .filter(|change| change.item().kind == "file" && change.to_string().contains(&added.pod.id))
        .map(|change| change.item().name.as_str())
        .collect();
    let qdisc = made.iter().find(|change| change.item().kind == "qdisc");
    let (what, line) = if !files.is_empty() {
        ("records", format!("rm {}", files.join(" ")))
    } else if is("nftables") {
        ("rules", "nft flush ruleset".to_owned())
    } else if let Some(change) = qdisc {
        let device = change.item().name.rsplit(' ').next().unwrap_or_default();
        (
            "queueing discipline",
            format!(
                "tc qdisc del dev {device} root 2>/dev/null || tc qdisc del dev {device} ingress"
            ),
        )
    } else {
        return Err(Stop::NotApplicable(
            "ADD makes no records, rules or queueing disciplines".to_owned(),
        ));
    };
    bed.shell(&line)?;
    let request = bed.request_of("CHECK", &added);
    bed.refuses(
        &format!("after its {what} were removed (`{line}`)"),
        request,
    )?;
    Ok(format!("{what} that are missing are an error"))
}

fn right_after(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V0_4_0)?;
    let times = if bed.subject.recipe.single { 1 } else { 10 };
    for _ in 0..times {
        let added = bed.add()?;
        let request = bed.request_of("CHECK", &added);
        if !bed.succeeds("right after ADD", request)? {
            return Err(Stop::Found);
        }
    }
    Ok(format!("{times} times"))
}

fn delegate(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V0_4_0)?;
    bed.delegating()?;
    let added = checked(bed)?;
    let request = bed.request_of("CHECK", &added);
    bed.succeeds("of an attachment", request.clone())?;
    if !bed.delegated().iter().any(|command| command == "CHECK") {
        bed.fail("CHECK does not call CHECK of its IPAM plugin".to_owned());
    }
    bed.stand_in_fails("CHECK")?;
    bed.refuses("where CHECK of its IPAM plugin fails", request)?;
    Ok("called, and its error is returned".to_owned())
}

fn silent(bed: &mut Bed) -> Result<String, Stop> {
    let added = bed.add()?;
    let mut requests = Vec::new();
    if bed.version >= Version::V0_4_0 {
        requests.push(bed.request_of("CHECK", &added));
    }
    if bed.version >= Version::V1_1_0 {
        requests.push(bed.gc(&[&added]));
        requests.push(bed.request_on_node("STATUS"));
    }
    requests.push(bed.request_of("DEL", &added));
    let mut told = Vec::new();
    for request in requests {
        let command = request.command().to_owned();
        let answer = bed.call(request)?;
        if answer.ok() && !answer.stdout.trim().is_empty() {
            bed.fail(format!(
                "{command} succeeds and prints {}",
                crate::call::first_words(&answer.stdout)
            ));
        }
        told.push(command);
    }
    Ok(told.join(", "))
}
