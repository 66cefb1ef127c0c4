//! An API server on loopback that answers what it is told to, request by request.
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// A request that does not come in this time never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The next answer.
enum Answer {
    /// A whole body.
    Body(u16, Value),
    /// Lines for as long as the sender lives.
    Stream(Receiver<Value>),
    /// The connection is closed without a word.
    HangUp,
}

/// The server. Requests are answered in the order in which answers were given to it.
pub(crate) struct Api {
    address: SocketAddr,
    answers: Sender<Answer>,
    asked: Receiver<String>,
    dir: tempfile::TempDir,
}

/// A watch that stands. Dropped, the server ends it.
pub(crate) struct Watch(Sender<Value>);

impl Watch {
    /// Sends one event.
    pub(crate) fn tell(&self, kind: &str, object: Value) {
        self.0
            .send(json!({ "type": kind, "object": object }))
            .unwrap();
    }
}

impl Api {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (answers, script) = channel();
        let (told, asked) = channel();
        let script = Arc::new(Mutex::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, told) = (script.clone(), told.clone());
                std::thread::spawn(move || serve(&stream, &script, &told));
            }
        });
        Api {
            address,
            answers,
            asked,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A kubeconfig whose current context is this server.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let path = self.dir.path().join("config");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://{}", self.address) } }],
            "users": [{ "name": "u", "user": { "token": "t" } }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        });
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// The next request is answered with this list.
    pub(crate) fn will_list(&self, version: &str, nodes: &[Value]) {
        let list = json!({
            "kind": "NodeList", "apiVersion": "v1",
            "metadata": { "resourceVersion": version }, "items": nodes,
        });
        self.answers.send(Answer::Body(200, list)).unwrap();
    }

    /// The next request is a watch that stands.
    pub(crate) fn will_watch(&self) -> Watch {
        let (tell, events) = channel();
        self.answers.send(Answer::Stream(events)).unwrap();
        Watch(tell)
    }

    /// The next request is refused.
    pub(crate) fn will_refuse(&self, code: u16, message: &str) {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure",
            "message": message, "code": code, "reason": "",
        });
        self.answers.send(Answer::Body(code, status)).unwrap();
    }

    /// The next request is met with a closed connection.
    pub(crate) fn will_hang_up(&self) {
        self.answers.send(Answer::HangUp).unwrap();
    }

    /// The target of the next request that came.
    pub(crate) fn asked(&self) -> String {
        self.asked.recv_timeout(PATIENCE).expect("no request came")
    }
}

/// A node object.
pub(crate) fn node(name: &str, address: &str, cidr: &str, version: &str) -> Value {
    let cidrs: Vec<&str> = [cidr].into_iter().filter(|c| !c.is_empty()).collect();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": name, "resourceVersion": version },
        "spec": { "podCIDRs": cidrs },
        "status": { "addresses": [
            { "type": "Hostname", "address": name },
            { "type": "InternalIP", "address": address },
        ]},
    })
}

fn serve(stream: &TcpStream, script: &Mutex<Receiver<Answer>>, told: &Sender<String>) {
    let mut reader = BufReader::new(stream);
    while let Some(target) = request(&mut reader) {
        if told.send(target).is_err() {
            return;
        }
        let answer = script.lock().unwrap().recv();
        let mut out = stream;
        let done = match answer {
            Ok(Answer::Body(code, body)) => {
                let body = body.to_string();
                write!(
                    out,
                    "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
            Ok(Answer::Stream(events)) => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
                let _ = out.write_all(head.as_bytes());
                for event in events {
                    let line = format!("{event}\n");
                    let _ = write!(out, "{:x}\r\n{line}\r\n", line.len());
                }
                out.write_all(b"0\r\n\r\n")
            }
            Ok(Answer::HangUp) | Err(_) => return,
        };
        if done.is_err() {
            return;
        }
    }
}

/// Reads one request's head; its target.
fn request(reader: &mut impl std::io::BufRead) -> Option<String> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|n| *n > 0)?;
    let target = first.split_whitespace().nth(1)?.to_owned();
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    }
    Some(target)
}
