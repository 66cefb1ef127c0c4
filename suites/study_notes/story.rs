//! The story of the notes: an add-on's agent is taken away, a new pod hangs in ContainerCreating, `flatnet diagnose` names what
//! is missing, the add-on is applied again, and the pod runs.
use flatnet_cluster::status::pod_ref;
use std::sync::RwLockWriteGuard;
use std::time::{Duration, Instant};

use flatnet_cluster::{PodRef, Target};
use flatnet_lab::Lab;
use flatnet_model::cause::CauseId;
use k8s_openapi::api::core::v1::Pod;
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{KUBECTL, Scene, alone, call, text};
use crate::first::{self, First};

/// How long a kubelet may take to fail, and to try again: it waits longer after each failure.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

#[rstest]
fn an_add_on_is_taken_away_and_applied_again(mut alone: RwLockWriteGuard<'static, Scene>) {
    let scene = &*alone;
    let node = scene.nodes().pop().unwrap();
    let mut away = Away::take(scene, &node);

    let pod = Sleeper::create(scene, &node);
    pod.hangs();
    let first = pod.diagnosed(&[&[node.as_str()], away.agent.named].concat());
    assert_eq!(first.cause(), Some(CauseId::AgentDown));
    away.fix(&first);

    pod.runs();
    away.is_whole();
    drop((pod, away));
    // Its agents are others now.
    alone.inspect();
}

/// Flatnet applied it, and the cluster has the record of what it was.
const APPLY_RECORD: &str = "kubectl -n kube-system get configmap flatnet-cni -o jsonpath='{.data.manifest}' | kubectl apply --server-side --force-conflicts -f -";

/// A network add-on's agent.
struct Agent {
    /// Its DaemonSet on kind, as kubectl takes it.
    set: &'static str,
    /// What it put onto a node that new pods need.
    brought: &'static str,
    /// What the diagnosis has to name when it is away.
    named: &'static [&'static str],
    /// What its fix must contain.
    fix: &'static str,
}

impl Agent {
    fn of(scene: &Scene, node: &str) -> Agent {
        let network = scene.conf_in_use(node).1["name"].clone();
        match (text(&network), scene.on_kind()) {
            ("flatnet", false) => Agent {
                set: "",
                brought: "/opt/cni/bin/flatnet-cni",
                named: &["flatnet-agent", "ended with exit code"],
                fix: "flatnet exec",
            },
            ("flatnet", true) => Agent {
                set: "-n kube-system daemonset/flatnet",
                brought: "/opt/cni/bin/flatnet-cni",
                named: &["flatnet", "no DaemonSet"],
                fix: APPLY_RECORD,
            },
            ("cbr0", true) => Agent {
                set: "-n kube-flannel daemonset/kube-flannel-ds",
                brought: "/run/flannel/subnet.env",
                named: &["flannel", "/run/flannel/subnet.env", "no DaemonSet"],
                fix: APPLY_RECORD,
            },
            (other, _) => panic!("unknown agent of network {other}"),
        }
    }
}

/// An add-on that was taken away; it is given back at the end, however that comes.
struct Away<'a> {
    scene: &'a Scene,
    /// Whose new pods hang.
    node: &'a str,
    agent: Agent,
    again: Option<Again>,
}

/// How it is applied again.
enum Again {
    /// On the lab: the agent's command line.
    Start(Lab, Vec<String>),
    /// On kind, on the control plane's node: a line of shell, with a copy of the manifest. Where the fix failed; else to wait for it.
    Apply(String, String),
}

impl<'a> Away<'a> {
    fn take(scene: &'a Scene, node: &'a str) -> Self {
        let agent = Agent::of(scene, node);
        let again = match scene.control_plane() {
            Some(control) => {
                let said = scene.on(&control, &format!("{KUBECTL} get {} -o json", agent.set));
                let kept = as_kept(serde_json::from_str(&said).unwrap());
                let delete = "delete --cascade=foreground --timeout=60s";
                scene.on(&control, &format!("{KUBECTL} {delete} {}", agent.set));
                let apply = format!("{KUBECTL} apply -f - <<'EOF'\n{kept}\nEOF\n");
                Again::Apply(control, apply)
            }
            None => {
                let lab = Lab::connect(scene.name()).unwrap();
                // A lab's nodes see each other's processes.
                let line = format!(
                    "for pid in $(pidof flatnet-agent); do \
                     tr '\\0' '\\n' </proc/$pid/cmdline | grep -qx {node} && cat /proc/$pid/cmdline; \
                     done; true"
                );
                let argv = scene.on(node, &line);
                let argv = argv.trim_end_matches('\0').split('\0').map(str::to_owned);
                lab.stop_daemon(node, "flatnet-agent").unwrap();
                Again::Start(lab, argv.collect())
            }
        };
        // An agent that ends leaves what it wrote, so that pods outlive it; a restarted node has none of it.
        scene.on(node, &format!("rm {}", agent.brought));
        Away {
            scene,
            node,
            agent,
            again: Some(again),
        }
    }

