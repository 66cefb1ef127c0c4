//! Nodes as network namespaces: the agent's passes run inside them, and `ip`, `bridge` and `nft` say what came of it.

mod direct;
mod mend;
mod observe;
mod program;
mod tunnel;
mod wire;
