//! Keeps a container beside a kind cluster for as long as its standard input is open, then removes it.
//!
//! A separate program, because only it needs a client of the container engine's API. The process that
//! starts it holds the other end of the pipe; when that end closes, however its holder died, the container goes.
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use flatnet_outside::{Peer, Wanted};
use tokio::io::AsyncReadExt as _;

/// Runs a container that only waits, until standard input ends. Prints one line when the container runs.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Id of an image on this machine, with `sleep` and a shell (sha256:…)
    #[arg(long, value_name = "ID")]
    image_id: String,
    /// A network that exists
    #[arg(long)]
    network: String,
    /// The container's name
    #[arg(long)]
    name: String,
    /// A label of the container; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("a label is written KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// An error is one line, whatever RUST_BACKTRACE says: the process that started this one shows it.
fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("make a runtime")?;
    runtime.block_on(keep(args))?;
    // Reading standard input may still hold a thread; there is nothing left to wait for.
    runtime.shutdown_background();
    Ok(())
}

async fn keep(args: &Args) -> anyhow::Result<()> {
    let labels: Vec<(&str, &str)> = args
        .label
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let peer = Peer::start(Wanted {
        image_id: &args.image_id,
        network: &args.network,
        name: &args.name,
        labels: &labels,
    })
    .await?;
    // A closed output has no reader that waits, and the end of input comes at once.
    let _ = writeln!(std::io::stdout(), "{} runs", args.name);
    let mut rest = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut rest).await;
    peer.remove().await?;
    Ok(())
}
