//! Puts the first configuration back.
use std::collections::BTreeSet;

use super::record::{self, Pending};
use super::roll::rolled_out;
use crate::cni::kind::removal::Removal;
use crate::cni::kind::{KindCluster, snapshot, swap};
use crate::{Error, Result};

/// Puts back what a cluster had before a change that was not finished; `false` where there is none.
///
/// # Errors
/// What keeps it from coming back: the cluster keeps its record, and the next command says so.
pub async fn undo(onto: &KindCluster) -> Result<bool> {
    let client = onto.client();
    let Some(pending) = Pending::read(client).await? else {
        return Ok(false);
    };
    let (from, to) = (&pending.from, &pending.to);
    let added = to.objects_without(from)?;
    if let Some(added) = &added {
        added.delete(client).await?;
        swap::wait_gone(client, added).await?;
    }
    // Before its agents start again, which put back what is missing.
    if !to.is_in_place(from)? {
        for (node, before) in &pending.nodes {
            let now = snapshot::take(onto, node, &pending.paths).await?;
            let came = now.since(before);
            Removal::of(&came).run(&onto.cluster, node).await?;
        }
    }
    let objects = from.objects()?;
    objects.apply(client).await?;
    rolled_out(client, &objects, &BTreeSet::new(), &mut |_| ()).await.map_err(|why| {
        Error::Failed(format!(
            "{} does not come back: {why}; to install it again: flatnet test --cluster {} --cni {} --change-cni",
            from.wanted, onto.name, from.wanted.name
        ))
    })?;
    let words = format!(
        "{}; the cluster has {} on every node again",
        pending.words(),
        from.wanted
    );
    record::settle(client, Some(words)).await?;
    Ok(true)
}
