//! The netlink wire format: building requests and parsing answers.
use std::net::IpAddr;

use crate::MacAddr;
use crate::uapi::nlm;

/// Length of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;

/// One request under construction: header, family header, attributes.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    fault: Option<&'static str>,
}

impl Message {
    /// `family_header` is the fixed structure that follows `nlmsghdr` (`ifinfomsg`, `rtmsg`, …).
    pub(crate) fn new(kind: u16, flags: u16, family_header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | nlm::REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(family_header);
        Message { bytes, fault: None }
    }

    /// A request for every entry.
    pub(crate) fn dump(kind: u16, family_header: &[u8]) -> Self {
        Message::new(kind, nlm::DUMP, family_header)
    }

    pub(crate) fn attr(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.nest_raw(kind, |m| m.bytes.extend_from_slice(value))
    }

    pub(crate) fn attr_u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.attr(kind, &[value])
    }

    pub(crate) fn attr_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// A number in network byte order, as nftables and ports have it.
    pub(crate) fn attr_be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attr(kind, &value.to_be_bytes())
    }

    /// A string with its terminating NUL.
    pub(crate) fn attr_text(&mut self, kind: u16, text: &str) -> &mut Self {
        if text.contains('\0') {
            // The kernel would cut the name off there.
            self.fault = Some("a name contains a NUL byte");
        }
        self.nest_raw(kind, |m| {
            m.bytes.extend_from_slice(text.as_bytes());
            m.bytes.push(0);
        })
    }

    pub(crate) fn attr_ip(&mut self, kind: u16, ip: IpAddr) -> &mut Self {
        self.attr(kind, &octets(ip))
    }

    pub(crate) fn attr_mac(&mut self, kind: u16, mac: MacAddr) -> &mut Self {
        self.attr(kind, &mac.0)
    }

    /// An attribute that holds attributes.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.nest_raw(kind | nlm::ATTR_NESTED, fill)
    }

    /// What begins with its length as an attribute does, but has these two bytes in place of a type (struct rtnexthop).
    pub(crate) fn sized(&mut self, rest: [u8; 2], fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.nest_raw(u16::from_ne_bytes(rest), fill)
    }

    /// A fixed structure at the start of a nested attribute, as in VETH_INFO_PEER.
    pub(crate) fn structure(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn nest_raw(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        fill(self);
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.fault = Some("an attribute is longer than 65535 bytes"),
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Sets NLM_F_ACK.
    pub(crate) fn request_ack(&mut self) {
        for (byte, flag) in self.bytes[6..8].iter_mut().zip(nlm::ACK.to_ne_bytes()) {
            *byte |= flag;
        }
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The attributes so far, after a family header of that length.
    pub(crate) fn attributes(&self, family_header: usize) -> &[u8] {
        self.bytes.get(HEADER + family_header..).unwrap_or_default()
    }

    /// Why the message must not be sent.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.fault
    }

    /// Fills in length and sequence number and returns the message's bytes.
    pub(crate) fn finish(&mut self, sequence: u32) -> &[u8] {
        let length = self.bytes.len() as u32;
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        &self.bytes
    }
}

/// An address in network byte order.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// One message of a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// Iterates over the messages of a datagram; ends at a length that does not fit.
pub(crate) struct Answers<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Answers<'a> {
    type Item = Answer<'a>;
    fn next(&mut self) -> Option<Answer<'a>> {
        let bytes = self.0;
        let length = u32_at(bytes, 0)? as usize;
        let answer = Answer {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            sequence: u32_at(bytes, 8)?,
            payload: bytes.get(HEADER..length)?,
        };
        self.0 = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(answer)
    }
}

/// Iterates over attributes as (type without flags, value); ends at a length that does not fit.
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);
    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & nlm::ATTR_TYPE_MASK;
        let value = self.0.get(ATTRIBUTE_HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// [`Attributes`] with their flags, as (flags, type, value).
pub(crate) fn flagged(bytes: &[u8]) -> impl Iterator<Item = (u16, u16, &[u8])> {
    let mut rest = bytes;
    Attributes(bytes).map(move |(kind, value)| {
        let flags = u16_at(rest, 2).unwrap_or(0) & !nlm::ATTR_TYPE_MASK;
        let length = (ATTRIBUTE_HEADER + value.len()).next_multiple_of(4);
        rest = rest.get(length..).unwrap_or_default();
        (flags, kind, value)
    })
}

/// The value of the first attribute of that type.
pub(crate) fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    Attributes(bytes)
        .find(|(kind, _)| *kind == wanted)
        .map(|(_, value)| value)
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset + N)?.try_into().ok()
}

pub(crate) fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_ne_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_ne_bytes)
}

pub(crate) fn i32_at(bytes: &[u8], offset: usize) -> Option<i32> {
    array_at(bytes, offset).map(i32::from_ne_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_ne_bytes)
}

/// A string value, without its NUL.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// An address of 4 or 16 bytes.
pub(crate) fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => array_at::<4>(value, 0).map(IpAddr::from),
        16 => array_at::<16>(value, 0).map(IpAddr::from),
        _ => None,
    }
}

/// An Ethernet address; `None` for hardware addresses of other lengths.
pub(crate) fn mac(value: &[u8]) -> Option<MacAddr> {
    value.try_into().ok().map(MacAddr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_attributes_have_their_lengths_and_padding() {
        let mut message = Message::new(16, 0, &[]);
        message.nest(18, |m| {
            m.attr_text(1, "veth").attr_u8(2, 7);
        });
        let bytes = message.finish(42);
        let answer = Answers(bytes).next().unwrap();
        assert_eq!(
            (answer.kind, answer.flags, answer.sequence),
            (16, nlm::REQUEST, 42)
        );
        assert_eq!(bytes.len(), 16 + 4 + 12 + 8);
        let nested = find(answer.payload, 18).unwrap();
        let inner: Vec<_> = Attributes(nested).collect();
        assert_eq!(inner, [(1, b"veth\0".as_slice()), (2, [7].as_slice())]);
    }

    #[test]
    fn what_no_attribute_can_hold_is_a_fault() {
        let mut message = Message::new(16, 0, &[]);
        message.attr(1, &vec![0; 65_531]);
        assert_eq!(message.fault(), None, "65535 bytes with the header");
        message.attr(1, &vec![0; 65_532]);
        assert!(message.fault().is_some());
        let mut message = Message::new(16, 0, &[]);
        message.attr_text(1, "a\0b");
        assert!(message.fault().is_some());
    }

    #[test]
    fn lengths_that_do_not_fit_end_the_walk() {
        for bytes in [
            &[][..],
            &[4, 0, 1],
            &[3, 0, 1, 0],
            &[0, 0, 1, 0],
            &[9, 0, 1, 0, 1, 2, 3, 4],
        ] {
            assert_eq!(Attributes(bytes).count(), 0, "{bytes:?}");
        }
        // The last attribute need not be padded.
        assert_eq!(
            Attributes(&[5, 0, 1, 0, 9]).collect::<Vec<_>>(),
            [(1, [9].as_slice())]
        );
        let mut short = Message::new(16, 0, &[1, 2, 3, 4]).finish(1).to_vec();
        short.pop();
        assert_eq!(Answers(&short).count(), 0);
        for length in [0_u32, 15] {
            short[0..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(Answers(&short).count(), 0, "shorter than its header");
        }
    }
}
