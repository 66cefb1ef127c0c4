//! The grammar of faults: what is broken, where, for which family, in which direction, with parameters that dice choose.
mod addresses;
mod devices;
mod filters;
mod harmless;
mod matches;
mod nat;
mod neighbours;
mod process;
mod routes;
mod settings;
mod underlay;

use std::fmt;

use flatnet_model::cause::CauseId;

use crate::dice::Dice;
use crate::ground::{Family, Ground, Spot};

/// A row of the table of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Device,
    Address,
    Route,
    PolicyRule,
    Setting,
    Neighbour,
    Forwarding,
    Filter,
    PodFilter,
    Iptables,
    Loss,
    Nat,
    Duplicate,
    Mtu,
    File,
    Process,
    Underlay,
    Harmless,
    Pair,
}

impl Class {
    /// Those that are drawn by themselves.
    const SINGLE: [Class; 18] = [
        Class::Device,
        Class::Address,
        Class::Route,
        Class::PolicyRule,
        Class::Setting,
        Class::Neighbour,
        Class::Forwarding,
        Class::Filter,
        Class::PodFilter,
        Class::Iptables,
        Class::Loss,
        Class::Nat,
        Class::Duplicate,
        Class::Mtu,
        Class::File,
        Class::Process,
        Class::Underlay,
        Class::Harmless,
    ];

    pub(crate) fn all() -> impl Iterator<Item = Class> {
        Class::SINGLE.into_iter().chain([Class::Pair])
    }
}

impl Class {
    /// What is planted, for the page.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Class::Device => {
                "a device of a pod or node down, a bridge port off its bridge or blocked, another MAC of any device"
            }
            Class::Address => {
                "an address removed, held by a second pod or node, a gateway's address on another bridge"
            }
            Class::Route => {
                "a route removed, to a wrong next hop, more specific, `blackhole`, `unreachable`, `prohibit`; on a node or in a pod"
            }
            Class::PolicyRule => {
                "`ip rule` by source, destination, protocol and port, or mark, to a refusal or a table of its own"
            }
            Class::Setting => {
                "forwarding of all or one interface, strict `rp_filter`, `disable_ipv6`, `icmp_echo_ignore_all`"
            }
            Class::Neighbour => "a permanent neighbour with a wrong MAC, removed, or failed",
            Class::Forwarding => "an entry of the VXLAN device removed or to another node",
            Class::Filter => {
                "a rule or policy of nftables on a node: any hook and priority, families ip, ip6, inet, bridge, netdev; matches drawn"
            }
            Class::PodFilter => "the same in a pod's network namespace",
            Class::Iptables => {
                "rules and policies of iptables-nft and of legacy iptables in filter, raw and mangle"
            }
            Class::Loss => "a rule that drops 10 to 95 of a hundred packets at random",
            Class::Nat => "masquerade, snat, dnat, redirect, addresses rewritten without state",
            Class::Duplicate => "a rule that sends a copy of each packet",
            Class::Mtu => {
                "a smaller MTU of a pod, a bridge, a bridge port, a tunnel or the underlay's interface"
            }
            Class::File => "a second CNI configuration, none, a plugin removed or not executable",
            Class::Process => {
                "a pod's process stopped or killed, another program on the port of flatnet's responders"
            }
            Class::Underlay => {
                "a port of the nodes' segment or router with a smaller MTU, down or isolated; a rule there that drops all or some"
            }
            Class::Harmless => "rules, routes, devices, sysctls and files that concern no pod",
            Class::Pair => "two of device, route, filter, NAT and neighbour, in two places",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Device => "device",
            Class::Address => "address",
            Class::Route => "route",
            Class::PolicyRule => "policy rule",
            Class::Setting => "sysctl",
            Class::Neighbour => "neighbour",
            Class::Forwarding => "FDB",
            Class::Filter => "filter on a node",
            Class::PodFilter => "filter in a pod",
            Class::Iptables => "iptables",
            Class::Loss => "random loss",
            Class::Nat => "NAT",
            Class::Duplicate => "duplicates",
            Class::Mtu => "MTU",
            Class::File => "file",
            Class::Process => "process",
            Class::Underlay => "underlay",
            Class::Harmless => "harmless change",
            Class::Pair => "two faults at once",
        })
    }
}

/// A fault, before it is planted.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) class: Class,
    pub(crate) steps: Vec<Step>,
    pub(crate) truth: Truth,
}

/// Lines of shell in a namespace, with the programs of its node.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) spot: Spot,
    pub(crate) plant: String,
    pub(crate) undo: String,
}

/// What may be said of a fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    /// Whom flatnet may call the culprit.
    pub(crate) culprits: Vec<Spot>,
    /// Causes that it may say it has seen.
    pub(crate) causes: Vec<CauseId>,
    /// The rule that it may name.
    pub(crate) rules: Vec<RuleAt>,
    /// The devices that it may call down or off their bridge: the planted one, and the pod's, which has no carrier then.
    pub(crate) devices: Vec<String>,
    /// The sysctl key that it may name, without `net.`.
    pub(crate) keys: Vec<String>,
    /// Words of counters that it may name; any where there are none.
    pub(crate) counters: &'static [&'static str],
    /// Checks of state that must be red, though packets may pass.
    pub(crate) must: &'static [&'static str],
    /// Checks of state that may be red though packets pass.
    pub(crate) may: &'static [&'static str],
    /// Why flatnet's promise does not cover it, where it does not: it may be green though the oracle finds something.
    pub(crate) uncovered: Option<&'static str>,
}

