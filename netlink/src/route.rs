//! rtnetlink sockets: reads as dumps, writes in batches.
use std::os::fd::BorrowedFd;

use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;

use crate::socket::{Connection, Outcome, check, outcome};
use crate::uapi::{af, ifa, ifla, rta, rtm};
use crate::wire::Message;
use crate::{
    Address, Error, FdbEntry, Flow, Link, Neighbour, NeighbourTable, Request, Result, RouteEntry,
    Rule, decode, netns,
};

/// Bytes of one `send`. The kernel takes up to SO_SNDBUF, about 200 KiB.
const SEND_BYTES: usize = 64 * 1024;
/// Requests per `send`. Every acknowledgement occupies about 1 KiB of SO_RCVBUF (about 200 KiB) until it is read, and
/// the kernel drops those that do not fit.
const SEND_REQUESTS: usize = 100;

/// An IP address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    const BOTH: [Family; 2] = [Family::V4, Family::V6];

    fn number(self) -> u8 {
        match self {
            Family::V4 => af::INET,
            Family::V6 => af::INET6,
        }
    }
}

/// A blocking rtnetlink socket (strict checking, extended ACKs) in one network namespace.
pub struct Route {
    connection: Connection,
}

impl Route {
    /// Opens a socket in the calling thread's namespace.
    pub fn open() -> Result<Self> {
        Ok(Route {
            connection: Connection::open(NETLINK_ROUTE)?,
        })
    }

    /// Opens a socket in the namespace `ns`, from a short-lived thread.
    pub fn open_in(ns: BorrowedFd<'_>) -> Result<Self> {
        netns::within(ns, Route::open)?
    }

