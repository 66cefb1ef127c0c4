//! D: DEL.
use serde_json::{Value, json};

use crate::bench::{Bed, Pod, Stop};
use crate::clause::{Clause, Level};
use crate::subject::Kind;

pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "D1",
        section: "2 DEL",
        level: Level::Should,
        since: "0.1",
        words: "DEL deletes the interface, or undoes what ADD changed",
        tried: "one attachment came and went; then ADD and DEL of another: nothing may be different in either namespace or in the files",
        run: nothing_left,
    },
    Clause {
        id: "D2",
        section: "2 DEL",
        level: Level::Must,
        since: "0.4",
        words: "DEL may be called several times for an attachment, and succeeds where the interface is missing",
        tried: "DEL three times; DEL after the interface was deleted by hand",
        run: repeated,
    },
    Clause {
        id: "D3",
        section: "2 DEL",
        level: Level::Should,
        since: "0.4",
        words: "DEL completes where resources are missing, and releases the address even where the namespace is gone",
        tried: "DEL after the namespace was deleted, after its file was left alone, and after the files under /var/lib/cni were removed",
        run: missing_resources,
    },
    Clause {
        id: "D4",
        section: "2 DEL",
        level: Level::Must,
        since: "0.4",
        words: "CNI_NETNS is optional for DEL",
        tried: "DEL without CNI_NETNS, and with an empty one, once the namespace is gone: it succeeds and the records are released",
        run: without_netns,
    },
    Clause {
        id: "D5",
        section: "2 DEL",
        level: Level::Should,
        since: "1.1",
        words: "DEL without a prevResult is no error",
        tried: "DEL with prevResult left out, null, and empty",
        run: without_prev_result,
    },
    Clause {
        id: "D6",
        section: "2 DEL",
        level: Level::Unstated,
        since: "0.1",
        words: "DEL of what was never added harms no other attachment",
        tried: "DEL of an unknown container, with a namespace of its own and without: it succeeds, and the attachment beside it is as it was",
        run: stranger,
    },
];

fn nothing_left(bed: &mut Bed) -> Result<String, Stop> {
    bed.warm()?;
    let pod = bed.pod()?;
    let before = bed.ledger()?;
    let request = bed.request("ADD", &pod);
    let result = bed.added(request)?;
    let made = crate::ledger::difference(&before, &bed.ledger()?).len();
    bed.del(&crate::bench::Added { pod, result })?;
    bed.same_as(&before, "after DEL there is still a difference")?;
    Ok(format!("{made} differences after ADD, none after DEL"))
}

fn repeated(bed: &mut Bed) -> Result<String, Stop> {
    let added = bed.add()?;
    for times in ["once", "twice", "three times"] {
        let request = bed.request_of("DEL", &added);
        bed.succeeds(&format!("called {times}"), request)?;
    }
    if bed.subject.recipe.kind == Kind::Interface
        && bed.subject.recipe.ifname != "lo"
        && !bed.subject.recipe.single
    {
        let added = bed.add()?;
        let ifname = bed.subject.recipe.ifname.clone();
        bed.shell(&format!("ip -n {} link del {ifname}", added.pod.id))?;
        let request = bed.request_of("DEL", &added);
        bed.succeeds("after the interface was deleted", request)?;
        return Ok("three times, and once after the interface was deleted".to_owned());
    }
    Ok("three times".to_owned())
}

/// Whether records name the container.
fn is_named(bed: &Bed, pod: &Pod) -> Result<Option<String>, Stop> {
    let ledger = bed.ledger()?;
    let named = ledger.items().find(|(item, details)| {
        item.kind == "file" && details.split([' ', ',']).any(|word| word == pod.id)
    });
    Ok(named.map(|(item, _)| item.name.clone()))
}

fn released(bed: &mut Bed, pod: &Pod, when: &str) -> Result<(), Stop> {
    if let Some(file) = is_named(bed, pod)? {
        bed.fail(format!(
            "DEL {when} succeeds, and {file} still names {}",
            pod.id
        ));
    }
    Ok(())
}

