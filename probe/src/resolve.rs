//! Questions to a nameserver (RFC 1035), over UDP and TCP (RFC 7766).
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::dial::{Missed, Nonces};
use crate::{Failure, Lookup, Protocol, Record, Resolved};

/// Pause before a lookup that failed at once is tried again, times the attempts so far.
const PAUSE: Duration = Duration::from_millis(20);

/// What an answer contains.
struct Reply {
    code: String,
    addresses: Vec<IpAddr>,
    truncated: bool,
}

/// Asks `server` everything at once; the results are in the lookups' order. Runs on a tokio `LocalRuntime`.
pub(crate) async fn all(
    server: SocketAddr,
    lookups: Vec<Lookup>,
    timeout: Duration,
    attempts: u32,
) -> Vec<Resolved> {
    let nonces = Nonces::default();
    let mut asking = JoinSet::new();
    for (index, lookup) in lookups.into_iter().enumerate() {
        // Not the low bits, which count: an id must not be guessed (RFC 5452 section 9.2).
        let id = (nonces.next() >> 16) as u16;
        asking.spawn_local(async move {
            let result = persist(server, &lookup, id, timeout, attempts).await;
            (index, result)
        });
    }
    let mut results = asking.join_all().await;
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

async fn persist(
    server: SocketAddr,
    lookup: &Lookup,
    id: u16,
    timeout: Duration,
    most: u32,
) -> Resolved {
    let mut attempts = 1;
    loop {
        let begun = Instant::now();
        let outcome = tokio::time::timeout(timeout, attempt(server, lookup, id)).await;
        let took = begun.elapsed();
        match outcome {
            Ok(Ok(reply)) => {
                return Resolved::Answered {
                    code: reply.code,
                    addresses: reply.addresses,
                    truncated: reply.truncated,
                    rtt_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                    attempts,
                };
            }
            Ok(Err(Missed { kind, detail })) if attempts >= most => {
                return Resolved::Failed {
                    kind,
                    detail,
                    attempts,
                };
            }
            Err(_) if attempts >= most => {
                return Resolved::Failed {
                    kind: Failure::TimedOut,
                    detail: format!("no answer within {} ms", timeout.as_millis()),
                    attempts,
                };
            }
            _ => tokio::time::sleep((PAUSE * attempts).min(timeout).saturating_sub(took)).await,
        }
        attempts += 1;
    }
}

async fn attempt(server: SocketAddr, lookup: &Lookup, id: u16) -> Result<Reply, Missed> {
    let question = question(lookup, id)?;
    match lookup.over {
        Protocol::Udp => over_udp(server, &question, lookup.record, id).await,
        Protocol::Tcp => over_tcp(server, &question, lookup.record, id).await,
    }
}

fn question(lookup: &Lookup, id: u16) -> Result<Vec<u8>, Missed> {
    let bad = |error: simple_dns::SimpleDnsError| {
        Missed::new(Failure::NotSent, format!("{:?}: {error}", lookup.name))
    };
    let record = match lookup.record {
        Record::A => TYPE::A,
        Record::Aaaa => TYPE::AAAA,
    };
    let name = Name::new(lookup.name.trim_end_matches('.')).map_err(bad)?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        name,
        QTYPE::TYPE(record),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec().map_err(bad)
}

async fn over_udp(
    server: SocketAddr,
    question: &[u8],
    record: Record,
    id: u16,
) -> Result<Reply, Missed> {
    let here: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(here, 0)).await;
    let socket = socket.map_err(|error| Missed::no_socket(&error))?;
    let failed = |error: std::io::Error| Missed::io(&error);
    // Connected: only the server's own answers are heard, and ICMP errors come back as errors.
    socket.connect(server).await.map_err(failed)?;
    socket.send(question).await.map_err(failed)?;
    let mut buffer = [0; 4096];
    loop {
        let len = socket.recv(&mut buffer).await.map_err(failed)?;
        // An answer to an earlier question of the same port is passed over.
        if buffer[..len].starts_with(&id.to_be_bytes()) {
            return answer(&buffer[..len], record);
        }
    }
}

async fn over_tcp(
    server: SocketAddr,
    question: &[u8],
    record: Record,
    id: u16,
) -> Result<Reply, Missed> {
    let failed = |error: std::io::Error| Missed::io(&error);
    let mut stream = TcpStream::connect(server).await.map_err(failed)?;
    // The length goes first, in one write with what it counts (RFC 7766 section 8).
    let len = u16::try_from(question.len())
        .map_err(|_| Missed::new(Failure::NotSent, "the question is too long"))?;
    let mut message = len.to_be_bytes().to_vec();
    message.extend_from_slice(question);
    stream.write_all(&message).await.map_err(failed)?;
    let cut = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Missed::new(
            Failure::BadAnswer,
            "connection closed before the answer was whole",
        ),
        _ => Missed::io(&error),
    };
    let len = stream.read_u16().await.map_err(cut)?;
    let mut buffer = vec![0; usize::from(len)];
    stream.read_exact(&mut buffer).await.map_err(cut)?;
    if !buffer.starts_with(&id.to_be_bytes()) {
        return Err(Missed::new(
            Failure::BadAnswer,
            "an answer to another question (wrong id)",
        ));
    }
    answer(&buffer, record)
}