    /// Starts an empty batch.
    pub fn batch(&mut self) -> Batch<'_> {
        Batch {
            route: self,
            requests: Vec::new(),
        }
    }

    /// Sends one request and awaits its answer.
    pub fn send(&mut self, request: Request) -> Result<()> {
        let mut batch = self.batch();
        batch.push(request);
        batch.commit()
    }

    /// Lists all links.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let message = Message::dump(rtm::GETLINK, &[0; 16]);
        self.connection
            .dump(message, "list links", |payload, links| {
                links.push(decode::link(payload)?);
                Some(())
            })
    }

    /// Looks up a link by name; `None` if it does not exist.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>> {
        let mut message = Message::new(rtm::GETLINK, 0, &[0; 16]);
        message.attr_text(ifla::IFNAME, name);
        let what = format!("look up link {name}");
        match self
            .connection
            .ask(message, &what, |answer| decode::link(answer.payload))
        {
            Err(Error::Kernel {
                errno: Errno::ENODEV,
                ..
            }) => Ok(None),
            answer => answer,
        }
    }

    /// Lists the addresses of both families, of all interfaces or of one (ENODEV if it does not exist).
    pub fn addresses(&mut self, index: Option<u32>) -> Result<Vec<Address>> {
        let mut header = [0; 8];
        header[4..8].copy_from_slice(&index.unwrap_or(0).to_ne_bytes());
        let what = match index {
            Some(index) => format!("list addresses of link {index}"),
            None => "list addresses".to_owned(),
        };
        self.connection
            .dump(Message::dump(rtm::GETADDR, &header), &what, decode::address)
    }

    /// Lists the addresses of both families in another namespace, without entering it. `netnsid` is the number that this namespace has
    /// for it ([`Link::link_netnsid`]); indexes are the other namespace's.
    ///
    /// # Errors
    /// EINVAL if no namespace has the number, EACCES without CAP_NET_ADMIN there.
    pub fn addresses_in(&mut self, netnsid: i32) -> Result<Vec<Address>> {
        let mut message = Message::dump(rtm::GETADDR, &[0; 8]);
        message.attr(ifa::TARGET_NETNSID, &netnsid.to_ne_bytes());
        let what = format!("list addresses in namespace {netnsid}");
        self.connection.dump(message, &what, decode::address)
    }

    /// Lists the unicast, blackhole, unreachable and prohibit routes of the main table, both families.
    pub fn routes(&mut self) -> Result<Vec<RouteEntry>> {
        let main = u32::from(rta::TABLE_MAIN);
        let of_main = |(table, route): (u32, RouteEntry)| (table == main).then_some(route);
        let routes = self.route_dump(rta::TABLE_MAIN)?;
        Ok(routes.into_iter().filter_map(of_main).collect())
    }

    /// The same of every table, each with its table's number.
    pub fn routes_of_all_tables(&mut self) -> Result<Vec<(u32, RouteEntry)>> {
        self.route_dump(rta::TABLE_UNSPEC)
    }

    fn route_dump(&mut self, table: u8) -> Result<Vec<(u32, RouteEntry)>> {
        let mut routes = Vec::new();
        for family in Family::BOTH.map(Family::number) {
            let mut header = [0; 12];
            header[0] = family;
            header[4] = table;
            let read = self.connection.dump(
                Message::dump(rtm::GETROUTE, &header),
                "list routes",
                |payload, entries| decode::route(payload, family, entries),
            );
            match read {
                Ok(entries) => routes.extend(entries),
                // A table does not exist before its first route.
                Err(Error::Kernel {
                    errno: Errno::ENOENT,
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(routes)
    }

    /// Lists the policy rules of both families.
    pub fn rules(&mut self) -> Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for family in Family::BOTH.map(Family::number) {
            let mut header = [0; 12];
            header[0] = family;
            let message = Message::dump(rtm::GETRULE, &header);
            rules.extend(self.connection.dump(message, "list rules", decode::rule)?);
        }
        Ok(rules)
    }

    /// Looks up the route of a packet (RTM_GETROUTE without dump). The entry's destination is [`Flow::to`] itself, and it
    /// may be of any type (2 is RTN_LOCAL: an address of this namespace).
    ///
    /// # Errors
    /// The kernel's: ENETUNREACH if there is no route; for an incoming packet also EHOSTUNREACH if it is not forwarded,
    /// EXDEV if the reverse path filter drops it, EINVAL if its source address is invalid.
    pub fn route_of(&mut self, flow: &Flow) -> Result<RouteEntry> {
        let what = format!("look up the route to {}", flow.to);
        let (family, bits) = if flow.to.is_ipv4() {
            (af::INET, 32)
        } else {
            (af::INET6, 128)
        };
        let from_bits = if flow.from.is_some() { bits } else { 0 };
        let mut message = Message::new(
            rtm::GETROUTE,
            0,
            &[family, bits, from_bits, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        );
        message.attr_ip(rta::DST, flow.to);
        if let Some(from) = flow.from {
            message.attr_ip(rta::SRC, from);
        }
        for (kind, number) in [
            (rta::IIF, flow.iif),
            (rta::OIF, flow.oif),
            (rta::MARK, flow.mark),
        ] {
            if let Some(number) = number {
                message.attr_u32(kind, number);
            }
        }
        if let Some(carries) = flow.carries {
            message.attr_u8(rta::IP_PROTO, carries.protocol);
            for (kind, port) in [
                (rta::SPORT, carries.source),
                (rta::DPORT, carries.destination),
            ] {
                if let Some(port) = port {
                    message.attr(kind, &port.to_be_bytes());
                }
            }
        }
        let found = self.connection.ask(message, &what, |answer| {
            decode::route_lookup(answer.payload)
        })?;
        found.ok_or(Error::Malformed {
            what,
            detail: "an acknowledgement without a route".to_owned(),
        })
    }

    /// Lists the neighbours of both families, without proxy and NOARP entries, which `ip neigh` hides as well.
    pub fn neighbours(&mut self) -> Result<Vec<Neighbour>> {
        let mut neighbours = Vec::new();
        for family in Family::BOTH.map(Family::number) {
            neighbours.extend(self.neighbour_dump(
                family,
                "list neighbours",
                |payload, entries| decode::neighbour(payload, family, entries),
            )?);
        }
        Ok(neighbours)
    }

    /// Lists the neighbour tables of the machine, which its network namespaces share.
    pub fn neighbour_tables(&mut self) -> Result<Vec<NeighbourTable>> {
        let request = Message::dump(rtm::GETNEIGHTBL, &[0; 4]);
        self.connection
            .dump(request, "list neighbour tables", decode::table)
    }

    /// Lists the forwarding databases of all bridges and vxlan devices (PF_BRIDGE).
    pub fn fdb(&mut self) -> Result<Vec<FdbEntry>> {
        self.neighbour_dump(af::BRIDGE, "list forwarding entries", decode::forwarding)
    }

    fn neighbour_dump<T>(
        &mut self,
        family: u8,
        what: &str,
        decode: impl Fn(&[u8], &mut Vec<T>) -> Option<()>,
    ) -> Result<Vec<T>> {
        let mut header = [0; 12];
        header[0] = family;
        self.connection
            .dump(Message::dump(rtm::GETNEIGH, &header), what, decode)
    }
}

/// Requests that are sent together; the kernel processes them in order, each independently. A batch of more than a
/// hundred requests or 64 KiB takes several `send` calls.
pub struct Batch<'a> {
    route: &'a mut Route,
    requests: Vec<Request>,
}

impl Batch<'_> {
    /// Adds a request to the batch.
    pub fn push(&mut self, request: Request) -> &mut Self {
        self.requests.push(request);
        self
    }

    /// Sends all requests and awaits every answer. An empty batch does nothing.
    ///
    /// # Errors
    /// The first refusal; the requests after it were still carried out. [`Error::Invalid`] if any request is malformed, and
    /// then none is sent.
    pub fn commit(self) -> Result<()> {
        let mut requests = self.requests;
        for request in &requests {
            check(&request.message, &request.what)?;
        }
        let mut verdict = Ok(());
        let mut rest = requests.as_mut_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = |request: &&Request| {
                bytes += request.message.len();
                bytes <= SEND_BYTES
            };
            let count = rest
                .iter()
                .take(SEND_REQUESTS)
                .take_while(fitting)
                .count()
                .max(1);
            let (now, later) = rest.split_at_mut(count);
            let part = self.route.exchange(now)?;
            verdict = verdict.and(part);
            rest = later;
        }
        verdict
    }
}

