//! `docs/faults.md`: what random faults showed.
use std::path::Path;

use crate::figures;
use crate::grammar::Class;
use crate::known::KNOWN;
use crate::trial::{End, Trial};

const FRONT: &str = "\
# Random faults

Written by `make generate FAULTS=… SEED=… PAGE=1`; what it says of the grammar and of known misses is in `suites/generator/`.

A generator draws faults from a grammar: what is broken, on which node or in which pod, for which family, in which direction, in or
out of the tunnel, with parameters drawn at random. Each is planted in a lab of three nodes with two pods each (routes or VXLAN, one
segment or routers between nodes, IPv4, IPv6 or both). An oracle that shares no code with flatnet's probe then dials every ordered
pair of pods and nodes, and each pod itself: `busybox ping`, TCP, four UDP datagrams, two datagrams of the interface's MTU with DF; the
far end says which address it saw, who it is, and whether a datagram came twice. flatnet judges the same lab. Four laws must hold:

1. What the oracle does not find flat is red. Faults of state (a missing plugin, a second configuration, a lost gateway address) must be
   red in their check whatever packets do.
2. What the oracle finds flat is not red, except in checks of the state that was changed.
3. Each culprit that is named is the planted node or pod. A cause that flatnet says it has *seen* is one that follows from the fault, in
   its place, with its rule (family, table, chain, handle) or sysctl.
4. With the fault taken away, and the lab shown to be as it was, every check is green.

`cargo test --test generator` tries 30 faults; `make generate FAULTS=300 SEED=7` tries as many as it says, and prints for each that breaks
a law what was planted, what the oracle found and what flatnet said. `FLATNET_FAULT=NUMBER` repeats a single one. The same seed draws
the same faults.
";

/// Writes the page for what was just tried.
pub(crate) fn write(trials: &[Trial], seed: u64) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md");
    let today = jiff::Zoned::now().date();
    let mut text = format!(
        "{FRONT}\n## Figures\n\n{} faults of seed {seed}, {today}. Where two numbers stand, the law held that often, of so many times that it \
         applied.\n\n{}\n",
        trials.len(),
        figures::table(trials)
    );
    let count = |is: fn(&End) -> bool| trials.iter().filter(|trial| is(&trial.end)).count();
    text.push_str(&format!(
        "{} faults could not be planted on this kernel, and {} could not be taken away whole, so that their lab was replaced; neither is counted above.\n",
        count(|end| matches!(end, End::NotPlanted(_))),
        count(|end| matches!(end, End::NotUndone(_))),
    ));
    text.push_str("\n## What is drawn\n\n| class | faults |\n|---|---|\n");
    for class in Class::all() {
        text.push_str(&format!("| {class} | {} |\n", class.summary()));
    }
    text.push_str("\n## Known misses\n\nA law that is broken in another way than these fails the test.\n\n| law | class | faults above | why |\n|---|---|---|---|\n");
    for known in KNOWN {
        let classes: Vec<String> = known.classes.iter().map(ToString::to_string).collect();
        let missed = trials.iter().filter(|trial| {
            trial
                .violations()
                .any(|violation| known.explains(trial, violation))
        });
        text.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            known.law,
            classes.join(", "),
            missed.count(),
            known.why
        ));
    }
    std::fs::write(path, text).expect("docs/faults.md");
}