fn answer(bytes: &[u8], record: Record) -> Result<Reply, Missed> {
    let packet = Packet::parse(bytes)
        .map_err(|error| Missed::new(Failure::BadAnswer, format!("no DNS message: {error}")))?;
    if !packet.has_flags(PacketFlag::RESPONSE) {
        return Err(Missed::new(Failure::BadAnswer, "a question, not an answer"));
    }
    let address = |data: &RData<'_>| match (data, record) {
        (RData::A(a), Record::A) => Some(Ipv4Addr::from(a.address).into()),
        (RData::AAAA(aaaa), Record::Aaaa) => Some(Ipv6Addr::from(aaaa.address).into()),
        // CNAMEs on the way, which the server has followed itself.
        _ => None,
    };
    let mut addresses: Vec<IpAddr> = packet
        .answers
        .iter()
        .filter_map(|record| address(&record.rdata))
        .collect();
    addresses.sort_unstable();
    Ok(Reply {
        code: spelt(packet.rcode()),
        addresses,
        truncated: packet.has_flags(PacketFlag::TRUNCATION),
    })
}

/// As the IANA registry spells it.
fn spelt(code: RCODE) -> String {
    match code {
        RCODE::NoError => "NOERROR".to_owned(),
        RCODE::FormatError => "FORMERR".to_owned(),
        RCODE::ServerFailure => "SERVFAIL".to_owned(),
        RCODE::NameError => "NXDOMAIN".to_owned(),
        RCODE::NotImplemented => "NOTIMP".to_owned(),
        RCODE::Refused => "REFUSED".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::{A, AAAA};

    use super::*;

    fn lookup(record: Record) -> Lookup {
        Lookup {
            name: "a.svc.cluster.local.".to_owned(),
            record,
            over: Protocol::Udp,
        }
    }

    fn reply(records: Vec<RData<'static>>, code: RCODE) -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        *packet.rcode_mut() = code;
        for data in records {
            let name = Name::new_unchecked("a.svc.cluster.local");
            packet
                .answers
                .push(ResourceRecord::new(name, CLASS::IN, 5, data));
        }
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn the_question_is_that_of_rfc_1035() {
        let bytes = question(&lookup(Record::Aaaa), 0x0102).unwrap();
        assert_eq!(
            bytes,
            b"\x01\x02\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x03svc\x07cluster\x05local\x00\x00\x1c\x00\x01"
        );
    }

    #[test]
    fn addresses_of_the_wanted_kind_are_taken() {
        let records = || {
            vec![
                RData::A(A::from(Ipv4Addr::new(10, 96, 0, 9))),
                RData::A(A::from(Ipv4Addr::new(10, 96, 0, 1))),
                RData::AAAA(AAAA::from(Ipv6Addr::LOCALHOST)),
            ]
        };
        let v4 = answer(&reply(records(), RCODE::NoError), Record::A)
            .ok()
            .unwrap();
        assert_eq!(
            v4.addresses,
            [IpAddr::from([10, 96, 0, 1]), IpAddr::from([10, 96, 0, 9])]
        );
        assert_eq!((v4.code.as_str(), v4.truncated), ("NOERROR", false));
        let v6 = answer(&reply(records(), RCODE::NoError), Record::Aaaa)
            .ok()
            .unwrap();
        assert_eq!(v6.addresses, [IpAddr::from(Ipv6Addr::LOCALHOST)]);
    }

    #[test]
    fn a_name_that_does_not_exist_and_garbage_are_distinguished() {
        let missing = answer(&reply(Vec::new(), RCODE::NameError), Record::A)
            .ok()
            .unwrap();
        assert_eq!(missing.code, "NXDOMAIN");
        for garbage in [
            &b""[..],
            b"\x00\x07",
            &question(&lookup(Record::A), 7).unwrap(),
        ] {
            assert_eq!(
                answer(garbage, Record::A).err().unwrap().kind,
                Failure::BadAnswer
            );
        }
    }

    #[test]
    fn a_label_too_long_is_not_sent() {
        let lookup = Lookup {
            name: "x".repeat(64),
            ..lookup(Record::A)
        };
        assert_eq!(question(&lookup, 1).unwrap_err().kind, Failure::NotSent);
    }
}
