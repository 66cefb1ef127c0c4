//! What the trials of one path say.
use flatnet_model::follow::Burst;
use flatnet_model::observations::MtuRun;

/// What is wrong with a size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// `mtu` does not pass.
    TooLarge { mtu: u32 },
    /// `mtu + 1` passes.
    MorePasses { mtu: u32 },
    /// Full segments of TCP, in one direction of a connection.
    DataCut { back: bool, altered: bool },
}

impl Fault {
    /// What is sent again where packets are followed.
    pub(super) fn burst(self) -> Burst {
        match self {
            Fault::TooLarge { mtu } => Burst::Sized { bytes: mtu },
            Fault::MorePasses { mtu } => Burst::Sized { bytes: mtu + 1 },
            Fault::DataCut { .. } => Burst::Filled,
        }
    }

    /// Whether a path could have shown it.
    pub(super) fn was_tried(self, run: &MtuRun) -> bool {
        match self {
            Fault::TooLarge { .. } | Fault::MorePasses { .. } => true,
            Fault::DataCut { .. } => !run.transfers.is_empty(),
        }
    }
}

pub(super) enum Outcome {
    Fault(Fault),
    /// Nothing of any size passed: that is not a matter of MTU.
    Silent,
    Unmeasured(String),
}

pub(super) fn judge_run(run: &MtuRun) -> Result<(), Outcome> {
    let trials = run
        .trials
        .as_ref()
        .map_err(|error| Outcome::Unmeasured(error.clone()))?;
    // A size may have been tried more than once: what arrived once fits, whatever became of the others.
    let arrived = |size: u32| {
        let of_size = trials.iter().filter(|trial| trial.size == size);
        of_size
            .map(|trial| trial.arrived)
            .reduce(|one, other| one || other)
    };
    let mtu = run.interface_mtu;
    // Not every path is searched.
    let searched = trials.iter().any(|trial| trial.size < mtu);
    let silent = || searched && largest(run).is_none();
    match (arrived(mtu), arrived(mtu + 1)) {
        (_, Some(true)) => Err(Outcome::Fault(Fault::MorePasses { mtu })),
        (Some(true), Some(false)) => Ok(()),
        (Some(true), None) => Err(Outcome::Unmeasured(format!(
            "{} bytes were not tried",
            mtu + 1
        ))),
        (Some(false), _) if silent() => Err(Outcome::Silent),
        (Some(false), _) => Err(Outcome::Fault(Fault::TooLarge { mtu })),
        (None, _) => Err(Outcome::Unmeasured(format!("{mtu} bytes were not tried"))),
    }
}

/// The largest size that passed.
pub(super) fn largest(run: &MtuRun) -> Option<u32> {
    let passed = run.trials.iter().flatten().filter(|trial| trial.arrived);
    passed.map(|trial| trial.size).max()
}

/// What was said of a size.
pub(super) fn detail(run: &MtuRun, size: u32) -> Option<&String> {
    let trial = run.trials.iter().flatten().find(|trial| trial.size == size);
    trial.and_then(|trial| trial.detail.as_ref())
}
