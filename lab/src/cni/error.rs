//! What a CNI operation can fail with, in containerd's and libcni's words.
use std::fmt;

use serde::{Deserialize, Serialize};

/// The error object of a plugin (spec section 5, "Error").
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginError {
    /// 1 to 99 are the specification's, 100 and above the plugin's own; 0 where it gave none.
    #[serde(default)]
    pub code: u32,
    /// Short message.
    #[serde(default)]
    pub msg: String,
    /// Long message, often empty.
    #[serde(default)]
    pub details: String,
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)?;
        if self.details.is_empty() {
            Ok(())
        } else {
            write!(f, "; {}", self.details)
        }
    }
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No network is configured.
    #[error("cni plugin not initialized")]
    NoConfig,
    /// The configuration in use cannot be.
    #[error("cni config load failed: {0}")]
    Config(String),
    /// The plugin's program is in none of the directories.
    #[error("failed to find plugin {plugin:?} in path [{path}]")]
    NotFound {
        /// `type` of the configuration.
        plugin: String,
        /// The directories, separated by blanks.
        path: String,
    },
    /// The plugin ran and said no.
    #[error("{0}")]
    Plugin(PluginError),
    /// The plugin did not end in time, and was killed.
    #[error("netplugin {plugin:?} did not end within {seconds} s and was killed")]
    TimedOut {
        /// `type` of the configuration.
        plugin: String,
        /// The limit.
        seconds: u64,
    },
    /// One of a chain's plugins failed.
    #[error("plugin {plugin} failed ({verb}): {cause}")]
    Chain {
        /// `type="bridge" name="net"`.
        plugin: String,
        /// `add`, `delete`, `check`, `gc`, `status`.
        verb: &'static str,
        /// Why.
        cause: Box<Error>,
    },
    /// The runtime's own files or processes failed.
    #[error("{what}: {cause}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's error.
        cause: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
        let what = what.into();
        move |cause| Error::Io { what, cause }
    }

    /// The cause behind the plugin it happened in.
    pub fn root(&self) -> &Error {
        match self {
            Error::Chain { cause, .. } => cause.root(),
            other => other,
        }
    }
}
