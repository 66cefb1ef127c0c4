//! `docs/network-model.md` shows what flatnet says today: the same questions, tables, columns and hops. `FLATNET_REGENERATE=1`
//! regenerates its output from a lab.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use flatnet::config::RunArgs;
use flatnet::session::Session;
use flatnet_analysis::inspect::catalogue;
use flatnet_analysis::trace::answer as route;
use flatnet_model::Underlay;

const OPENING: &str = "```console\n$ flatnet ";
const CLOSING: &str = "```\n";

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/network-model.md")
}

/// A command of the page and what follows it.
struct Shown<'a> {
    command: &'a str,
    output: &'a str,
}

/// The page as prose and commands in turn; it begins and ends with prose.
fn parts(page: &str) -> (Vec<&str>, Vec<Shown<'_>>) {
    let (mut prose, mut shown) = (Vec::new(), Vec::new());
    let mut rest = page;
    while let Some((before, block)) = rest.split_once(OPENING) {
        let (command, block) = block.split_once('\n').unwrap();
        let (output, after) = if let Some(after) = block.strip_prefix(CLOSING) {
            ("", after)
        } else {
            let at = block.find("\n```\n").unwrap() + 1;
            (&block[..at], &block[at + CLOSING.len()..])
        };
        prose.push(before);
        shown.push(Shown { command, output });
        rest = after;
    }
    prose.push(rest);
    (prose, shown)
}

/// What the commands print on a lab of three nodes behind routers.
fn asked(commands: &[&str]) -> Vec<String> {
    let mut args = RunArgs::from_env().expect("FLATNET_* variables that fit");
    args.cni = Some("flatnet".to_owned());
    args.nodes = Some(3);
    args.lab.underlay = Some(Underlay::Routed);
    let runtime = flatnet::session::runtime().unwrap();
    let session = runtime
        .block_on(Session::start(&args, None, Arc::new(|_| {})))
        .expect("a lab");
    let name = session.plan().source.name().unwrap().to_owned();
    let outputs: Vec<_> = commands
        .iter()
        .map(|command| {
            Command::new(env!("CARGO_BIN_EXE_flatnet"))
                .args(command.split_whitespace())
                .args(["--cluster", &name])
                .output()
                .unwrap()
        })
        .collect();
    runtime.block_on(session.close()).expect("the lab ends");
    let text = |(output, command): (&std::process::Output, &&str)| {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    outputs.iter().zip(commands).map(text).collect()
}

/// What is another on each machine and in each run, numbered in the order in which it appears, as wide as it was.
#[derive(Default)]
struct Usual {
    known: BTreeMap<String, String>,
    macs: u8,
    veths: u32,
}

impl Usual {
    fn line(&mut self, line: &str) -> String {
        let mut out = String::new();
        for part in line.split_inclusive(' ') {
            let word = part.trim_end_matches([' ', ',', ';', ':']);
            out.push_str(&self.word(word));
            out.push_str(&part[word.len()..]);
        }
        out.trim_end().to_owned()
    }

    fn word(&mut self, word: &str) -> String {
        // The addresses that flatnet derives (0a:58 and an IP address) are the same everywhere.
        let is_mac = word.len() == 17 && word.matches(':').count() == 5;
        let fresh = if is_mac && !word.starts_with("0a:58:") {
            self.macs += u8::from(!self.known.contains_key(word));
            format!("02:00:00:00:00:{:02x}", self.macs)
        } else if word.len() == 12 && word.starts_with("veth") {
            self.veths += u32::from(!self.known.contains_key(word));
            format!("veth{:08x}", self.veths)
        } else {
            return word.to_owned();
        };
        self.known.entry(word.to_owned()).or_insert(fresh).clone()
    }

    /// The machine's own name for its system, replaced at the same width.
    fn system(&mut self, text: &str) -> String {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let os = read("/etc/os-release");
        let pretty = os
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let pretty = pretty.unwrap_or_default().trim_matches('"').to_owned();
        let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
        let mut text = text.to_owned();
        for (own, usual) in [(pretty, "Linux"), (kernel, "6.x")] {
            if own.len() >= usual.len() {
                text = text.replace(&own, &format!("{usual:width$}", width = own.len()));
            }
        }
        text
    }
}

/// Headings, what is skipped, and for a packet the devices that it passes.
fn shape(output: &str) -> Vec<String> {
    let mut shape = Vec::new();
    let mut hops = false;
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let heading = |word: &&str| {
            let mut letters = word.chars().filter(|c| c.is_alphabetic()).peekable();
            *word == "#" || (letters.peek().is_some() && letters.all(char::is_uppercase))
        };
        let question = line.split_once(": ").filter(|(id, _)| !id.contains(' '));
        if !words.is_empty() && words.iter().all(heading) {
            hops = words[0] == "#";
            shape.push(words.join(" "));
        } else if hops && words.first().is_some_and(|word| word.parse::<u8>().is_ok()) {
            let device: Vec<&str> = words[1..4]
                .iter()
                .map(|word| {
                    if word.starts_with("veth") {
                        "veth"
                    } else {
                        word
                    }
                })
                .collect();
            shape.push(device.join(" "));
        } else if question.is_some() || words.first() == Some(&"skipped:") {
            shape.push(words.join(" "));
        }
    }
    shape
}

#[test]
fn the_page_shows_what_flatnet_says() {
    let path = page();
    let text = std::fs::read_to_string(&path).unwrap();
    let (prose, shown) = parts(&text);
    let commands: Vec<&str> = shown.iter().map(|shown| shown.command).collect();
    let outputs = asked(&commands);

    if std::env::var_os("FLATNET_REGENERATE").is_some() {
        let mut usual = Usual::default();
        let mut page = prose[0].to_owned();
        for ((command, output), prose) in commands.iter().zip(&outputs).zip(&prose[1..]) {
            page.push_str(&format!("{OPENING}{command}\n"));
            for line in usual.system(output).lines() {
                page.push_str(&format!("{}\n", usual.line(line)));
            }
            page.push_str(CLOSING);
            page.push_str(prose);
        }
        std::fs::write(&path, page).unwrap();
        return;
    }
    for (shown, output) in shown.iter().zip(&outputs) {
        let expected = shape(output);
        assert!(expected.len() > 1, "{output}");
        assert_eq!(
            shape(shown.output),
            expected,
            "docs/network-model.md is not current: make docs\n$ flatnet {}\n{output}",
            shown.command
        );
    }
}

#[test]
fn the_page_asks_every_question() {
    let text = std::fs::read_to_string(page()).unwrap();
    let (_, shown) = parts(&text);
    let ids = catalogue::all().iter().map(|question| question.id);
    for id in ids.chain([route::ID]) {
        let asks = |shown: &Shown<'_>| shown.command.split_whitespace().any(|word| word == id);
        assert!(
            shown.iter().any(asks),
            "docs/network-model.md does not ask {id}"
        );
    }
}