    /// Does what the finding says.
    fn fix(&mut self, first: &First) {
        assert!(first.fix().contains(self.agent.fix), "{first:#?}");
        match &self.again {
            Some(Again::Apply(control, _)) => {
                let command = first.fix().replace("kubectl", KUBECTL);
                self.scene.on(control, &command);
            }
            _ => {
                let (_, command) = first.fix().split_once(" -- ").expect("a command");
                self.scene.on(self.node, command);
            }
        }
    }

    /// Until its agents work on every node. On the lab the fix left none: it is started as the lab starts it.
    fn is_whole(&mut self) {
        match self.again.take() {
            Some(Again::Apply(control, _)) => {
                let status = "rollout status --timeout=120s";
                let set = self.agent.set;
                self.scene
                    .on(&control, &format!("{KUBECTL} {status} {set}"));
            }
            Some(Again::Start(lab, argv)) => {
                lab.start_daemon(self.node, "flatnet-agent", &argv).unwrap();
            }
            None => {}
        }
    }
}

impl Drop for Away<'_> {
    /// A test that fails has more to say than what fails here.
    fn drop(&mut self) {
        match self.again.take() {
            Some(Again::Apply(control, apply)) => {
                let _ = self.scene.run(&Target::Node(control), &apply);
            }
            Some(Again::Start(lab, argv)) => {
                let _ = lab.start_daemon(self.node, "flatnet-agent", &argv);
            }
            None => {}
        }
    }
}

/// A manifest without what the API server adds to it.
fn as_kept(mut object: Value) -> Value {
    for key in [
        "resourceVersion",
        "uid",
        "creationTimestamp",
        "generation",
        "managedFields",
    ] {
        object["metadata"].as_object_mut().unwrap().remove(key);
    }
    object.as_object_mut().unwrap().remove("status");
    object
}

/// A new pod.
struct Sleeper<'a> {
    scene: &'a Scene,
    pod: PodRef,
}

impl<'a> Sleeper<'a> {
    fn create(scene: &'a Scene, node: &str) -> Self {
        let (runtime, cluster) = scene.cluster();
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "newcomer", "namespace": cluster.namespace() },
            "spec": {
                "nodeName": node, "terminationGracePeriodSeconds": 0,
                "tolerations": [{ "operator": "Exists" }],
                "containers": [{ "name": "c", "image": "busybox:1.36", "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "infinity"] }],
            },
        }))
        .unwrap();
        runtime.block_on(cluster.create_pod(&pod)).unwrap();
        Sleeper {
            scene,
            pod: pod_ref(&pod),
        }
    }

    fn hangs(&self) {
        let (runtime, cluster) = self.scene.cluster();
        let begun = Instant::now();
        loop {
            let events = runtime.block_on(cluster.events(&self.pod)).unwrap();
            let mut reasons = events.iter().filter_map(|event| event.reason.as_deref());
            if reasons.any(|reason| reason == "FailedCreatePodSandBox") {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "{events:#?}");
            std::thread::sleep(PAUSE);
        }
    }

    #[track_caller]
    fn diagnosed(&self, names: &[&str]) -> First {
        let pod = self.pod.to_string();
        let name = self.scene.name();
        let output = call(&["diagnose", &pod, "--cluster", name, "--output", "json"]);
        first::is(first::read(&output), &pod, CauseId::AgentDown, names)
    }

    fn runs(&self) {
        let (runtime, cluster) = self.scene.cluster();
        let seen = runtime
            .block_on(cluster.wait_pod(&self.pod, LIMIT))
            .unwrap();
        let status = seen.status.unwrap();
        assert_eq!(status.phase.as_deref(), Some("Running"), "{status:#?}");
        assert!(status.pod_ip.is_some());
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        let (runtime, cluster) = self.scene.cluster();
        let _ = runtime.block_on(cluster.delete_pod(&self.pod));
    }
}
