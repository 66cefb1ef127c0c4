//! Tables of sentences: one row per kind of cause, symptom or state.
use std::collections::BTreeSet;
use std::net::IpAddr;

use flatnet_model::PodRef;
use flatnet_model::evidence::{Extent, HeldAddress, PodAt, Route};
use flatnet_model::kernel::MacAddr;
use flatnet_model::network::{Family, Protocol, Transport};
use flatnet_model::reference::Endpoint;
use ipnet::IpNet;

use super::list::{all, between, listed, shown, transports};
use super::{Words, count};

/// A value that has its own form in a sentence.
pub(super) trait Say {
    fn say(&self, words: &Words<'_>) -> String;
}

/// `VARIANT { FIELDS } => "a sentence with {fields} in it";` for each variant of an enum; fields are [said](Say) in it.
/// `VARIANT { FIELDS } => (EXPRESSION);` where the sentence depends on the values; it has the fields as they are.
/// `VARIANT(FIELD) => …` for a variant that holds one value.
macro_rules! sentences {
    ($words:ident, $of:expr, $kind:ident {
        $($variant:ident $({ $($field:ident),* })? $(($only:ident))? => $sentence:tt;)*
    }) => {
        match $of {
            $($kind::$variant { $($($field,)*)? $(0: $only,)? .. } => {
                sentences!(@say $words [$($($field)*)? $($only)?] $sentence)
            })*
        }
    };
    (@say $words:ident [$($field:ident)*] ($sentence:expr)) => { $sentence };
    (@say $words:ident [$($field:ident)*] $sentence:literal) => {{
        $(let $field = $crate::words::sentence::Say::say($field, $words);)*
        format!($sentence)
    }};
}
pub(super) use sentences;

macro_rules! as_displayed {
    ($($type:ty)*) => {
        $(impl Say for $type {
            fn say(&self, _: &Words<'_>) -> String {
                self.to_string()
            }
        })*
    };
}
as_displayed!(String u16 u32 i32 usize IpAddr IpNet MacAddr Family Transport);

macro_rules! said {
    ($($type:ty => |$words:ident, $value:ident| $say:expr;)*) => {
        $(impl Say for $type {
            fn say(&self, $words: &Words<'_>) -> String {
                let $value = self;
                $say
            }
        })*
    };
}
said! {
    PodRef => |words, pod| words.names.pod(pod);
    PodAt => |words, pod| words.pod_at(pod);
    Vec<PodAt> => |words, pods| words.pods_at(pods);
    Endpoint => |words, end| words.names.end(end);
    Vec<Endpoint> => |words, ends| shown(ends.iter().map(|end| words.names.end(end)), 4);
    HeldAddress => |words, held| words.held(held);
    Route => |words, route| words.route_with_owner(route);
    Vec<String> => |_words, names| listed(names, 6);
    Vec<IpAddr> => |_words, addresses| all(addresses, " or ");
    BTreeSet<Transport> => |_words, over| transports(over.iter().copied());
    BTreeSet<Protocol> => |_words, over| all(over, ", ");
    Vec<(String, String)> => |_words, pairs| between(pairs, 6);
    Extent => |words, extent| format!(
        "{} over {} ({})",
        count(extent.pairs, "pair"),
        extent.over.say(words),
        extent.between.say(words)
    );
}
