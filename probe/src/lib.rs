//! The program that flatnet runs inside pods and on nodes: it observes the network from there.
//!
//! One probe per pod, started by one exec that lasts the whole session. It speaks JSON lines: a question ([`ask`]) on
//! standard input, one answer on standard output ([`wire`]); at end of input it exits. The harness shares these types.
//!
//! One thread does everything: the responders answer peers while a row is dialled and while the next question is awaited.
//! The program needs no file but /proc, and nothing there for the exchanges with peers.

mod awake;
mod cni_files;
mod counters;
mod data;
mod datagram;
mod dial;
mod echo;
mod error;
mod facts;
mod files;
mod legacy_iptables;
mod lines;
mod message;
mod netfilter;
mod network_namespaces;
mod path_mtu;
mod plugin_versions;
mod processes;
mod programs;
mod resolv_conf;
mod resolve;
mod responder;
mod routes;
mod session;
mod sockets;
mod streams;
mod translate;
mod watch;
mod watched;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

pub use error::{Error, Result};
use flatnet_model::probe::*;
pub use session::run;

const HELP: &str = "\
flatnet-probe: says what the network looks like from where it runs

It reads one question per line (JSON) on standard input, answers each with one line on standard output, and exits at end of input.
It is meant to be started by flatnet inside a pod or on a node, but can be asked by hand:

  echo '{\"ask\":\"facts\"}' | flatnet-probe
      links, addresses, routes, neighbours, FDB, sysctls and counters
  echo '{\"ask\":\"routes\",\"flows\":[{\"to\":\"10.244.1.2\"}]}' | flatnet-probe
      the route that the kernel gives each packet, as `ip route get` shows it
  echo '{\"ask\":\"netfilter\"}' | flatnet-probe
      rules of nftables and legacy iptables, without what they count
  echo '{\"ask\":\"cni-files\",\"conf_dir\":\"/etc/cni/net.d\",\"bin_dir\":\"/opt/cni/bin\"}' | flatnet-probe
      CNI configuration and plugins
  (echo '{\"ask\":\"listen\",\"name\":\"me\",\"port\":7777}'; cat) | flatnet-probe
      answer peers on TCP and UDP port 7777 until interrupted; {\"ask\":\"seen\"} lists the requests that arrived
  echo '{\"ask\":\"dial\",\"targets\":[{\"address\":\"10.0.0.1\",\"transport\":\"tcp\",\"port\":7777}],\"at_once\":8,\"timeout_ms\":1000,\"attempts\":1}' | flatnet-probe
      reach peers (transports tcp, udp, icmp); says who answered, and which addresses each end saw
  (echo '{\"ask\":\"streams-open\",\"targets\":[{\"address\":\"10.0.0.1\",\"transport\":\"tcp\",\"port\":7777}],\"every_ms\":10,\"timeout_ms\":1000,\"stall_ms\":100,\"lasts_ms\":60000}'; sleep 10; echo '{\"ask\":\"streams-end\"}') | flatnet-probe
      send numbers there and back while something is changed: what got lost, came late or twice, and when
  echo '{\"ask\":\"path-mtu\",\"address\":\"10.0.0.1\",\"port\":7777,\"sizes\":[1450,1451],\"timeout_ms\":1000}' | flatnet-probe
      which IP packet sizes arrive whole with DF set
  echo '{\"ask\":\"transfer\",\"targets\":[\"10.0.0.1:7777\"],\"bytes\":65536,\"stall_ms\":700,\"at_once\":1}' | flatnet-probe
      whether so many bytes arrive over TCP as they were sent, and as many back
  echo '{\"ask\":\"resolve\",\"server\":\"10.96.0.10:53\",\"lookups\":[{\"name\":\"kubernetes.default.svc.cluster.local\",\"record\":\"A\",\"over\":\"udp\"}],\"timeout_ms\":1000,\"attempts\":2}' | flatnet-probe
      what a nameserver answers; {\"ask\":\"resolv-conf\",\"path\":\"/etc/resolv.conf\"} shows the nameservers configured here
  echo '{\"ask\":\"sockets\",\"proc\":\"/proc\",\"ports\":[2379]}' | flatnet-probe
      what is bound here and whose it is; who is connected to these ports
  echo '{\"ask\":\"network-namespaces\",\"proc\":\"/proc\"}' | flatnet-probe
      addresses, routes and interfaces of pods, seen from their node
  echo '{\"ask\":\"plugin-versions\",\"root\":\"\",\"bin_dir\":\"/opt/cni/bin\",\"timeout_ms\":2000}' | flatnet-probe
      the CNI versions each plugin supports; {\"ask\":\"files\",\"root\":\"\",\"paths\":[\"/etc/cni/net.d/*\"]} shows files
  (echo '{\"ask\":\"watch\",\"ports\":[7777],\"rules\":\"flatnet-trace\",\"drops\":false}'; sleep 10; echo '{\"ask\":\"watch-end\"}') | flatnet-probe
      packets of probes at the devices here, those from and to TCP and UDP port 7777, and the rules of netfilter that they
      met (\"rules\":null adds no table; a table of that name is there until the watch ends); counters of the kernel, of devices
      and of legacy iptables that moved; with \"drops\":true the kernel's reasons for packets it dropped on this machine (root only)
  (echo '{\"ask\":\"translate\",\"table\":\"mine\",\"translations\":[{\"from\":\"10.0.0.2\",\"dialled\":\"203.0.113.10\",\"to\":\"10.0.0.2\"}]}'; sleep 10) | flatnet-probe
      have what 10.0.0.2 sends to 203.0.113.10 come back to it, as from a service; the table lasts until the input ends, or {\"ask\":\"translate-end\"}

Options: --help, --version
Exit codes: 0 the input ended, 1 the answers cannot be written, 2 wrong usage
";

/// The program.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let arguments: Vec<&str> = arguments
        .iter()
        .map(|argument| argument.to_str().unwrap_or("\u{fffd}"))
        .collect();
    match arguments[..] {
        [] => serve(),
        ["--help" | "-h"] => say(HELP),
        ["--version" | "-V"] => say(concat!("flatnet-probe ", env!("CARGO_PKG_VERSION"), "\n")),
        _ => {
            complain(&format!(
                "unexpected argument {:?}: questions come on standard input, see --help",
                arguments[0]
            ));
            ExitCode::from(2)
        }
    }
}

fn serve() -> ExitCode {
    if io::stdin().is_terminal() {
        complain(
            "reading questions from the terminal, one per line (--help shows some); end with ctrl-d",
        );
    }
    allow_many_descriptors();
    match run(io::stdin(), io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// A busy responder holds one descriptor per connection. A lower limit does not keep it from starting.
fn allow_many_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// To standard error, which may be closed.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "flatnet-probe: {text}");
}
