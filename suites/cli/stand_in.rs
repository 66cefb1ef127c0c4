//! Something that looks like a kind cluster from outside: scripts in the place of `kind` and `docker`, and an API that knows two
//! nodes and their pods. What happens on a real one is in `suites/kind`.
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

/// Where the API of a stand-in listens; its thread ends with the test's process.
pub(super) struct Api {
    port: u16,
}

impl Api {
    /// Whatever listens on this port of loopback.
    pub(super) fn at(port: u16) -> Api {
        Api { port }
    }

    /// An API whose objects are these, by path.
    pub(super) fn serve(objects: &[(&str, Value)]) -> Api {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let objects: Vec<(String, String)> = objects
            .iter()
            .map(|(path, object)| ((*path).to_owned(), object.to_string()))
            .collect();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever hangs up early is none of the test's business.
                let _ = answer(stream, &objects);
            }
        });
        Api::at(port)
    }

    /// Two nodes, `NAME-control-plane` and `NAME-worker`, with two pods and the record of a CNI.
    pub(super) fn of_cluster(name: &str) -> Api {
        let node = |suffix: &str| json!({ "metadata": { "name": format!("{name}-{suffix}") } });
        let pod = |namespace: &str, name: &str| json!({ "metadata": { "namespace": namespace, "name": name } });
        Api::serve(&[
            (
                "/version",
                json!({
                    "major": "1", "minor": "34", "gitVersion": "v1.34.4", "gitCommit": "", "gitTreeState": "",
                    "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
                }),
            ),
            (
                "/api",
                json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
            ),
            (
                "/api/v1/nodes",
                json!({
                    "kind": "NodeList", "apiVersion": "v1", "metadata": {},
                    "items": [node("control-plane"), node("worker")],
                }),
            ),
            (
                "/api/v1/pods",
                json!({
                    "kind": "PodList", "apiVersion": "v1", "metadata": {},
                    "items": [pod("kube-system", "coredns-0"), pod("default", "app")],
                }),
            ),
            (
                "/api/v1/namespaces/kube-system/configmaps/flatnet-cni",
                json!({
                    "kind": "ConfigMap", "apiVersion": "v1",
                    "metadata": { "name": "flatnet-cni", "namespace": "kube-system" },
                    "data": { "name": "flannel", "manifest": "", "nodes": "{}" },
                }),
            ),
        ])
    }

    /// Scripts in the place of kind, which knows this cluster, and of docker, whose `exec` says what it was asked.
    pub(super) fn programs(&self, name: &str) -> [(&'static str, String); 2] {
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: kind-{name}\nclusters:\n- name: c\n  cluster: {{server: 'http://127.0.0.1:{}'}}\nusers:\n- name: u\n  user: {{}}\ncontexts:\n- name: kind-{name}\n  context: {{cluster: c, user: u}}",
            self.port
        );
        let kind = format!(
            "case \"$1 $2\" in\n'get clusters') echo {name};;\n'get kubeconfig') echo \"{kubeconfig}\";;\n*) echo kind v0.33.0 go1.26.8 linux/amd64;;\nesac"
        );
        let docker = format!(
            "case \"$1\" in\nps) echo {name}-control-plane; echo {name}-worker;;\ninspect) echo 2026-01-01T00:00:00Z; echo 2026-01-01T00:00:05Z;;\nexec) echo \"ran: $*\";;\n*) echo '{{}}';;\nesac"
        );
        [("kind", kind), ("docker", docker)]
    }
}

fn answer(mut stream: TcpStream, objects: &[(String, String)]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split_whitespace().nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let found = objects.iter().find(|(known, _)| known == path);
    let missing = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "reason": "NotFound", "message": format!("{path} not found"), "code": 404,
    });
    let (status, body) = match found {
        Some((_, body)) => ("200 OK", body.clone()),
        None => ("404 Not Found", missing.to_string()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