impl Route {
    /// Sends the requests in one datagram and awaits one answer each. The outer error is the socket's, the inner one the
    /// first refusal.
    fn exchange(&mut self, requests: &mut [Request]) -> Result<Result<()>> {
        let mut bytes =
            Vec::with_capacity(requests.iter().map(|request| request.message.len()).sum());
        let mut pending = Vec::with_capacity(requests.len());
        for request in &mut *requests {
            let sequence = self.connection.next_sequence();
            bytes.extend_from_slice(request.message.finish(sequence));
            pending.push((sequence, &*request));
        }
        let first = pending.first().map_or("", |(_, request)| request.what());
        self.connection.send(&bytes, first)?;
        // The kernel processes a datagram from front to back, so the answers come in the order of the requests.
        let mut pending = pending.into_iter().peekable();
        let mut verdict = Ok(());
        while let Some((_, request)) = pending.peek() {
            let answers = self.connection.receive(0);
            let answers = answers.map_err(|cause| Error::Socket {
                what: request.what.clone(),
                cause,
            })?;
            for answer in answers {
                let Some((_, request)) =
                    pending.next_if(|(sequence, _)| *sequence == answer.sequence)
                else {
                    continue;
                };
                if let Some(Outcome::Refused(errno, ack)) = outcome(&answer)
                    && request.tolerated != Some(errno)
                {
                    verdict = verdict.and(Err(Error::Kernel {
                        what: request.what.clone(),
                        errno,
                        ack,
                    }));
                }
            }
        }
        Ok(verdict)
    }
}
