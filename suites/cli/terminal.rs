//! `flatnet exec` at a terminal, which the test plays the person at; and beside one, where nothing may change.
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstest::rstest;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use super::flatnet;
use super::stand_in::Api;
use super::started::{install, smallest_lab, tells, unchosen, words};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A lab of one pod that ends with the test.
struct Lab(String);

impl Lab {
    fn boot(test: &str) -> Lab {
        let name = format!("{test}-{}", std::process::id());
        let up = flatnet(&smallest_lab(&name));
        assert!(up.status.success(), "{}", words(&up));
        Lab(name)
    }

    fn exec(&self, command: &[&str]) -> Command {
        let mut flatnet = setsid(env!("CARGO_BIN_EXE_flatnet"));
        unchosen(&mut flatnet);
        flatnet
            .env("TERM", "vt100")
            .args(["exec", "--cluster", &self.0])
            .args(command);
        flatnet
    }

    /// Waits until that command, its words ended by NUL bytes, runs there; it is in the foreground of its terminal by then.
    #[track_caller]
    fn runs(&self, target: &str, command: &str) {
        self.waits(target, command, true);
    }

    /// Waits until it runs there no more.
    #[track_caller]
    fn ran(&self, target: &str, command: &str) {
        self.waits(target, command, false);
    }

    #[track_caller]
    fn waits(&self, target: &str, command: &str, runs: bool) {
        let until = Instant::now() + LIMIT;
        let read = "cat /proc/[0-9]*/cmdline";
        let look = ["exec", "--cluster", &self.0, target, "--", "sh", "-c", read];
        let seen = || String::from_utf8_lossy(&flatnet(&look).stdout).contains(command);
        while seen() != runs {
            assert!(Instant::now() < until, "{command:?}: runs is not {runs}");
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        flatnet(&["down", &self.0]);
    }
}

/// A program in a session of its own, whose terminal its standard input is.
fn setsid(program: &str) -> Command {
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", program]);
    command
}

/// The person's end of a terminal, and what was seen there.
struct Person {
    keys: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// The program's end, which shows its settings.
    terminal: OwnedFd,
}

impl Person {
    /// At a terminal of this size.
    fn new(columns: u16, rows: u16) -> Person {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("a pseudo-terminal");
        unlockpt(&master).expect("a pseudo-terminal");
        let terminal = ioctl_tiocgptpeer(&master, flags).expect("its other end");
        let keys = File::from(master);
        let mut screen = keys.try_clone().expect("a copy");
        let (show, seen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(bytes @ 1..) = screen.read(&mut buffer) {
                if show.send(buffer[..bytes].to_vec()).is_err() {
                    break;
                }
            }
        });
        let person = Person {
            keys,
            screen: seen,
            seen: String::new(),
            terminal,
        };
        person.resize(columns, rows);
        person
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.keys, size).expect("a size");
    }

    fn settings(&self) -> Termios {
        tcgetattr(self.terminal.as_fd()).expect("settings")
    }

    fn stream(&self) -> Stdio {
        Stdio::from(self.terminal.try_clone().expect("a copy"))
    }

    /// Starts it with all three streams here.
    fn start(&self, command: &mut Command) -> Child {
        command
            .stdin(self.stream())
            .stdout(self.stream())
            .stderr(self.stream())
            .spawn()
            .expect("setsid starts")
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }

    /// Reads on until it says so; what was read is used up.
    #[track_caller]
    fn sees(&mut self, text: &str) {
        let until = Instant::now() + LIMIT;
        while !self.seen.contains(text) {
            match self
                .screen
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no {text:?} in {:?}", self.seen)
                }
            }
        }
        let end = self.seen.find(text).unwrap_or_default() + text.len();
        self.seen.drain(..end);
    }
}

/// Settings as `stty -g` has them.
fn comparable(settings: &Termios) -> String {
    format!("{settings:?}")
}

