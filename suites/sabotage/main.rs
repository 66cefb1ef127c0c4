//! Every check is shown failing: each planted fault turns its checks red, which name the culprit and the cause, exactly, and reddens
//! nothing else. Two at once are both told. The checks that need a real cluster are shown failing in `suites/kind`.
mod bed;
mod causes;
mod changing;
mod heard;
mod mended;
mod pairs;
mod runner;
mod twins;

use std::process::ExitCode;

use flatnet::config::Provider;
use flatnet::plant::{self, Fault};
use flatnet_analysis::checks::catalogue;
use flatnet_model::IpFamily;
use flatnet_model::coverage::Coverage;
use flatnet_model::verdict::Verdict;

use heard::Verdicts;
use runner::Case;

fn main() -> ExitCode {
    let faults = || plant::all().filter(|fault| fault.provider() == Provider::Lab);
    let mut cases = vec![
        Case::new("every-check-has-a-fault", every_check_has_a_fault),
        Case::new(
            "every-cause-has-a-fault",
            causes::each_is_planted_or_said_not_to_be,
        ),
        Case::new("twins", || all_green(&bed::judged(twins::args(), &[])?.0)),
    ];
    cases.extend([
        Case::new("changing-while-dialled", changing::while_dialled),
        Case::new("changing-while-followed", changing::while_followed),
        Case::new("changing-not-at-all", changing::not_at_all),
    ]);
    cases.extend(faults().map(|fault| {
        Case::new(fault.id, move || {
            let (verdicts, variables) = bed::judged(bed::args(), &[fault])?;
            heard::exactly(fault, &verdicts, &variables)
        })
    }));
    cases.extend(pairs::PAIRS.iter().map(|pair| {
        let faults = pair.map(|id| plant::find(id).expect("a fault of the catalogue"));
        Case::new(pair.join("+"), move || {
            let (verdicts, variables) = bed::judged(bed::args(), &faults)?;
            pairs::each_of(&faults, &verdicts, &variables)
        })
    }));
    cases.extend(BETWEEN_NODES.map(|id| {
        let fault = plant::find(id).expect("a fault of the catalogue");
        Case::new(format!("{id}-between-nodes"), move || between_nodes(fault))
    }));
    cases.extend(mended::FAULTS.iter().map(|mended| {
        let name = format!("{}-mended", mended.fault);
        Case::new(name, || mended::as_printed(mended))
    }));
    cases.extend(SHAPES.map(|(name, backend, family)| {
        Case::new(format!("healthy-{name}"), move || {
            let mut args = bed::args();
            args.backend = Some(backend.to_owned());
            args.ip_family = Some(family);
            all_green(&bed::judged(args, &[])?.0)
        })
    }));
    runner::main(cases)
}

/// Those are seen without dialling every pair, too.
const BETWEEN_NODES: [&str; 9] = [
    "pod-address-changed",
    "same-node-drop",
    "forward-drop",
    "udp-drop",
    "masquerade",
    "reply-source",
    "default-route-missing",
    "route-missing",
    "host-end-off-bridge",
];

fn between_nodes(fault: &'static Fault) -> Result<(), String> {
    let mut args = bed::args();
    args.nodes = Some(6);
    args.pods_per_node = Some(4);
    args.coverage = Coverage::Nodes;
    let (verdicts, variables) = bed::judged(args, &[fault])?;
    heard::exactly(fault, &verdicts, &variables)
}

/// Labs in which faults are planted; without one they are green.
const SHAPES: [(&str, &str, IpFamily); 4] = [
    ("routes", "routes", IpFamily::Ipv4),
    ("vxlan", "vxlan", IpFamily::Ipv4),
    ("dual", "routes", IpFamily::Dual),
    ("vxlan-ipv6", "vxlan", IpFamily::Ipv6),
];

fn all_green(verdicts: &Verdicts) -> Result<(), String> {
    for (check, verdict) in verdicts {
        match verdict {
            Verdict::Pass { .. } | Verdict::Report { .. } | Verdict::Skip { .. } => {}
            Verdict::Fail { .. } | Verdict::Broken { .. } => {
                return Err(format!("{check}: {verdict:#?}"));
            }
        }
    }
    Ok(())
}

/// `subnet` reports facts and cannot fail.
fn every_check_has_a_fault() -> Result<(), String> {
    let mut checks = catalogue::all().iter().filter(|check| check.id != "subnet");
    match checks.find(|check| plant::proving(check.id).is_empty()) {
        Some(check) => Err(format!("no fault reddens {}", check.id)),
        None => Ok(()),
    }
}
