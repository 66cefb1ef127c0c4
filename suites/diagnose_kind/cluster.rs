//! The cluster, looked at with kubectl and changed through its nodes' containers; and `flatnet diagnose` on it.
use std::cell::RefCell;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flatnet_model::cause::CauseId;
use flatnet_model::diagnosis::Diagnosis;
use serde_json::Value;

use crate::first::{self, First};

/// One cluster for all tests: they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// How long the cluster may take for what is waited for: a kubelet that fell silent is noticed after 50 s.
const LIMIT: Duration = Duration::from_secs(180);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

pub(crate) const SLEEPER: &str = "containers: [{name: c, image: 'busybox:1.36', imagePullPolicy: IfNotPresent, command: [sleep, infinity]}]";

/// The cluster in a test's turn. The pod `app` is gone after it, and what was planted.
pub(crate) struct Cluster {
    pub(crate) name: String,
    afterwards: RefCell<Vec<(String, String)>>,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    pub(crate) fn mine() -> Cluster {
        // A test that failed in its turn has given back what it took.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let name = std::env::var("FLATNET_CLUSTER")
            .expect("FLATNET_CLUSTER, the name of a running kind cluster (make test-kind sets it)");
        let cluster = Cluster {
            name,
            afterwards: RefCell::default(),
            _turn: turn,
        };
        cluster.remove_app();
        cluster
    }

    /// The node that faults are planted on.
    pub(crate) fn worker(&self) -> String {
        format!("{}-worker2", self.name)
    }

    pub(crate) fn control_plane(&self) -> String {
        format!("{}-control-plane", self.name)
    }

    /// A shell's line that gives back what a fault takes, on a node, run if the test does not get so far: for the tests after it.
    pub(crate) fn afterwards(&self, node: &str, line: &str) {
        let mut lines = self.afterwards.borrow_mut();
        lines.push((node.to_owned(), line.to_owned()));
    }

    /// A command in a node's container, which must succeed.
    pub(crate) fn on(&self, node: &str, argv: &[&str]) -> String {
        let output = self.run(node, argv, "");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{argv:?} on {node}: {words}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn run(&self, node: &str, argv: &[&str], input: &str) -> Output {
        let mut child = Command::new("docker")
            .args(["exec", "-i", node])
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker exec");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("its input");
        drop(stdin);
        child.wait_with_output().expect("its end")
    }

    /// Writes a file on a node.
    pub(crate) fn write(&self, node: &str, path: &str, text: &str) {
        let script = format!("cat > {path}");
        let output = self.run(node, &["sh", "-c", &script], text);
        assert!(
            output.status.success(),
            "write {path} on {node}: {output:?}"
        );
    }

    pub(crate) fn kubectl(&self, argv: &[&str], input: &str) -> String {
        let output = self.try_kubectl(argv, input);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {argv:?}: {words}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn try_kubectl(&self, argv: &[&str], input: &str) -> Output {
        let kubectl = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"];
        self.run(&self.control_plane(), &[&kubectl, argv].concat(), input)
    }

    /// An object as JSON; null where it is not there.
    pub(crate) fn get(&self, argv: &[&str]) -> Value {
        let words = [&["get", "-o", "json"], argv].concat();
        let output = self.try_kubectl(&words, "");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Creates the pod `app`, pinned to the node where one is named.
    pub(crate) fn apply(&self, node: Option<&str>, spec: &str) {
        let node = node
            .map(|node| format!("nodeName: {node}, "))
            .unwrap_or_default();
        let manifest = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: app, namespace: default}}, spec: {{{node}terminationGracePeriodSeconds: 0, {spec}}}}}"
        );
        self.kubectl(&["apply", "-f", "-"], &manifest);
    }

    pub(crate) fn remove_app(&self) {
        // Its kubelet releases its address; without a kubelet nothing does, and the pod is deleted by force.
        let delete = [
            "delete",
            "pod",
            "app",
            "--ignore-not-found",
            "--timeout=30s",
        ];
        if !self.try_kubectl(&delete, "").status.success() {
            let force = [
                "delete",
                "pod",
                "app",
                "--ignore-not-found",
                "--force",
                "--grace-period=0",
            ];
            self.kubectl(&force, "");
        }
    }

    /// Looks until it is so; what is waited for is in a failure's last word.
    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut(&Cluster) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(
                begun.elapsed() < LIMIT,
                "waited for {what}; app: {:#}",
                self.get(&["pod", "app"])["status"]
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// Until the pod `app` has an event of this reason.
    pub(crate) fn warned(&self, reason: &str) {
        self.until(reason, |cluster| {
            cluster.has_event(&format!("reason={reason}"))
        });
    }

    /// Whether this very pod `app`, not one before it, has an event that fits.
    pub(crate) fn has_event(&self, selector: &str) -> bool {
        let pod = self.get(&["pod", "app"]);
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let of_app = format!("involvedObject.uid={uid},{selector}");
        let events = self.get(&["events", "--field-selector", &of_app]);
        let events = events["items"].as_array();
        events.is_some_and(|events| !events.is_empty())
    }

    /// Until a container of the pod `app` waits, or ended, with one of these reasons.
    pub(crate) fn container(&self, reasons: &[&str]) {
        self.until(&format!("{reasons:?}"), |cluster| {
            let pod = cluster.get(&["pod", "app"]);
            let state = &pod["status"]["containerStatuses"][0]["state"];
            let reason = [&state["waiting"]["reason"], &state["terminated"]["reason"]];
            reason
                .iter()
                .any(|r| r.as_str().is_some_and(|r| reasons.contains(&r)))
        });
    }

    /// Until the pod `app` runs and is ready.
    pub(crate) fn runs(&self) {
        self.until("app to run", |cluster| {
            let pod = cluster.get(&["pod", "app"]);
            pod["status"]["phase"] == "Running"
                && pod["status"]["containerStatuses"][0]["ready"] == true
        });
    }

    /// Until the status of a node's Ready condition is this.
    pub(crate) fn ready_is(&self, node: &str, status: &str) {
        self.until(&format!("{node} Ready={status}"), |cluster| {
            let node = cluster.get(&["node", node]);
            let conditions = node["status"]["conditions"].as_array().cloned();
            let mut conditions = conditions.unwrap_or_default().into_iter();
            conditions.any(|c| c["type"] == "Ready" && c["status"] == status)
        });
    }

    /// What `flatnet diagnose` says of these pods, of all where none is named; and its exit code.
    pub(crate) fn diagnose(&self, pods: &[&str]) -> (i32, Diagnosis) {
        let options = ["diagnose", "--cluster", &self.name, "--output", "json"];
        let output = Command::new(env!("CARGO_BIN_EXE_flatnet"))
            .args(options)
            .args(pods)
            .output()
            .expect("flatnet starts");
        first::read(&output)
    }

    /// The first cause that is named for the pod `app`, which must be this one and name all these.
    #[track_caller]
    pub(crate) fn first_is(&self, cause: CauseId, names: &[&str]) -> First {
        first::is(self.diagnose(&["default/app"]), "default/app", cause, names)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return self.remove_app();
        }
        for (node, line) in self.afterwards.take().iter().rev() {
            let done = self.run(node, &["sh", "-c", line], "");
            // Why the test failed is told already; this is for the next test.
            if !done.status.success() {
                eprintln!("{line} on {node}: {done:?}");
            }
        }
    }
}
