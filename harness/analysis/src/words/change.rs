//! What was otherwise at a later look.
use flatnet_model::observations::{Change, Item, Moment};

use super::Words;
use super::list::joined;
use super::sentence::Say;

impl Words<'_> {
    /// `net.ipv4.ip_forward of node2 was 0 when the dials began and is 1 now; verdicts tell of a network that changed meanwhile`; nothing
    /// where nothing changed.
    pub fn changes(&self, changes: &[Change]) -> Option<String> {
        let each: Vec<String> = changes.iter().map(|change| self.change(change)).collect();
        (!each.is_empty()).then(|| {
            format!(
                "{}; verdicts tell of a network that changed meanwhile",
                joined(&each, "; ", 4)
            )
        })
    }

    fn change(&self, change: &Change) -> String {
        let at = change.at.say(self);
        let of = match &change.item {
            Item::Setting { key } => format!("net.{key} of {at}"),
            Item::Link { device } => format!("{device} of {at}"),
            Item::Mtu { device } => format!("the MTU of {device} of {at}"),
            Item::Mac { device } => format!("the Ethernet address of {device} of {at}"),
            Item::Master { device } => format!("the bridge above {device} of {at}"),
            Item::Address { net, device } => format!("{net} on {device} of {at}"),
            Item::Route { dst } if dst.prefix_len() == 0 => match dst.addr().is_ipv4() {
                true => format!("the default route of {at}"),
                false => format!("the IPv6 default route of {at}"),
            },
            Item::Route { dst } => format!("the route of {at} to {dst}"),
            Item::Neighbour { address, device } => {
                format!("the permanent neighbour entry for {address} on {device} of {at}")
            }
        };
        let is_of_value = !matches!(change.item, Item::Address { .. });
        let state = |value: &Option<String>| match value {
            Some(value) if is_of_value => value.clone(),
            Some(_) => "there".to_owned(),
            None => "not there".to_owned(),
        };
        let (before, now) = (state(&change.before), state(&change.now));
        let moment = match change.since {
            Moment::DialsBegan => "when the dials began",
            Moment::DialsEnded => "when the dials had ended",
        };
        format!("{of} was {before} {moment} and is {now} now")
    }
}
