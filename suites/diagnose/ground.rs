//! A lab for a test, and `flatnet diagnose` on it as a person runs it.
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet::config::{Provider, RunArgs};
use flatnet::session::Session;
use flatnet_cluster::{ExecOutput, Target};
use flatnet_lab::{Lab, NodeFile};
use flatnet_model::cause::CauseId;
use flatnet_model::diagnosis::Diagnosis;
use flatnet_model::evidence::{At, Remediation};
use k8s_openapi::api::core::v1::Pod;

use crate::first::{self, First};

/// How long a pod may take to get into the state that is waited for.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) const SLEEPER: &str =
    "containers: [{name: c, image: 'busybox:1.36', command: [sleep, infinity]}]";

/// A lab that ends with the test.
pub(crate) struct Ground {
    pub(crate) lab: Lab,
    name: String,
    session: Option<Session>,
    runtime: tokio::runtime::Runtime,
}

impl Ground {
    /// Two nodes with one pod each, and the CNI named.
    pub(crate) fn new(test: &str, cni: &str) -> Ground {
        Ground::with(test, cni, |_| {})
    }

    /// The same with other options.
    pub(crate) fn with(test: &str, cni: &str, change: impl FnOnce(&mut RunArgs)) -> Ground {
        let name = format!("diagnose-{test}-{}", std::process::id());
        let mut args = RunArgs::from_env().expect("FLATNET_* variables that fit");
        args.provider = Some(Provider::Lab);
        args.cni = Some(cni.to_owned());
        args.name = Some(name.clone());
        args.nodes = Some(2);
        args.pods_per_node = Some(1);
        change(&mut args);
        let runtime = flatnet::session::runtime().expect("a runtime");
        let session = runtime
            .block_on(Session::start(&args, None, Arc::new(|_| {})))
            .expect("a lab");
        Ground {
            lab: Lab::connect(&name).expect("the lab"),
            name,
            session: Some(session),
            runtime,
        }
    }

    pub(crate) fn session(&self) -> &Session {
        self.session.as_ref().expect("the session")
    }

