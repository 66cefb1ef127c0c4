//! What verdicts offer as the fix of a fault is done, command by command; then everything is green.
use std::sync::Arc;

use flatnet::plant::Fault;
use flatnet::session::Session;
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::{Cluster, Target};
use flatnet_model::evidence::{At, Command, Evidence, Remediation};
use flatnet_model::verdict::Verdict;

use crate::bed;
use crate::heard::{Verdicts, verdicts};

/// Faults whose every finding has a fix.
pub(crate) const FIXED: [&str; 6] = [
    "route-missing",
    "vxlan-route-missing",
    "ipv6-route-missing",
    "blackhole-nexthop",
    "tunnel-down",
    "hairpin-off",
];

/// Plants the fault, does what is offered, and judges again.
pub(crate) fn mended(fault: &'static Fault) -> Result<Verdicts, String> {
    let mut args = bed::args();
    fault.fit(&mut args).map_err(|e| e.to_string())?;
    let runtime = flatnet::session::runtime().map_err(|e| e.to_string())?;
    let mending = async {
        let session = Session::start(&args, None, Arc::new(|_| {})).await?;
        let done = mend(&session, fault).await;
        let closed = session.close().await;
        done.and_then(|done| closed.map(|()| done))
    };
    let done: flatnet::Result<Result<Verdicts, String>> = runtime.block_on(mending);
    done.map_err(|e| e.to_string())?
}

async fn mend(
    session: &Session,
    fault: &'static Fault,
) -> flatnet::Result<Result<Verdicts, String>> {
    let (told, _) = bed::heard(session, &[fault]).await?;
    let name = session.plan().source.name().expect("a lab has a name");
    let lab = LabCluster::connect(name).await?;
    let fixes = match fixes(&told) {
        Ok(fixes) => fixes,
        Err(why) => return Ok(Err(why)),
    };
    for command in fixes
        .iter()
        .flat_map(|fix| &fix.steps)
        .flat_map(|s| &s.commands)
    {
        let Command { argv, at } = command;
        let target = match at {
            At::Node(node) => Target::Node(node.clone()),
            At::Pod(pod) => Target::Pod(pod.clone()),
            At::Here => return Ok(Err(format!("not one on a node or in a pod: {argv:?}"))),
        };
        let done = lab.exec(&target, argv, b"").await?;
        if done.code != 0 {
            return Ok(Err(format!("{argv:?} on {target}: {}", done.stderr)));
        }
    }
    Ok(Ok(verdicts(&session.observe().await?)))
}

/// Each once; every finding must have one.
fn fixes(told: &Verdicts) -> Result<Vec<Remediation>, String> {
    let found = told.values().filter_map(|verdict| match verdict {
        Verdict::Fail { evidence } => Some(evidence),
        _ => None,
    });
    let all: Vec<&Evidence> = found.flatten().collect();
    if all.is_empty() {
        return Err("nothing is red".to_owned());
    }
    let mut fixes: Vec<Remediation> = Vec::new();
    for evidence in all {
        match &evidence.remediation {
            Some(fix) if fixes.contains(fix) => {}
            Some(fix) => fixes.push(fix.clone()),
            None => return Err(format!("no fix of {evidence:#?}")),
        }
    }
    Ok(fixes)
}
