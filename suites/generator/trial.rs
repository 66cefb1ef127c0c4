//! One fault: planted, looked at by the oracle and by flatnet, taken away, looked at again.
use std::time::{Duration, Instant};

use crate::bed::Bed;
use crate::grammar::{self, Class, Planned, RuleAt};
use crate::ground::Spot;
use crate::laws::{self, Judge, Said, Violation};

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) seed: u64,
    pub(crate) class: Class,
    /// What was planted, in shell.
    pub(crate) planted: Vec<String>,
    pub(crate) end: End,
    pub(crate) took: Duration,
}

#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The kernel or a program of this machine does not do that.
    NotPlanted(String),
    /// What was changed could not be put back, so that the lab is not what it was.
    NotUndone(String),
    /// All four laws could be looked at.
    Judged(Box<Judged>),
}

#[derive(Clone, Debug)]
pub(crate) struct Judged {
    /// What the oracle found; nothing where the network is flat.
    pub(crate) not_flat: Vec<String>,
    pub(crate) said: Said,
    pub(crate) after: Option<Violation>,
}

impl Trial {
    /// Laws that were broken; none where they could not be looked at.
    pub(crate) fn violations(&self) -> impl Iterator<Item = &Violation> {
        let judged = match &self.end {
            End::Judged(judged) => Some(judged),
            End::NotPlanted(_) | End::NotUndone(_) => None,
        };
        let said = judged
            .into_iter()
            .flat_map(|judged| &judged.said.violations);
        said.chain(
            judged
                .into_iter()
                .filter_map(|judged| judged.after.as_ref()),
        )
    }

    /// Whether the lab cannot be used for another fault.
    pub(crate) fn spoils(&self) -> bool {
        match &self.end {
            End::NotPlanted(_) => false,
            End::NotUndone(_) => true,
            End::Judged(judged) => judged.after.is_some(),
        }
    }
}

/// Draws the fault of that seed in the lab, and tries it, unless words are asked for that its commands do not have.
pub(crate) fn run(bed: &mut Bed, seed: u64, only: Option<&str>) -> Option<Trial> {
    let start = Instant::now();
    let mut planned = grammar::draw(&bed.ground, seed);
    let mut plants = planned.steps.iter().map(|step| &step.plant);
    if only.is_some_and(|words| !plants.any(|plant| plant.contains(words))) {
        return None;
    }
    let words = planned
        .steps
        .iter()
        .map(|step| format!("{}: {}", bed.ground.netns(step.spot), step.plant));
    let planted = words.collect();
    let class = planned.class;
    let end = attempt(bed, &mut planned);
    Some(Trial {
        seed,
        class,
        planted,
        end,
        took: start.elapsed(),
    })
}

fn attempt(bed: &mut Bed, planned: &mut Planned) -> End {
    let spots: Vec<Spot> = planned.steps.iter().map(|step| step.spot).collect();
    let mut failed = None;
    for step in &planned.steps {
        if let Err(why) = bed.sh(step.spot, &step.plant) {
            failed = Some(why);
        }
    }
    for rule in &mut planned.truth.rules {
        rule.handle = handle(bed, rule);
    }
    let heard = failed.is_none().then(|| {
        let not_flat = bed.ask_oracle();
        let judge = Judge {
            ground: &bed.ground,
            truth: &planned.truth,
            node_of: &|pod| bed.node_of_host_pod(pod),
        };
        let said = judge.hear(&bed.judge(), not_flat.is_empty());
        (not_flat, said)
    });
    for step in planned.steps.iter().rev() {
        // What is not put back shows in the listing.
        let _ = bed.sh(step.spot, &step.undo);
    }
    if let Err(difference) = bed.restore(&spots) {
        return End::NotUndone(difference);
    }
    match heard {
        None => End::NotPlanted(failed.unwrap_or_default()),
        Some((not_flat, said)) => End::Judged(Box::new(Judged {
            not_flat,
            said,
            after: laws::after(&bed.judge()),
        })),
    }
}

/// The handle of the chain's only rule.
fn handle(bed: &Bed, rule: &RuleAt) -> Option<u64> {
    let RuleAt {
        family,
        table,
        chain,
        ..
    } = rule;
    let listed = bed
        .sh(
            rule.spot,
            &format!("nft -a list chain {family} {table} {chain}"),
        )
        .ok()?;
    let rules = listed
        .lines()
        .filter(|line| !line.contains('{') || line.contains("} "));
    let mut handles = rules.filter_map(|line| line.rsplit_once("# handle ")?.1.trim().parse().ok());
    handles.next_back()
}
