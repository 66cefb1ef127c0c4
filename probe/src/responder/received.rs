//! Requests that arrived: from whom, from which address, and to which of ours.
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::{ReceivedRequest, Transport};

/// More different requests than this are not kept: the names come from the network.
const MOST: usize = 100_000;

/// Received requests, equal ones counted.
#[derive(Default)]
pub(super) struct Received(BTreeMap<(Transport, String, IpAddr, IpAddr), u32>);

impl Received {
    pub(super) fn note(
        &mut self,
        transport: Transport,
        from: &str,
        source: IpAddr,
        destination: IpAddr,
    ) {
        let key = (
            transport,
            from.to_owned(),
            source.to_canonical(),
            destination.to_canonical(),
        );
        if let Some(count) = self.0.get_mut(&key) {
            *count = count.saturating_add(1);
        } else if self.0.len() < MOST {
            self.0.insert(key, 1);
        }
    }

    pub(super) fn list(&self) -> Vec<ReceivedRequest> {
        let request = |((transport, from, source, destination), count): (
            &(Transport, String, IpAddr, IpAddr),
            &u32,
        )| ReceivedRequest {
            transport: *transport,
            from: from.clone(),
            source: *source,
            destination: *destination,
            count: *count,
        };
        self.0.iter().map(request).collect()
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
        seen.note(Transport::Tcp, "one", a, b);
        seen.note(Transport::Tcp, "one", a, b);
        seen.note(Transport::Udp, "one", a, b);
        let list = seen.list();
        assert_eq!(
            list.iter()
                .map(|s| (s.transport, s.count))
                .collect::<Vec<_>>(),
            [(Transport::Tcp, 2), (Transport::Udp, 1)]
        );
        assert_eq!(list[0].destination.to_string(), "10.0.0.2");
    }
}
