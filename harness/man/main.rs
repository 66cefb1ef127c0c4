//! Writes the man pages of `flatnet`, one per command, into a folder that exists: `flatnet-man FOLDER`. `scripts/dist` runs it.
//!
//! A program of its own: only a release needs the generator.
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        eprintln!("error: flatnet-man takes one argument; name the folder for the man pages");
        return ExitCode::from(2);
    };
    match clap_mangen::generate_to(flatnet::cli::command(), folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!(
                "error: cannot write man pages into {}: {e}; name a folder that exists and may be written to",
                folder.display()
            );
            ExitCode::from(4)
        }
    }
}
