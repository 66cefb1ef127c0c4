//! Misses that are known and not mended, each with its reason. A law that is broken otherwise fails the test.
use crate::grammar::Class;
use crate::laws::Violation;
use crate::trial::Trial;

pub(crate) struct Known {
    pub(crate) law: u8,
    pub(crate) classes: &'static [Class],
    /// Words of the commands that planted the fault, one of them.
    planted: &'static [&'static str],
    /// Words of what was said, one of them.
    said: &'static [&'static str],
    pub(crate) why: &'static str,
}

impl Known {
    pub(crate) fn explains(&self, trial: &Trial, violation: &Violation) -> bool {
        let any = |words: &[&str], text: &str| {
            words.is_empty() || words.iter().any(|word| text.contains(word))
        };
        self.law == violation.law
            && (self.classes.contains(&trial.class) || trial.class == Pair)
            && any(self.planted, &trial.planted.join("; "))
            && any(self.said, &violation.what)
    }
}

/// Those of a trial that no entry explains.
pub(crate) fn unexplained(trial: &Trial) -> impl Iterator<Item = &Violation> {
    let explained =
        |violation: &Violation| KNOWN.iter().any(|known| known.explains(trial, violation));
    trial
        .violations()
        .filter(move |violation| !explained(violation))
}

use Class::*;

pub(crate) const KNOWN: &[Known] = &[
    Known {
        law: 1,
        classes: &[Loss],
        planted: &[],
        said: &["nothing is red"],
        why: "a dial is made up to twice, and counts as answered if one attempt is",
    },
    Known {
        law: 3,
        classes: &[Route, Address, Device],
        planted: &[],
        said: &["\"at\":\"wire\"", "routing-loop", "same-node names node"],
        why: "a packet that a node sends the wrong way is blamed on the router or node that gets it",
    },
    Known {
        law: 3,
        classes: &[Address],
        planted: &["ip addr add"],
        said: &["invalid argument"],
        why: "a node that holds its pod's address refuses the pod's packets for their source: told as a rule of `ip rule`",
    },
    Known {
        law: 3,
        classes: &[Iptables],
        planted: &["--icmpv6-type"],
        said: &["no-nat names"],
        why: "a dropped ICMPv6 echo request is once taken for a rewritten one",
    },
    Known {
        law: 1,
        classes: &[Filter, PodFilter],
        planted: &[
            "meta length > 600 ct state established",
            "meta length > 1300 ct state established",
        ],
        said: &["nothing is red"],
        why: "flatnet sends one packet of full size in a flow: a rule about later ones does not meet it",
    },
    Known {
        law: 2,
        classes: &[Filter, PodFilter],
        planted: &["meta length < 60"],
        said: &["broken: mtu"],
        why: "answers to trials of sizes are shorter than the oracle's: a rule drops them, and sizes cannot be measured",
    },
    Known {
        law: 1,
        classes: &[Filter, PodFilter],
        planted: &["meta length < 60"],
        said: &["nothing is red"],
        why: "flatnet sends no packet so short: its datagrams are longer than the oracle's, and acknowledgements travel with data",
    },
];
