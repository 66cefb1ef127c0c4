//! What a route does with packets (RTN_*, include/uapi/linux/rtnetlink.h).

/// Sends them to its next hop.
pub const UNICAST: u8 = 1;
/// Takes them for the namespace's own.
pub const LOCAL: u8 = 2;
/// Drops them silently.
pub const BLACKHOLE: u8 = 6;
/// Refuses them with the error "host is unreachable".
pub const UNREACHABLE: u8 = 7;
/// Refuses them with the error "administratively prohibited".
pub const PROHIBIT: u8 = 8;
/// Lets the next policy rule decide.
pub const THROW: u8 = 9;

/// The word of `ip route` for a route that refuses packets; none for another.
pub fn refusal(kind: u8) -> Option<&'static str> {
    match kind {
        BLACKHOLE => Some("blackhole"),
        UNREACHABLE => Some("unreachable"),
        PROHIBIT => Some("prohibit"),
        _ => None,
    }
}
