//! Reaches a row of targets, some at a time, on one thread.
//!
//! A few workers take one target after the other. UDP and ICMP share one socket per family for the whole row (fresh for
//! each row, so that no connection tracking entry of an earlier row decides about this one); what comes back is told
//! apart by nonce.
mod icmp;
mod in_flight;
mod pace;
mod series;
mod tcp;
mod transfer;
mod udp;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tokio::task::JoinSet;

use crate::error::errno_words;
use crate::{DialOutcome, DialRequest, Failure, Transport};
use flatnet_model::probe::RepeatedAnswers;
pub(crate) use in_flight::Nonces;
use pace::Pace;
pub(crate) use series::series;
pub(crate) use tcp::retransmits;
pub(crate) use transfer::transfer;

/// Pause before a target that failed at once is tried again, times the attempts so far: without it all attempts would
/// be over within a millisecond.
const PAUSE: Duration = Duration::from_millis(20);
/// Workers at most; each may hold a descriptor.
const MOST_WORKERS: usize = 512;

/// What to reach, and how.
pub(crate) struct Row {
    /// Our name, which goes out with every hello.
    pub(crate) name: String,
    pub(crate) targets: Vec<DialRequest>,
    pub(crate) at_once: usize,
    pub(crate) timeout: Duration,
    pub(crate) attempts: u32,
}

/// What an answer contains.
#[derive(Debug)]
struct Reply {
    local: IpAddr,
    responder: Option<String>,
    seen_as: Option<IpAddr>,
    reply_from: IpAddr,
    /// TCP segments that were sent again.
    retransmits: u32,
}

/// Why there was none.
#[derive(Clone, Debug)]
pub(crate) struct Missed {
    pub(crate) kind: Failure,
    pub(crate) detail: String,
}

type Outcome = Result<Reply, Missed>;

impl Missed {
    pub(crate) fn new(kind: Failure, detail: impl Into<String>) -> Self {
        Missed {
            kind,
            detail: detail.into(),
        }
    }

    /// What a socket's call failed with.
    pub(crate) fn io(error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Missed::system(Errno::from_raw(number)),
            None => Missed::new(Failure::NotSent, crate::error::words(error)),
        }
    }

    fn system(errno: Errno) -> Self {
        Missed::new(kind(errno), errno_words(errno))
    }

    /// A socket that cannot be opened.
    pub(crate) fn no_socket(error: &std::io::Error) -> Self {
        let kind = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => {
                Failure::NotSent
            }
            _ => Failure::Unsupported,
        };
        Missed::new(kind, format!("no socket: {}", crate::error::words(error)))
    }
}

/// What an error number of connect(2), sendmsg(2) or an ICMP message says about the path (kernel: icmp_err_convert in
/// net/ipv4/icmp.c, tab_unreach in net/ipv6/icmp.c, fib_props in net/ipv4/fib_semantics.c for the kinds of routes).
fn kind(errno: Errno) -> Failure {
    match errno {
        Errno::ECONNREFUSED | Errno::ECONNRESET | Errno::EPIPE | Errno::ENOPROTOOPT => {
            Failure::Refused
        }
        // EINVAL is a blackhole route's, EACCES a prohibit route's or an ICMPv6 "administratively prohibited".
        Errno::EHOSTUNREACH
        | Errno::ENETUNREACH
        | Errno::EHOSTDOWN
        | Errno::ENETDOWN
        | Errno::ENONET
        | Errno::EINVAL
        | Errno::EACCES => Failure::Unreachable,
        Errno::ETIMEDOUT => Failure::TimedOut,
        _ => Failure::NotSent,
    }
}

/// What the workers of a row share.
struct Shared {
    row: Row,
    nonces: Rc<Nonces>,
    udp: PerFamily<udp::Line>,
    icmp: PerFamily<icmp::Line>,
    taken: Cell<usize>,
    again: RefCell<VecDeque<Attempt>>,
    pace: Pace,
    /// Rows begin at different targets, so that not all probes of a cluster dial the first pod at the same moment.
    first: usize,
}

/// A line for IPv4 and one for IPv6, or why there is none.
struct PerFamily<T>([Result<Rc<T>, Missed>; 2]);

impl<T> PerFamily<T> {
    /// Opens those that the row needs.
    fn open(row: &Row, transport: Transport, open: impl Fn(bool) -> std::io::Result<T>) -> Self {
        PerFamily([false, true].map(|v6| {
            if row
                .targets
                .iter()
                .any(|target| target.transport == transport && target.address.is_ipv6() == v6)
            {
                open(v6)
                    .map(Rc::new)
                    .map_err(|error| Missed::no_socket(&error))
            } else {
                Err(Missed::new(Failure::Unsupported, "no such target"))
            }
        }))
    }

    fn to(&self, address: IpAddr) -> Result<&Rc<T>, Missed> {
        self.0[usize::from(address.is_ipv6())]
            .as_ref()
            .map_err(Missed::clone)
    }

    fn each(&self) -> impl Iterator<Item = Rc<T>> {
        self.0.iter().filter_map(|line| line.as_ref().ok().cloned())
    }
}

