//! ADD and DEL against Debian's bridge + host-local: one at a time, 8 and 32 at once, on a node with few pods and one with
//! many, with and without masquerade.
mod call;
mod field;
mod start;

use std::path::Path;
use std::time::Duration;

use call::Kind;
use field::{Field, Pod, Wave};

use crate::outcome::{Failure, Result};
use crate::sandbox;
use crate::stats::{Rounds, median, median_rate};
use crate::table::{Figure, Row, Target};
use crate::{Effort, Sink};

const OURS: &str = env!("CARGO_BIN_EXE_flatnet-cni");
/// Where Debian's package puts the reference.
const REFERENCE: &str = "/usr/lib/cni/bridge";
const FEW: usize = 10;
/// What a bridge takes is 1024 ports (BR_MAX_PORTS); 32 come and go beside those that stay.
const MOST: usize = 980;

/// How many pods come and go at once, and how many rounds of that.
const LOADS: [(usize, usize); 3] = [(1, 60), (8, 10), (32, 6)];
/// One load may not take longer, whatever the machine is busy with.
const LIMIT: Duration = Duration::from_secs(18);

pub(crate) fn run(effort: Effort, sink: &mut Sink) -> Result<()> {
    let (ours, reference) = (Path::new(OURS), Path::new(REFERENCE));
    for program in [reference, &reference.with_file_name("host-local")] {
        if !program.is_file() {
            let what = format!("the reference plugin {} is not there", program.display());
            return Err(Failure::missing(
                what,
                "install it (Debian: package containernetworking-plugins)",
            ));
        }
    }
    sandbox::program("iptables", "iptables")?;
    let busybox = sandbox::program("busybox", "busybox-static")?;
    sandbox::enter()?;
    start::measure(ours, reference, &busybox, effort, sink)?;
    let many = match effort {
        Effort::Quick => 200,
        Effort::Usual => 500,
        Effort::Full => MOST,
    };
    let fields = fields(many, ours, reference, sink)?;
    let most = LOADS.iter().map(|load| load.0).max().unwrap_or_default();
    let guests = (0..most)
        .map(|i| Pod::new(&format!("guest-{i}")))
        .collect::<Result<Vec<_>>>()?;
    for masquerade in [false, true] {
        for (at_once, rounds) in LOADS {
            let setting = Setting {
                masquerade,
                at_once,
                many,
            };
            sink.progress(&format!(
                "plugin: {at_once} at once{}",
                setting.masquerade()
            ));
            let guests: Vec<&Pod> = guests.iter().take(at_once).collect();
            let tallies = take_turns(&fields, &guests, &setting, effort.rounds(rounds))?;
            report(&setting, &tallies, sink);
        }
    }
    Ok(())
}

/// Four nodes: ours and the reference's with few pods, then both with many.
fn fields(many: usize, ours: &Path, reference: &Path, sink: &Sink) -> Result<Vec<Field>> {
    let mut fields = Vec::new();
    for pods in [FEW, many] {
        for (kind, program) in [(Kind::Ours, ours), (Kind::Reference, reference)] {
            sink.progress(&format!("plugin: {pods} pods on a node of {kind:?}"));
            let residents = (0..pods)
                .map(|i| Pod::new(&format!("{kind:?}-{pods}-{i}")))
                .collect::<Result<Vec<_>>>()?;
            fields.push(Field::new(kind, program, &residents)?);
        }
    }
    Ok(fields)
}

/// What a row is about.
struct Setting {
    masquerade: bool,
    /// Pods that come and go at once.
    at_once: usize,
    /// Pods on the full node.
    many: usize,
}

impl Setting {
    fn title(&self, op: &str, pods: usize) -> String {
        let load = if self.at_once == 1 {
            "one at a time".to_owned()
        } else {
            format!("{} at once", self.at_once)
        };
        format!("{op} {load}, {pods} pods{}", self.masquerade())
    }

