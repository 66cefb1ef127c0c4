//! An API server as far as a test needs one: it answers what it is told to answer, and remembers what it was asked.
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for a request.
const COMES_WITHIN: Duration = Duration::from_secs(20);

/// What is answered to a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// This status and object.
    Json(u16, Value),
    /// Nothing: the connection stays open.
    Silence,
    /// The beginning of an answer, and nothing more.
    Half,
}

impl Answer {
    /// A `Status` object as the API server writes it.
    pub(crate) fn status(code: u16, reason: &str, message: &str) -> Answer {
        Answer::Json(
            code,
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": code, "reason": reason, "message": message }),
        )
    }
}

/// `METHOD /path` without its query, and the body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) query: String,
    pub(crate) body: Value,
}

type Handler = dyn Fn(&Request) -> Option<Answer> + Send + Sync;

/// On the loopback. It knows its version and its namespaces by itself; everything else is 404.
pub(crate) struct Api {
    shared: Arc<Shared>,
    address: SocketAddr,
    dir: TempDir,
}

struct Shared {
    handler: Box<Handler>,
    asked: Mutex<Vec<Request>>,
    namespaces: Mutex<BTreeMap<String, Value>>,
}

impl Api {
    /// `handler` is asked first; where it has no answer, the server's own is given.
    pub(crate) fn new(
        handler: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            asked: Mutex::default(),
            namespaces: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        let dir = tempfile::tempdir().expect("a folder");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "mock",
            "clusters": [{"name": "mock", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "mock", "user": {}}],
            "contexts": [{"name": "mock", "context": {"cluster": "mock", "user": "mock"}}],
        });
        std::fs::write(dir.path().join("kubeconfig"), config.to_string()).expect("a kubeconfig");
        Api {
            shared,
            address,
            dir,
        }
    }

    pub(crate) fn kubeconfig(&self) -> String {
        self.dir.path().join("kubeconfig").display().to_string()
    }

    /// Every request so far that begins so.
    pub(crate) fn asked(&self, line: &str) -> Vec<Request> {
        let asked = self.shared.asked.lock().expect("no panic while locked");
        let like = asked
            .iter()
            .filter(|request| request.line.starts_with(line));
        like.cloned().collect()
    }

    /// Waits until such a request has come.
    #[track_caller]
    pub(crate) fn wait_for(&self, line: &str) -> Request {
        let begun = Instant::now();
        loop {
            if let Some(request) = self.asked(line).pop() {
                return request;
            }
            let asked = self
                .shared
                .asked
                .lock()
                .expect("no panic while locked")
                .clone();
            assert!(
                begun.elapsed() < COMES_WITHIN,
                "no {line} at {}, only {asked:?}",
                self.address
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Names of the namespaces that are there.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        let namespaces = self
            .shared
            .namespaces
            .lock()
            .expect("no panic while locked");
        namespaces.keys().cloned().collect()
    }

    /// Puts a namespace there.
    pub(crate) fn put(&self, name: &str, object: &Value) {
        self.shared.put(name, object);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a second end"));
        let mut stream = stream;
        while let Some(request) = read(&mut reader) {
            self.asked
                .lock()
                .expect("no panic while locked")
                .push(request.clone());
            let answer = (self.handler)(&request).unwrap_or_else(|| self.own(&request));
            let (code, body) = match answer {
                Answer::Json(code, body) => (code, body.to_string()),
                Answer::Silence => {
                    hold(&mut reader);
                    return;
                }
                Answer::Half => {
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
                    let _ = stream.write_all(head.as_bytes());
                    hold(&mut reader);
                    return;
                }
            };
            let head = format!(
                "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all((head + &body).as_bytes()).is_err() {
                return;
            }
        }
    }

    fn own(&self, request: &Request) -> Answer {
        let absent = || Answer::status(404, "NotFound", "it is not there");
        match request.line.as_str() {
            "GET /version" => Answer::Json(
                200,
                json!({ "major": "1", "minor": "36",
                "gitVersion": "v1.36.0", "gitCommit": "", "gitTreeState": "", "buildDate": "",
                "goVersion": "", "compiler": "", "platform": "" }),
            ),
            "GET /api" => Answer::Json(
                200,
                json!({ "kind": "APIVersions", "versions": ["v1"],
                "serverAddressByClientCIDRs": [] }),
            ),
            "POST /api/v1/namespaces" => {
                let name = request.body["metadata"]["name"].as_str().expect("a name");
                Answer::Json(201, self.put(name, &request.body))
            }
            line => {
                if line.starts_with("GET")
                    && (line.ends_with("/pods") || line.ends_with("/services"))
                {
                    return Answer::Json(200, json!({ "metadata": {}, "items": [] }));
                }
                let mut namespaces = self.namespaces.lock().expect("no panic while locked");
                match line.split_once(" /api/v1/namespaces/") {
                    Some(("GET", name)) => namespaces
                        .get(name)
                        .map_or_else(absent, |found| Answer::Json(200, found.clone())),
                    Some(("DELETE", name)) => namespaces
                        .remove(name)
                        .map_or_else(absent, |found| Answer::Json(200, found)),
                    _ => absent(),
                }
            }
        }
    }

    fn put(&self, name: &str, object: &Value) -> Value {
        let mut object = object.clone();
        object["metadata"]["uid"] = json!(format!("uid-of-{name}"));
        let mut namespaces = self.namespaces.lock().expect("no panic while locked");
        namespaces.insert(name.to_owned(), object.clone());
        object
    }
}

/// Reads until the other end closes.
fn hold(reader: &mut BufReader<TcpStream>) {
    let _ = std::io::copy(reader, &mut std::io::sink());
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (line, query) = (
        format!("{method} {}", path.trim_end_matches('?')),
        query.to_owned(),
    );
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        line,
        query,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}
