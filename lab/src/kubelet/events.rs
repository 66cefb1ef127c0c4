//! Events of a pod, counted as the kubelet's event correlator counts them (client-go, `tools/record`).
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::node::now;

/// From so many different messages of one reason on, further ones become one event.
const SIMILAR: usize = 10;

/// `type` of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Warning,
}

/// One event, perhaps seen several times.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) count: i32,
    pub(super) first: Time,
    pub(super) last: Time,
}

/// Those of one pod, oldest first.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Vec<Entry>,
}

impl Log {
    pub(super) fn add(&mut self, kind: Kind, reason: &'static str, message: String) {
        let mut message = message;
        let same = self
            .entries
            .iter()
            .filter(|entry| entry.reason == reason && entry.message != message)
            .count();
        let known = self
            .entries
            .iter()
            .any(|entry| entry.reason == reason && entry.message == message);
        if same >= SIMILAR && !known {
            // The message with it is the latest one.
            message = format!("(combined from similar events): {message}");
            self.bump(
                reason,
                |entry| entry.message.starts_with("(combined"),
                kind,
                message,
            );
        } else {
            let wanted = message.clone();
            self.bump(reason, |entry| entry.message == wanted, kind, message);
        }
    }

    fn bump(
        &mut self,
        reason: &'static str,
        is_it: impl Fn(&Entry) -> bool,
        kind: Kind,
        message: String,
    ) {
        let now = now();
        match self
            .entries
            .iter_mut()
            .find(|entry| entry.reason == reason && is_it(entry))
        {
            Some(entry) => {
                entry.count += 1;
                entry.message = message;
                entry.last = now;
            }
            None => self.entries.push(Entry {
                kind,
                reason,
                message,
                count: 1,
                first: now.clone(),
                last: now,
            }),
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_count_up() {
        let mut log = Log::default();
        for _ in 0..3 {
            log.add(Kind::Normal, "SandboxChanged", "again".into());
        }
        log.add(Kind::Normal, "Started", "again".into());
        assert_eq!(
            log.entries()
                .iter()
                .map(|e| (e.reason, e.count))
                .collect::<Vec<_>>(),
            [("SandboxChanged", 3), ("Started", 1)]
        );
    }

    #[test]
    fn many_similar_ones_are_combined() {
        let mut log = Log::default();
        for i in 0..15 {
            log.add(
                Kind::Warning,
                "FailedCreatePodSandBox",
                format!("sandbox {i}"),
            );
        }
        assert_eq!(log.entries().len(), SIMILAR + 1);
        let last = &log.entries()[SIMILAR];
        assert_eq!(
            (last.count, last.message.as_str()),
            (5, "(combined from similar events): sandbox 14")
        );
    }
}
