//! Causes that checks name, and whether a fault is planted for each.
use std::collections::BTreeSet;

use flatnet::plant;
use flatnet_model::cause::{ALL, CauseId};

use CauseId as C;

/// Those for which there is none, each with the reason.
const UNPLANTED: &[(&[CauseId], &str)] = &[
    (
        &[C::PluginFailed, C::CrashLoop],
        "keep pods from running: `suites/diagnose` plants them",
    ),
    (
        &[
            C::PortsIsolated,
            C::PodOutsidePodCidr,
            C::NodeAddressInPodCidr,
        ],
        "our own CNI routes between ports and takes addresses from podCIDRs: analysis is tested on made-up nodes",
    ),
    (
        &[C::ConntrackFull],
        "the limit belongs to the machine, not to a network namespace",
    ),
    (
        &[C::RouteWithoutDevice, C::RouteDeviceDown, C::RouteOffLink],
        "this kernel takes such routes away with their device, or refuses them: analysis is tested on made-up nodes",
    ),
    (
        &[
            C::NodeMacShared,
            C::TakenByOther,
            C::FrameMisdirected,
            C::NeighbourUnresolved,
            C::ForwardingEntryMissing,
            C::NoVtep,
            C::SentAway,
            C::TakenByOther,
            C::RoutingLoop,
            C::CountedDrop,
        ],
        "where packets end for these, a check of nodes names a cause before them; `suites/generator` and unit tests have them",
    ),
    (
        &[
            C::Diverted,
            C::FamilyUnrouted,
            C::Rejected,
            C::Prohibited,
            C::NoRouteInTransit,
            C::Masquerade,
            C::ReplyTranslated,
            C::GatewayCutOff,
            C::LengthDropped,
            C::PodMtuLarger,
            C::PacketsLost,
            C::UnderlayMtu,
        ],
        "concluded only where packets were not followed; on the lab they are",
    ),
    (
        &[C::MtuIgnored, C::OuterFragments],
        "analysis is tested on made-up sizes and counters",
    ),
    (
        &[
            C::DuplicateAgent,
            C::EndpointsMissing,
            C::BackendsSilent,
            C::DnsServerMissing,
            C::DnsServerIgnorant,
        ],
        "of a real cluster: analysis is tested on made-up ones",
    ),
];

/// Whether the table above is what it says.
pub(crate) fn each_is_planted_or_said_not_to_be() -> Result<(), String> {
    let says = plant::all().flat_map(|fault| fault.says);
    let planted: BTreeSet<CauseId> = says.filter_map(|says| Some(says.cause?.0)).collect();
    let named = ALL.iter().filter(|entry| !entry.checks.is_empty());
    let without: BTreeSet<CauseId> = named
        .map(|entry| entry.cause)
        .filter(|cause| !planted.contains(cause))
        .collect();
    let listed = UNPLANTED.iter().flat_map(|(causes, _)| *causes);
    let listed: BTreeSet<CauseId> = listed.copied().collect();
    match without == listed {
        true => Ok(()),
        false => Err(format!(
            "without a fault and not in the table: {:?}; in the table, and planted: {:?}",
            &without - &listed,
            &listed - &without
        )),
    }
}