    fn masquerade(&self) -> &'static str {
        if self.masquerade { ", ipMasq" } else { "" }
    }
}

/// What one field's rounds came to.
#[derive(Default)]
struct Tally {
    add: Series,
    del: Series,
    both_wall: Vec<Duration>,
    both_settled: Vec<Duration>,
}

#[derive(Default)]
struct Series {
    each: Vec<Duration>,
    rates: Vec<f64>,
}

impl Series {
    fn take(&mut self, wave: &Wave) {
        self.each.extend(&wave.each);
        self.rates
            .push(wave.each.len() as f64 / wave.wall.as_secs_f64());
    }

    fn figure(&self) -> Figure {
        Figure::Each {
            p50: median(&self.each),
            per_second: median_rate(&self.rates),
        }
    }
}

/// Every field in turn, a different one first each time; one round more, in the beginning, does not count.
fn take_turns(
    fields: &[Field],
    guests: &[&Pod],
    setting: &Setting,
    rounds: usize,
) -> Result<Vec<Tally>> {
    let mut tallies: Vec<Tally> = fields.iter().map(|_| Tally::default()).collect();
    for round in Rounds::new(rounds + 1, LIMIT) {
        let order: Vec<usize> = (0..fields.len())
            .map(|i| (i + round) % fields.len())
            .collect();
        for index in order {
            // The guests are at one node at a time: their interface has the same name everywhere.
            let (add, del) = fields[index].turnover(guests, setting.masquerade)?;
            if round == 0 {
                continue;
            }
            let tally = &mut tallies[index];
            tally.add.take(&add);
            tally.del.take(&del);
            tally.both_wall.push(add.wall + del.wall);
            tally.both_settled.push(add.settled + del.settled);
        }
    }
    Ok(tallies)
}

/// Targets hold where they were measured: one at a time and 32 at once with few pods, ADD also with many.
fn report(setting: &Setting, tallies: &[Tally], sink: &mut Sink) {
    let [few_ours, few_reference, many_ours, many_reference] = tallies else {
        return;
    };
    let (at_once, masquerade) = (setting.at_once, setting.masquerade);
    for (pods, ours, reference) in [
        (FEW, few_ours, few_reference),
        (setting.many, many_ours, many_reference),
    ] {
        let few = pods == FEW;
        let add = match (at_once, masquerade, few) {
            (1, false, true) => Target::Better(6.0),
            (1, false, false) => Target::Better(10.0),
            (1, true, true) => Target::Better(15.0),
            _ => Target::None,
        };
        let del = if at_once == 1 && few && !masquerade {
            Target::Better(10.0)
        } else {
            Target::None
        };
        sink.row(Row::pair(
            setting.title("ADD", pods),
            ours.add.figure(),
            reference.add.figure(),
            add,
        ));
        sink.row(Row::pair(
            setting.title("DEL", pods),
            ours.del.figure(),
            reference.del.figure(),
            del,
        ));
        if at_once == 32 {
            let wall = |tally: &Tally| Figure::Time(median(&tally.both_wall));
            let settled = |tally: &Tally| Figure::Time(median(&tally.both_settled));
            let target = if few && !masquerade {
                Target::Better(5.0)
            } else {
                Target::None
            };
            sink.row(Row::pair(
                setting.title("ADD+DEL, wall,", pods),
                wall(ours),
                wall(reference),
                target,
            ));
            sink.row(Row::pair(
                setting.title("the same until no child works on,", pods),
                settled(ours),
                settled(reference),
                Target::None,
            ));
        }
    }
    if at_once == 1 && !masquerade {
        let figure = |tally: &Tally| Figure::Time(median(&tally.add.each));
        let what = format!(
            "our ADD with {} pods (reference: ours with {FEW})",
            setting.many
        );
        sink.row(Row::pair(
            what,
            figure(many_ours),
            figure(few_ours),
            Target::AtMost(2.5),
        ));
    }
}
