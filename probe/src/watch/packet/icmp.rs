//! ICMP (RFC 792), ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861).
use flatnet_model::kernel::MacAddr;
use flatnet_model::probe::watch::{Body, Outer, Packet};

use super::bytes::{array_at, ipv6_at, u8_at, u16_at, u32_at};
use super::transport;

/// Reads the packet that an error quotes, with the tunnel headers around it.
pub(super) type Quoted<'a> = dyn Fn(&[u8]) -> Option<(Vec<Outer>, Packet)> + 'a;

/// Bytes before the packet that an error quotes.
const ERROR_HEADER: usize = 8;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const REDIRECT: u8 = 5;
const ECHO: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
/// Code of [`UNREACHABLE`]: fragmentation needed (RFC 1191).
const TOO_BIG_CODE: u8 = 4;

const V6_UNREACHABLE: u8 = 1;
const V6_TOO_BIG: u8 = 2;
const V6_PARAMETER_PROBLEM: u8 = 4;
const V6_ECHO: u8 = 128;
const V6_ECHO_REPLY: u8 = 129;
const V6_SOLICITATION: u8 = 135;
const V6_ADVERTISEMENT: u8 = 136;
const TARGET_ADDRESS_OPTION: u8 = 2;

/// An echo of a probe, or an error about a packet that is wanted.
pub(super) fn v4(bytes: &[u8], quoted: &Quoted<'_>) -> Option<Body> {
    let (kind, code) = (u8_at(bytes, 0)?, u8_at(bytes, 1)?);
    match kind {
        UNREACHABLE | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM => {
            let mtu = (kind == UNREACHABLE && code == TOO_BIG_CODE)
                .then(|| u16_at(bytes, 6).map(u32::from))
                .flatten();
            error(bytes, kind, code, mtu, quoted)
        }
        _ => transport::echo(bytes, ECHO, ECHO_REPLY),
    }
}

/// Likewise, and neighbour discovery.
pub(super) fn v6(bytes: &[u8], quoted: &Quoted<'_>) -> Option<Body> {
    let (kind, code) = (u8_at(bytes, 0)?, u8_at(bytes, 1)?);
    match kind {
        V6_UNREACHABLE..=V6_PARAMETER_PROBLEM => {
            let mtu = (kind == V6_TOO_BIG).then(|| u32_at(bytes, 4)).flatten();
            error(bytes, kind, code, mtu, quoted)
        }
        V6_SOLICITATION | V6_ADVERTISEMENT => neighbour(bytes, kind == V6_ADVERTISEMENT),
        _ => transport::echo(bytes, V6_ECHO, V6_ECHO_REPLY),
    }
}

fn error(bytes: &[u8], kind: u8, code: u8, mtu: Option<u32>, quoted: &Quoted<'_>) -> Option<Body> {
    let (within, about) = quoted(bytes.get(ERROR_HEADER..)?)?;
    Some(Body::Error {
        kind,
        code,
        mtu,
        within,
        about: Some(Box::new(about)),
    })
}

fn neighbour(bytes: &[u8], reply: bool) -> Option<Body> {
    let target = ipv6_at(bytes, 8)?;
    let mac = if reply {
        option(bytes.get(24..)?)
    } else {
        None
    };
    Some(Body::Neighbour { reply, target, mac })
}

/// The address of the option "target link-layer address" among these.
fn option(mut options: &[u8]) -> Option<MacAddr> {
    loop {
        let (kind, length) = (u8_at(options, 0)?, usize::from(u8_at(options, 1)?) * 8);
        if kind == TARGET_ADDRESS_OPTION && length == 8 {
            return array_at(options, 2).map(MacAddr);
        }
        if length == 0 {
            return None;
        }
        options = options.get(length..)?;
    }
}
