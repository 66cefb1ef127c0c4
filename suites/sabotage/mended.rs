//! What is printed is done as printed: a look shows the fault, and after the fixes everything is green.
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use flatnet::plant;
use flatnet::session::Session;
use flatnet_analysis::words::Words;
use flatnet_cluster::PodRef;
use flatnet_model::IpFamily;
use flatnet_model::evidence::Evidence;
use flatnet_model::observations::Observations;
use flatnet_model::verdict::Verdict;

use crate::bed;
use crate::heard::verdicts;

/// A fault that is mended.
pub(crate) struct Mended {
    pub(crate) fault: &'static str,
    /// How it is known in what its looks print.
    shows: Shows,
    family: Option<IpFamily>,
    /// The fix of the first finding is enough: others are of the same fault. Else every finding with a cause has one.
    first_alone: bool,
    /// What the node's agent does when it looks again is left to it.
    agent_of: Option<&'static str>,
}

/// Words that are in what looks print, or are not where something is missing.
#[derive(Clone, Copy, Debug)]
enum Shows {
    Words(&'static str),
    Without(&'static str),
}

impl Shows {
    fn is_in(self, seen: &str) -> bool {
        match self {
            Shows::Words(words) => seen.contains(words),
            Shows::Without(words) => !seen.trim().is_empty() && !seen.contains(words),
        }
    }
}

const fn mended(fault: &'static str, words: &'static str) -> Mended {
    shown(fault, Shows::Words(words))
}

/// Something is not there any more.
const fn lost(fault: &'static str, words: &'static str) -> Mended {
    shown(fault, Shows::Without(words))
}

const fn shown(fault: &'static str, shows: Shows) -> Mended {
    Mended {
        fault,
        shows,
        family: None,
        first_alone: false,
        agent_of: None,
    }
}

pub(crate) const FAULTS: &[Mended] = &[
    lost("route-missing", "10.244.2.0/24"),
    lost("vxlan-route-missing", "10.244.2.0/24"),
    lost("ipv6-route-missing", "fd00:10:244::/64"),
    mended("blackhole-nexthop", "blackhole 10.244.2.0/24"),
    mended("tunnel-down", "flatnet.1: <BROADCAST,MULTICAST> mtu"),
    mended("hairpin-off", "hairpin off"),
    mended("host-end-mtu", "mtu 1300"),
    mended("bridge-mtu", "mtu 1300"),
    mended("uplink-mtu", "mtu 1300"),
    mended("uplink-mtu-followed", "mtu 1498"),
    mended("tunnel-mtu", "mtu 1300"),
    mended("tunnel-uplink-mtu", "mtu 1300"),
    mended("underlay-mtu", "mtu 1300"),
    mended("pod-mtu", "mtu 1300"),
    mended("pod-path-mtu", "mtu 1300"),
    mended("pod-input-drop", "drop"),
    mended("pod-neighbour-wrong", "lladdr"),
    mended("pod-route-refuses", "Permission denied"),
    mended("underlay-vxlan-drop", "8472"),
    Mended {
        first_alone: true,
        ..mended("rp-filter-of-tunnel", "1")
    },
    Mended {
        family: Some(IpFamily::Dual),
        agent_of: Some("node2"),
        ..mended("uplink-down", "state DOWN")
    },
];

/// Plants a fault, pastes what is printed of it, and judges again.
///
/// # Errors
/// A look that fails or does not show the fault; a fix that fails; what is not green afterwards.
pub(crate) fn as_printed(mended: &Mended) -> Result<(), String> {
    let fault = plant::find(mended.fault).map_err(|e| e.to_string())?;
    let mut args = bed::args();
    args.ip_family = mended.family.or(args.ip_family);
    fault.fit(&mut args).map_err(|e| e.to_string())?;
    let runtime = flatnet::session::runtime().map_err(|e| e.to_string())?;
    let trying = async {
        let session = Session::start(&args, None, Arc::new(|_| {})).await?;
        let heard = async {
            bed::plant(&session, &[fault]).await?;
            let before = session.observe().await?;
            let name = session.plan().source.name().expect("a lab has a name");
            let pasted = paste(&before, name, mended);
            let after = session.observe().await?;
            Ok((pasted, after))
        };
        let heard = heard.await;
        let closed = session.close().await;
        heard.and_then(|heard| closed.map(|()| heard))
    };
    let (pasted, after) = runtime
        .block_on(trying)
        .map_err(|e: flatnet::Error| e.to_string())?;
    pasted?;
    crate::all_green(&verdicts(&after))
}

/// Each look, then each fix; of several that are the same, one.
fn paste(observations: &Observations, name: &str, mended: &Mended) -> Result<(), String> {
    let shows = mended.shows;
    let words = Words::of_report(Some(observations), Some(name));
    let found: Vec<Evidence> = verdicts(observations)
        .into_values()
        .filter_map(|verdict| match verdict {
            Verdict::Fail { evidence } => Some(evidence),
            _ => None,
        })
        .flatten()
        .collect();
    let looks: BTreeSet<String> = found.iter().map(|one| words.text(one).look).collect();
    let mut seen = String::new();
    for line in &looks {
        let output = run(line)?;
        // A ping or a connection ends with 1 where it shows the fault, and a question to the kernel with its refusal; what does not run
        // at all ends otherwise.
        let complained = String::from_utf8_lossy(&output.stderr);
        let refused = complained.contains("RTNETLINK answers");
        if !matches!(output.status.code(), Some(0 | 1)) && !refused {
            return Err(format!("{line}: {output:?}"));
        }
        seen.push_str(&complained);
        seen.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    if !shows.is_in(&seen) {
        return Err(format!("{looks:#?} do not show {shows:?}: {seen}"));
    }
    let mut done = BTreeSet::new();
    let most = if mended.first_alone { 1 } else { found.len() };
    let explained = |one: &&Evidence| one.deviation.finding.found().is_some();
    for one in found.iter().filter(explained).take(most) {
        let Some(fix) = &one.remediation else {
            return Err(format!("no fix of {one:#?}"));
        };
        let printed = words.text(one).fix.unwrap_or_default();
        for command in fix.steps.iter().flat_map(|step| &step.commands) {
            let line = words.advice.line(command, PodRef::to_string);
            if !printed.contains(&line) {
                return Err(format!("{line:?} is not what is printed: {printed:?}"));
            }
            if done.insert(line.clone()) {
                succeed(&line)?;
            }
        }
    }
    if done.is_empty() {
        return Err(format!("no command is printed: {found:#?}"));
    }
    match mended.agent_of {
        Some(node) => succeed(&format!(
            "flatnet exec --cluster {name} {node} -- /.flatnet/flatnet-agent --once --node {node} --nodes-file /run/flatnet/nodes.json --install-plugin /.flatnet/flatnet-cni"
        )),
        None => Ok(()),
    }
}

fn succeed(line: &str) -> Result<(), String> {
    let output = run(line)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{line}: {output:?}")),
    }
}

/// What becomes of that line in a shell in which `flatnet` is the program of this build.
fn run(line: &str) -> Result<Output, String> {
    let flatnet = Path::new(env!("CARGO_BIN_EXE_flatnet"));
    let own = flatnet.parent().expect("a directory").display();
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("sh")
        .args(["-c", line])
        .env("PATH", format!("{own}:{path}"))
        .output()
        .map_err(|e| format!("{line}: {e}"))
}