    /// Four pods on a node whose range of eight has room for five: the bridge has one address, the session's pod another.
    pub(crate) fn fill(&self, node: &str) {
        for index in 0..4 {
            let name = format!("filler-{index}");
            self.lab
                .apply_pod(&pod(&name, node, SLEEPER))
                .expect("a pod");
            let filler = self.lab.wait_pod("default", &name, LIMIT).expect("a pod");
            let phase = filler.status.as_ref().and_then(|s| s.phase.as_deref());
            assert_eq!(phase, Some("Running"), "{filler:#?}");
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Starts flatnet's agent on a node as the lab does.
    pub(crate) fn restart_agent(&self, node: &str) {
        let argv = [
            "/.flatnet/flatnet-agent",
            "--node",
            node,
            "--nodes-file",
            "/run/flatnet/nodes.json",
            "--install-plugin",
            "/.flatnet/flatnet-cni",
        ];
        let argv = argv.map(str::to_owned);
        let started = self.lab.start_daemon(node, "flatnet-agent", &argv);
        started.expect("an agent");
    }

    /// A command on a node, which must succeed.
    pub(crate) fn on(&self, node: &str, argv: &[&str]) -> String {
        self.at(&Target::Node(node.to_owned()), argv)
    }

    /// A command on a node or in a pod, which must succeed.
    pub(crate) fn at(&self, target: &Target, argv: &[&str]) -> String {
        let done = self.run(target, argv);
        assert_eq!(done.code, 0, "{argv:?} on {target}: {}", done.stderr);
        done.stdout
    }

    pub(crate) fn run(&self, target: &Target, argv: &[&str]) -> ExecOutput {
        let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        let cluster = Arc::clone(self.session().cluster());
        let run = async move { cluster.exec(target, &argv, b"").await };
        self.runtime.block_on(run).expect("a command")
    }

    /// Does what is printed for a cause: its commands, in order.
    pub(crate) fn mend(&self, first: &First) {
        let remedy = first.finding.evidence.remediation.as_ref();
        self.remedy(remedy.expect("a remedy"));
    }

    /// The commands of a remedy, each of which is one on a node or in a pod and must succeed.
    pub(crate) fn remedy(&self, remedy: &Remediation) {
        let commands: Vec<_> = remedy
            .steps
            .iter()
            .flat_map(|step| &step.commands)
            .collect();
        assert!(!commands.is_empty(), "{remedy:?}");
        for command in commands {
            let target = match &command.at {
                At::Node(node) => Target::Node(node.clone()),
                At::Pod(pod) => Target::Pod(pod.clone()),
                At::Here => panic!("{command:?} is not one on a node or in a pod"),
            };
            let argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
            self.at(&target, &argv);
        }
    }

    pub(crate) fn write(&self, node: &str, path: &str, text: &str, mode: u32) {
        let file = NodeFile {
            path,
            content: text.as_bytes(),
            mode,
        };
        self.lab.write_file(node, &file).expect("a file");
    }

    /// Creates a pod `app` on node1.
    pub(crate) fn apply(&self, spec: &str) {
        self.lab
            .apply_pod(&pod("app", "node1", spec))
            .expect("a pod");
    }

    /// The pod `app` once it runs.
    pub(crate) fn runs(&self) -> Pod {
        let pod = self.lab.wait_pod("default", "app", LIMIT).expect("a pod");
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        assert_eq!(phase, Some("Running"), "{:#?}", pod.status);
        pod
    }

    /// Waits until the pod `app` has an event of this reason.
    pub(crate) fn warned(&self, reason: &str) {
        self.warned_any(&[reason]);
    }

    /// Waits until the pod `app` has an event of one of these reasons.
    pub(crate) fn warned_any(&self, reasons: &[&str]) {
        let begun = Instant::now();
        loop {
            let events = self.lab.events("default", "app").expect("events");
            let mut seen = events.iter().filter_map(|e| e.reason.as_deref());
            if seen.any(|reason| reasons.contains(&reason)) {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "none of {reasons:?}: {events:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What `flatnet diagnose` says of these pods, of all where none is named; and its exit code.
    pub(crate) fn diagnose(&self, pods: &[&str]) -> (i32, Diagnosis) {
        let output = flatnet(
            &[
                &["diagnose", "--cluster", &self.name, "--output", "json"],
                pods,
            ]
            .concat(),
        );
        first::read(&output)
    }

    /// The same once nothing is wrong with these pods.
    pub(crate) fn well(&self, pods: &[&str]) -> Diagnosis {
        let begun = Instant::now();
        loop {
            let (code, diagnosis) = self.diagnose(pods);
            if code == 0 {
                return diagnosis;
            }
            let words = format!("{pods:?} are not well: {diagnosis:#?}");
            assert!(begun.elapsed() < LIMIT, "{words}");
        }
    }

    /// The first cause that is named for the pod `app`, which must be this one and name all these.
    #[track_caller]
    pub(crate) fn first_is(&self, cause: CauseId, names: &[&str]) -> First {
        first::is(self.diagnose(&["app"]), "default/app", cause, names)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // A test that fails has more to say than a lab that does not end.
            let _ = self.runtime.block_on(session.close());
        }
    }
}

pub(crate) fn pod(name: &str, node: &str, spec: &str) -> Pod {
    let manifest = format!(
        "{{metadata: {{name: {name}}}, spec: {{nodeName: {node}, terminationGracePeriodSeconds: 0, {spec}}}}}"
    );
    serde_yaml::from_str(&manifest).expect("a pod")
}

pub(crate) fn flatnet(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flatnet"))
        .args(arguments)
        .env_remove("FLATNET_CLUSTER")
        .output()
        .expect("flatnet starts")
}
