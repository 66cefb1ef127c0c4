//! Requests that arrived: from whom, from which address, and to which of ours.
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use crate::{ReceivedRequest, Transport};

/// More different requests than this are not kept: the names come from the network.
const MOST: usize = 100_000;

/// More nonces than this are not remembered: copies of what comes after that are not recognised.
const MOST_NONCES: usize = 1_000_000;

/// Received requests, equal ones counted.
#[derive(Default)]
pub(super) struct Received {
    requests: BTreeMap<(Transport, String, IpAddr, IpAddr), Count>,
    /// Of datagrams; a kernel hands out each byte of a TCP stream once.
    nonces: HashSet<(Transport, u64)>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    all: u32,
    copies: u32,
}

impl Received {
    pub(super) fn note(
        &mut self,
        transport: Transport,
        from: &str,
        source: IpAddr,
        destination: IpAddr,
        nonce: u64,
    ) {
        let key = (
            transport,
            from.to_owned(),
            source.to_canonical(),
            destination.to_canonical(),
        );
        let copy = transport != Transport::Tcp
            && if self.nonces.len() < MOST_NONCES {
                !self.nonces.insert((transport, nonce))
            } else {
                self.nonces.contains(&(transport, nonce))
            };
        if !self.requests.contains_key(&key) && self.requests.len() >= MOST {
            return;
        }
        let count = self.requests.entry(key).or_default();
        count.all = count.all.saturating_add(1);
        count.copies = count.copies.saturating_add(u32::from(copy));
    }

    pub(super) fn list(&self) -> Vec<ReceivedRequest> {
        let request = |((transport, from, source, destination), count): (
            &(Transport, String, IpAddr, IpAddr),
            &Count,
        )| ReceivedRequest {
            transport: *transport,
            from: from.clone(),
            source: *source,
            destination: *destination,
            count: count.all,
            copies: count.copies,
        };
        self.requests.iter().map(request).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_requests_are_counted_and_different_ones_listed() {
        let mut seen = Received::default();
        let [a, b]: [IpAddr; 2] = [
            "10.0.0.1".parse().unwrap(),
            "::ffff:10.0.0.2".parse().unwrap(),
        ];
        seen.note(Transport::Tcp, "one", a, b, 1);
        seen.note(Transport::Tcp, "one", a, b, 1);
        seen.note(Transport::Udp, "one", a, b, 1);
        seen.note(Transport::Udp, "one", a, b, 2);
        seen.note(Transport::Udp, "one", a, b, 2);
        seen.note(Transport::Icmp, "one", a, b, 2);
        let list = seen.list();
        assert_eq!(
            list.iter()
                .map(|s| (s.transport, s.count, s.copies))
                .collect::<Vec<_>>(),
            [
                (Transport::Tcp, 2, 0),
                (Transport::Udp, 3, 1),
                (Transport::Icmp, 1, 0)
            ]
        );
        assert_eq!(list[0].destination.to_string(), "10.0.0.2");
    }
}
