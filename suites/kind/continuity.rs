//! What happens to a connection between pods of two nodes while the network's own parts come and go. `kubectl` and the kubelet's
//! containers do the disturbing, through the nodes' containers: that works while the API does not.
use flatnet_model::snapshot::PodSnapshot;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet::session::Session;
use flatnet_cluster::Target;
use tokio::runtime::Runtime;

/// A pod's connection carries a number every fifth of a second; so many more must arrive to call it alive.
const MORE: u64 = 25;
/// Anything here is over long before.
const PATIENCE: Duration = Duration::from_secs(180);
const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/// A session on the cluster, with what the tests ask of it.
struct Scene {
    runtime: Runtime,
    session: Session,
}

impl Scene {
    fn start() -> Scene {
        let runtime = flatnet::session::runtime().expect("a runtime");
        let args = super::on_cluster();
        let start = Session::start(&args, None, Arc::new(|_| {}));
        let session = runtime.block_on(start).expect("a session");
        Scene { runtime, session }
    }

    fn end(self) {
        self.runtime.block_on(self.session.close()).expect("an end");
    }

    /// Output of a shell command; panics where it fails.
    #[track_caller]
    fn sh(&self, target: &Target, script: &str) -> String {
        self.try_sh(target, script)
            .unwrap_or_else(|e| panic!("{target}: {script}: {e}"))
    }

    fn try_sh(&self, target: &Target, script: &str) -> Result<String, String> {
        let argv = ["sh", "-c", script].map(str::to_owned);
        let done = self
            .runtime
            .block_on(self.session.cluster().exec(target, &argv, b""))
            .map_err(|e| e.to_string())?;
        match done.code {
            0 => Ok(done.stdout),
            code => Err(format!("exit code {code}: {}", done.stderr)),
        }
    }

    /// `kubectl` on the control plane's node.
    #[track_caller]
    fn kubectl(&self, arguments: &str) -> String {
        self.sh(&self.control_plane(), &kubectl(arguments))
    }

    fn control_plane(&self) -> Target {
        let nodes = self.runtime.block_on(self.session.cluster().nodes());
        let name = nodes
            .expect("nodes")
            .into_iter()
            .filter_map(|node| node.metadata.name)
            .find(|name| name.ends_with("control-plane"));
        Target::Node(name.expect("a control plane"))
    }

    /// Two pods of the pod network that are on two nodes, neither of them the control plane's.
    fn two_pods(&self) -> [&PodSnapshot; 2] {
        let on_worker =
            |pod: &&PodSnapshot| !pod.host_network && !pod.node.ends_with("control-plane");
        let on_workers = self.session.pods().iter().filter(on_worker);
        let mut found: Vec<&PodSnapshot> = Vec::new();
        for pod in on_workers {
            if found.iter().all(|other| other.node != pod.node) {
                found.push(pod);
            }
        }
        [found[0], found[1]]
    }

    /// Waits until `holds`; panics with what was seen last.
    #[track_caller]
    fn until<T: std::fmt::Debug>(
        &self,
        what: &str,
        mut look: impl FnMut(&Self) -> T,
        holds: impl Fn(&T) -> bool,
    ) -> T {
        let begun = Instant::now();
        loop {
            let seen = look(self);
            if holds(&seen) {
                return seen;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: last seen: {seen:?}");
            std::thread::yield_now();
        }
    }
}

fn kubectl(arguments: &str) -> String {
    format!("kubectl --kubeconfig /etc/kubernetes/admin.conf {arguments}")
}

/// One TCP connection from a pod to another; numbers travel over it, one after the other, and are written down as they arrive.
struct Connection {
    node: Target,
    /// Where the node sees the file the receiver writes.
    log: String,
}

impl Connection {
    fn open(scene: &Scene) -> Connection {
        let [from, to] = scene.two_pods();
        let address = to.ips.first().expect("an address");
        let in_pod = |pod: &PodSnapshot| Target::Pod(pod.reference.clone());
        // Written by a pod, read on its node: that needs neither the API nor the network that is disturbed.
        // nc takes the end of its input for the end of the conversation, so the receiver's must not end.
        let receive =
            "( tail -f /dev/null | nc -l -p 7000 >/tmp/received ) >/dev/null 2>&1 </dev/null &";
        scene.sh(&in_pod(to), receive);
        let count = "i=0; while echo $i; do i=$((i + 1)); usleep 200000; done";
        let send = format!("({count}) | nc {address} 7000");
        scene.sh(
            &in_pod(from),
            &format!("( {send} ) >/dev/null 2>&1 </dev/null &"),
        );
        let node = Target::Node(to.node.clone());
        let found = scene.until(
            "the receiver's file on its node",
            |scene| {
                scene.try_sh(
                    &node,
                    "ls -d /proc/[0-9]*/root/tmp/received 2>/dev/null | head -n 1",
                )
            },
            |found| found.as_ref().is_ok_and(|path| !path.trim().is_empty()),
        );
        let connection = Connection {
            node,
            log: found.unwrap_or_default().trim().to_owned(),
        };
        connection.carries_on(scene);
        connection
    }

