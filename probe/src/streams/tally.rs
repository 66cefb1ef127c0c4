//! What became of a stream's numbers. Times are microseconds since the epoch.
use std::collections::BTreeMap;

use flatnet_model::probe::{Cut, Slowest, StreamEnd, StreamReport};

use crate::{DialRequest, Transport};

/// An answer.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub(super) number: u64,
    /// When it was here, at the earliest.
    pub(super) at: u64,
    /// How many numbers had come to the other end.
    pub(super) count: u64,
    /// How long the other end had the number, at most.
    pub(super) kept: u64,
}

/// Counts what is sent and what comes back.
pub(super) struct Tally {
    report: StreamReport,
    every: u64,
    stall: u64,
    /// Numbers without an answer, and when each was sent.
    waiting: BTreeMap<u64, u64>,
    next: u64,
    highest: Option<u64>,
    /// Numbers without an answer for too long.
    lost: u64,
    /// The last of them, and when it was sent.
    last_lost: Option<(u64, u64)>,
    /// The highest count that the other end told.
    count: u64,
    /// In order, and apart from each other.
    cuts: Vec<Cut>,
    more_cuts: u64,
}

impl Tally {
    /// Nothing sent yet; numbers go out `every` so often, and one that the network has for longer than `stall` is told.
    pub(super) fn new(request: DialRequest, every: u64, stall: u64) -> Self {
        let report = StreamReport {
            request,
            began_us: 0,
            sent: 0,
            answered: 0,
            lost_going: 0,
            lost_coming: 0,
            duplicates: 0,
            reordered: 0,
            retransmits: 0,
            cuts: Vec::new(),
            more_cuts: 0,
            slowest: None,
            refused: None,
            ended: None,
        };
        Tally {
            report,
            every,
            stall,
            waiting: BTreeMap::new(),
            next: 0,
            highest: None,
            lost: 0,
            last_lost: None,
            count: 0,
            cuts: Vec::new(),
            more_cuts: 0,
        }
    }

    /// The number that goes out at `now`.
    pub(super) fn send(&mut self, now: u64) -> u64 {
        let number = self.next;
        self.next += 1;
        if number == 0 {
            self.report.began_us = now;
        }
        self.report.sent += 1;
        self.waiting.insert(number, now);
        number
    }

    /// The kernel did not take the last number: it is lost, and that is why.
    pub(super) fn refused(&mut self, why: String) {
        self.report.refused = Some(why);
    }

    pub(super) fn retransmits(&mut self, so_far: u32) {
        self.report.retransmits = so_far;
    }

    pub(super) fn answered(&mut self, answer: Answer) {
        self.count = self.count.max(answer.count);
        let Some(sent) = self.waiting.remove(&answer.number) else {
            self.report.duplicates += 1;
            return;
        };
        self.report.answered += 1;
        if self.highest.is_some_and(|highest| answer.number < highest) {
            self.report.reordered += 1;
        }
        self.highest = self.highest.max(Some(answer.number));
        let us = answer.at.saturating_sub(sent).saturating_sub(answer.kept);
        if self.report.slowest.is_none_or(|slowest| us > slowest.us) {
            self.report.slowest = Some(Slowest { from_us: sent, us });
        }
        if us > self.stall {
            self.cut(Cut {
                from_us: sent,
                us,
                lost: 0,
            });
        }
    }

    /// Gives up numbers that are without an answer for too long; TCP sends them again until the connection ends.
    pub(super) fn settle(&mut self, now: u64) {
        if self.report.request.transport == Transport::Tcp {
            return;
        }
        while let Some(oldest) = self.waiting.first_entry()
            && oldest.get() + StreamReport::LATE_US < now
        {
            let (number, sent) = oldest.remove_entry();
            self.lose(number, sent, self.every);
        }
    }

    /// A number that was sent then is lost, and with it that much time.
    fn lose(&mut self, number: u64, sent: u64, us: u64) {
        self.lost += 1;
        // One cut with the number before, however long this end did not run between the two.
        let from_us = match self.last_lost {
            Some((before, then)) if before + 1 == number => then,
            _ => sent,
        };
        self.last_lost = Some((number, sent));
        self.cut(Cut {
            from_us,
            us: sent - from_us + us,
            lost: 1,
        });
    }