fn missing_resources(bed: &mut Bed) -> Result<String, Stop> {
    let single = bed.subject.recipe.single;
    let added = bed.add()?;
    bed.shell(&format!("ip netns del {}", added.pod.id))?;
    let when = "after the namespace was deleted";
    let request = bed.request_of("DEL", &added);
    if bed.succeeds(when, request)? {
        released(bed, &added.pod, when)?;
    }
    if single {
        return Ok(when.to_owned());
    }
    let added = bed.add()?;
    // The file stays, as after a reboot without its mount.
    bed.shell(&format!("umount -l {}", added.pod.netns()))?;
    let when = "where CNI_NETNS is a plain file";
    let request = bed.request_of("DEL", &added);
    if bed.succeeds(when, request)? {
        released(bed, &added.pod, when)?;
    }
    let added = bed.add()?;
    bed.shell("find /var/lib/cni -mindepth 1 -delete")?;
    let request = bed.request_of("DEL", &added);
    bed.succeeds("after its files were removed", request)?;
    Ok("without its namespace, with a plain file in its place, and without its files".to_owned())
}

fn without_netns(bed: &mut Bed) -> Result<String, Stop> {
    for (when, empty) in [
        ("without CNI_NETNS", false),
        ("with an empty CNI_NETNS", true),
    ] {
        if bed.subject.recipe.single && empty {
            continue;
        }
        let added = bed.add()?;
        bed.shell(&format!("ip netns del {}", added.pod.id))?;
        let request = bed.request_of("DEL", &added);
        let request = if empty {
            request.with("CNI_NETNS", "")
        } else {
            request.without("CNI_NETNS")
        };
        if bed.succeeds(when, request)? {
            released(bed, &added.pod, when)?;
        }
    }
    Ok("absent, and empty".to_owned())
}

fn without_prev_result(bed: &mut Bed) -> Result<String, Stop> {
    let empty = json!({"cniVersion": bed.version.as_str()});
    for (what, value) in [
        ("without prevResult", None),
        ("with prevResult null", Some(Value::Null)),
        ("with an empty prevResult", Some(empty)),
    ] {
        let added = bed.add()?;
        let mut request = bed
            .request_of("DEL", &added)
            .with_key("prevResult", Value::Null);
        if let Some(value) = value {
            let mut conf = request.conf();
            conf["prevResult"] = value;
            request.stdin = conf.to_string();
        }
        if !bed.succeeds(what, request)? {
            return Err(Stop::Found);
        }
    }
    Ok("absent, null, and empty".to_owned())
}

fn stranger(bed: &mut Bed) -> Result<String, Stop> {
    let added = bed.add()?;
    let other = bed.pod()?;
    let before = bed.ledger()?;
    let mut others = other.clone();
    others.prev = Value::Null;
    let request = bed
        .request("DEL", &others)
        .with("CNI_CONTAINERID", "stranger");
    bed.succeeds("of what was never added", request.clone())?;
    bed.same_as(&before, "DEL of what was never added changes something")?;
    bed.succeeds(
        "of what was never added, without CNI_NETNS",
        request.clone().without("CNI_NETNS"),
    )?;
    bed.same_as(
        &before,
        "DEL of what was never added, without CNI_NETNS, changes something",
    )?;
    if bed.has_findings()
        || bed.subject.recipe.kind != Kind::Interface
        || bed.subject.recipe.ifname == "lo"
    {
        return Ok("it succeeds, and the attachment beside it is as it was".to_owned());
    }
    bed.call(request.with("CNI_NETNS", &added.pod.netns()))?;
    let changes = bed.remains(&before)?;
    match changes.first() {
        None => Ok("it succeeds, and the attachment beside it is as it was, in the same namespace too".to_owned()),
        Some(change) => Err(Stop::Advisory(vec![
            format!("DEL of another container id with the same CNI_NETNS and CNI_IFNAME takes the interface: {change}"),
            "section 3: container id and interface name are the attachment: that one was not to be touched".to_owned(),
            "section 2 DEL: the interface CNI_IFNAME in CNI_NETNS is deleted, whoever asks".to_owned(),
        ])),
    }
}
