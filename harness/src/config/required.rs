//! Which checks of a run must not be skipped.
use clap::Args;
use flatnet_analysis::checks::{Check, Required, catalogue};

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

    /// What they say, all of it among these checks.
    ///
    /// # Errors
    /// As [`RequireArgs::required`], and for one that is not among them.
    pub fn among(&self, checks: &[&Check]) -> Result<Required> {
        let required = self.required()?;
        match &required.beyond(checks)[..] {
            [] => Ok(required),
            ids => Err(Error::Input(format!(
                "--require {}: --only leaves it out; name it there too, or leave it out here",
                ids.join(",")
            ))),
        }
    }

    /// The default, with what `FLATNET_REQUIRE` says.
    ///
    /// # Errors
    /// As [`RequireArgs::required`].
    pub fn from_env() -> Result<Required> {
        super::parsed::<RequireArgs>([])?.required()
    }
}

/// The checks named, in the catalogue's order; all where none is.
///
/// # Errors
/// [`Error::Input`] for a word that is no check, with the nearest one.
pub fn selected(only: &[String]) -> Result<Vec<&'static Check>> {
    let mut wanted = Vec::new();
    for id in only {
        wanted.push(
            catalogue::find(id)
                .map_err(|e| Error::Input(e.to_string()))?
                .id,
        );
    }
    let all = catalogue::all().iter();
    Ok(all
        .filter(|check| wanted.is_empty() || wanted.contains(&check.id))
        .collect())
}
