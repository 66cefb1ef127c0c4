//! Progress on standard error: bars on a terminal, plain lines otherwise. It only reads the stream of events.
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::output::say;
use crate::events::{Event, Observer, Phase};
use crate::report;

/// What a phase does, in words.
fn title(phase: Phase) -> &'static str {
    match phase {
        Phase::Boot => "booting nodes",
        Phase::Attach => "looking at the cluster",
        Phase::Install => "installing the CNI",
        Phase::Deploy => "deploying pods",
        Phase::Observe => "sending probes",
        Phase::TearDown => "tearing down",
    }
}

/// What became of it.
fn done(phase: Phase, count: usize) -> String {
    match phase {
        Phase::Boot => "nodes booted".to_owned(),
        Phase::Attach => "cluster found".to_owned(),
        Phase::Install => format!("CNI ready on {count} nodes"),
        Phase::Deploy => format!("{count} pods running"),
        Phase::Observe => "probes reported".to_owned(),
        Phase::TearDown => "torn down".to_owned(),
    }
}

/// What the report needs of the events.
#[derive(Clone, Default)]
pub(super) struct EventRecord(Arc<Mutex<Record>>);

#[derive(Default)]
struct Record {
    phases: Vec<(Phase, Duration)>,
    kept: Option<String>,
}

impl EventRecord {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, event: &Event) {
        match event {
            Event::PhaseEnded(phase, took) => self.lock().phases.push((*phase, *took)),
            Event::Kept { cluster, .. } => self.lock().kept.clone_from(cluster),
            _ => {}
        }
    }

    /// Phases that ended, in order, with their times.
    pub(super) fn phases(&self) -> Vec<report::Phase> {
        let record = self.lock();
        let ended = record.phases.iter();
        ended
            .map(|(phase, took)| report::Phase::new(phase.name(), *took))
            .collect()
    }

    /// The cluster that was kept.
    pub(super) fn kept(&self) -> Option<String> {
        self.lock().kept.clone()
    }
}

struct State {
    bar: ProgressBar,
    count: usize,
}

/// An observer that shows progress (unless `quiet`), and what it has heard.
pub(super) fn observer(quiet: bool) -> (Observer, EventRecord) {
    let heard = EventRecord::default();
    let hearing = heard.clone();
    // Bars and a log on one terminal would overwrite each other.
    let logged = tracing::enabled!(tracing::Level::ERROR);
    let terminal = std::io::stderr().is_terminal() && !logged;
    let state = Mutex::new(State {
        bar: ProgressBar::hidden(),
        count: 0,
    });
    let observer = move |event: &Event| {
        hearing.hear(event);
        if !quiet {
            show(
                &mut state.lock().unwrap_or_else(PoisonError::into_inner),
                terminal,
                event,
            );
        }
    };
    (Arc::new(observer), heard)
}

fn show(state: &mut State, terminal: bool, event: &Event) {
    // A bar that is hidden has nothing to redraw.
    let above = |state: &State, line: String| state.bar.suspend(|| say(line));
    match event {
        Event::PhaseStarted(phase) => {
            state.count = 0;
            if terminal {
                state.bar = ProgressBar::new_spinner().with_message(title(*phase));
                state.bar.enable_steady_tick(Duration::from_millis(80));
            }
        }
        Event::Expect(count) => {
            if terminal {
                state.bar.set_length(*count as u64);
                if let Ok(style) =
                    ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len}")
                {
                    state.bar.set_style(style);
                }
            }
        }
        Event::NodeReady(_) | Event::PodReady(_) => {
            state.count += 1;
            state.bar.inc(1);
        }
        Event::Step(step) => {
            if terminal {
                state.bar.set_message(step.clone());
            } else {
                say(step);
            }
        }
        Event::PodFailed(pod, why) => above(state, format!("pod {pod} does not run: {why}")),
        Event::Note(note) => above(state, format!("note: {note}")),
        Event::Kept { words, .. } => above(state, format!("note: {words}")),
        Event::Planted(fault) => above(state, format!("planted {fault}")),
        Event::PhaseEnded(phase, took) => {
            state.bar.finish_and_clear();
            above(
                state,
                format!(
                    "{:<24} {:>6.2} s",
                    done(*phase, state.count),
                    took.as_secs_f64()
                ),
            );
        }
    }
}
