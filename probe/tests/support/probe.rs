//! Probes in them.
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::thread::JoinHandle;

use flatnet_model::probe::{Answer, Ask, Dialled, MtuTrial, Sighting, Target};

use super::ip;

/// A probe that runs on a thread in a namespace.
pub(crate) struct Probe {
    to: Option<PipeWriter>,
    from: BufReader<PipeReader>,
    thread: Option<JoinHandle<flatnet_probe::Result<()>>>,
}

impl Probe {
    /// What to write questions to, what to read answers from, what runs it.
    pub(super) fn new(
        to: PipeWriter,
        from: PipeReader,
        thread: JoinHandle<flatnet_probe::Result<()>>,
    ) -> Self {
        Probe {
            to: Some(to),
            from: BufReader::new(from),
            thread: Some(thread),
        }
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.to.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Sends a question; its answer is read with [`Probe::answer`].
    pub(crate) fn begin(&mut self, ask: &Ask) {
        let mut line = serde_json::to_vec(ask).unwrap();
        line.push(b'\n');
        self.send(&line);
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    pub(crate) fn ask(&mut self, ask: &Ask) -> Answer {
        self.begin(ask);
        self.answer()
    }

    /// Listens under `name` and returns the port.
    #[track_caller]
    pub(crate) fn listen(&mut self, name: &str) -> u16 {
        match self.ask(&Ask::Listen {
            name: name.to_owned(),
            port: 0,
        }) {
            Answer::Listening {
                port,
                icmp_seen: true,
                icmp_send: true,
            } => port,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn dial(
        &mut self,
        targets: Vec<Target>,
        timeout_ms: u64,
        attempts: u32,
    ) -> Vec<Dialled> {
        let wanted = targets.len();
        self.begin(&Ask::Dial {
            targets,
            at_once: 8,
            timeout_ms,
            attempts,
        });
        self.dialled(wanted)
    }

    #[track_caller]
    pub(crate) fn dialled(&mut self, wanted: usize) -> Vec<Dialled> {
        match self.answer() {
            Answer::Dialled { results, .. } if results.len() == wanted => results,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn path_mtu(
        &mut self,
        address: &str,
        port: u16,
        sizes: &[u32],
        timeout_ms: u64,
    ) -> Vec<MtuTrial> {
        let ask = Ask::PathMtu {
            address: ip(address),
            port,
            sizes: sizes.to_vec(),
            timeout_ms,
        };
        match self.ask(&ask) {
            Answer::PathMtu { trials } => {
                assert_eq!(
                    trials.iter().map(|trial| trial.size).collect::<Vec<_>>(),
                    sizes
                );
                trials
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn seen(&mut self) -> Vec<Sighting> {
        match self.ask(&Ask::Seen) {
            Answer::Seen { sightings } => sightings,
            other => panic!("{other:?}"),
        }
    }

    /// Ends the input; what the program returned, and what it still wrote.
    pub(crate) fn end(mut self) -> (flatnet_probe::Result<()>, String) {
        drop(self.to.take());
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.from, &mut rest).unwrap();
        (self.thread.take().unwrap().join().unwrap(), rest)
    }

    /// Stops listening to its answers, while its input stays open; what the program returned.
    pub(crate) fn hang_up(mut self) -> flatnet_probe::Result<()> {
        let (thread, _to) = (self.thread.take().unwrap(), self.to.take());
        drop(self);
        thread.join().unwrap()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        drop(self.to.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}
