//! What following packets came to.
use flatnet_model::advice::Advice;
use flatnet_model::evidence::{Basis, Command};
use flatnet_model::follow::{Fate, FollowedTo, Leg, Rewrite, RuleRef, Sight};
use flatnet_model::kernel::AddressField;
use flatnet_model::probe::watch::Passing;
use flatnet_model::reference::Netns;

use super::sentence::Say;
use super::{Names, Words, count};

impl Say for Netns {
    fn say(&self, words: &Words<'_>) -> String {
        match self {
            Netns::Pod(pod) => format!("pod {}", words.names.pod(pod)),
            Netns::Node(node) => node.clone(),
            Netns::Wire => "the wire between the nodes".to_owned(),
        }
    }
}

impl Say for RuleRef {
    fn say(&self, _: &Words<'_>) -> String {
        let RuleRef {
            family,
            table,
            chain,
            handle,
            text,
        } = self;
        let text = text.as_deref().map(|text| format!(" `{text}`"));
        let text = text.unwrap_or_default();
        match (handle, chain.is_empty()) {
            (Some(handle), _) => {
                format!("rule handle {handle}{text} of chain {chain} in table {family} {table}")
            }
            (None, false) => format!("{} of chain {chain} in table {family} {table}", text.trim()),
            (None, true) => format!("rule{text} of {family} table {table} (legacy iptables)"),
        }
    }
}

/// What became of a dial that was followed, one line each: where it ended, what ended it, how to look, what was changed.
pub fn followed(found: &FollowedTo, look: Option<&Command>, advice: Advice) -> Vec<String> {
    let words = Words {
        advice,
        names: Names::Full,
    };
    let mut lines = Vec::new();
    if let Some(fate) = &found.fate {
        lines.push(words.fate(fate));
        if let Some(found) = &fate.cause {
            let basis = match found.basis {
                Basis::Seen => "seen",
                Basis::Inferred => "may be",
            };
            lines.push(format!("{basis}: {}", words.cause(&found.cause)));
            lines.extend(look.map(|look| format!("look: {}", words.line(look))));
        }
    }
    // What is changed on the way there is changed back in the answer, and again in what follows it.
    let first = |rewrite: &&Rewrite| matches!(rewrite.leg, Leg::Request | Leg::Syn);
    let mut told: Vec<&Rewrite> = found.rewrites.iter().filter(first).collect();
    if told.is_empty() {
        told.extend(&found.rewrites);
    }
    lines.extend(told.into_iter().map(|rewrite| words.rewrite(rewrite)));
    lines
}

impl Words<'_> {
    /// `5 of 5 requests were last seen coming into node2 by eth0; pod busybox-2 did not see them`.
    pub(super) fn fate(&self, fate: &Fate) -> String {
        let Fate {
            leg,
            packets,
            of,
            last,
            unseen_at,
            ..
        } = fate;
        let what = format!("{packets} of {}", count(*of, leg_words(*leg)));
        let were = if *of == 1 { "was" } else { "were" };
        let last = match last {
            Some(sight) => format!("{were} last seen {}", self.sight(sight)),
            None => format!("{were} seen at no device"),
        };
        let unseen = unseen_at
            .as_ref()
            .map(|netns| format!("; not seen at {}", netns.say(self)));
        format!("{what} {last}{}", unseen.unwrap_or_default())
    }

    fn sight(&self, sight: &Sight) -> String {
        let Sight {
            netns,
            device,
            passing,
            tunnelled,
        } = sight;
        let how = match passing {
            Passing::In => "coming into",
            Passing::InForOther => "coming into (addressed to another Ethernet address)",
            Passing::Out => "leaving",
        };
        let tunnelled = if *tunnelled { " inside the tunnel" } else { "" };
        format!("{how} {} by {device}{tunnelled}", netns.say(self))
    }

    pub(super) fn rewrite(&self, rewrite: &Rewrite) -> String {
        let Rewrite {
            leg,
            field,
            from,
            to,
            at,
            by,
        } = rewrite;
        let field = match field {
            AddressField::Source => "source",
            AddressField::Destination => "destination",
        };
        let by = by.as_ref().map(|by| format!(", by {}", by.say(self)));
        format!(
            "{field} of the {} changed from {from} to {to} on {}{}",
            leg_words(*leg),
            at.say(self),
            by.unwrap_or_default()
        )
    }
}

fn leg_words(leg: Leg) -> &'static str {
    match leg {
        Leg::Request => "request",
        Leg::Answer => "answer",
        Leg::Syn => "SYN",
        Leg::SynAck => "SYN-ACK",
        Leg::Data => "first data segment",
        Leg::DataAnswer => "answering data segment",
    }
}
