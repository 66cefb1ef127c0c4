//! The cluster at hand, what `flatnet inspect` says of it, and a shell on its nodes and in its pods.
use flatnet_model::snapshot::PodSnapshot;
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use flatnet::config::RunArgs;
use flatnet::session::Session;
use flatnet::session::run_id;
use flatnet_cluster::{Cluster, ExecOutput, Target};
use flatnet_model::inspection::{Fact, Inspection, Outcome};
use rstest::fixture;
use serde_json::Value;
use tokio::runtime::Runtime;

/// kubectl on the control plane's node.
pub(crate) const KUBECTL: &str = "kubectl --kubeconfig /etc/kubernetes/admin.conf";

/// Shared by all rows. A lab of this process ends with it; what was deployed on a cluster that runs on is taken away by the reaper.
static SCENE: LazyLock<RwLock<Scene>> = LazyLock::new(|| RwLock::new(Scene::start()));

/// The cluster as rows see it that only look.
pub(crate) type Seen = RwLockReadGuard<'static, Scene>;

#[fixture]
pub(crate) fn scene() -> Seen {
    SCENE.read().unwrap_or_else(PoisonError::into_inner)
}

/// The cluster to oneself, to change it.
#[fixture]
pub(crate) fn alone() -> RwLockWriteGuard<'static, Scene> {
    SCENE.write().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct Scene {
    runtime: Runtime,
    session: Session,
    name: String,
    pub(crate) inspection: Inspection,
}

impl Scene {
    fn start() -> Scene {
        let mut args = RunArgs::from_env().expect("FLATNET_* variables that fit");
        args.pods_per_node = Some(2);
        if args.cluster.is_none() {
            args.name = Some(format!("study-notes-{}", run_id()));
        }
        let runtime = flatnet::session::runtime().expect("a runtime");
        let session = runtime
            .block_on(Session::start(&args, None, Arc::new(|_| {})))
            .expect("a session");
        let name = args.cluster.or(args.name).unwrap_or_default();
        Scene {
            runtime,
            session,
            inspection: inspect(&name),
            name,
        }
    }

    /// Asks again, after a change.
    pub(crate) fn inspect(&mut self) {
        self.inspection = inspect(&self.name);
    }

    /// The cluster's name, as `--cluster` takes it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The seam, and what to wait for its answers with.
    pub(crate) fn cluster(&self) -> (&Runtime, &dyn Cluster) {
        (&self.runtime, self.session.cluster().as_ref())
    }

    pub(crate) fn on_kind(&self) -> bool {
        self.inspection.provider == "kind"
    }

    /// The node with the control plane, which is on kind alone.
    pub(crate) fn control_plane(&self) -> Option<String> {
        let mut nodes = self.nodes().into_iter();
        self.on_kind()
            .then(|| nodes.find(|node| node.ends_with("control-plane")).unwrap())
    }

    /// Names of the nodes.
    pub(crate) fn nodes(&self) -> Vec<String> {
        let nodes = self.runtime.block_on(self.session.cluster().nodes());
        let names = nodes.expect("nodes").into_iter();
        names.filter_map(|node| node.metadata.name).collect()
    }

    /// Names of the run's pods that have a network of their own.
    pub(crate) fn pods(&self) -> Vec<String> {
        let pods = self.session.pods().iter();
        let own = pods.filter(|pod| !pod.host_network);
        own.map(|pod| pod.reference.name.clone()).collect()
    }

    fn pod(&self, name: &str) -> &PodSnapshot {
        let mut pods = self.session.pods().iter();
        pods.find(|pod| pod.reference.name == name)
            .unwrap_or_else(|| panic!("pod {name}"))
    }

    /// As `flatnet inspect` calls it: pods of other runs have the same names in other namespaces.
    pub(crate) fn full_name(&self, pod: &str) -> String {
        self.pod(pod).reference.to_string()
    }

    pub(crate) fn node_of(&self, pod: &str) -> String {
        self.pod(pod).node.clone()
    }

    pub(crate) fn ip_of(&self, pod: &str) -> String {
        self.pod(pod).ips[0].to_string()
    }

    #[track_caller]
    fn sh(&self, target: &Target, line: &str) -> String {
        let done = self.run(target, line);
        let done = done.unwrap_or_else(|e| panic!("{target}: {line}: {e}"));
        assert_eq!(done.code, 0, "{target}: {line}: {}", done.stderr);
        done.stdout
    }