    /// The last number that arrived; panics where one is missing before it.
    #[track_caller]
    fn last(&self, scene: &Scene) -> u64 {
        let text = scene.sh(&self.node, &format!("cat {}", self.log));
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let numbers: Vec<u64> = whole
            .lines()
            .map(|line| line.parse().expect("a number"))
            .collect();
        let expected: Vec<u64> = (0..numbers.len() as u64).collect();
        assert_eq!(
            numbers, expected,
            "numbers in the order in which they were sent"
        );
        numbers.len() as u64
    }

    /// Waits until more numbers have arrived over the same connection.
    #[track_caller]
    fn carries_on(&self, scene: &Scene) {
        let before = self.last(scene);
        scene.until(
            "more numbers over the connection",
            |scene| self.last(scene),
            |now| *now >= before + MORE,
        );
    }
}

#[test]
fn agents_that_are_replaced_cut_no_connection() {
    let _turn = super::turn();
    let scene = Scene::start();
    let connection = Connection::open(&scene);
    let sets = scene.kubectl("-n kube-system get daemonsets -o name");
    let set = sets
        .lines()
        .find(|name| name.ends_with("/flatnet"))
        .expect("flatnet's DaemonSet: this test is about flatnet's CNI");

    scene.kubectl("-n kube-system delete pod -l app.kubernetes.io/name=flatnet --wait=true");
    scene.kubectl(&format!(
        "-n kube-system rollout status {set} --timeout=120s"
    ));

    connection.carries_on(&scene);
    scene.end();
}

#[test]
fn an_api_server_that_is_away_cuts_no_connection() {
    let _turn = super::turn();
    let scene = Scene::start();
    let connection = Connection::open(&scene);
    let control_plane = scene.control_plane();

    scene.sh(
        &control_plane,
        &format!("mv {API_SERVER} /etc/kubernetes/kube-apiserver.yaml"),
    );
    let ask = kubectl("get --raw /readyz --request-timeout=2s");
    let ask = ask.as_str();
    scene.until(
        "an API server that is away",
        |scene| scene.try_sh(&control_plane, ask).is_ok(),
        |answers| !answers,
    );
    connection.carries_on(&scene);
    scene.sh(
        &control_plane,
        &format!("mv /etc/kubernetes/kube-apiserver.yaml {API_SERVER}"),
    );
    scene.until(
        "an API server that is back",
        |scene| scene.try_sh(&control_plane, ask).is_ok(),
        |answers| *answers,
    );

    connection.carries_on(&scene);
    scene.end();
}

#[test]
fn a_node_that_starts_again_has_its_network_again() {
    let _turn = super::turn();
    let scene = Scene::start();
    let victim = scene.two_pods()[1].node.clone();
    scene.end();

    let restarted = std::process::Command::new("docker")
        .args(["restart", &victim])
        .output()
        .expect("docker restart");
    assert!(restarted.status.success(), "{restarted:?}");
    let scene = Scene::start();
    // A kubelet that is away is not missed for forty seconds: what counts is that it has spoken since it started.
    scene.kubectl(&format!(
        "wait --for=condition=Ready node/{victim} --timeout=120s"
    ));
    scene.kubectl("-n kube-system wait --for=condition=Ready pod --all --timeout=120s");
    scene.end();

    super::all_green();
}
