//! Stand-ins for the plugins that the one under test delegates to. Shell scripts: the line that repeats a failure can write them, too.

/// The IPAM plugin: gives addresses, records its calls, fails where told.
pub(crate) const IPAM: &str = include_str!("ipam.sh");
/// Its `type`.
pub(crate) const IPAM_TYPE: &str = "stand-in-ipam";
/// Where it is, and what it records: `COMMAND.env`, `COMMAND.stdin`, `calls`; a file `fail-COMMAND` makes the command fail.
pub(crate) const FOLDER: &str = "/run/stand-in";
