//! A lab with faults in it, and flatnet's verdicts on it.
use std::sync::Arc;

use flatnet::config::RunArgs;
use flatnet::plant::{Fault, LabContext, Moment};
use flatnet::session::Session;
use flatnet_cluster::PodRef;
use flatnet_cluster::lab::LabCluster;

use crate::heard::{Variables, Verdicts, verdicts};

/// What a run is asked for, beside faults.
pub(crate) fn args() -> RunArgs {
    let mut args = RunArgs::from_env().expect("FLATNET_* variables that fit");
    args.pods_per_node = args.pods_per_node.or(Some(2));
    args
}

/// Boots a lab, plants the faults in that order, and judges.
///
/// # Errors
/// What kept one from being planted, or the lab from being observed.
pub(crate) fn judged(
    mut args: RunArgs,
    faults: &[&'static Fault],
) -> Result<(Verdicts, Variables), String> {
    for fault in faults {
        fault.fit(&mut args).map_err(|e| e.to_string())?;
    }
    // What is planted before all pods run is planted on the way there.
    let (later, early): (Vec<&Fault>, Vec<&Fault>) = faults
        .iter()
        .partition(|fault| fault.moment == Moment::AfterPods);
    let early = match early[..] {
        [] => None,
        [fault] => Some(fault),
        _ => return Err("only one fault can be planted while a lab comes up".to_owned()),
    };
    let runtime = flatnet::session::runtime().map_err(|e| e.to_string())?;
    let judging = async {
        let session = Session::start(&args, early, Arc::new(|_| {})).await?;
        let heard = heard(&session, &later).await;
        let closed = session.close().await;
        heard.and_then(|heard| closed.map(|()| heard))
    };
    runtime
        .block_on(judging)
        .map_err(|e: flatnet::Error| e.to_string())
}

/// Plants the faults in the lab of that session, and judges.
///
/// # Errors
/// As [`judged`].
pub(crate) async fn heard(
    session: &Session,
    faults: &[&'static Fault],
) -> flatnet::Result<(Verdicts, Variables)> {
    let variables = plant(session, faults).await?;
    let observations = session.observe().await?;
    Ok((verdicts(&observations), variables))
}

/// Plants faults in a lab whose pods run.
///
/// # Errors
/// Where the lab cannot be changed so.
pub(crate) async fn plant(
    session: &Session,
    faults: &[&'static Fault],
) -> flatnet::Result<Variables> {
    if faults.is_empty() {
        return Ok(Variables::new());
    }
    let name = session.plan().source.name().expect("a lab has a name");
    let lab = LabCluster::connect(name).await?;
    let mut pods: Vec<PodRef> = session
        .pods()
        .iter()
        .map(|pod| pod.reference.clone())
        .collect();
    // By number: busybox-2 before busybox-10.
    pods.sort_by_key(|pod| (pod.name.len(), pod.name.clone()));
    let context = LabContext::of(&lab, &pods, session.scope().pod_network).await?;
    for fault in faults {
        fault.plant_in_lab(&lab, &context).await?;
    }
    context.variables()
}
