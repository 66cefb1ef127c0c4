//! The questions, each with the type of its answer.
use std::net::{IpAddr, SocketAddr};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{DialRequest, Lookup};
use crate::kernel::Flow;

/// A question to the probe.
pub trait Question: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What the probe answers, unless it fails.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// Its name on the wire: the value of `ask` in the question and of `answer` in the answer.
    const NAME: &'static str;

    /// Whether an answer is complete: one that lists results has one for each item of the question.
    fn is_answered_by(&self, answer: &Self::Answer) -> bool {
        let _ = answer;
        true
    }
}

macro_rules! question {
    ($question:ident $name:literal => $answer:ty $(, $results:ident for $items:ident)?) => {
        impl Question for $question {
            type Answer = $answer;
            const NAME: &'static str = $name;
            $(fn is_answered_by(&self, answer: &$answer) -> bool {
                answer.$results.len() == self.$items.len()
            })?
        }
    };
}

question!(Listen "listen" => super::Listening);
question!(Dial "dial" => super::DialResults, results for targets);
question!(Series "series" => super::SeriesResults, results for targets);
question!(StreamsOpen "streams-open" => super::StreamsOpened, opened for targets);
question!(Streams "streams" => super::StreamReports);
question!(StreamsEnd "streams-end" => super::StreamReports);
question!(PathMtu "path-mtu" => super::MtuTrials, trials for targets);
question!(Transfer "transfer" => super::Transfers, transfers for targets);
question!(Seen "seen" => super::ReceivedRequests);
question!(Facts "facts" => super::Facts);
question!(NftTables "nft-tables" => super::NftTables);
question!(Netfilter "netfilter" => crate::kernel::netfilter::Netfilter);
question!(Routes "routes" => super::Routes, routes for flows);
question!(CniFiles "cni-files" => super::CniFiles);
question!(ResolvConf "resolv-conf" => super::ResolvConf);
question!(Resolve "resolve" => super::Resolutions, results for lookups);
question!(Sockets "sockets" => super::Sockets);
question!(Processes "processes" => super::Processes);
question!(NetworkNamespaces "network-namespaces" => super::NetworkNamespaces);
question!(Files "files" => super::Files);
question!(PluginVersions "plugin-versions" => super::PluginVersions);
question!(Watch "watch" => super::watch::Watching);
question!(WatchEnd "watch-end" => super::watch::Watched);
question!(Translate "translate" => super::Translating);
question!(TranslateEnd "translate-end" => super::Translating);

/// Start answering peers under `name` on TCP, UDP and (where raw sockets are allowed) record ICMP echo requests, over IPv4
/// and IPv6. Asked again, it starts over: nothing seen yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listen {
    /// The name this end answers with, and dials with: the pod's or the node's. 1 to 400 bytes.
    pub name: String,
    /// Wanted port of the TCP and UDP responders (the same number for both), 0 for any.
    pub port: u16,
}

/// Reach every target once over its transport, from fresh sockets. Without a [`Listen`] before, the client's name is the
/// hostname.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dial {
    /// Requests; results come in the same order.
    pub targets: Vec<DialRequest>,
    /// How many are under way at once, 1 to 512 (other numbers are taken as the nearest of these): fewer while the probe gets its
    /// turns on the processor late.
    pub at_once: usize,
    /// How long one attempt may take, milliseconds. Time in which the probe did not run does not count.
    pub timeout_ms: u64,
    /// Attempts per target; the first answer ends it.
    pub attempts: u32,
}

/// Send several packets to each target, one after the other: where some are lost, how many, and whether it is the first.
/// Over TCP every packet is a connection of its own. All targets at once, each from a fresh socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    /// Whom to send to; results come in the same order.
    pub targets: Vec<DialRequest>,
    /// Packets per target, 1 to 1000 (other numbers are taken as the nearest of these).
    pub packets: usize,
    /// Between two packets, milliseconds. The second waits for the answer to the first, at most a third of `wait_ms`.
    pub apart_ms: u64,
    /// How long answers are waited for after the last packet, milliseconds.
    pub wait_ms: u64,
}

/// Open streams of numbers to responders and go on while other questions are asked: over TCP one connection each, over UDP one socket
/// each. A second one ends those of the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamsOpen {
    /// Whom to send to, TCP or UDP, at most [`StreamsOpen::MOST`].
    pub targets: Vec<DialRequest>,
    /// Between two numbers of a stream, milliseconds, at least 1.
    pub every_ms: u64,
    /// How long the opening of a connection may take, milliseconds.
    pub timeout_ms: u64,
    /// A number that the network has for longer is reported, milliseconds.
    pub stall_ms: u64,
    /// How long numbers are sent, at most [`StreamsOpen::MOST_MS`] milliseconds.
    pub lasts_ms: u64,
}

impl StreamsOpen {
    /// Streams of one probe.
    pub const MOST: usize = 256;
    /// The longest time that numbers are sent: half an hour.
    pub const MOST_MS: u64 = 1_800_000;
}

/// What became of the streams so far.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Streams {}

/// End the streams, once the answers that are under way have had time to come.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct StreamsEnd {}

