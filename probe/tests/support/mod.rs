//! Network namespaces and probes in them, for tests. A namespace lives as long as its [`Net`]; nothing has a name outside.
#![allow(dead_code, unused_imports, reason = "each test target uses its part")]
#![allow(clippy::unwrap_used, reason = "only tests call it")]

mod net;
mod probe;

use std::net::IpAddr;
use std::process::Command;

use flatnet_model::probe::{DialOutcome, DialRequest, Failure, ReceivedRequest, Transport};
use nix::sched::{CloneFlags, unshare};

pub(crate) use net::{Net, tun};
pub(crate) use probe::{Probe, ProbeProcess};

/// Tests that need namespaces. Where this user may not make them, a test runs again as root of a user namespace.
macro_rules! net_tests {
    ($($(#[$meta:meta])* fn $name:ident() $body:block)*) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            if !support::rerun_as_root(stringify!($name)) {
                $body
            }
        }
    )*};
}
pub(crate) use net_tests;

/// Whether the test was run in a user namespace of its own, and is thus done with.
pub(crate) fn rerun_as_root(test: &str) -> bool {
    const MARK: &str = "FLATNET_PROBE_TEST_IN_USERNS";
    let allowed = std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET).is_ok())
        .join()
        .unwrap();
    if allowed {
        return false;
    }
    assert!(
        std::env::var_os(MARK).is_none(),
        "no network namespaces here, not even in a user namespace"
    );
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(MARK, "1")
        .status()
        .expect("unshare (util-linux)");
    assert!(status.success(), "{test} failed in a user namespace");
    true
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn target(transport: Transport, address: &str, port: u16) -> DialRequest {
    DialRequest {
        address: ip(address),
        transport,
        port,
    }
}

/// The address over every transport.
pub(crate) fn all_transports(address: &str, port: u16) -> Vec<DialRequest> {
    [Transport::Tcp, Transport::Udp, Transport::Icmp]
        .map(|transport| target(transport, address, port))
        .into()
}

/// Kind, detail and attempts of a failure.
#[track_caller]
pub(crate) fn failed(outcome: &DialOutcome) -> (Failure, &str, u32) {
    match outcome {
        DialOutcome::Failed {
            kind,
            detail,
            attempts,
        } => (*kind, detail, *attempts),
        DialOutcome::Answered { .. } => panic!("{outcome:?}"),
    }
}

/// An answer without what differs from run to run.
#[derive(Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) local: IpAddr,
    pub(crate) responder: Option<String>,
    pub(crate) seen_as: Option<IpAddr>,
    pub(crate) reply_from: IpAddr,
}

/// What a responder of that name answers a client that no NAT hides.
pub(crate) fn flat(transport: Transport, local: &str, responder: &str, address: &str) -> Heard {
    let tells = transport != Transport::Icmp;
    Heard {
        local: ip(local),
        responder: tells.then(|| responder.to_owned()),
        seen_as: tells.then(|| ip(local)),
        reply_from: ip(address),
    }
}

#[track_caller]
pub(crate) fn heard(outcome: &DialOutcome) -> Heard {
    match outcome.clone() {
        DialOutcome::Answered {
            local,
            responder,
            seen_as,
            reply_from,
            rtt_us: _,
            attempts,
            retransmits,
        } => {
            assert_eq!((attempts, retransmits), (1, 0), "{outcome:?}");
            Heard {
                local,
                responder,
                seen_as,
                reply_from,
            }
        }
        DialOutcome::Failed { .. } => panic!("{outcome:?}"),
    }
}

pub(crate) fn received(
    transport: Transport,
    from: &str,
    source: &str,
    destination: &str,
    count: u32,
) -> ReceivedRequest {
    ReceivedRequest {
        copies: 0,
        transport,
        from: from.to_owned(),
        source: ip(source),
        destination: ip(destination),
        count,
    }
}
