//! From a row's options to what a run takes, by the parser of `flatnet test`.
use std::path::Path;

use super::conflist;
use super::options::Options;
use super::row::judges;
use crate::config::{RequireArgs, RunArgs, selected};
use crate::plant::Fault;
use crate::{Result, plant};
use flatnet_analysis::checks::{Check, Required};

/// What a row runs, and what judges it.
pub(super) struct Config {
    pub(super) args: RunArgs,
    pub(super) checks: Vec<&'static Check>,
    pub(super) required: Required,
    pub(super) fault: Option<&'static Fault>,
}

impl Config {
    /// Of a row's options; its conflist, where it has one of its own, is written into `dir`.
    ///
    /// # Errors
    /// [`crate::Error::Input`] as `flatnet test` says it.
    pub(super) fn of(options: &Options, dir: &Path) -> Result<Config> {
        let mut words = options.words();
        if let Some(text) = conflist::text(options)? {
            words.retain(|word| !word.starts_with("--cni="));
            words.extend(conflist::install(dir, &text, options)?);
        }
        let args = RunArgs::written(words.iter().map(String::as_str))?;
        args.check_provider()?;
        let [only, require, plant] = judges(options);
        let checks = selected(&only)?;
        let required = RequireArgs { require }.among(&checks)?;
        let fault = plant.first().map(|id| plant::find(id)).transpose()?;
        Ok(Config {
            args,
            checks,
            required,
            fault,
        })
    }
}
