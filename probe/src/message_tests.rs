//! What goes over the wire is what was meant.
use super::*;

const HELLO: Message<'_> = Message::Hello {
    nonce: 0x0102_0304_0506_0708,
    name: "default/busybox-1",
};

#[track_caller]
fn round_trip(message: Message<'_>) {
    assert_eq!(Message::decode(&message.encode()).unwrap(), message);
}

#[test]
fn every_kind_survives_the_way() {
    round_trip(HELLO);
    round_trip(Message::Hello { nonce: 0, name: "" });
    round_trip(Message::Answer {
        nonce: u64::MAX,
        seen_as: "10.244.1.7".parse().unwrap(),
        name: "pöd",
    });
    round_trip(Message::Answer {
        nonce: 1,
        seen_as: "fd00::1".parse().unwrap(),
        name: "n",
    });
    round_trip(Message::Sized { nonce: 5 });
    round_trip(Message::Received {
        nonce: 6,
        bytes: 65_507,
    });
    round_trip(Message::Transfer {
        nonce: 8,
        bytes: 65_536,
        stall_ms: 1_000,
    });
    let arrived = Message::Arrived {
        nonce: 9,
        bytes: 1_448,
        altered: true,
        mss: 1_448,
    };
    round_trip(arrived);
    assert_eq!(arrived.encode().len(), ARRIVED);
    round_trip(Message::Number {
        nonce: 10,
        number: u64::MAX,
    });
    round_trip(Message::Counted {
        nonce: 11,
        number: 1 << 40,
        count: 7,
        kept_us: 250,
    });
    round_trip(Message::Hello {
        nonce: 7,
        name: &"x".repeat(MAX_NAME),
    });
}

#[test]
fn the_bytes_are_those_of_the_table() {
    let bytes = Message::Hello {
        nonce: 0x0102_0304_0506_0708,
        name: "ab",
    }
    .encode();
    assert_eq!(bytes, b"fnp1\x01\x01\x02\x03\x04\x05\x06\x07\x08\x00\x02ab");
}

#[test]
fn padding_is_for_sized_messages_only() {
    let mut sized = Message::Sized { nonce: 5 }.encode();
    sized.resize(1400, 0xaa);
    assert_eq!(
        Message::decode(&sized).unwrap(),
        Message::Sized { nonce: 5 }
    );
    let mut hello = HELLO.encode();
    hello.push(0);
    assert!(Message::decode(&hello).is_err());
}

#[test]
fn every_prefix_lacks_something_and_never_panics() {
    let whole = HELLO.encode();
    for end in 0..whole.len() {
        let lacks = lacking(&whole[..end]).unwrap();
        assert!(
            lacks > 0 && end + lacks <= whole.len(),
            "{end} bytes lack {lacks}"
        );
        assert!(Message::decode(&whole[..end]).is_err());
    }
    assert_eq!(lacking(&whole).unwrap(), 0);
}

#[test]
fn garbage_is_refused_at_once() {
    for garbage in [&b"GET / HTTP/1.0\r\n\r\n"[..], b"x", b"fnp2", &[0xff; 600]] {
        assert!(lacking(garbage).is_err(), "{garbage:?}");
        assert!(Message::decode(garbage).is_err(), "{garbage:?}");
    }
    let mut endless = HELLO.encode();
    endless[13] = 0xff;
    assert!(lacking(&endless).is_err());
    let mut unknown = HELLO.encode();
    unknown[4] = 9;
    assert!(Message::decode(&unknown).is_err());
    let mut latin1 = HELLO.encode();
    latin1[HEADER] = 0xe4;
    assert!(Message::decode(&latin1).is_err());
}

#[test]
fn a_quoted_header_is_enough_to_know_whose_it_was() {
    let bytes = HELLO.encode();
    assert_eq!(nonce_of(&bytes[..13]), Some(0x0102_0304_0506_0708));
    assert_eq!(nonce_of(&bytes[..12]), None);
    assert_eq!(nonce_of(b"another program's"), None);
}

#[test]
fn a_nonce_may_lack_its_last_byte() {
    let bytes = HELLO.encode();
    assert_eq!(start_of_nonce(&bytes[..12]), Some(0x0102_0304_0506_0700));
    assert_eq!(start_of_nonce(&bytes[..11]), None);
}

#[test]
fn a_name_too_long_is_cut_between_characters() {
    let name = "ä".repeat(MAX_NAME);
    let bytes = Message::Hello {
        nonce: 1,
        name: &name,
    }
    .encode();
    let Message::Hello { name, .. } = Message::decode(&bytes).unwrap() else {
        panic!("not a hello")
    };
    assert_eq!(name.len(), MAX_NAME);
}
