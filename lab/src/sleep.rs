//! The one program that every pod of a run needs, for machines that have neither busybox nor a `sleep` of their own: this program
//! under that name.
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::LabSpec;

/// What it is called as.
pub(crate) const NAME: &str = "sleep";

/// Adds it to a lab without busybox. `program` is `flatnet-lab`; where it is not there, that is said when it is started.
pub(crate) fn offer(spec: &mut LabSpec, program: &Path) {
    let named = |(name, _): &(String, _)| name == NAME;
    if spec.busybox.is_some() || spec.programs.iter().any(named) {
        return;
    }
    if let Ok(program) = program.canonicalize() {
        spec.programs.push((NAME.to_owned(), program));
    }
}

/// Waits as long as the argument says: `infinity`, or a number of seconds.
pub(crate) fn main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    match (arguments.next().as_deref().map(pause), arguments.next()) {
        (Some(Some(Pause::Forever)), None) => loop {
            std::thread::park();
        },
        (Some(Some(Pause::For(time))), None) => {
            std::thread::sleep(time);
            ExitCode::SUCCESS
        }
        _ => {
            let _ = writeln!(
                std::io::stderr(),
                "sleep: this one takes a number of seconds or `infinity`; for another, install busybox (Debian: busybox-static)"
            );
            ExitCode::from(2)
        }
    }
}

#[derive(Debug, PartialEq)]
enum Pause {
    Forever,
    For(Duration),
}

fn pause(argument: &str) -> Option<Pause> {
    if argument == "infinity" {
        return Some(Pause::Forever);
    }
    let seconds = argument.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().map(Pause::For)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_seconds_or_infinity() {
        assert_eq!(pause("infinity"), Some(Pause::Forever));
        assert_eq!(pause("0.5"), Some(Pause::For(Duration::from_millis(500))));
        assert_eq!(pause("3600"), Some(Pause::For(Duration::from_secs(3600))));
        for wrong in ["", "-1", "1m", "inf", "nan"] {
            assert_eq!(pause(wrong), None, "{wrong}");
        }
    }
}
