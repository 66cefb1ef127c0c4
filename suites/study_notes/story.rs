//! The story of the notes: an add-on's agent is taken away, a new pod hangs in ContainerCreating, `flatnet diagnose` names what
//! is missing, the add-on is applied again, and the pod runs.
use std::process::Command;
use std::sync::RwLockWriteGuard;
use std::time::{Duration, Instant};

use flatnet::cluster::{PodRef, Target};
use flatnet::diagnose::{Cause, Finding};
use flatnet_lab::Lab;
use k8s_openapi::api::core::v1::Pod;
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{Scene, alone, text};
use crate::first;

/// How long a kubelet may take to fail, and to try again: it waits longer after each failure.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
const KUBECTL: &str = "kubectl --kubeconfig /etc/kubernetes/admin.conf";

#[rstest]
fn an_add_on_is_taken_away_and_applied_again(mut alone: RwLockWriteGuard<'static, Scene>) {
    let scene = &*alone;
    let node = scene.nodes().pop().unwrap();
    let mut away = Away::take(scene, &node);

    let pod = Sleeper::create(scene, &node);
    pod.hangs();
    let first = pod.diagnosed(&[&node, away.agent]);
    away.bring_back(&first);

    pod.runs();
    drop((pod, away));
    // Its agents are others now.
    alone.inspect();
}

/// An add-on that was taken away; it is given back at the end, however that comes.
struct Away<'a> {
    scene: &'a Scene,
    /// Whose new pods hang.
    node: &'a str,
    /// What the diagnosis has to name.
    agent: &'static str,
    again: Option<Again>,
}

/// How it is applied again.
enum Again {
    /// On the lab: the agent's command line.
    Start(Lab, Vec<String>),
    /// On kind, with kubectl on the control plane: a line of shell, with the manifest as somebody had kept it.
    Apply(Target, String),
}

impl<'a> Away<'a> {
    fn take(scene: &'a Scene, node: &'a str) -> Self {
        let network = scene.conf_in_use(node).1["name"].clone();
        let (agent, set, brought) = match text(&network) {
            "flatnet" => (
                "flatnet",
                "-n kube-system daemonset/flatnet",
                "/opt/cni/bin/flatnet-cni",
            ),
            "cbr0" => (
                "flannel",
                "-n kube-flannel daemonset/kube-flannel-ds",
                "/run/flannel/subnet.env",
            ),
            other => panic!("nobody knows the agent of network {other}"),
        };
        let again = if scene.on_kind() {
            let mut nodes = scene.nodes().into_iter();
            let control = nodes.find(|node| node.ends_with("control-plane")).unwrap();
            let said = scene.on(&control, &format!("{KUBECTL} get {set} -o json"));
            let kept = as_kept(serde_json::from_str(&said).unwrap());
            let delete = "delete --cascade=foreground --timeout=60s";
            scene.on(&control, &format!("{KUBECTL} {delete} {set}"));
            let apply = format!("{KUBECTL} apply -f - <<'EOF'\n{kept}\nEOF\n");
            Again::Apply(Target::Node(control), apply)
        } else {
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
        };
        // An agent that ends leaves what it wrote, so that pods outlive it; a node that starts anew has none of it.
        scene.on(node, &format!("rm {brought}"));
        Away {
            scene,
            node,
            agent,
            again: Some(again),
        }
    }

    /// Does what the finding says, and more: on the lab that makes the node whole, and leaves no agent.
    fn bring_back(&mut self, finding: &Finding) {
        if self.scene.on_kind() {
            assert!(finding.mend.contains("kubectl apply -f"), "{finding:#?}");
        } else {
            let (_, command) = finding.mend.split_once(" -- ").expect("a command");
            self.scene.on(self.node, command);
        }
        self.again().unwrap();
    }

    fn again(&mut self) -> flatnet::Result<()> {
        match self.again.take() {
            Some(Again::Apply(target, apply)) => {
                self.scene.run(&target, &apply)?;
            }
            Some(Again::Start(lab, argv)) => lab.start_daemon(self.node, "flatnet-agent", &argv)?,
            None => {}
        }
        Ok(())
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        // A test that fails has more to say than this.
        let _ = self.again();
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
        runtime.block_on(cluster.apply_pod(&pod)).unwrap();
        Sleeper {
            scene,
            pod: PodRef::of(&pod),
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
    fn diagnosed(&self, names: &[&str]) -> Finding {
        let pod = self.pod.to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_flatnet"))
            .args(["diagnose", &pod, "--cluster", self.scene.name()])
            .args(["--output", "json"])
            .env_remove("FLATNET_CLUSTER")
            .output()
            .unwrap();
        first::is(first::read(&output), &pod, Cause::AgentDown, names)
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
