//! The terminal of this process while a command elsewhere has the use of it: raw meanwhile, and afterwards as it was.
use std::io::{IsTerminal, stderr, stdin, stdout};

use flatnet_cluster::kube::WindowSize;
use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{Error, Result};

/// Whether a command gets a terminal, where `chosen` does not say: where a person is at all three streams, and this process
/// is not in the background, where it would be stopped.
///
/// # Errors
/// [`Error::Input`] where one is asked for and standard input is none.
pub(super) fn is_wanted(chosen: Option<bool>) -> Result<bool> {
    let interactive = stdin().is_terminal();
    match chosen {
        Some(true) if !interactive => Err(Error::Input(
            "--tty: standard input is not a terminal; leave the option out".to_owned(),
        )),
        Some(chosen) => Ok(chosen),
        None => Ok(interactive
            && stdout().is_terminal()
            && stderr().is_terminal()
            && !is_in_background()),
    }
}

/// Whether the terminal is another process group's now. One that does not control this session is nobody's.
fn is_in_background() -> bool {
    tcgetpgrp(stdin()).is_ok_and(|foreground| foreground != getpgrp())
}

/// What terminal it is, as programs there want to know.
pub(super) fn kind() -> Option<String> {
    std::env::var("TERM").ok().filter(|kind| !kind.is_empty())
}

/// How large it is now.
pub(super) fn size() -> Option<WindowSize> {
    let size = tcgetwinsize(stdin()).ok()?;
    Some(WindowSize {
        columns: size.ws_col,
        rows: size.ws_row,
    })
}

/// Hears when it is resized.
///
/// # Errors
/// When signals cannot be listened to.
pub(super) fn resizes() -> Result<Signal> {
    signal(SignalKind::window_change()).map_err(|e| Error::failed("listen for SIGWINCH", e))
}

/// How large it is, and from now on after each change.
///
/// # Errors
/// As [`resizes`].
pub(super) fn sizes() -> Result<impl futures::Stream<Item = WindowSize> + Send + 'static> {
    let first = futures::stream::iter(size());
    let later = futures::stream::unfold(resizes()?, |mut resizes| async {
        resizes.recv().await?;
        Some((size(), resizes))
    });
    Ok(futures::StreamExt::chain(
        first,
        futures::StreamExt::filter_map(later, std::future::ready),
    ))
}

/// The settings to which standard input's terminal returns when this is dropped.
pub(super) struct Terminal(Termios);

impl Terminal {
    /// As it is now.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn save() -> Result<Self> {
        let settings = tcgetattr(stdin());
        settings
            .map(Terminal)
            .map_err(|e| Error::failed("read the terminal's settings", e))
    }

    /// As [`Terminal::save`], and raw until then: each key is the command's, Ctrl-C too.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn raw() -> Result<Self> {
        let saved = Terminal::save()?;
        let mut raw = saved.0.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw)
            .map_err(|e| Error::failed("make the terminal raw", e))?;
        Ok(saved)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // In the background it is another program's, and to touch it would stop this one. One that is gone needs nothing.
        if !is_in_background() {
            let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
        }
    }
}
