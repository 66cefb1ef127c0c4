//! G: GC.
use flatnet_model::cni::Version;
use serde_json::{Value, json};

use crate::bench::{Added, Bed, Stop};
use crate::clause::{Clause, Level};
use crate::ledger::difference;

pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "G1",
        section: "2 GC",
        level: Level::Should,
        since: "1.1",
        words: "GC removes as many stale resources as possible",
        tried: "three attachments, the namespace of one deleted, GC with the other two valid: as if the third had never been",
        run: stale_removed,
    },
    Clause {
        id: "G2",
        section: "2 GC",
        level: Level::Must,
        since: "1.1",
        words: "GC calls GC of its delegate, and returns its error",
        tried: "the IPAM stand-in records GC; told to fail, GC of the plugin fails",
        run: delegate,
    },
    Clause {
        id: "G3",
        section: "2 GC",
        level: Level::Should,
        since: "1.1",
        words: "GC goes on after an error, and reports it",
        tried: "two stale attachments, the record of one cannot be deleted: the other's is, and GC is an error",
        run: goes_on,
    },
    Clause {
        id: "G4",
        section: "2 GC",
        level: Level::Must,
        since: "1.1",
        words: "GC leaves valid attachments alone",
        tried: "GC with all three attachments valid, and with the namespace of one missing: nothing is different",
        run: valid_kept,
    },
    Clause {
        id: "G5",
        section: "2 GC",
        level: Level::Unstated,
        since: "1.1",
        words: "GC without the key cni.dev/valid-attachments does not take it for an empty list",
        tried: "GC without the key, and with the list under the older key cni.dev/attachments: attachments are as they were",
        run: other_key,
    },
];

fn three(bed: &mut Bed) -> Result<Vec<Added>, Stop> {
    bed.needs(Version::V1_1_0)?;
    bed.several()?;
    (0..3).map(|_| bed.add()).collect()
}

fn stale_removed(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V1_1_0)?;
    bed.several()?;
    bed.warm()?;
    let mut valid = vec![bed.add()?, bed.add()?];
    let pod = bed.pod()?;
    let before = bed.ledger()?;
    let request = bed.request("ADD", &pod);
    let result = bed.added(request)?;
    let made = difference(&before, &bed.ledger()?).len();
    bed.shell(&format!("ip netns del {}", pod.id))?;
    let valid_ones: Vec<&Added> = valid.iter().collect();
    let request = bed.gc(&valid_ones);
    bed.succeeds("with two of three valid", request)?;
    // The namespace itself went by hand.
    bed.shell(&format!(
        "ip netns add {0}; ip -n {0} link set lo up",
        pod.id
    ))?;
    let earlier = (!pod.prev.is_null()).then(|| pod.prev.clone());
    if earlier.is_some() {
        bed.shell(&format!("ip link del veth{0} 2>/dev/null || true", pod.id))?;
        return chained_remains(bed, &before, &pod.id);
    }
    bed.same_as(&before, "after GC there is still something of the third")?;
    valid.push(Added { pod, result });
    Ok(format!("{made} differences that ADD made are gone"))
}

/// What an earlier plugin made is not this one's to remove.
fn chained_remains(
    bed: &mut Bed,
    before: &crate::ledger::Ledger,
    id: &str,
) -> Result<String, Stop> {
    let mut changes = bed.remains(before)?;
    changes.retain(|change| {
        !change.item().name.contains(id)
            && change.item().place != id
            && change.item().kind != "route"
            && change.item().kind != "address"
    });
    if let Some(change) = changes.first() {
        bed.fail(format!(
            "after GC there is still something of the third: {change}"
        ));
    }
    Ok("nothing of the third is left".to_owned())
}

fn delegate(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V1_1_0)?;
    bed.delegating()?;
    let added = bed.add()?;
    let request = bed.gc(&[&added]);
    bed.succeeds("of a node with one attachment", request.clone())?;
    if !bed.delegated().iter().any(|command| command == "GC") {
        bed.fail("GC does not call GC of its IPAM plugin".to_owned());
    }
    bed.stand_in_fails("GC")?;
    bed.refuses("where GC of its IPAM plugin fails", request)?;
    Ok("called, and its error is returned".to_owned())
}

/// Files that name the container.
fn records(bed: &Bed, added: &Added) -> Result<Vec<String>, Stop> {
    let ledger = bed.ledger()?;
    let named = ledger.items().filter(|(item, details)| {
        item.kind == "file" && details.split([' ', ',']).any(|word| word == added.pod.id)
    });
    Ok(named.map(|(item, _)| item.name.clone()).collect())
}

fn goes_on(bed: &mut Bed) -> Result<String, Stop> {
    let all = three(bed)?;
    if bed.subject.delegates {
        return Err(Stop::NotApplicable(
            "its IPAM plugin keeps the records".to_owned(),
        ));
    }
    let stuck = records(bed, &all[0])?;
    if stuck.is_empty() {
        return Err(Stop::NotApplicable(
            "it keeps no record of an attachment".to_owned(),
        ));
    }
    for file in &stuck {
        // A mount point cannot be unlinked (EBUSY).
        bed.shell(&format!("mount --bind {file} {file}"))?;
    }
    let request = bed.gc(&[&all[2]]);
    bed.refuses("where a record cannot be deleted", request)?;
    let left = records(bed, &all[1])?;
    if let Some(file) = left.first() {
        bed.fail(format!("GC stops at the record that it cannot delete: {file} of another stale attachment is still there"));
    }
    Ok("an error, and the other record is gone".to_owned())
}

fn valid_kept(bed: &mut Bed) -> Result<String, Stop> {
    let all = three(bed)?;
    let valid: Vec<&Added> = all.iter().collect();
    let before = bed.ledger()?;
    let request = bed.gc(&valid);
    bed.succeeds("with all valid", request.clone())?;
    bed.same_as(&before, "GC with all attachments valid changes something")?;
    bed.shell(&format!("ip netns del {}", all[0].pod.id))?;
    bed.until_gone(super::host_end(&all[0].result))?;
    let before = bed.ledger()?;
    bed.succeeds("with a valid one whose namespace is missing", request)?;
    bed.same_as(
        &before,
        "GC changes something of a valid attachment whose namespace is missing",
    )?;
    Ok("three valid attachments are as they were".to_owned())
}

fn other_key(bed: &mut Bed) -> Result<String, Stop> {
    let all = three(bed)?;
    let before = bed.ledger()?;
    let list: Value = all
        .iter()
        .map(|added| json!({"containerID": added.pod.id, "ifname": bed.subject.recipe.ifname}))
        .collect();
    let without = bed.request_on_node("GC");
    let mut told = Vec::new();
    for (what, request) in [
        ("without a list", without.clone()),
        (
            "with the list under cni.dev/attachments",
            without.with_key("cni.dev/attachments", list),
        ),
    ] {
        let answer = bed.call(request)?;
        told.push(format!("{what}: {}", answer.ending));
        if !bed.same_as(
            &before,
            &format!("GC {what} changes something of living attachments"),
        )? {
            return Err(Stop::Found);
        }
    }
    Ok(told.join("; "))
}
