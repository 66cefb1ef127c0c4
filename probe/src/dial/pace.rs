//! How much time this process really had, and how many dials that allows at once.
//!
//! On a busy machine a process may sleep for seconds with its answers in the socket. A limit on wall time would then say that
//! the network lost them. Time is therefore counted in ticks: one that comes late counts as two, however late it was. The peer
//! competes for the same processors, so it gets its turns while ticks come. Where ticks come in time and answers take a large
//! part of the limit all the same, the peers have more to answer than they can: fewer dials at once wait in their queues.
use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// Long enough to cost nothing in a thousand probes, short beside any limit.
const TICK: Duration = Duration::from_millis(100);
/// What a tick counts at most, and from when it is late.
const LATE: Duration = Duration::from_millis(200);
/// Dials at once before anything is known about the machine, and those that slow answers leave.
const FIRST: usize = 8;
/// An answer that takes this part of a limit is slow.
const SLOW_PART: u32 = 8;

/// The pace of one row of dials.
pub(super) struct Pace {
    /// Time that counted until the last tick.
    counted: Cell<Duration>,
    ticked: Cell<Instant>,
    /// How many answers came since then, and how many of them were slow.
    answers: Cell<usize>,
    slow: Cell<usize>,
    /// Dials that may be under way, 1 to `most`.
    window: Cell<usize>,
    most: usize,
    under_way: Cell<usize>,
    room: Notify,
}

impl Pace {
    /// `most` dials at once where the machine keeps up.
    pub(super) fn new(most: usize) -> Self {
        Pace {
            counted: Cell::default(),
            ticked: Cell::new(Instant::now()),
            answers: Cell::default(),
            slow: Cell::default(),
            window: Cell::new(FIRST.min(most)),
            most,
            under_way: Cell::new(0),
            room: Notify::new(),
        }
    }

    /// An answer came, `took` after its request was sent.
    pub(super) fn answered(&self, took: Duration, limit: Duration) {
        self.answers.set(self.answers.get() + 1);
        if took > limit / SLOW_PART {
            self.slow.set(self.slow.get() + 1);
        }
    }

    /// Keeps time, forever: twice the dials after a tick in time, half of them after a late one, or where half of the answers are slow.
    pub(super) async fn keep(&self) {
        loop {
            sleep(TICK).await;
            let took = self.ticked.get().elapsed();
            self.ticked.set(Instant::now());
            self.counted.set(self.counted.get() + took.min(LATE));
            let (answers, slow) = (self.answers.take(), self.slow.take());
            let window = self.window.get();
            self.window.set(if took >= LATE {
                (window / 2).max(1)
            } else if slow * 2 > answers {
                (window / 2).max(window.min(FIRST))
            } else {
                (window * 2).min(self.most)
            });
            self.room.notify_waiters();
        }
    }

    /// Time that counted so far.
    fn counted(&self) -> Duration {
        self.counted.get() + self.ticked.get().elapsed().min(LATE)
    }

    /// Does the work; none when it is not done after `limit` of counted time.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let end = self.counted() + limit;
        let over = async {
            loop {
                let left = end.saturating_sub(self.counted());
                if left.is_zero() {
                    break;
                }
                sleep(left).await;
                // An answer that came in the meantime is read first.
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = over => None,
        }
    }

    /// Waits until one more dial may be under way; it is until the turn is dropped.
    pub(super) async fn turn(&self) -> Turn<'_> {
        while self.under_way.get() >= self.window.get() {
            self.room.notified().await;
        }
        self.under_way.set(self.under_way.get() + 1);
        Turn(self)
    }
}

/// A place among the dials under way.
pub(super) struct Turn<'a>(&'a Pace);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
        self.0.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::task::{JoinSet, LocalSet, yield_now};

    use super::*;

    /// Runs `test` beside the keeper of the pace.
    async fn paced(most: usize, test: impl AsyncFnOnce(Rc<Pace>)) {
        let pace = Rc::new(Pace::new(most));
        let keeper = Rc::clone(&pace);
        let local = LocalSet::new();
        local.spawn_local(async move { keeper.keep().await });
        local.run_until(test(pace)).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_limit_passes_where_the_process_runs() {
        paced(8, async |pace| {
            let begun = std::time::Instant::now();
            let limit = Duration::from_millis(300);
            assert_eq!(pace.within(limit, std::future::pending::<()>()).await, None);
            assert!(begun.elapsed() >= limit);
            assert_eq!(pace.within(limit, async { 7 }).await, Some(7));
        })
        .await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn time_without_the_processor_does_not_count() {
        paced(8, async |pace| {
            let limit = Duration::from_millis(500);
            let sleeper = async {
                // As if nobody had run this process for twice the limit; what it waits for comes after that.
                std::thread::sleep(limit * 2);
                sleep(Duration::from_millis(1)).await;
                "answer"
            };
            assert_eq!(pace.within(limit, sleeper).await, Some("answer"));
        })
        .await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn dials_at_once_follow_the_ticks() {
        paced(64, async |pace| {
            assert_eq!(pace.window.get(), FIRST);
            sleep(TICK / 10).await;
            std::thread::sleep(LATE * 2);
            sleep(TICK / 2).await;
            assert_eq!(pace.window.get(), FIRST / 2, "a late tick");
            sleep(TICK * 8).await;
            assert!(
                pace.window.get() > FIRST,
                "ticks in time: {}",
                pace.window.get()
            );
        })
        .await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn fewer_dials_wait_where_most_answers_are_slow() {
        let limit = Duration::from_millis(800);
        paced(64, async |pace| {
            let ticks = async |slow: usize, fast: usize| {
                for _ in 0..6 {
                    (0..slow).for_each(|_| pace.answered(limit / 2, limit));
                    (0..fast).for_each(|_| pace.answered(limit / 100, limit));
                    sleep(TICK).await;
                }
                pace.window.get()
            };
            assert_eq!(ticks(1, 9).await, 64, "one peer of many is slow");
            assert_eq!(ticks(9, 1).await, FIRST, "all of them are");
        })
        .await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn no_more_than_the_window_are_under_way() {
        let pace = Rc::new(Pace::new(3));
        let most = Rc::new(Cell::new(0));
        let local = LocalSet::new();
        let mut all = JoinSet::new();
        for _ in 0..10 {
            let (pace, most) = (Rc::clone(&pace), Rc::clone(&most));
            all.spawn_local_on(
                async move {
                    let _turn = pace.turn().await;
                    most.set(most.get().max(pace.under_way.get()));
                    yield_now().await;
                },
                &local,
            );
        }
        local.run_until(all.join_all()).await;
        assert_eq!((most.get(), pace.under_way.get()), (3, 0));
    }
}
