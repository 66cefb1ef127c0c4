//! The plugin's errors, with their codes in the CNI specification (section 5, Error).
use std::io;
use std::path::PathBuf;

use flatnet_model::cni::Version;
use nix::errno::Errno;

use crate::owner::Owner;
use crate::validate::IfName;
use crate::version::Command;

/// The crate's result type.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why a command failed. The `Display` text is the `details` of the error object and includes its causes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "cniVersion {got:?} is not supported; supported are {}",
        Version::spoken()
    )]
    UnknownVersion { got: String },
    #[error("{} needs cniVersion {} or later, the configuration says {got}", command.as_str(), command.since())]
    CommandTooNew { command: Command, got: Version },
    #[error("{key}: {value} is not supported: {why}")]
    UnsupportedField {
        key: &'static str,
        value: String,
        why: &'static str,
    },
    #[error("network namespace {} does not exist", path.display())]
    NoNamespace { path: PathBuf },
    #[error("{}", problems.join("; "))]
    Environment { problems: Vec<String> },
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("network configuration: {source}")]
    Decode { source: serde_json::Error },
    #[error("{key}: {why}")]
    Config { key: String, why: String },
    #[error("another operation on {owner} is under way")]
    Busy { owner: Owner },
    #[error("{link} was not deleted within {seconds} s")]
    DeletionPending { link: String, seconds: u64 },
    #[error("{}", reasons.join("; "))]
    Unavailable {
        reasons: Vec<String>,
        pods_affected: bool,
    },
    #[error("no free addresses in {ranges} ({reserved} reserved)")]
    Exhausted { ranges: String, reserved: usize },
    #[error(transparent)]
    Netlink(#[from] flatnet_netlink::Error),
    #[error("interface {ifname} already exists in {}", netns.display())]
    InterfaceExists { ifname: IfName, netns: PathBuf },
    #[error("{name} is a {kind} device, not a bridge", kind = if kind.is_empty() { "hardware" } else { kind })]
    NotABridge { name: IfName, kind: String },
    #[error("{name} disappeared while it was being set up")]
    Gone { name: IfName },
    #[error("{link} on the node belongs to something else; a new container id gets another name")]
    NameTaken { link: String },
    #[error("delete {link}: {}", errno.desc())]
    Deletion { link: String, errno: Errno },
    #[error("{}", problems.join("; "))]
    Unsound { problems: Vec<String> },
    #[error("{}", problems.join("; "))]
    Leftovers { problems: Vec<String> },
}

impl Error {
    /// Makes an [`Error::Io`]; `what` names the operation and the file.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Error::Io { what, source }
    }

    /// Makes an [`Error::Config`] for a key of the configuration.
    pub(crate) fn config(key: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Config {
            key: key.into(),
            why: why.into(),
        }
    }

    /// `code` of the error object: up to 99 as the specification says, from 100 this plugin's own.
    pub(crate) fn code(&self) -> u32 {
        match self {
            Error::UnknownVersion { .. } | Error::CommandTooNew { .. } => 1,
            Error::UnsupportedField { .. } => 2,
            Error::NoNamespace { .. } => 3,
            Error::Environment { .. } => 4,
            Error::Io { .. } => 5,
            Error::Decode { .. } => 6,
            Error::Config { .. } => 7,
            Error::Busy { .. } | Error::DeletionPending { .. } | Error::Gone { .. } => 11,
            Error::Netlink(source) if is_transient(source.errno()) => 11,
            Error::Unavailable {
                pods_affected: false,
                ..
            } => 50,
            Error::Unavailable {
                pods_affected: true,
                ..
            } => 51,
            Error::Exhausted { .. } => 100,
            Error::Netlink(_) | Error::Deletion { .. } => 101,
            Error::InterfaceExists { .. } => 102,
            Error::NotABridge { .. } => 103,
            Error::NameTaken { .. } => 104,
            Error::Unsound { .. } => 105,
            Error::Leftovers { .. } => 106,
        }
    }

    /// `msg` of the error object: the kind of error in a few words.
    pub(crate) fn summary(&self) -> &'static str {
        match self.code() {
            1 => "incompatible CNI version",
            2 => "unsupported field in network configuration",
            3 => "container unknown or does not exist",
            4 => "invalid environment variables",
            5 => "I/O failure",
            6 => "failed to decode content",
            7 => "invalid network config",
            11 => "try again later",
            50 => "the plugin is not available",
            51 => {
                "the plugin is not available, and existing containers may have limited connectivity"
            }
            100 => "no free addresses",
            102 => "interface already exists",
            103 => "the bridge cannot be used",
            104 => "interface name taken",
            105 => "the attachment is not as it was set up",
            106 => "not everything could be cleaned up",
            _ => "the kernel refused",
        }
    }
}

/// Whether the kernel's refusal is expected to be temporary.
fn is_transient(errno: Option<Errno>) -> bool {
    matches!(
        errno,
        Some(Errno::EAGAIN | Errno::EBUSY | Errno::EINTR | Errno::ENOBUFS | Errno::ENOMEM)
    )
}
