//! What this crate writes into the kernel, read back by programs that did not write it (`ip`, `bridge`, `nft`), and
//! what it reads, compared with what they read. Every test has a network namespace of its own.
#![expect(
    clippy::unwrap_used,
    reason = "tests, and the functions they share, end where they cannot go on"
)]

mod addresses;
mod errors;
mod link_reads;
mod links;
mod neighbours;
mod next_hops;
mod nft_compare;
mod nft_listing;
mod nft_owned;
mod nft_packets;
mod nft_rules;
mod nft_ruleset;
mod nft_tables;
mod nft_text;
mod observer;
mod path_mtu;
mod routes;
mod rules;
mod scene;
mod watch;
mod wire;
