//! Ctrl-C, wherever a run is: one that comes between two phases ends the next one.
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use crate::{Error, Result};

/// Hears every Ctrl-C from its making on.
pub struct Interrupts {
    signals: Mutex<Signal>,
}

impl Interrupts {
    /// From now on Ctrl-C no longer ends the process by itself.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub fn listen() -> Result<Self> {
        let signals = signal(SignalKind::interrupt());
        let signals = signals.map_err(|e| Error::failed("listen for Ctrl-C", e))?;
        Ok(Interrupts {
            signals: Mutex::new(signals),
        })
    }

    /// Runs `work` to its end, or until Ctrl-C: then it is dropped, and with it the programs it waits for. A Ctrl-C that no
    /// earlier work was ended by counts too.
    ///
    /// # Errors
    /// [`Error::Interrupted`], or the work's own.
    pub async fn guard<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut signals = self.signals.lock().await;
        tokio::select! {
            biased;
            _ = signals.recv() => Err(Error::Interrupted),
            result = work => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal, raise};

    use super::*;

    #[tokio::test]
    async fn each_ctrl_c_ends_one_piece_of_work_even_if_it_came_before() {
        let interrupts = Interrupts::listen().unwrap();
        let done = || async { Ok::<_, Error>(1) };
        assert_eq!(interrupts.guard(done()).await.unwrap(), 1);
        raise(Signal::SIGINT).unwrap();

        let ended = interrupts.guard(std::future::pending::<Result<()>>()).await;

        assert_eq!(ended.unwrap_err().exit_code(), 130);
        assert_eq!(interrupts.guard(done()).await.unwrap(), 1);
    }
}
