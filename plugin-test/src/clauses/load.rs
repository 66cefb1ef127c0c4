//! L: many at once, plugins that are killed, and nodes without room. What section 3 of the specification asks of concurrency, further.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use flatnet_model::cni::Version;
use serde_json::json;

use super::add::with_keys;
use super::result;
use crate::bench::{Added, Bed, Pod, Stop};
use crate::call::Request;
use crate::clause::{Clause, Level};
use crate::subject::Kind;

pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "L1",
        section: "3 Lifecycle",
        level: Level::Must,
        since: "0.1",
        words: "a hundred containers of two networks may come and go at once",
        tried: "128 calls at once, ADD and DEL of two networks mixed: no error, no address twice in a network, nothing left",
        run: two_networks,
    },
    Clause {
        id: "L2",
        section: "2 GC, 3",
        level: Level::Should,
        since: "0.1",
        words: "an ADD or DEL that is killed at any moment is cleaned up by DEL, or by GC",
        tried: "16 ADD and 16 DEL, each killed after a few milliseconds; then DEL of all (and GC with nothing valid): nothing is left",
        run: killed,
    },
    Clause {
        id: "L3",
        section: "2 ADD",
        level: Level::Should,
        since: "0.1",
        words: "ADD without an address left is an error, leaves nothing, and works again when one is free",
        tried: "a range of one address: the second ADD fails; DEL of the first; the second works",
        run: exhausted,
    },
    Clause {
        id: "L4",
        section: "2 ADD",
        level: Level::Should,
        since: "0.1",
        words: "ADD on a full or read-only file system is an error that leaves nothing, and works again afterwards",
        tried: "/var/lib/cni without room, then read-only: ADD fails or works and leaves nothing; then it works",
        run: no_room,
    },
    Clause {
        id: "L5",
        section: "2 DEL",
        level: Level::Should,
        since: "0.1",
        words: "a record that is corrupt keeps neither DEL nor the next ADD from working",
        tried: "each file below /var/lib/cni that names a container is overwritten: DEL of it succeeds, and ADD of another",
        run: corrupt,
    },
];

/// All of them at once; each must succeed, with an address of its own.
pub(super) fn add_all(bed: &mut Bed, pods: &[Pod]) -> Result<Vec<Added>, Stop> {
    let requests: Vec<Request> = pods.iter().map(|pod| bed.request("ADD", pod)).collect();
    let answers = bed.together(&requests)?;
    let mut added = Vec::new();
    for ((pod, request), answer) in pods.iter().zip(&requests).zip(answers) {
        match answer.json().filter(|_| answer.ok()) {
            Some(result) => added.push(Added {
                pod: pod.clone(),
                result,
            }),
            None => {
                bed.about(request, &answer);
                bed.fail(format!(
                    "ADD of {} among others fails: {}",
                    pod.id,
                    answer.summary()
                ));
            }
        }
    }
    addresses_differ(bed, &added);
    Ok(added)
}

/// All of them at once; each must succeed.
pub(super) fn del_all(bed: &mut Bed, all: &[Added]) -> Result<(), Stop> {
    let requests: Vec<Request> = all
        .iter()
        .map(|added| bed.request_of("DEL", added))
        .collect();
    let answers = bed.together(&requests)?;
    for (request, answer) in requests
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| !answer.ok())
    {
        bed.about(request, answer);
        bed.fail(format!(
            "DEL of {} among others fails: {}",
            request.env["CNI_CONTAINERID"],
            answer.summary()
        ));
    }
    Ok(())
}

/// No two attachments may have an address, unless it is that of an earlier plugin.
pub(super) fn addresses_differ(bed: &mut Bed, all: &[Added]) {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for added in all {
        for address in result::strings(&added.result, "ips", "address") {
            if let Some(other) = owners.insert(address.to_owned(), added.pod.id.clone()) {
                bed.fail(format!(
                    "{address} was given to {other} and to {}",
                    added.pod.id
                ));
            }
        }
    }
}