/// Send UDP datagrams with DF so that the IP packet has exactly the size of each target, and report which were acknowledged by
/// the responder with the same size. The responder does not list them under [`Seen`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PathMtu {
    /// What is sent where; trials come in the same order.
    pub targets: Vec<SizedRequest>,
    /// Wait for each acknowledgement, milliseconds.
    pub timeout_ms: u64,
    /// How often each is sent within that time while it is not acknowledged, 1 to 10 (other numbers are taken as the nearest of
    /// these).
    pub sends: u32,
}

/// A packet of one size for one responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizedRequest {
    /// Address of the responder.
    pub address: IpAddr,
    /// Its UDP port.
    pub port: u16,
    /// Size of the whole IP packet, header included, bytes.
    pub bytes: u32,
}

/// Send data over a TCP connection to each target, which sends as much back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transfer {
    /// TCP responders; results come in the same order.
    pub targets: Vec<SocketAddr>,
    /// How much is sent each way, 1 to 65,536 bytes (other numbers are taken as the nearest of these).
    pub bytes: u32,
    /// Data that no byte of is acknowledged for so long does not come any more, milliseconds. Time in which the probe did not run does
    /// not count.
    pub stall_ms: u32,
    /// How many connections there are at once, 1 to 512 (other numbers are taken as the nearest of these).
    pub at_once: usize,
}

/// Which requests came in since [`Listen`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Seen {}

/// Links, addresses, routes, neighbours, FDB, sysctls and counters of the probe's network namespace.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Facts {}

/// Names of the nftables tables of the probe's network namespace.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct NftTables {}

/// Tables, chains and rules of netfilter in the probe's network namespace. It takes CAP_NET_ADMIN there.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Netfilter {}

/// Which routes the kernel of the probe's network namespace gives packets, policy routing included.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Routes {
    /// Packets to look up; answers come in the same order.
    pub flows: Vec<Flow>,
}

/// The CNI files of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CniFiles {
    /// Usually `/etc/cni/net.d`.
    pub conf_dir: String,
    /// Usually `/opt/cni/bin`.
    pub bin_dir: String,
}

/// Which nameservers are configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResolvConf {
    /// Usually `/etc/resolv.conf`.
    pub path: String,
}

/// Ask a nameserver, each lookup from a fresh socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resolve {
    /// The nameserver, usually on port 53.
    pub server: SocketAddr,
    /// What to ask it; all at once.
    pub lookups: Vec<Lookup>,
    /// How long one attempt may take, milliseconds.
    pub timeout_ms: u64,
    /// Attempts per lookup; the first answer ends it, whatever its response code.
    pub attempts: u32,
}

/// What is bound in the probe's network namespace, and who is connected to some ports.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sockets {
    /// Usually `/proc`.
    pub proc: String,
    /// Ports whose TCP connections are wanted, at whichever end.
    pub ports: Vec<u16>,
}

/// Processes of these programs in the probe's network namespace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Processes {
    /// Usually `/proc`.
    pub proc: String,
    /// Program names, see [`NodeProcess::program`](super::NodeProcess::program).
    pub names: Vec<String>,
}

/// Network namespaces of other processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NetworkNamespaces {
    /// Usually `/proc`.
    pub proc: String,
}

/// Files and folders.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Files {
    /// The folder that is the root directory of the processes asked about; empty for the probe's own.
    pub root: String,
    /// Absolute paths. One that ends in `/*` stands for the files in that folder.
    pub paths: Vec<String>,
}

/// Execute each program of a folder with CNI_COMMAND=VERSION.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PluginVersions {
    /// The folder that becomes the root directory of those programs; empty for the probe's own.
    pub root: String,
    /// Usually `/opt/cni/bin`.
    pub bin_dir: String,
    /// Names of those to ask; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
    /// How long each may run, milliseconds.
    pub timeout_ms: u64,
}

/// Watch the packets of probes in this network namespace until [`WatchEnd`]; a second one starts over. What cannot be watched is
/// said in the answer and does not keep the rest from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watch {
    /// TCP and UDP ports of responders: packets from and to them are watched.
    pub ports: Vec<u16>,
    /// Let netfilter trace the packets: adds a table of this name until the watch ends, however it ends.
    pub rules: Option<String>,
    /// Let the kernel tell why it drops packets, by a perf event of the tracepoint `skb:kfree_skb`, which ends with the probe
    /// however that ends. It sees the whole machine, so one probe of a machine is enough.
    pub drops: bool,
}

/// End the watch, and tell what was seen.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct WatchEnd {}

/// Have this network namespace translate what some clients send to an address that nobody has, until [`TranslateEnd`] or the end of
/// the probe, in whatever way it ends. A second one replaces the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Translate {
    /// Name of the nftables table for it.
    pub table: String,
    /// What is translated.
    pub translations: Vec<Translation>,
}

/// Packets of one client to one address, sent on to another address. That one sees an address of this namespace as their source,
/// as kube-proxy has it where a service leads a pod to itself (KUBE-MARK-MASQ).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translation {
    /// Source of the packets.
    pub from: IpAddr,
    /// Their destination; of the same family as the others.
    pub dialled: IpAddr,
    /// Where they are sent instead; the port stays.
    pub to: IpAddr,
}

/// End it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct TranslateEnd {}
