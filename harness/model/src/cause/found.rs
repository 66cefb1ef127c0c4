//! A cause, and how it is known.
use serde::{Deserialize, Serialize};

use super::{Basis, Cause};

/// A cause, and how it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Which, with its parameters.
    #[serde(flatten)]
    pub cause: Cause,
    /// Observed itself, or concluded from other observations.
    pub basis: Basis,
}

impl Found {
    /// A cause that was observed itself; where one can only be concluded, it was.
    pub fn seen(cause: Cause) -> Self {
        let basis = cause.id().basis().unwrap_or(Basis::Seen);
        Found { cause, basis }
    }

    /// A cause that was observed itself and is no longer so at a later look, however it is known otherwise.
    pub fn contradicted(cause: Cause) -> Self {
        let basis = Basis::Inferred;
        Found { cause, basis }
    }

    /// A cause that best explains what was observed; where one is never concluded, it was observed.
    pub fn inferred(cause: Cause) -> Self {
        let basis = cause.id().basis().unwrap_or(Basis::Inferred);
        Found { cause, basis }
    }
}
