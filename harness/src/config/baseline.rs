//! What a run is compared with.
use std::path::PathBuf;

use clap::Args;

use crate::Result;
use crate::compare::baseline::Held;

/// Options of comparisons.
#[derive(Args, Clone, Debug, Default)]
pub struct BaselineArgs {
    /// Baseline to compare the run with: the run fails if a verdict is worse or a fact differs that the baseline does not allow, and
    /// leaves what it found in FILE.new; without FILE that is everything
    #[arg(
        long,
        env = "FLATNET_BASELINE",
        value_name = "FILE",
        help_heading = "Comparison"
    )]
    pub baseline: Option<PathBuf>,

    /// Number of runs of the same configuration: what differs among them is flaky, and the run fails
    #[arg(long, env = "FLATNET_RUNS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100), value_name = "N", help_heading = "Comparison")]
    pub runs: u16,
}

impl BaselineArgs {
    /// The baseline, read.
    ///
    /// # Errors
    /// As [`Held::read`].
    pub fn held(&self) -> Result<Option<Held>> {
        self.baseline.as_deref().map(Held::read).transpose()
    }

    /// The default, with what `FLATNET_*` variables say.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) names the variable whose value does not fit.
    pub fn from_env() -> Result<Self> {
        super::parsed::<BaselineArgs>([])
    }
}
