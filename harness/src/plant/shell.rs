//! Faults that are lines of shell, as a person would type them, in a namespace of the lab.
use std::collections::BTreeMap;

use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::{Cluster, Target};

use super::LabContext;
use crate::{Error, Result};

/// Where a line runs: always with the programs and files of a node. Numbers count from 1.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Node(usize),
    /// In the network namespace of a pod.
    Pod(usize),
    /// On what joins the nodes.
    Wire,
}

/// Variables of the lab may stand in it: `$NODE1` (a node's address), `$CIDR1`, `$GATEWAY1` (the address of its bridge), `$WIRE1` (its
/// port of the underlay), `$POD1`, `$HOST1` (the node's end of the pod's veth); IPv6 ones of a lab of both families end in `_V6`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    place: Place,
    text: &'static str,
}

pub(super) const fn node(number: usize, text: &'static str) -> Line {
    let place = Place::Node(number);
    Line { place, text }
}

pub(super) const fn pod(number: usize, text: &'static str) -> Line {
    let place = Place::Pod(number);
    Line { place, text }
}

pub(super) const fn wire(text: &'static str) -> Line {
    let place = Place::Wire;
    Line { place, text }
}

/// A line that makes a table `fault` of nftables with a base chain `fault` of one rule: family, hook, priority, rule.
macro_rules! chain {
    ($type:literal, $family:literal, $hook:literal, $priority:literal, $rule:literal) => {
        concat!(
            "nft \"table ",
            $family,
            " fault { chain fault { type ",
            $type,
            " hook ",
            $hook,
            " priority ",
            $priority,
            "; ",
            $rule,
            "; }; }\""
        )
    };
}
/// A rule that decides about packets.
macro_rules! filter {
    ($family:literal, $hook:literal, $priority:literal, $rule:literal) => {
        $crate::plant::shell::chain!("filter", $family, $hook, $priority, $rule)
    };
}
/// A rule that decides about addresses of connections.
macro_rules! nat {
    ($family:literal, $hook:literal, $priority:literal, $rule:literal) => {
        $crate::plant::shell::chain!("nat", $family, $hook, $priority, $rule)
    };
}
/// The rule of chain `fault` in table `fault`, which faults add, as parameters of the cause that names it; before them what is said besides.
macro_rules! own_rule {
    ($family:literal $(, $more:expr)*) => {
        &[
            $($more,)*
            ("rule.chain", "fault"),
            ("rule.family", $family),
            ("rule.table", "fault"),
        ]
    };
}
pub(super) use {chain, filter, nat, own_rule};

impl Line {
    /// Runs it.
    ///
    /// # Errors
    /// What it complained of; a program that the machine has not is named in it.
    pub(super) async fn run(&self, lab: &LabCluster, context: &LabContext) -> Result<()> {
        // Values are arguments and never become words of the shell.
        let mut argv = vec!["env".to_owned()];
        let variables: BTreeMap<String, String> = context.variables()?;
        argv.extend(
            variables
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        let on = |number| Ok::<_, Error>(Target::Node(context.node(number)?.name.clone()));
        let target = match self.place {
            Place::Node(number) => Some(on(number)?),
            Place::Pod(number) => {
                let pod = context.pod(number)?;
                argv.extend(["nsenter", "-t", &pod.pid.to_string(), "-n"].map(str::to_owned));
                Some(Target::Node(pod.object.node.clone()))
            }
            Place::Wire => None,
        };
        argv.extend(["sh", "-euc", self.text].map(str::to_owned));
        let process = match &target {
            Some(target) => lab.start(target, &argv).await?,
            None => lab.start_on_wire(&argv).await?,
        };
        let done = process.finish("a fault's command", b"").await?;
        match done.code {
            0 => Ok(()),
            code => Err(Error::Failed(format!(
                "`{}` ended with exit code {code}: {}",
                self.text,
                done.stderr.trim()
            ))),
        }
    }
}