fn two_networks(bed: &mut Bed) -> Result<String, Stop> {
    const HALF: usize = 32;
    bed.several()?;
    if bed.subject.recipe.kind == Kind::Chained {
        return Err(Stop::NotApplicable(
            "two networks of a chained plugin differ by what is before it".to_owned(),
        ));
    }
    bed.warm()?;
    let pods = (0..2 * HALF)
        .map(|_| bed.pod())
        .collect::<Result<Vec<_>, _>>()?;
    let other = |request: Request| request.with_key("name", json!("othernet"));
    // The second network has a bridge of its own where the plugin has one.
    let other = |request: Request| other(request).with_key("bridge", json!("cni1"));
    let request = other(bed.request("ADD", &pods[0]));
    let first = bed.added(request)?;
    let request = other(bed.request_of(
        "DEL",
        &Added {
            pod: pods[0].clone(),
            result: first,
        },
    ));
    bed.succeeds("in the second network", request)?;
    let before = bed.ledger()?;
    let (left, right) = pods.split_at(HALF);
    let mut requests: Vec<Request> = left.iter().map(|pod| bed.request("ADD", pod)).collect();
    requests.extend(right.iter().map(|pod| other(bed.request("ADD", pod))));
    // DEL of what never was, beside them.
    requests.extend(
        right
            .iter()
            .map(|pod| bed.request("DEL", pod).with("CNI_IFNAME", "none0")),
    );
    requests.extend(
        left.iter()
            .map(|pod| other(bed.request("DEL", pod)).with("CNI_IFNAME", "none0")),
    );
    let answers = bed.together(&requests)?;
    let mut added = [Vec::new(), Vec::new()];
    for (index, (request, answer)) in requests.iter().zip(&answers).enumerate() {
        if !answer.ok() {
            bed.about(request, answer);
            bed.fail(format!(
                "{} of {} fails among {}: {}",
                request.command(),
                request.env["CNI_CONTAINERID"],
                requests.len(),
                answer.summary()
            ));
        } else if let (Some(pod), Some(result)) = (pods.get(index), answer.json()) {
            added[index / HALF].push(Added {
                pod: pod.clone(),
                result,
            });
        }
    }
    addresses_differ(bed, &added[0]);
    if !bed.subject.delegates {
        addresses_differ(bed, &added[1]);
    }
    let mut requests: Vec<Request> = added[0]
        .iter()
        .map(|one| bed.request_of("DEL", one))
        .collect();
    requests.extend(added[1].iter().map(|one| other(bed.request_of("DEL", one))));
    let answers = bed.together(&requests)?;
    for (request, answer) in requests
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| !answer.ok())
    {
        bed.about(request, answer);
        bed.fail(format!(
            "DEL of {} fails among others: {}",
            request.env["CNI_CONTAINERID"],
            answer.summary()
        ));
    }
    bed.same_as(&before, "after DEL of all there is a difference")?;
    Ok(format!(
        "{} calls at once, {} of them ADD",
        4 * HALF,
        2 * HALF
    ))
}

fn killed(bed: &mut Bed) -> Result<String, Stop> {
    const EACH: usize = 16;
    bed.several()?;
    let started = Instant::now();
    bed.warm()?;
    let took = started.elapsed();
    let pods = (0..EACH)
        .map(|_| bed.pod())
        .collect::<Result<Vec<_>, _>>()?;
    let others = (0..EACH)
        .map(|_| bed.pod())
        .collect::<Result<Vec<_>, _>>()?;
    let before = bed.ledger()?;
    let there = add_all(bed, &others)?;
    // Spread over the time that an ADD and a DEL took: many at once take longer.
    let after = |index: u32| took * (index + 1) / 4;
    let mut requests: Vec<(Request, Duration)> = pods
        .iter()
        .zip(0..)
        .map(|(pod, index)| (bed.request("ADD", pod), after(index)))
        .collect();
    requests.extend(
        there
            .iter()
            .zip(0..)
            .map(|(added, index)| (bed.request_of("DEL", added), after(index))),
    );
    let answers = bed.killed(&requests)?;
    let died = answers.iter().filter(|answer| !answer.ended()).count();
    let mut dels: Vec<Request> = pods.iter().map(|pod| bed.request("DEL", pod)).collect();
    dels.extend(there.iter().map(|added| bed.request_of("DEL", added)));
    for request in dels {
        let id = request.env["CNI_CONTAINERID"].clone();
        bed.succeeds(&format!("of {id}, whose ADD or DEL was killed,"), request)?;
    }
    if bed.version >= Version::V1_1_0 {
        let request = bed.gc(&[]);
        bed.succeeds("with nothing valid", request)?;
    }
    bed.same_as(&before, "after DEL of all there is a difference")?;
    Ok(format!(
        "{died} of {} calls were killed before their end; nothing is left",
        answers.len()
    ))
}

