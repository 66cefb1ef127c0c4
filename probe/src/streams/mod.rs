//! Streams of numbers to other probes, under way while other questions are answered: what the network did meanwhile.
mod tally;
mod tcp;
mod udp;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use flatnet_model::probe::{StreamReport, StreamReports, StreamsOpened};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

use crate::awake::now_us;
use crate::dial::Nonces;
use crate::{Transport, ask};
use tally::Tally;

/// Between two looks at whether the last answers have come.
const PAUSE: Duration = Duration::from_millis(5);

/// Streams that are open. Dropping them ends them at once.
pub(crate) struct Streams {
    /// In the order of the targets.
    tallies: Vec<Rc<RefCell<Tally>>>,
    /// No number is sent any more.
    stopped: Rc<Cell<bool>>,
    tasks: JoinSet<()>,
}

/// What a stream's task needs.
struct Stream {
    nonce: u64,
    to: SocketAddr,
    every: Duration,
    until: Instant,
    stopped: Rc<Cell<bool>>,
    tally: Rc<RefCell<Tally>>,
}

impl Stream {
    fn ticks(&self) -> Interval {
        let mut ticks = interval(self.every);
        // After a time in which we did not run, one number is enough.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    fn sends(&self) -> bool {
        !self.stopped.get() && Instant::now() < self.until
    }
}

impl Streams {
    /// Opens every stream, all at once, and lets those that could be opened run.
    pub(crate) async fn open(asked: ask::StreamsOpen) -> (Streams, StreamsOpened) {
        let every = Duration::from_millis(asked.every_ms.max(1));
        let lasts = Duration::from_millis(asked.lasts_ms.min(ask::StreamsOpen::MOST_MS));
        let timeout = Duration::from_millis(asked.timeout_ms);
        let (nonces, stopped) = (Nonces::default(), Rc::new(Cell::new(false)));
        let mut streams = Streams {
            tallies: Vec::new(),
            stopped: Rc::clone(&stopped),
            tasks: JoinSet::new(),
        };
        let mut opening = JoinSet::new();
        let mut opened = Vec::new();
        for (index, request) in asked.targets.into_iter().enumerate() {
            let every_us = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
            let tally = Tally::new(request, every_us, asked.stall_ms * 1000);
            let tally = Rc::new(RefCell::new(tally));
            streams.tallies.push(Rc::clone(&tally));
            opened.push(Err("there are too many streams".to_owned()));
            if index >= ask::StreamsOpen::MOST {
                continue;
            }
            let stream = Stream {
                nonce: nonces.next(),
                to: SocketAddr::new(request.address.to_canonical(), request.port),
                every,
                until: Instant::now() + lasts,
                stopped: Rc::clone(&stopped),
                tally,
            };
            opening.spawn_local(async move {
                (index, Line::open(stream, request.transport, timeout).await)
            });
        }
        while let Some(done) = opening.join_next().await {
            let Ok((index, line)) = done else { continue };
            opened[index] = line.map(|line| {
                streams.tasks.spawn_local(line.run());
            });
        }
        (streams, StreamsOpened { opened })
    }

    /// What became of them so far.
    pub(crate) fn report(&self) -> StreamReports {
        let now = now_us();
        let each = self.tallies.iter().map(|tally| tally.borrow().report(now));
        StreamReports {
            streams: each.collect(),
        }
    }

    /// Sends no more, waits for the answers that are under way, and tells what became of all.
    pub(crate) async fn end(mut self) -> StreamReports {
        self.stopped.set(true);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(StreamReport::LATE_US)
            && self.tallies.iter().any(|tally| tally.borrow().is_waiting())
        {
            sleep(PAUSE).await;
        }
        self.tasks.shutdown().await;
        for tally in &self.tallies {
            tally.borrow_mut().close(now_us());
        }
        self.report()
    }
}

/// An open stream.
enum Line {
    Tcp(tcp::Line),
    Udp(udp::Line),
}

impl Line {
    async fn open(stream: Stream, over: Transport, timeout: Duration) -> Result<Self, String> {
        match over {
            Transport::Tcp => tcp::Line::open(stream, timeout).await.map(Line::Tcp),
            Transport::Udp => udp::Line::open(stream).map(Line::Udp),
            Transport::Icmp => Err("streams go over TCP and UDP".to_owned()),
        }
    }

    async fn run(self) {
        match self {
            Line::Tcp(line) => line.run().await,
            Line::Udp(line) => line.run().await,
        }
    }
}
