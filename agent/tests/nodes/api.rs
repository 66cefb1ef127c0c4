//! An API server as far as Nodes go: list, watch, bookmarks, and everything that may go wrong with them.
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flatnet_agent::node::Node;
use serde_json::{Value, json};

use crate::wire::TestNode;

/// How long the program of another test may take to be started on a busy machine.
const RELEASED_WITHIN: Duration = Duration::from_secs(10);

/// On the loopback of a node. Nodes are kept while it is stopped, as etcd would.
pub(crate) struct Api {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something in it changed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    version: u64,
    nodes: BTreeMap<String, Value>,
    /// Version and event, oldest first.
    events: Vec<(u64, Value)>,
    /// Watches that begin before it get 410.
    compacted: u64,
    /// Answer to a verb, instead of what it asks for.
    refused: HashMap<&'static str, (u16, &'static str)>,
    /// Connections of an earlier generation send nothing more, and are not closed either.
    muted: u64,
    streams: Vec<TcpStream>,
    stopped: bool,
    /// Connections so far.
    served: u64,
    /// Lists answered so far, page by page.
    listed: u64,
}

/// Listens where another listener was before. A program that a test beside this one is just starting has that listener, too, between
/// fork and exec.
fn bound(address: SocketAddr) -> TcpListener {
    let begun = Instant::now();
    loop {
        match TcpListener::bind(address) {
            Err(e) if e.kind() == ErrorKind::AddrInUse && begun.elapsed() < RELEASED_WITHIN => {
                std::thread::sleep(Duration::from_millis(5));
            }
            listener => return listener.unwrap(),
        }
    }
}

impl Api {
    /// Reserves the address at once; nothing answers there before [`Api::start`].
    pub(crate) fn new(node: &TestNode) -> Self {
        let listener = node.ns.within(|| TcpListener::bind("127.0.0.1:0")).unwrap();
        Api {
            shared: Arc::default(),
            address: listener.local_addr().unwrap(),
            accepting: None,
        }
    }

    /// A kubeconfig for it, in the node's folder.
    pub(crate) fn kubeconfig(&self, node: &TestNode) -> PathBuf {
        let path = node.dir.path().join("kubeconfig");
        let server = format!("http://{}", self.address);
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "mock",
            "clusters": [{"name": "mock", "cluster": {"server": server}}],
            "users": [{"name": "mock", "user": {}}],
            "contexts": [{"name": "mock", "context": {"cluster": "mock", "user": "mock"}}],
        });
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    pub(crate) fn start(&mut self, node: &TestNode) {
        let listener = node.ns.within(|| bound(self.address));
        self.state().stopped = false;
        let shared = self.shared.clone();
        self.accepting = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut state = shared.state.lock().unwrap();
                if state.stopped {
                    return;
                }
                state.served += 1;
                let number = state.served;
                state.streams.push(stream.try_clone().unwrap());
                let shared = shared.clone();
                std::thread::spawn(move || shared.serve(stream, number));
            }
        }));
    }

    /// As if its process were killed: connections break, new ones are refused.
    pub(crate) fn stop(&mut self, node: &TestNode) {
        self.state().stopped = true;
        self.cut();
        // Wakes it from accept.
        let _ = node.ns.within(|| TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
    }

    /// Breaks existing connections.
    pub(crate) fn cut(&self) {
        for stream in self.state().streams.drain(..) {
            // It may have been closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.shared.changed.notify_all();
    }

    /// From now on existing connections are silent, as when a firewall has forgotten them.
    pub(crate) fn mute(&self) {
        let mut state = self.state();
        state.muted = state.served;
    }

    /// From now on also every new connection: it is accepted, and that is all.
    pub(crate) fn mute_all(&self, muted: bool) {
        self.state().muted = if muted { u64::MAX } else { 0 };
        if !muted {
            self.cut();
        }
    }

    /// `verb`: `list` or `watch`; `None` allows it again.
    pub(crate) fn refuse(&self, verb: &'static str, answer: Option<(u16, &'static str)>) {
        match answer {
            Some(answer) => self.state().refused.insert(verb, answer),
            None => self.state().refused.remove(verb),
        };
        self.cut();
    }

    /// Forgets what happened so far, so that a watch from before cannot be resumed.
    pub(crate) fn compact(&self) {
        let mut state = self.state();
        state.version += 1;
        state.compacted = state.version;
        state.events.clear();
    }

    /// How many lists it answered.
    pub(crate) fn listed(&self) -> u64 {
        self.state().listed
    }

    /// Creates or changes a node.
    pub(crate) fn apply(&self, node: &Node) {
        let mut state = self.state();
        state.version += 1;
        let object = object(node, state.version);
        let there = state.nodes.insert(node.name.clone(), object.clone());
        let kind = if there.is_some() { "MODIFIED" } else { "ADDED" };
        state.log(kind, object);
        self.shared.changed.notify_all();
    }

    pub(crate) fn delete(&self, name: &str) {
        let mut state = self.state();
        state.version += 1;
        let mut object = state.nodes.remove(name).unwrap();
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        state.log("DELETED", object);
        self.shared.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // The thread that accepts ends with the process: to wake it takes the namespace.
        self.cut();
    }
}