    /// The connection has ended.
    pub(super) fn end(&mut self, at_us: u64, how: String) {
        self.report.ended.get_or_insert(StreamEnd { at_us, how });
    }

    /// Whether an answer is still to come.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() && self.report.ended.is_none()
    }

    /// No answer is waited for any longer.
    pub(super) fn close(&mut self, now: u64) {
        let until = self.report.ended.as_ref().map_or(now, |end| end.at_us);
        let is_tcp = self.report.request.transport == Transport::Tcp;
        for (number, sent) in std::mem::take(&mut self.waiting) {
            let us = match is_tcp {
                true => until.saturating_sub(sent),
                false => self.every,
            };
            self.lose(number, sent, us);
        }
    }

    /// As it is now.
    pub(super) fn report(&self, now: u64) -> StreamReport {
        let answers = self.report.answered + self.report.duplicates;
        let lost_coming = self.count.saturating_sub(answers).min(self.lost);
        let mut report = StreamReport {
            lost_going: self.lost - lost_coming,
            lost_coming,
            cuts: self.cuts.clone(),
            more_cuts: self.more_cuts,
            ..self.report.clone()
        };
        // One that goes on.
        if let Some((_, sent)) = self.waiting.first_key_value()
            && now.saturating_sub(*sent) > self.stall
        {
            let us = now.saturating_sub(*sent);
            merge(
                &mut report.cuts,
                Cut {
                    from_us: *sent,
                    us,
                    lost: 0,
                },
                self.every,
            );
        }
        report
    }

    fn cut(&mut self, cut: Cut) {
        merge(&mut self.cuts, cut, self.every);
        if self.cuts.len() > StreamReport::MOST_CUTS {
            let shortest = (0..self.cuts.len()).min_by_key(|at| self.cuts[*at].us);
            if let Some(shortest) = shortest {
                self.cuts.remove(shortest);
                self.more_cuts += 1;
            }
        }
    }
}