fn exhausted(bed: &mut Bed) -> Result<String, Stop> {
    let Some(few) = bed.subject.recipe.one_address.clone() else {
        return Err(Stop::NotApplicable(
            "it assigns no addresses itself, or none is known to be its last".to_owned(),
        ));
    };
    let (first, second) = (bed.pod()?, bed.pod()?);
    let request = with_keys(bed.request("ADD", &first), &few);
    let result = bed.added(request)?;
    let before = bed.ledger()?;
    let request = with_keys(bed.request("ADD", &second), &few);
    bed.refuses("with no address left", request.clone())?;
    bed.same_as(&before, "ADD with no address left leaves something")?;
    let del = with_keys(bed.request_of("DEL", &Added { pod: first, result }), &few);
    bed.succeeds("of the one that has it", del)?;
    bed.succeeds("when it is free", request)?;
    Ok("refused, nothing left, and served when the address was free".to_owned())
}

fn no_room(bed: &mut Bed) -> Result<String, Stop> {
    if bed.subject.delegates || bed.subject.recipe.kind == Kind::Chained {
        return Err(Stop::NotApplicable(
            "its IPAM plugin keeps the records".to_owned(),
        ));
    }
    bed.warm()?;
    let pod = bed.pod()?;
    let before = bed.ledger()?;
    let mut told = Vec::new();
    for (what, begin, end) in [
        (
            "full",
            "cp -a /var/lib/cni /run/kept; mount -t tmpfs -o size=64k,nr_inodes=16 full /var/lib/cni; cp -a /run/kept/. /var/lib/cni/; i=0; while true >/var/lib/cni/fill$i; do i=$((i+1)); done 2>/dev/null || true",
            "umount -l /var/lib/cni; rm -r /run/kept",
        ),
        (
            "read-only",
            "mount --bind /var/lib/cni /var/lib/cni; mount -o remount,bind,ro /var/lib/cni",
            "umount -l /var/lib/cni",
        ),
    ] {
        bed.shell(begin)?;
        let request = bed.request("ADD", &pod);
        let answer = bed.call(request)?;
        let request = bed.request("DEL", &pod);
        if !answer.ok() {
            told.push(format!("{what}: {}", answer.summary()));
        }
        bed.shell(end)?;
        bed.succeeds(&format!("after ADD on a {what} file system"), request)?;
        bed.same_as(
            &before,
            &format!("ADD on a {what} file system, and DEL: there is a difference"),
        )?;
    }
    let request = bed.request("ADD", &pod);
    bed.succeeds("with room again", request)?;
    Ok(match told.is_empty() {
        true => "it needs no room".to_owned(),
        false => told.join("; "),
    })
}

fn corrupt(bed: &mut Bed) -> Result<String, Stop> {
    bed.several()?;
    let added = bed.add()?;
    let files: Vec<String> = bed
        .ledger()?
        .items()
        .filter(|(item, details)| {
            item.kind == "file"
                && item.name.starts_with("/var/lib/cni")
                && details.contains(&added.pod.id)
        })
        .map(|(item, _)| item.name.clone())
        .collect();
    if files.is_empty() || bed.subject.delegates {
        return Err(Stop::NotApplicable(
            "it keeps no record of its own".to_owned(),
        ));
    }
    for file in &files {
        bed.shell(&format!("printf '\\377\\000nonsense' >{file}"))?;
    }
    bed.del(&added)?;
    let other = bed.add()?;
    bed.del(&other)?;
    Ok(format!("{} records overwritten", files.len()))
}
