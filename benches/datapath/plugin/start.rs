//! What a runtime pays before the plugin does anything: its size, and one execution that only says which versions it speaks.
use std::path::Path;
use std::time::{Duration, Instant};

use super::call::run;
use crate::outcome::{Failure, Result};
use crate::stats::median;
use crate::table::{Figure, Row, Target};
use crate::{Effort, Sink};

/// Bytes.
const LARGEST: u64 = 1_500_000;
const SLOWEST: Duration = Duration::from_millis(1);

pub(super) fn measure(
    ours: &Path,
    reference: &Path,
    busybox: &Path,
    effort: Effort,
    sink: &mut Sink,
) -> Result<()> {
    sink.progress("plugin: size and start");
    let size = |program: &Path| {
        std::fs::metadata(program)
            .map(|meta| meta.len())
            .map_err(Failure::broken(format!("look at {}", program.display())))
    };
    sink.row(Row::pair(
        "flatnet-cni: size (reference: bridge + host-local)",
        Figure::Bytes(size(ours)?),
        Figure::Bytes(size(reference)? + size(&reference.with_file_name("host-local"))?),
        Target::Limit(Figure::Bytes(LARGEST)),
    ));
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    // The floor is what this very measurement costs with a program that does nothing.
    let floor = tempfile::tempdir_in("/run").map_err(Failure::broken("create a folder"))?;
    let nothing = floor.path().join("true");
    std::os::unix::fs::symlink(busybox, &nothing).map_err(Failure::broken("link busybox"))?;
    for _ in 0..effort.rounds(150) {
        for (program, times) in [ours, reference, nothing.as_path()]
            .into_iter()
            .zip(&mut times)
        {
            let start = Instant::now();
            let output = run(
                program,
                &[("CNI_COMMAND", "VERSION".as_ref())],
                br#"{"cniVersion":"1.0.0"}"#,
            );
            let output =
                output.map_err(Failure::broken(format!("execute {}", program.display())))?;
            times.push(start.elapsed());
            if !output.status.success() {
                return Err(Failure::Broken(format!(
                    "VERSION by {}: {}",
                    program.display(),
                    output.status
                )));
            }
        }
    }
    let [ours, reference, floor] = times.map(|times| Figure::Time(median(&times)));
    sink.row(Row::pair(
        "flatnet-cni: start (VERSION, exec to exit)",
        ours,
        reference,
        Target::Limit(Figure::Time(SLOWEST)),
    ));
    sink.row(Row::pair(
        "flatnet-cni: start beside static busybox true",
        ours,
        floor,
        Target::None,
    ));
    Ok(())
}
