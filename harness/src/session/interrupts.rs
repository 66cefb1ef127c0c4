//! Ctrl-C, SIGTERM and SIGHUP, wherever a run is: one that comes between two phases ends the next one.
use std::future::poll_fn;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use crate::{Error, Interrupt, Result};

/// Hears every interrupting signal from its making on.
pub struct Interrupts {
    signals: Mutex<Vec<(Interrupt, Signal)>>,
    first: OnceLock<Interrupt>,
}

impl Interrupts {
    /// From now on these signals no longer end the process by themselves. A SIGHUP that the process was started to ignore, as by
    /// nohup(1), stays ignored.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub fn listen() -> Result<Self> {
        let mut kinds = vec![
            (Interrupt::CtrlC, SignalKind::interrupt()),
            (Interrupt::Terminate, SignalKind::terminate()),
        ];
        if !is_ignored(SignalKind::hangup()) {
            kinds.push((Interrupt::HangUp, SignalKind::hangup()));
        }
        let signals = kinds
            .into_iter()
            .map(|(interrupt, kind)| Ok((interrupt, signal(kind)?)))
            .collect::<std::io::Result<_>>()
            .map_err(|e| Error::failed("listen for signals", e))?;
        Ok(Interrupts {
            signals: Mutex::new(signals),
            first: OnceLock::new(),
        })
    }

    /// Runs `work` to its end, or until a signal: then it is dropped, and with it the programs it waits for. A signal that no
    /// earlier work was ended by counts too.
    ///
    /// # Errors
    /// [`Error::Interrupted`], or the work's own.
    pub async fn guard<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut signals = self.signals.lock().await;
        tokio::select! {
            biased;
            interrupt = poll_fn(|context| poll(&mut signals, context)) => {
                self.first.get_or_init(|| interrupt);
                Err(Error::Interrupted(interrupt))
            }
            result = work => result,
        }
    }

    /// Whether a signal has ended any work yet.
    pub fn heard(&self) -> bool {
        self.first.get().is_some()
    }
}

fn poll(signals: &mut [(Interrupt, Signal)], context: &mut Context<'_>) -> Poll<Interrupt> {
    for (interrupt, signal) in signals {
        if signal.poll_recv(context).is_ready() {
            return Poll::Ready(*interrupt);
        }
    }
    Poll::Pending
}

/// `SigIgn` of proc_pid_status(5): a mask in which bit 0 is signal 1.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal, raise};
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Signal::SIGINT, 130)]
    #[case(Signal::SIGTERM, 143)]
    #[case(Signal::SIGHUP, 129)]
    #[tokio::test]
    async fn each_signal_ends_one_piece_of_work_even_if_it_came_before(
        #[case] signal: Signal,
        #[case] code: u8,
    ) {
        // One process hears the signals of every case.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
        let _turn = ONE_AT_A_TIME.lock().await;
        let interrupts = Interrupts::listen().unwrap();
        let done = || async { Ok::<_, Error>(1) };
        assert_eq!(interrupts.guard(done()).await.unwrap(), 1);
        assert!(!interrupts.heard());
        raise(signal).unwrap();

        let ended = interrupts.guard(std::future::pending::<Result<()>>()).await;

        assert_eq!(ended.unwrap_err().exit_code(), code);
        assert!(interrupts.heard());
        assert_eq!(interrupts.guard(done()).await.unwrap(), 1);
    }
}