/// A chain with the rule that was planted; its handle is known once it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleAt {
    pub(crate) spot: Spot,
    pub(crate) family: &'static str,
    pub(crate) table: String,
    pub(crate) chain: String,
    /// Nothing where the chain has no rule, but a policy.
    pub(crate) handle: Option<u64>,
    /// Whether packets that meet no rule are dropped.
    pub(crate) policy_drops: bool,
    /// Of legacy iptables, whose rules have no handles, and whose chains are not told apart.
    pub(crate) is_legacy: bool,
}

/// What draws a fault: a lab, dice, and a number that tells names of this fault from those of another at the same time.
pub(crate) struct Draw<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) dice: Dice,
    tag: usize,
}

/// The fault of a seed in a lab.
pub(crate) fn draw(ground: &Ground, seed: u64) -> Planned {
    let mut draw = Draw {
        ground,
        dice: Dice::new(seed),
        tag: 0,
    };
    if draw.dice.percent(90) {
        return draw.single(&Class::SINGLE);
    }
    let first = draw.single(&BREAKING);
    draw.tag = 1;
    let busy = |planned: &Planned| -> Vec<Spot> { planned.steps.iter().map(|s| s.spot).collect() };
    loop {
        let second = draw.single(&BREAKING);
        let clear =
            second.class != first.class && !busy(&second).iter().any(|s| busy(&first).contains(s));
        if clear {
            return both(first, second);
        }
    }
}

/// Those that are planted two at once: each of them alone is red.
const BREAKING: [Class; 5] = [
    Class::Device,
    Class::Route,
    Class::Filter,
    Class::Nat,
    Class::Neighbour,
];

fn both(first: Planned, second: Planned) -> Planned {
    let (a, b) = (first.truth, second.truth);
    Planned {
        class: Class::Pair,
        steps: [first.steps, second.steps].concat(),
        truth: Truth {
            culprits: [a.culprits, b.culprits].concat(),
            causes: [a.causes, b.causes].concat(),
            rules: [a.rules, b.rules].concat(),
            devices: [a.devices, b.devices].concat(),
            keys: [a.keys, b.keys].concat(),
            // Either of two may be counted.
            counters: &[],
            must: a.must,
            may: &["bridge", "gateway", "node-routes", "mtu"],
            uncovered: a.uncovered.or(b.uncovered),
        },
    }
}

impl Draw<'_> {
    /// Draws until a class has something for this lab (there is no FDB without VXLAN).
    fn single(&mut self, of: &[Class]) -> Planned {
        loop {
            let class = self.dice.word(of);
            let drawn = match class {
                Class::Device => devices::device(self),
                Class::Mtu => devices::mtu(self),
                Class::Address => addresses::draw(self),
                Class::Route => routes::route(self),
                Class::PolicyRule => routes::rule(self),
                Class::Setting => settings::sysctl(self),
                Class::File => settings::file(self),
                Class::Process => process::draw(self),
                Class::Underlay => underlay::draw(self),
                Class::Neighbour => neighbours::neighbour(self),
                Class::Forwarding => neighbours::forwarding(self),
                Class::Filter => filters::node(self),
                Class::PodFilter => filters::pod(self),
                Class::Iptables => filters::iptables(self),
                Class::Loss => filters::loss(self),
                Class::Nat => nat::draw(self),
                Class::Duplicate => nat::duplicate(self),
                Class::Harmless => harmless::draw(self),
                Class::Pair => None,
            };
            if let Some((steps, truth)) = drawn {
                return Planned {
                    class,
                    steps,
                    truth,
                };
            }
        }
    }

    fn node(&mut self) -> usize {
        self.dice.below(self.ground.nodes.len())
    }

    fn pod(&mut self) -> usize {
        self.dice.below(self.ground.pods.len())
    }

    /// Another than that node.
    fn other_node(&mut self, than: usize) -> usize {
        let count = self.ground.nodes.len();
        (than + 1 + self.dice.below(count - 1)) % count
    }

    /// A pod of that node, or of any other.
    fn pod_of(&mut self, node: usize, on_it: bool) -> usize {
        let pods: Vec<usize> = (0..self.ground.pods.len())
            .filter(|pod| (self.ground.pods[*pod].node == node) == on_it)
            .collect();
        self.dice.word(&pods)
    }

    fn family(&mut self) -> Family {
        self.dice.word(&self.ground.families())
    }

    /// A namespace drawn among all.
    fn spot(&mut self) -> Spot {
        match self.dice.percent(60) {
            true => Spot::Node(self.node()),
            false => Spot::Pod(self.pod()),
        }
    }

    /// A file on the node for what undoing has to know.
    fn note(&self) -> String {
        format!("/run/generator-{}", self.tag)
    }

    /// A name for a table, as people and programs give them.
    fn table(&mut self) -> String {
        let name = self
            .dice
            .word(&["guard", "firewalld", "kube", "custom", "vpn"]);
        format!("{name}{}", self.tag)
    }
}

pub(crate) type Drawn = Option<(Vec<Step>, Truth)>;

fn step(spot: Spot, plant: impl Into<String>, undo: impl Into<String>) -> Step {
    Step {
        spot,
        plant: plant.into(),
        undo: undo.into(),
    }
}
