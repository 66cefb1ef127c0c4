//! Which checks of a run must not be skipped.
use clap::Args;
use flatnet_analysis::checks::Required;

use crate::{Error, Result};

/// Options of what judges.
#[derive(Args, Clone, Debug, Default)]
pub struct RequireArgs {
    /// Checks that must be judged, separated by commas, or `all` of the run: if one is skipped, the run fails [default: those
    /// that `flatnet checks` lists for the provider, where they apply to the cluster]
    #[arg(
        long,
        env = "FLATNET_REQUIRE",
        value_delimiter = ',',
        value_name = "CHECK",
        help_heading = "Checks"
    )]
    pub require: Vec<String>,
}

impl RequireArgs {
    /// What they say.
    ///
    /// # Errors
    /// [`Error::Input`] for a word that is no check, with the nearest one.
    pub fn required(&self) -> Result<Required> {
        let said = Required::parse(&self.require);
        said.map_err(|e| Error::Input(format!("--require: {e}")))
    }

    /// The default, with what `FLATNET_REQUIRE` says.
    ///
    /// # Errors
    /// As [`RequireArgs::required`].
    pub fn from_env() -> Result<Required> {
        super::parsed::<RequireArgs>([])?.required()
    }
}
