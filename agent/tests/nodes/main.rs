//! Nodes as network namespaces: the agent's passes run inside them, and `ip`, `bridge` and `nft` show the outcome.
//! (`cfg(test)` is always set here; it is written out so that clippy allows `unwrap`.)

#[cfg(test)]
mod api;
#[cfg(test)]
mod direct;
#[cfg(test)]
mod kubernetes;
mod live;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod process;
#[cfg(test)]
mod program;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod source;
#[cfg(test)]
mod tunnel;
#[cfg(test)]
mod wire;
