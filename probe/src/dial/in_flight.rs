//! Requests in flight on a socket that many share, each known by its nonce.
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use tokio::sync::oneshot;

use super::{Missed, Outcome};
use crate::Failure;
use crate::datagram::Notice;
use crate::error::errno_words;

/// Numbers that cannot be guessed on the path (SipHash with a random key). The low 16 bits count up, so that they alone
/// distinguish requests of the same time: an ICMP sequence number has no more room.
#[derive(Default)]
pub(crate) struct Nonces {
    key: RandomState,
    count: Cell<u64>,
}

impl Nonces {
    pub(crate) fn next(&self) -> u64 {
        let count = self.count.get().wrapping_add(1);
        self.count.set(count);
        self.key.hash_one(count) << 16 | count & 0xffff
    }
}

/// The requests in flight.
#[derive(Default)]
pub(super) struct InFlight {
    requests: RefCell<HashMap<u64, Request>>,
    /// Nonces of those that were answered.
    answered: RefCell<HashSet<u64>>,
    /// Answers that came again, by their source.
    repeated: RefCell<BTreeMap<IpAddr, u32>>,
}

struct Request {
    to: SocketAddr,
    done: oneshot::Sender<Outcome>,
}

impl InFlight {
    /// From here on an outcome for `nonce` is kept for [`Waiting::outcome`].
    pub(super) fn begin(&self, nonce: u64, to: SocketAddr) -> Waiting<'_> {
        let (done, outcome) = oneshot::channel();
        self.requests
            .borrow_mut()
            .insert(nonce, Request { to, done });
        Waiting {
            in_flight: self,
            nonce,
            outcome,
        }
    }

    /// Hands the outcome to the attempt that waits for it; none does where an answer is late or comes twice.
    pub(super) fn end(&self, nonce: u64, outcome: Outcome) {
        let waiting = self.requests.borrow_mut().remove(&nonce);
        if let Ok(reply) = &outcome
            && !self.answered.borrow_mut().insert(nonce)
        {
            *self
                .repeated
                .borrow_mut()
                .entry(reply.reply_from)
                .or_default() += 1;
        }
        if let Some(request) = waiting {
            // The receiver is only gone when its attempt has just timed out.
            let _ = request.done.send(outcome);
        }
    }

    /// Answers that came more than once, by their source.
    pub(super) fn repeated(&self) -> BTreeMap<IpAddr, u32> {
        self.repeated.borrow().clone()
    }

    /// Ends the requests for which `whose` holds.
    pub(super) fn end_where(&self, whose: impl Fn(u64, SocketAddr) -> bool, missed: &Missed) {
        for (_, request) in self
            .requests
            .borrow_mut()
            .extract_if(|nonce, request| whose(*nonce, request.to))
        {
            let _ = request.done.send(Err(missed.clone()));
        }
    }

    /// The request whose nonce ends in these bits.
    pub(super) fn with_low_bits(&self, bits: u16) -> Option<u64> {
        self.requests
            .borrow()
            .keys()
            .copied()
            .find(|nonce| *nonce as u16 == bits)
    }

    /// Ends the request that an error is about: the one with this nonce, or where too little of it was quoted, those to
    /// that address.
    pub(super) fn fail(&self, notice: &Notice, nonce: Option<u64>) {
        let who = notice
            .by
            .map(|by| format!(" (said by {by})"))
            .unwrap_or_default();
        let words = errno_words(notice.errno);
        let missed = match notice.prohibited {
            true => Missed::new(Failure::Prohibited, format!("{words}: prohibited{who}")),
            false => Missed::new(super::kind(notice.errno), words + &who),
        };
        match nonce {
            Some(nonce) => self.end(nonce, Err(missed)),
            None => self.end_where(|_, to| to.ip() == notice.to, &missed),
        }
    }
}

/// One request in flight; forgotten when dropped.
pub(super) struct Waiting<'a> {
    in_flight: &'a InFlight,
    nonce: u64,
    outcome: oneshot::Receiver<Outcome>,
}

impl Waiting<'_> {
    pub(super) async fn outcome(mut self) -> Outcome {
        let outcome = (&mut self.outcome).await;
        outcome.unwrap_or_else(|_| Err(Missed::new(Failure::TimedOut, "no answer")))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.in_flight.requests.borrow_mut().remove(&self.nonce);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::dial::Reply;

    #[test]
    fn nonces_of_one_time_differ_in_their_low_bits() {
        let nonces = Nonces::default();
        let drawn: Vec<u64> = (0..65_536).map(|_| nonces.next()).collect();
        assert_eq!(
            drawn
                .iter()
                .map(|nonce| *nonce as u16)
                .collect::<HashSet<_>>()
                .len(),
            65_536
        );
        assert_ne!(Nonces::default().next(), drawn[0]);
    }

    #[test]
    fn an_answer_that_comes_again_is_counted_however_late_the_first_was() {
        let in_flight = InFlight::default();
        let there: SocketAddr = "10.0.0.1:1".parse().unwrap();
        let reply = || {
            Ok(Reply {
                local: there.ip(),
                responder: None,
                seen_as: None,
                reply_from: there.ip(),
                retransmits: 0,
            })
        };
        let waiting = in_flight.begin(1, there);
        drop(in_flight.begin(2, there));
        for nonce in [1, 2] {
            in_flight.end(nonce, reply());
        }
        assert!(in_flight.repeated().is_empty());
        in_flight.end(1, reply());
        in_flight.end(2, reply());
        assert_eq!(in_flight.repeated(), BTreeMap::from([(there.ip(), 2)]));
        drop(waiting);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_outcome_finds_its_request_and_the_rest_is_forgotten() {
        let in_flight = InFlight::default();
        let (here, there) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:1".parse().unwrap());
        let (first, second) = (in_flight.begin(1, here), in_flight.begin(2, there));
        let dropped = in_flight.begin(3, here);
        drop(dropped);
        in_flight.end_where(|_, to| to == here, &Missed::new(Failure::Refused, "one"));
        in_flight.end(2, Err(Missed::new(Failure::BadAnswer, "two")));
        in_flight.end(2, Err(Missed::new(Failure::BadAnswer, "again")));
        assert_eq!(first.outcome().await.unwrap_err().detail, "one");
        assert_eq!(second.outcome().await.unwrap_err().detail, "two");
        assert!(in_flight.requests.borrow().is_empty());
    }
}
