//! The node list from the Kubernetes API, told by a server that misbehaves on command.
//! (`cfg(test)` is always set here; written out, it tells clippy that `unwrap` is at home.)
#[cfg(test)]
mod api;
#[cfg(test)]
mod follow;
