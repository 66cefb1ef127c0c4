//! Which plugins a clause is about.
use flatnet_model::cni::Version;

use super::bed::{Bed, Stop};
use crate::subject::Kind;

impl Bed {
    /// The clause is about versions from this one on.
    pub(crate) fn needs(&self, version: Version) -> Result<(), Stop> {
        match self.version >= version {
            true => Ok(()),
            false => Err(Stop::NotApplicable(format!(
                "cniVersion {} has it not: it came with {version}",
                self.version
            ))),
        }
    }

    /// The clause is about plugins of these kinds.
    pub(crate) fn only(&self, kinds: &[Kind]) -> Result<(), Stop> {
        match kinds.contains(&self.subject.recipe.kind) {
            true => Ok(()),
            false => Err(Stop::NotApplicable(format!(
                "it is not about plugins of kind {}",
                self.subject.recipe.kind.as_str()
            ))),
        }
    }

    /// The clause is about plugins that can make several attachments at a time.
    pub(crate) fn several(&self) -> Result<(), Stop> {
        match self.subject.recipe.single {
            true => Err(Stop::NotApplicable(
                "with this configuration it makes one attachment at a time".to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// The clause is about plugins that call an IPAM plugin.
    pub(crate) fn delegating(&self) -> Result<(), Stop> {
        match self.subject.delegates {
            true => Ok(()),
            false => Err(Stop::NotApplicable(
                "it delegates to no other plugin".to_owned(),
            )),
        }
    }
}