/// Reaches every target; the results are in their order. With them, the answers that came more than once. Runs on a tokio
/// `LocalRuntime`.
pub(crate) async fn dial(mut row: Row) -> (Vec<DialOutcome>, Vec<RepeatedAnswers>) {
    for target in &mut row.targets {
        target.address = target.address.to_canonical();
    }
    let nonces = Rc::new(Nonces::default());
    let first = usize::try_from(nonces.next()).unwrap_or_default() % row.targets.len().max(1);
    let shared = Rc::new(Shared {
        udp: PerFamily::open(&row, Transport::Udp, udp::Line::open),
        icmp: PerFamily::open(&row, Transport::Icmp, icmp::Line::open),
        taken: Cell::new(0),
        again: RefCell::default(),
        pace: Pace::new(row.at_once.clamp(1, MOST_WORKERS)),
        nonces,
        first,
        row,
    });
    let mut readers = JoinSet::new();
    for line in shared.udp.each() {
        readers.spawn_local(async move { line.read().await });
    }
    for line in shared.icmp.each() {
        readers.spawn_local(async move { line.read().await });
    }
    let keeper = Rc::clone(&shared);
    readers.spawn_local(async move { keeper.pace.keep().await });
    let mut workers = JoinSet::new();
    for _ in 0..shared
        .row
        .at_once
        .clamp(1, MOST_WORKERS)
        .min(shared.row.targets.len())
    {
        workers.spawn_local(work(Rc::clone(&shared)));
    }
    let mut results: Vec<(usize, DialOutcome)> =
        workers.join_all().await.into_iter().flatten().collect();
    results.sort_unstable_by_key(|(index, _)| *index);
    let udp = shared
        .udp
        .each()
        .map(|line| (Transport::Udp, line.repeated()));
    let icmp = shared
        .icmp
        .each()
        .map(|line| (Transport::Icmp, line.repeated()));
    let repeated = udp.chain(icmp).flat_map(|(transport, repeated)| {
        let each = repeated.into_iter();
        each.map(move |(from, count)| RepeatedAnswers {
            transport,
            from,
            count,
        })
    });
    let outcomes = results.into_iter().map(|(_, outcome)| outcome);
    (outcomes.collect(), repeated.collect())
}

/// Takes targets until none is left, and then those that must be tried again.
async fn work(shared: Rc<Shared>) -> Vec<(usize, DialOutcome)> {
    let mut results = Vec::new();
    loop {
        let _turn = shared.pace.turn().await;
        let Some(due) = shared.next() else {
            return results;
        };
        match reach(&shared, &due).await {
            Reached::Ended(outcome) => results.push((due.index, outcome)),
            Reached::Again(again) => shared.again.borrow_mut().push_back(again),
        }
    }
}

/// One attempt of a row.
struct Attempt {
    index: usize,
    /// Attempts with this one.
    attempts: u32,
    not_before: Instant,
}

impl Shared {
    /// Each target once, then those that are tried again: what was lost in a moment when the machine or a peer had too much to do would be
    /// lost once more in that moment.
    fn next(&self) -> Option<Attempt> {
        let all = self.row.targets.len();
        let taken = self.taken.get();
        if taken < all {
            self.taken.set(taken + 1);
            return Some(Attempt {
                index: (self.first + taken) % all,
                attempts: 1,
                not_before: Instant::now(),
            });
        }
        self.again.borrow_mut().pop_front()
    }
}

enum Reached {
    Ended(DialOutcome),
    Again(Attempt),
}

async fn reach(shared: &Shared, due: &Attempt) -> Reached {
    let target = &shared.row.targets[due.index];
    let Row {
        timeout,
        attempts: most,
        ..
    } = shared.row;
    let attempts = due.attempts;
    tokio::time::sleep_until(due.not_before.into()).await;
    let begun = Instant::now();
    let outcome = shared
        .pace
        .within(timeout, attempt(shared, target))
        .await
        .unwrap_or_else(|| {
            Err(Missed::new(
                Failure::TimedOut,
                format!("no answer within {} ms", timeout.as_millis()),
            ))
        });
    let took = begun.elapsed();
    match outcome {
        Ok(Reply {
            local,
            responder,
            seen_as,
            reply_from,
            retransmits,
        }) => {
            shared.pace.answered(took, timeout);
            Reached::Ended(DialOutcome::Answered {
                local,
                responder,
                seen_as,
                reply_from,
                rtt_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                attempts,
                retransmits,
            })
        }
        Err(Missed { kind, detail }) if attempts >= most || kind == Failure::Unsupported => {
            Reached::Ended(DialOutcome::Failed {
                kind,
                detail,
                attempts,
            })
        }
        Err(_) => Reached::Again(Attempt {
            index: due.index,
            attempts: attempts + 1,
            not_before: begun + (PAUSE * attempts).min(timeout),
        }),
    }
}

async fn attempt(shared: &Shared, target: &DialRequest) -> Outcome {
    let name = &shared.row.name;
    let to = SocketAddr::new(target.address, target.port);
    match target.transport {
        Transport::Tcp => tcp::attempt(shared.nonces.next(), name, to).await,
        Transport::Udp => {
            shared
                .udp
                .to(target.address)?
                .attempt(shared.nonces.next(), name, to)
                .await
        }
        Transport::Icmp => {
            shared
                .icmp
                .to(target.address)?
                .attempt(shared.nonces.next(), name, target.address)
                .await
        }
    }
}
