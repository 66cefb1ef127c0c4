//! Random faults of a grammar are planted in labs, and four laws looked at: (1) what an independent oracle does not find flat is red;
//! (2) what it finds flat is not; (3) a culprit that is named, and a rule, route or setting that was seen, is the planted one;
//! (4) with the fault taken away everything is green.
//!
//! `FLATNET_FAULTS` is how many (default 30), `FLATNET_SEED` the number that chooses them (default 1), `FLATNET_FAULT` the number of a single
//! one to repeat, `FLATNET_PLANTED` words that the commands of those to try have, `FLATNET_LABS` how many labs work side by side (default 4).
mod bed;
mod dice;
mod figures;
mod grammar;
mod ground;
mod known;
mod laws;
mod listing;
mod oracle;
mod page;
mod regressions;
mod shell;
mod trial;
mod voice;

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use bed::{Bed, SHAPES};
use dice::Dice;
use regressions::{REGRESSIONS, Regression};
use trial::{End, Trial};

/// Tests of one commit are to agree; `make generate` draws another.
const SEED: u64 = 1;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|e| panic!("{variable}={text}: {e}")),
    )
}

#[test]
fn faults_of_the_grammar_obey_the_laws() {
    let seed = number("FLATNET_SEED").unwrap_or(SEED);
    let count = number("FLATNET_FAULTS").unwrap_or(30);
    let mut dice = Dice::new(seed);
    let seeds: Vec<u64> = match number("FLATNET_FAULT") {
        Some(fault) => vec![fault],
        // Short, so that a person can type it again.
        None => (0..count).map(|_| dice.roll() % 100_000_000).collect(),
    };
    eprintln!("{} faults of FLATNET_SEED={seed}", seeds.len());
    let start = Instant::now();
    let labs = number("FLATNET_LABS").unwrap_or(4).max(1) as usize;
    let trials = run(&seeds, labs);
    let table = figures::table(&trials);
    eprintln!("{table}{} s", start.elapsed().as_secs());
    if std::env::var_os("FLATNET_REGENERATE").is_some() {
        page::write(&trials, seed);
    }
    let judged = trials
        .iter()
        .filter(|trial| matches!(trial.end, End::Judged(_)))
        .count();
    assert!(
        judged * 10 >= trials.len() * 9,
        "only {judged} of {} faults could be judged",
        trials.len()
    );
    let of = |law_3: bool| -> Vec<u64> {
        let broken = |trial: &&Trial| {
            let mut laws = known::unexplained(trial).map(|violation| violation.law);
            laws.any(|law| (law == 3) == law_3)
        };
        trials
            .iter()
            .filter(broken)
            .map(|trial| trial.seed)
            .collect()
    };
    let broken = of(false);
    // Every one is printed above; a class that is told wrong is more than a few.
    let told_wrong = of(true);
    assert!(
        told_wrong.len() * 20 <= judged,
        "{} of {judged} faults are told wrong: FLATNET_FAULT={told_wrong:?}",
        told_wrong.len()
    );
    assert!(
        broken.is_empty(),
        "{} of {} faults break a law: FLATNET_FAULT={broken:?}",
        broken.len(),
        trials.len()
    );
}

#[test]
fn faults_that_once_broke_a_law_obey_them() {
    let seeds: Vec<u64> = REGRESSIONS
        .iter()
        .map(|regression| regression.seed)
        .collect();
    let trials = run(&seeds, SHAPES.len());
    for Regression { seed, planted, was } in REGRESSIONS {
        let trial = trials.iter().find(|trial| trial.seed == *seed);
        let trial = trial.expect("each is tried");
        let drawn = trial.planted.join("; ");
        assert!(
            drawn.contains(planted),
            "FLATNET_FAULT={seed} draws another fault: {drawn}"
        );
        assert!(
            matches!(trial.end, End::Judged(_)),
            "FLATNET_FAULT={seed}: {:?}",
            trial.end
        );
        let violations: Vec<_> = trial.violations().collect();
        assert!(
            violations.is_empty(),
            "FLATNET_FAULT={seed}: {was}: {violations:?}"
        );
    }
}

/// Tries the faults of these numbers, each in a lab of the shape that its number chooses.
fn run(seeds: &[u64], labs: usize) -> Vec<Trial> {
    let shape_of = |seed: u64| (seed % SHAPES.len() as u64) as usize;
    let left: Vec<Mutex<Vec<u64>>> = (0..SHAPES.len())
        .map(|shape| {
            Mutex::new(
                seeds
                    .iter()
                    .rev()
                    .copied()
                    .filter(|seed| shape_of(*seed) == shape)
                    .collect(),
            )
        })
        .collect();
    let trials = Mutex::new(Vec::new());
    let only = std::env::var("FLATNET_PLANTED").ok();
    thread::scope(|scope| {
        for lab in 0..labs {
            let (left, trials, only) = (&left, &trials, only.as_deref());
            scope.spawn(move || {
                // Its own shape first, then what others have left.
                for shape in (lab..lab + SHAPES.len()).map(|shape| shape % SHAPES.len()) {
                    let mut bed = None;
                    loop {
                        let Some(seed) = left[shape].lock().expect("seeds").pop() else {
                            break;
                        };
                        let lab = bed.get_or_insert_with(|| Bed::new(SHAPES[shape]));
                        let Some(trial) = trial::run(lab, seed, only) else {
                            continue;
                        };
                        if trial.spoils() {
                            bed = None;
                        }
                        tell(&trial);
                        trials.lock().expect("trials").push(trial);
                    }
                }
            });
        }
    });
    trials.into_inner().expect("trials")
}

/// A line per fault, and what a person needs to look at one that breaks a law.
fn tell(trial: &Trial) {
    let Trial {
        seed, class, took, ..
    } = trial;
    let head = format!(
        "FLATNET_FAULT={seed:<9} {:>4.1} s {class}",
        took.as_secs_f64()
    );
    let planted = trial.planted.join("; ");
    match &trial.end {
        End::NotPlanted(why) => eprintln!("{head}: not planted: {why}"),
        End::NotUndone(difference) => eprintln!("{head}: not undone: {planted}\n    {difference}"),
        End::Judged(judged) => {
            let said = &judged.said;
            let flat = if judged.not_flat.is_empty() {
                "flat"
            } else {
                "not flat"
            };
            let red: Vec<&str> = said.red.iter().copied().collect();
            eprintln!("{head}: {flat}, red: [{}]", red.join(", "));
            if trial.violations().next().is_some() {
                let known = match known::unexplained(trial).next() {
                    Some(_) => "",
                    None => " (known)",
                };
                let violations = trial
                    .violations()
                    .map(|v| format!("    law {}{known}: {}\n", v.law, v.what));
                let oracle = judged
                    .not_flat
                    .iter()
                    .take(3)
                    .map(|line| format!("    oracle: {line}\n"));
                let words = said
                    .words
                    .iter()
                    .take(8)
                    .map(|line| format!("    said: {line}\n"));
                let lines: String = violations.chain(oracle).chain(words).collect();
                eprintln!("    planted: {planted}\n{lines}");
            }
        }
    }
}
