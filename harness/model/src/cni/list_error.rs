//! What makes a file useless as a network configuration.

/// Why a runtime cannot use a file as its network configuration. A fragment about the file: what it lacks, or what of it cannot
/// be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Not JSON; the parser's words, which name line and column.
    #[error("{0}")]
    Json(String),
    /// JSON, but not an object.
    #[error("the configuration is not a JSON object")]
    NotAnObject,
    /// No `name`.
    #[error("it has no \"name\"")]
    NoName,
    /// A `name` that breaks the specification's rule.
    #[error("invalid characters found in network name {0:?}")]
    Name(String),
    /// A key has a value of another type.
    #[error("{key:?} is not {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What its value should be.
        expected: &'static str,
    },
    /// A `.conflist` without `plugins`.
    #[error(
        "it has no \"plugins\" key, as a list needs; a single plugin's configuration goes into a file that ends in .conf"
    )]
    NoPlugins,
    /// `plugins` has nothing in it.
    #[error("\"plugins\" is empty")]
    EmptyChain,
    /// A `.conf` or `.json` that holds a list.
    #[error(
        "it has no \"type\", as a single plugin's configuration needs; a list goes into a file that ends in .conflist"
    )]
    ListInConf,
    /// One of the plugins.
    #[error("plugin {position} of the chain {fault}")]
    InChain {
        /// Its place, from 1.
        position: usize,
        /// The key that is missing or wrong.
        fault: PluginFault,
    },
    /// The single plugin of a `.conf` or `.json`.
    #[error("it {0}")]
    Single(PluginFault),
}

/// What is wrong with one plugin's configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PluginFault {
    /// Not a JSON object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// No `type`.
    #[error("has no \"type\"")]
    NoType,
    /// `type` is not text.
    #[error("has a \"type\" that is not text")]
    TypeNotText,
    /// `type` names a path, and a runtime looks for a file name.
    #[error("has the type {0:?}, which is not a file name")]
    TypeIsPath(String),
    /// `capabilities` are not switches.
    #[error("has \"capabilities\" that are not true or false each: {0}")]
    Capabilities(String),
}
