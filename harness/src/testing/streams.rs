//! Numbers that pods send each other while something is changed.
use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use flatnet_cluster::observe::fleet::Fleet;
use flatnet_cluster::observe::streams;
use flatnet_model::change::{Begun, StreamRun};
use flatnet_model::probe::ask::StreamsOpen;
use flatnet_model::snapshot::PodSnapshot;
use jiff::Timestamp;

use super::inside::{Inside, on_runtime};
use crate::change::text;
use crate::{Error, Result};

/// A TCP connection and a UDP socket from one pod to another, for each address of that: a number every 10 ms, and its answer. They run from
/// [`Pod::streams_to`](super::Pod::streams_to) to the first assertion about them, and half an hour at most.
pub struct Streams<'a> {
    inside: &'a Inside,
    ends: String,
    open: RefCell<Option<Open>>,
    ended: OnceCell<Ended>,
}

/// Streams that run, and their probes: others than those of observations, so that these disturb none.
struct Open {
    fleet: Fleet,
    streams: streams::Streams,
}

/// What became of them. Times are microseconds since 1970.
#[derive(Default)]
struct Ended {
    at_us: u64,
    runs: Vec<StreamRun>,
}

impl<'a> Streams<'a> {
    pub(super) fn open(
        inside: &'a Inside,
        from: &PodSnapshot,
        to: &PodSnapshot,
    ) -> Result<Streams<'a>> {
        let name = |pod: &PodSnapshot| format!("{} ({})", pod.reference.name, pod.node);
        let ends = format!("{} to {}", name(from), name(to));
        if from.reference == to.reference {
            return Err(Error::Input(format!(
                "streams from {ends}: a pod has streams to another one only"
            )));
        }
        let open = inside.run(async |looked| {
            let cluster = Arc::clone(looked.session.cluster());
            let fleet = Fleet::beside(cluster, &[from, to]).await?;
            let streams = streams::open(&fleet, &[(from, to)]).await;
            let so_far = streams.so_far(&fleet).await;
            let failed = |why: &str| Error::Failed(format!("streams from {ends}: {why}"));
            match so_far.iter().find_map(|run| run.report.as_ref().err()) {
                Some(why) => Err(failed(why)),
                None if so_far.is_empty() => Err(failed("that pod has no address")),
                None => Ok(Open { fleet, streams }),
            }
        })?;
        Ok(Streams {
            inside,
            ends,
            open: RefCell::new(Some(open)),
            ended: OnceCell::new(),
        })
    }

    /// Fails unless every number was answered, and no connection ended, since they were opened: for what a test does by itself, as with
    /// [`Node::exec`](super::Node::exec). Ends them.
    ///
    /// # Panics
    /// With the numbers that were lost and for how long, and how connections ended.
    #[track_caller]
    pub fn are_kept(&self) {
        if !self.all_kept() {
            panic!("streams from {self} were cut\n{}", self.told(&[]))
        }
    }

    pub(super) fn all_kept(&self) -> bool {
        self.runs().iter().all(StreamRun::is_kept)
    }

    /// Whether no connection ended, and no time in which the network did not answer was longer.
    pub(super) fn cut_at_most(&self, limit: Duration) -> bool {
        let short = |run: &StreamRun| {
            run.report.as_ref().is_ok_and(|report| {
                let mut cuts = report.cuts.iter();
                report.ended.is_none() && cuts.all(|cut| Duration::from_micros(cut.us) <= limit)
            })
        };
        self.runs().iter().all(short)
    }

    /// Why they tell nothing of what lasted from the first of these steps to the last.
    pub(super) fn not_through(&self, steps: &[Begun]) -> Option<&'static str> {
        let (first, last) = (steps.first()?.at_us, steps.last()?.at_us);
        let reports = self.runs().iter().flat_map(|run| &run.report);
        let began = reports.map(|report| report.began_us).max().unwrap_or(last);
        if began > first {
            return Some("they were opened after it began; open them before");
        }
        if last - began > StreamsOpen::MOST_MS * 1000 {
            return Some("they ended half an hour after they were opened; open others");
        }
        let ended = self.ended().at_us < last;
        ended.then_some("an assertion ended them before it; open others with streams_to")
    }

    /// What became of them, in lines.
    pub(super) fn told(&self, steps: &[Begun]) -> String {
        let counts = text::stream_counts(self.runs());
        let lines = text::stream_words(self.runs(), steps);
        let lines = lines.iter().map(|line| format!("\n    {line}"));
        format!("{counts}{}", lines.collect::<String>())
    }

    fn runs(&self) -> &[StreamRun] {
        &self.ended().runs
    }

    fn ended(&self) -> &Ended {
        self.ended.get_or_init(|| {
            // Nothing else takes them, but for `drop`.
            let Some(Open { fleet, streams }) = self.open.take() else {
                return Ended::default();
            };
            let at_us = Timestamp::now().as_microsecond();
            Ended {
                at_us: u64::try_from(at_us).unwrap_or_default(),
                runs: on_runtime(&self.inside.runtime, async move || {
                    streams.end(&fleet).await
                }),
            }
        })
    }
}

impl Drop for Streams<'_> {
    fn drop(&mut self) {
        // Connections to probes are closed on the runtime that made them.
        let _runtime = self.inside.runtime.enter();
        self.open.take();
    }
}

impl fmt::Display for Streams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.ends)
    }
}

impl fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Streams").field(&self.ends).finish()
    }
}
