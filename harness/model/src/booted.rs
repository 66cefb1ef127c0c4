//! What a cluster of flatnet's own was booted with.
use serde::{Deserialize, Serialize};

/// What `flatnet up` is told for a cluster like this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booted {
    /// Options and their values, but for the name and the manifest.
    pub options: Vec<String>,
    /// The manifest of its pods, where it is not flatnet's own.
    pub manifest: Option<String>,
}

impl Booted {
    /// The value of an option that was given.
    pub fn option(&self, option: &str) -> Option<&str> {
        let at = self.options.iter().position(|word| word == option)?;
        self.options.get(at + 1).map(String::as_str)
    }
}