/// Adds a cut to those that are in order; those less than two numbers apart are one.
fn merge(cuts: &mut Vec<Cut>, cut: Cut, every: u64) {
    let end = |cut: &Cut| cut.from_us + cut.us;
    let apart = every + every / 2;
    let first = cuts.partition_point(|one| end(one) + apart < cut.from_us);
    let behind = cuts.partition_point(|one| one.from_us <= end(&cut) + apart);
    let mut whole = cut;
    for one in cuts.drain(first..behind) {
        let until = end(&whole).max(end(&one));
        whole.from_us = whole.from_us.min(one.from_us);
        whole.us = until - whole.from_us;
        whole.lost += one.lost;
    }
    cuts.insert(first, whole);
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: u64 = 10_000;

    fn tally(transport: Transport) -> Tally {
        let request = DialRequest {
            address: "10.9.0.2".parse().unwrap(),
            transport,
            port: 7,
        };
        Tally::new(request, EVERY, 100_000)
    }

    /// Sends `count` numbers from `from` on.
    fn send(tally: &mut Tally, count: u64, from: u64) {
        for index in 0..count {
            tally.send(from + index * EVERY);
        }
    }

    fn answer(number: u64, at: u64, count: u64) -> Answer {
        Answer {
            number,
            at,
            count,
            kept: 0,
        }
    }

    #[test]
    fn numbers_that_all_come_back_at_once_leave_nothing_to_tell() {
        let mut tally = tally(Transport::Udp);
        for number in 0..50 {
            let now = 1_000_000 + number * EVERY;
            tally.send(now);
            tally.answered(answer(number, now + 300, number + 1));
            tally.settle(now);
        }
        let report = tally.report(2_000_000);
        assert_eq!((report.sent, report.answered, report.lost()), (50, 50, 0));
        assert_eq!((report.reordered, report.duplicates), (0, 0));
        assert_eq!(report.slowest.map(|slowest| slowest.us), Some(300));
        assert!(report.cuts.is_empty());
    }

    #[test]
    fn lost_numbers_are_one_cut_with_its_length_and_the_direction_of_the_loss() {
        let mut tally = tally(Transport::Udp);
        send(&mut tally, 100, 0);
        // 20 to 49 do not get there, the answers to 60 and 61 do not get back.
        let mut count = 0;
        for number in (0..20).chain(50..100) {
            count += 1;
            if !(60..62).contains(&number) {
                tally.answered(answer(number, number * EVERY + 200, count));
            }
        }
        tally.settle(990_000 + StreamReport::LATE_US + 1);
        let report = tally.report(0);
        assert_eq!((report.lost_going, report.lost_coming), (30, 2));
        let cut = |from_us, us, lost| Cut { from_us, us, lost };
        assert_eq!(
            report.cuts,
            [cut(200_000, 300_000, 30), cut(600_000, 20_000, 2)]
        );
    }

    #[test]
    fn numbers_lost_one_after_the_other_are_one_cut_also_where_this_end_did_not_run_between() {
        let mut tally = tally(Transport::Udp);
        send(&mut tally, 2, 0);
        send(&mut tally, 2, 500_000);
        tally.settle(10_000_000);
        let cut = Cut {
            from_us: 0,
            us: 520_000,
            lost: 4,
        };
        assert_eq!(tally.report(0).cuts, [cut]);
    }

    #[test]
    fn what_comes_late_is_a_stall_and_what_a_probe_kept_is_not() {
        let mut tally = tally(Transport::Tcp);
        send(&mut tally, 30, 0);
        for number in 0..10 {
            tally.answered(answer(number, number * EVERY + 100, number + 1));
        }
        for number in 10..30 {
            tally.answered(answer(number, 400_000, number + 1));
        }
        // It was there all the time, and the other probe did not run.
        tally.send(500_000);
        tally.answered(Answer {
            number: 30,
            at: 900_000,
            count: 31,
            kept: 399_000,
        });
        let report = tally.report(1_000_000);
        let stall = Cut {
            from_us: 100_000,
            us: 300_000,
            lost: 0,
        };
        assert_eq!(report.cuts, [stall]);
        assert_eq!(report.lost(), 0);
        assert_eq!(report.slowest.map(|slowest| slowest.us), Some(300_000));
    }

    #[test]
    fn order_and_copies_are_counted() {
        let mut tally = tally(Transport::Udp);
        send(&mut tally, 4, 0);
        for (count, number) in [0, 2, 1, 1, 3].into_iter().enumerate() {
            tally.answered(answer(number, 31_000, count as u64 + 1));
        }
        let report = tally.report(40_000);
        assert_eq!((report.answered, report.reordered), (4, 1));
        assert_eq!((report.duplicates, report.lost()), (1, 0));
    }

    #[test]
    fn a_connection_that_ends_loses_what_was_under_way() {
        let mut tally = tally(Transport::Tcp);
        send(&mut tally, 10, 0);
        for number in 0..5 {
            tally.answered(answer(number, number * EVERY + 100, number + 1));
        }
        tally.settle(10_000_000);
        assert_eq!(tally.report(10_000_000).lost(), 0);
        assert!(tally.is_waiting());
        // Going on until it ends.
        assert_eq!(tally.report(9_000_000).cuts[0].us, 8_950_000);
        tally.end(250_000, "connection reset by peer".to_owned());
        assert!(!tally.is_waiting());
        tally.close(10_000_000);
        let report = tally.report(10_000_000);
        let cut = Cut {
            from_us: 50_000,
            us: 200_000,
            lost: 5,
        };
        assert_eq!((report.lost_going, report.cuts), (5, vec![cut]));
        assert_eq!(report.ended.unwrap().how, "connection reset by peer");
    }

    #[test]
    fn the_longest_cuts_are_kept_and_the_others_counted() {
        let mut tally = tally(Transport::Udp);
        for index in 0..40_u64 {
            let from_us = index * 1_000_000;
            let us = if index == 3 { 10 } else { 20_000 + index };
            tally.cut(Cut {
                from_us,
                us,
                lost: 1,
            });
        }
        let report = tally.report(0);
        assert_eq!(report.cuts.len(), StreamReport::MOST_CUTS);
        assert_eq!(report.more_cuts, 8);
        assert!(report.cuts.iter().all(|cut| cut.us > 10));
        assert!(report.cuts.is_sorted_by_key(|cut| cut.from_us));
    }
}