    /// A shell's line, however it ends.
    pub(crate) fn run(&self, target: &Target, line: &str) -> flatnet::Result<ExecOutput> {
        let argv = ["sh", "-c", line].map(str::to_owned);
        let exec = self.session.cluster().exec(target, &argv, b"");
        self.runtime.block_on(exec)
    }

    /// Output of a shell's line on a node.
    #[track_caller]
    pub(crate) fn on(&self, node: &str, line: &str) -> String {
        self.sh(&Target::Node(node.to_owned()), line)
    }

    /// As [`Scene::on`], of a command that prints a JSON list, or nothing.
    #[track_caller]
    pub(crate) fn json(&self, node: &str, line: &str) -> Vec<Value> {
        let text = self.on(node, line);
        if text.trim().is_empty() {
            return Vec::new();
        }
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{line}: {e}: {text}"))
    }

    #[track_caller]
    pub(crate) fn in_pod(&self, pod: &str, line: &str) -> String {
        self.sh(&Target::Pod(self.pod(pod).reference.clone()), line)
    }

    /// The first configuration file of a node in lexical order, and what it says.
    #[track_caller]
    pub(crate) fn conf_in_use(&self, node: &str) -> (String, Value) {
        let listed = self.on(node, "ls /etc/cni/net.d");
        let first = listed
            .lines()
            .next()
            .expect("a configuration file")
            .to_owned();
        let text = self.on(node, &format!("cat /etc/cni/net.d/{first}"));
        (first, serde_json::from_str(&text).expect("JSON"))
    }

    /// Facts of one topic, of every node.
    #[track_caller]
    pub(crate) fn all(&self, question: &str, topic: &str) -> Vec<Fact> {
        let mut answers = self.inspection.answers.iter();
        let answer = answers
            .find(|answer| answer.id == question)
            .unwrap_or_else(|| panic!("no answer to {question}"));
        match &answer.outcome {
            Outcome::Answered { facts, .. } => {
                let of_topic = facts.iter().filter(|fact| fact.topic == topic);
                of_topic.cloned().collect()
            }
            other => panic!("{question}: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn facts(&self, question: &str, topic: &str, node: &str) -> Vec<Fact> {
        let mut facts = self.all(question, topic);
        facts.retain(|fact| fact.node.as_deref() == Some(node));
        facts
    }

    /// The only fact of a topic on a node.
    #[track_caller]
    pub(crate) fn one(&self, question: &str, topic: &str, node: &str) -> Fact {
        let mut facts = self.facts(question, topic, node);
        assert_eq!(facts.len(), 1, "{question}, {topic} on {node}: {facts:?}");
        facts.remove(0)
    }

    /// What is told of a node as a whole.
    #[track_caller]
    pub(crate) fn node(&self, name: &str) -> Fact {
        let mut facts = self.all("nodes", "node");
        facts.retain(|fact| fact.about == name);
        assert_eq!(facts.len(), 1, "{name}: {facts:?}");
        facts.remove(0)
    }

    /// `flatnet inspect route`, as JSON.
    #[track_caller]
    pub(crate) fn trace(&self, from: &str, to: &str) -> Value {
        let namespace = self.session.cluster().namespace();
        let from = format!("{namespace}/{from}");
        let said = flatnet(&[
            "inspect",
            "route",
            "--from",
            &from,
            "--to",
            to,
            "--output",
            "json",
            "--cluster",
            &self.name,
        ]);
        serde_json::from_str(&said).expect("JSON")
    }
}

fn inspect(cluster: &str) -> Inspection {
    let said = flatnet(&["inspect", "--output", "json", "--cluster", cluster]);
    serde_json::from_str(&said).expect("an inspection")
}

/// A call of flatnet, however it ends.
pub(crate) fn call(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flatnet"))
        .args(arguments)
        .env_remove("FLATNET_CLUSTER")
        .output()
        .expect("flatnet starts")
}

#[track_caller]
fn flatnet(arguments: &[&str]) -> String {
    let output = call(arguments);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {words}");
    String::from_utf8(output.stdout).expect("text")
}

/// A JSON string; empty for anything else.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Every leaf of a JSON document with its path: `plugins[0].delegate.hairpinMode`.
pub(crate) fn flatten(value: &Value) -> Vec<(String, Value)> {
    fn walk(path: &str, value: &Value, into: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let dot = if path.is_empty() { "" } else { "." };
                    walk(&format!("{path}{dot}{key}"), value, into);
                }
            }
            Value::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    walk(&format!("{path}[{index}]"), value, into);
                }
            }
            leaf => into.push((path.to_owned(), leaf.clone())),
        }
    }
    let mut leaves = Vec::new();
    walk("", value, &mut leaves);
    leaves
}
