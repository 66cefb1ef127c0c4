//! Requests under way on a socket that many share, each known by its nonce.
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use tokio::sync::oneshot;

use super::{Missed, Outcome};
use crate::Failure;
use crate::datagram::Notice;
use crate::error::errno_words;

/// Numbers nobody on the way can guess (SipHash with a random key). The low 16 bits count up, so that they tell
/// requests of the same time apart on their own: an ICMP sequence number has no more room.
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

/// The requests under way.
#[derive(Default)]
pub(super) struct Flights(RefCell<HashMap<u64, Flight>>);

struct Flight {
    to: SocketAddr,
    landed: oneshot::Sender<Outcome>,
}

impl Flights {
    /// From here on an outcome for `nonce` is kept for [`Waiting::outcome`].
    pub(super) fn begin(&self, nonce: u64, to: SocketAddr) -> Waiting<'_> {
        let (landed, outcome) = oneshot::channel();
        self.0.borrow_mut().insert(nonce, Flight { to, landed });
        Waiting {
            flights: self,
            nonce,
            outcome,
        }
    }

    /// Hands the outcome to whoever waits for it; nobody does where an answer is late or comes twice.
    pub(super) fn land(&self, nonce: u64, outcome: Outcome) {
        if let Some(flight) = self.0.borrow_mut().remove(&nonce) {
            // The receiver is only gone when its attempt has just timed out.
            let _ = flight.landed.send(outcome);
        }
    }

    /// Ends the requests for which `whose` holds.
    pub(super) fn land_where(&self, whose: impl Fn(u64, SocketAddr) -> bool, missed: &Missed) {
        for (_, flight) in self
            .0
            .borrow_mut()
            .extract_if(|nonce, flight| whose(*nonce, flight.to))
        {
            let _ = flight.landed.send(Err(missed.clone()));
        }
    }

    /// The request whose nonce ends in these bits.
    pub(super) fn with_low_bits(&self, bits: u16) -> Option<u64> {
        self.0
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
        let missed = Missed::new(super::kind(notice.errno), errno_words(notice.errno) + &who);
        match nonce {
            Some(nonce) => self.land(nonce, Err(missed)),
            None => self.land_where(|_, to| to.ip() == notice.to, &missed),
        }
    }
}

/// One request under way; forgotten when dropped.
pub(super) struct Waiting<'a> {
    flights: &'a Flights,
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
        self.flights.0.borrow_mut().remove(&self.nonce);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

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

    #[tokio::test(flavor = "current_thread")]
    async fn an_outcome_finds_its_request_and_the_rest_is_forgotten() {
        let flights = Flights::default();
        let (here, there) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:1".parse().unwrap());
        let (first, second) = (flights.begin(1, here), flights.begin(2, there));
        let dropped = flights.begin(3, here);
        drop(dropped);
        flights.land_where(|_, to| to == here, &Missed::new(Failure::Refused, "one"));
        flights.land(2, Err(Missed::new(Failure::BadAnswer, "two")));
        flights.land(2, Err(Missed::new(Failure::BadAnswer, "again")));
        assert_eq!(first.outcome().await.unwrap_err().detail, "one");
        assert_eq!(second.outcome().await.unwrap_err().detail, "two");
        assert!(flights.0.borrow().is_empty());
    }
}
