//! Probes in them.
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::thread::JoinHandle;

use flatnet_model::probe::{
    DialOutcome, DialRequest, Listening, MtuTrial, Question, ReceivedRequest, ask, wire,
};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

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
    pub(crate) fn begin<Q: Question>(&mut self, question: &Q) {
        let line = wire::question_line(question).unwrap();
        self.send(&line);
    }

    /// Its answer, or the probe's words on why there is none.
    #[track_caller]
    pub(crate) fn answer<Q: Question>(&mut self, question: &Q) -> Result<Q::Answer, String> {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        match wire::read_answer(question, line.as_bytes()) {
            Ok(answer) => Ok(answer),
            Err(wire::NoAnswer::Failed(why)) => Err(why),
            Err(error) => panic!("{error}: {line}"),
        }
    }

    #[track_caller]
    pub(crate) fn try_ask<Q: Question>(&mut self, question: &Q) -> Result<Q::Answer, String> {
        self.begin(question);
        self.answer(question)
    }

    #[track_caller]
    pub(crate) fn ask<Q: Question>(&mut self, question: &Q) -> Q::Answer {
        self.try_ask(question).unwrap()
    }

    /// Listens under `name` and returns the port.
    #[track_caller]
    pub(crate) fn listen(&mut self, name: &str) -> u16 {
        match self.ask(&ask::Listen {
            name: name.to_owned(),
            port: 0,
        }) {
            Listening {
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
        targets: Vec<DialRequest>,
        timeout_ms: u64,
        attempts: u32,
    ) -> Vec<DialOutcome> {
        let dial = ask::Dial {
            targets,
            at_once: 8,
            timeout_ms,
            attempts,
        };
        self.ask(&dial).results
    }

    /// The results of a [`Probe::begin`].
    #[track_caller]
    pub(crate) fn dialled(&mut self, dial: &ask::Dial) -> Vec<DialOutcome> {
        self.answer(dial).unwrap().results
    }

    #[track_caller]
    pub(crate) fn path_mtu(
        &mut self,
        address: &str,
        port: u16,
        sizes: &[u32],
        timeout_ms: u64,
    ) -> Vec<MtuTrial> {
        let target = |bytes: &u32| ask::SizedRequest {
            address: ip(address),
            port,
            bytes: *bytes,
        };
        let question = ask::PathMtu {
            targets: sizes.iter().map(target).collect(),
            timeout_ms,
            sends: 3,
        };
        let trials = self.ask(&question).trials;
        let tried: Vec<u32> = trials.iter().map(|trial| trial.size).collect();
        assert_eq!(tried, sizes);
        trials
    }

    #[track_caller]
    pub(crate) fn seen(&mut self) -> Vec<ReceivedRequest> {
        self.ask(&ask::Seen {}).requests
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

/// A probe that is a process.
pub(crate) struct ProbeProcess {
    pid: Pid,
    to: PipeWriter,
    from: BufReader<PipeReader>,
}

impl ProbeProcess {
    pub(super) fn new(pid: Pid, to: PipeWriter, from: PipeReader) -> Self {
        ProbeProcess {
            pid,
            to,
            from: BufReader::new(from),
        }
    }

    #[track_caller]
    pub(crate) fn ask<Q: Question>(&mut self, question: &Q) -> Q::Answer {
        self.to
            .write_all(&wire::question_line(question).unwrap())
            .unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        wire::read_answer(question, line.as_bytes()).unwrap()
    }

    /// SIGKILL: it can do nothing about it.
    pub(crate) fn kill(self) {
        kill(self.pid, Signal::SIGKILL).unwrap();
        waitpid(self.pid, None).unwrap();
    }
}
