//! Nodes as network namespaces: the agent's passes run inside them, and `ip`, `bridge` and `nft` say what came of it.
//! (`cfg(test)` is always set here; written out, it tells clippy that `unwrap` is at home.)

#[cfg(test)]
mod api;
#[cfg(test)]
mod direct;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod mend;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod process;
#[cfg(test)]
mod program;
#[cfg(test)]
mod source;
#[cfg(test)]
mod tunnel;
#[cfg(test)]
mod wire;