#[track_caller]
fn ends(mut child: Child) -> Option<i32> {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().expect("it is a child") {
            return status.code();
        }
        if Instant::now() > until {
            child.kill().expect("it is a child");
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

const TRAP: &str = "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 1; done";
const SIZES: &str = "trap 'stty size; exit 3' WINCH; stty size; while :; do sleep 0.1; done";

#[rstest]
#[case::node("node1")]
#[case::pod("busybox-1")]
fn keys_reach_the_command_and_its_exit_code_the_person(#[case] target: &str) {
    let lab = Lab::boot(&format!("keys-{target}"));
    let mut person = Person::new(80, 24);
    let before = comparable(&person.settings());

    // Ctrl-C is for what is in the foreground over there.
    let child = person.start(&mut lab.exec(&[target, "--", "sh", "-c", TRAP]));
    person.sees("ready\r\n");
    assert_ne!(
        comparable(&person.settings()),
        before,
        "it is raw meanwhile"
    );
    person.types("\x03");
    person.sees("caught\r\n");
    assert_eq!(ends(child), Some(7));
    assert_eq!(comparable(&person.settings()), before);

    // In a shell it ends what runs there, and not the shell.
    let child = person.start(&mut lab.exec(&["-it", target, "--", "sh"]));
    person.types("/bin/sleep 4321\r");
    lab.runs(target, "/bin/sleep\x004321\0");
    person.types("\x03");
    person.sees("^C");
    person.types("echo $((40 + 2)) $TERM; exit 9\r");
    person.sees("42 vt100\r\n");
    assert_eq!(ends(child), Some(9));
    assert_eq!(comparable(&person.settings()), before);
}

#[test]
fn the_command_knows_the_size_of_the_terminal_and_each_change() {
    let lab = Lab::boot("sizes");
    let mut person = Person::new(91, 33);

    let child = person.start(&mut lab.exec(&["node1", "--", "sh", "-c", SIZES]));
    person.sees("33 91\r\n");
    person.resize(101, 44);
    person.sees("44 101\r\n");

    assert_eq!(ends(child), Some(3));
}

#[test]
fn all_that_was_printed_is_shown_also_of_what_runs_on() {
    let lab = Lab::boot("printed");
    let mut person = Person::new(80, 24);
    let script = "trap '' HUP; sleep 1000 & i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i + 1)); done; exit 4";

    let child = person.start(&mut lab.exec(&["node1", "--", "sh", "-c", script]));
    person.sees("line-2999\r\n");

    assert_eq!(ends(child), Some(4));
}

#[test]
fn a_reader_that_is_gone_ends_what_prints_without_end() {
    let lab = Lab::boot("unread");
    let mut person = Person::new(80, 24);
    let yes = "yes 'nobody reads this'";
    let mut child = lab
        .exec(&["--tty", "node1", "--", "sh", "-c", yes])
        .stdin(person.stream())
        .stdout(Stdio::piped())
        .stderr(person.stream())
        .spawn()
        .expect("setsid starts");
    let mut line = [0; 18];
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut line).expect("a line");
    drop(stdout);

    person.sees("show the command's output: Broken pipe");
    assert_eq!(&line, b"nobody reads this\r");
    assert_eq!(ends(child), Some(4));
    lab.ran("node1", "nobody reads this");
}

#[test]
fn what_prints_without_end_does_not_outlast_the_command() {
    let lab = Lab::boot("endless");
    let mut person = Person::new(80, 24);
    let script = "trap '' HUP; yes 'runs on' & sleep 1; exit 6";

    let child = person.start(&mut lab.exec(&["node1", "--", "sh", "-c", script]));
    person.sees("runs on\r\n");

    assert_eq!(ends(child), Some(6));
    lab.ran("node1", "runs on");
}

#[rstest]
#[case::terminated(Signal::SIGTERM, 143)]
#[case::hung_up(Signal::SIGHUP, 129)]
#[case::interrupted(Signal::SIGINT, 130)]
fn the_terminal_is_as_it_was_after_a_signal(#[case] signal: Signal, #[case] code: i32) {
    let lab = Lab::boot(&format!("signal-{code}"));
    let mut person = Person::new(80, 24);
    let before = comparable(&person.settings());
    let child = person.start(&mut lab.exec(&["node1", "--", "sh", "-c", TRAP]));
    person.sees("ready\r\n");

    // The child of setsid, whose pid the test does not know.
    let group = rustix::termios::tcgetpgrp(&person.keys).expect("a foreground");
    kill(Pid::from_raw(group.as_raw_pid()), signal).expect("it runs");

    assert_eq!(ends(child), Some(code));
    assert_eq!(comparable(&person.settings()), before);
}

#[test]
fn the_terminal_is_as_it_was_after_the_end_of_the_lab() {
    let lab = Lab::boot("ends");
    let mut person = Person::new(80, 24);
    let before = comparable(&person.settings());
    let child = person.start(&mut lab.exec(&["node1", "--", "sh", "-c", TRAP]));
    person.sees("ready\r\n");

    let down = flatnet(&["down", &lab.0]);

    assert!(down.status.success(), "{}", words(&down));
    person.sees("ended before it answered");
    assert_eq!(ends(child), Some(4));
    assert_eq!(comparable(&person.settings()), before);
}

#[test]
fn a_stream_that_is_no_terminal_is_left_as_it_is() {
    let lab = Lab::boot("apart");
    let person = Person::new(80, 24);
    let script = "printf 'a\\nb\\r\\0'; echo no >&2; test -t 0";

    let apart = lab
        .exec(&["node1", "--", "sh", "-c", script])
        .stdin(person.stream())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .expect("setsid starts");
    let chosen = lab
        .exec(&["--tty=false", "node1", "--", "test", "-t", "1"])
        .stdin(person.stream())
        .stdout(person.stream())
        .stderr(person.stream())
        .status()
        .expect("setsid starts");
    let nowhere = flatnet(&["exec", "-t", "--cluster", &lab.0, "node1", "--", "true"]);

    let Output { stdout, stderr, .. } = apart;
    assert_eq!(stdout, b"a\nb\r\0");
    assert_eq!(stderr, b"no\n");
    // It is the terminal itself that the command has there, as without flatnet.
    assert_eq!(chosen.code(), Some(0));
    tells(&nowhere, 2, &["--tty: standard input is not a terminal"]);
}

#[test]
fn a_node_of_kind_has_the_terminal_by_way_of_the_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    let [kind, (docker, script)] = Api::of_cluster("stand-in").programs("stand-in");
    // As a killed client of docker leaves it.
    let machine = std::env::var("PATH").expect("PATH");
    let script = format!("case $1 in exec) PATH={machine} stty raw -echo;; esac\n{script}");
    install(folder.path(), &[kind, (docker, script)]);
    let mut person = Person::new(80, 24);
    let before = comparable(&person.settings());
    let mut command = setsid(env!("CARGO_BIN_EXE_flatnet"));
    unchosen(&mut command);
    command
        .env_remove("KIND_EXPERIMENTAL_PROVIDER")
        .env("PATH", format!("{}:{machine}", folder.path().display()))
        .env("TERM", "vt100")
        .args(["exec", "--cluster", "stand-in", "node2", "--", "top"]);

    let child = person.start(&mut command);
    person.sees("ran: exec -it -e TERM=vt100 stand-in-worker top");

    assert_eq!(ends(child), Some(0));
    assert_eq!(comparable(&person.settings()), before);
}