impl State {
    fn log(&mut self, kind: &str, object: Value) {
        let event = json!({"type": kind, "object": object});
        self.events.push((self.version, event));
    }
}

fn object(node: &Node, version: u64) -> Value {
    let addresses = node.addresses.iter();
    let addresses: Vec<_> = addresses
        .map(|a| json!({"type": "InternalIP", "address": a}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": node.name, "resourceVersion": version.to_string()},
        "spec": {"podCIDRs": node.pod_cidrs},
        "status": {"addresses": addresses},
    })
}

impl Shared {
    /// One connection, request after request.
    fn serve(&self, stream: TcpStream, number: u64) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut lines = (&mut reader).lines().map_while(Result::ok);
            let Some(request) = lines.next() else { return };
            if lines.take_while(|line| !line.is_empty()).count() == 0 {
                return;
            }
            let url = request.split(' ').nth(1).unwrap();
            let (path, query) = url.split_once('?').unwrap_or((url, ""));
            assert_eq!(path, "/api/v1/nodes");
            let query: HashMap<_, _> = query.split('&').filter_map(|q| q.split_once('=')).collect();
            let verb = if query.contains_key("watch") {
                "watch"
            } else {
                "list"
            };
            if self.state_of(number).is_none() {
                // Open and silent until it is cut.
                continue;
            }
            let refusal = self.state.lock().unwrap().refused.get(verb).copied();
            let done = match (refusal, verb) {
                (Some((code, message)), _) => answer(&stream, code, &failure(code, message)),
                (None, "list") => answer(&stream, 200, &self.list(&query)),
                (None, _) => self.watch(&stream, number, &query),
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// `None`: that connection is muted.
    fn state_of(&self, number: u64) -> Option<MutexGuard<'_, State>> {
        let state = self.state.lock().unwrap();
        (number > state.muted).then_some(state)
    }

    fn list(&self, query: &HashMap<&str, &str>) -> Value {
        let mut state = self.state.lock().unwrap();
        state.listed += 1;
        let from: usize = query.get("continue").map_or(0, |c| c.parse().unwrap());
        let limit: usize = query
            .get("limit")
            .map_or(usize::MAX, |l| l.parse().unwrap());
        let items: Vec<_> = state.nodes.values().skip(from).take(limit).collect();
        let next = from + items.len();
        let mut metadata = json!({"resourceVersion": state.version.to_string()});
        if next < state.nodes.len() {
            metadata["continue"] = next.to_string().into();
        }
        json!({"apiVersion": "v1", "kind": "NodeList", "metadata": metadata, "items": items})
    }

    /// Events as chunks, until the connection breaks.
    fn watch(
        &self,
        mut stream: &TcpStream,
        number: u64,
        query: &HashMap<&str, &str>,
    ) -> std::io::Result<()> {
        let mut from: u64 = query["resourceVersion"].parse().unwrap();
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        let mut state = self.state.lock().unwrap();
        if from < state.compacted {
            let gone = failure(410, "too old resource version");
            chunk(stream, &json!({"type": "ERROR", "object": gone}))?;
            return stream.write_all(b"0\r\n\r\n");
        }
        loop {
            for (version, event) in &state.events {
                if *version > from && number > state.muted {
                    chunk(stream, event)?;
                }
                from = from.max(*version);
            }
            if state.stopped {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            state = self.changed.wait(state).unwrap();
        }
    }
}

fn failure(code: u16, message: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": message, "reason": ""})
}

fn answer(mut stream: &TcpStream, code: u16, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {code} -\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn chunk(mut stream: &TcpStream, event: &Value) -> std::io::Result<()> {
    let event = format!("{event}\n");
    write!(stream, "{:x}\r\n{event}\r\n", event.len())
}
