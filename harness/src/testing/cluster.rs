//! A cluster that lasts as long as its handle.
use std::fmt;
use std::future::pending;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::inside::{Inside, on_runtime, or_panic};
use super::{Change, Fact, Node, Pod, evidence};
use crate::compare::Recorded;
use crate::compare::baseline::Held;
use crate::config::RunArgs;
use crate::events::{Event, Observer};
use crate::report::{self, Comparison};
use crate::session::interrupts::Interrupts;
use crate::session::{self, Session};
use crate::{Error, Result, torn_down};
use flatnet_analysis::checks::{Check, catalogue};
use flatnet_cluster::observe::once::Probes;
use flatnet_cluster::status;
use flatnet_model::Target;
use flatnet_model::naming::Names;
use flatnet_model::observations::Observations;
use flatnet_model::snapshot::NodeSnapshot;

/// A cluster with its CNI and its pods, all of which ran when it was booted. It is deleted when it is dropped.
pub struct Cluster(Option<Inside>);

impl Cluster {
    pub(super) fn start(args: &RunArgs) -> Result<Cluster> {
        let runtime = session::runtime()?;
        let started = on_runtime(&runtime, async || {
            exit_when_interrupted()?;
            let session = Session::start(args, None, observer()).await?;
            match all_run(&session).await {
                Ok(nodes) => Ok((session, nodes)),
                Err(e) => torn_down(Err(e), session.close().await),
            }
        });
        match started {
            Ok((session, nodes)) => Ok(Cluster(Some(Inside {
                probes: Probes::on(Arc::clone(session.cluster())),
                runtime,
                session,
                nodes,
                cni_bin: args.lab.cni_bin.clone(),
            }))),
            Err(e) => {
                runtime.shutdown_background();
                Err(e)
            }
        }
    }

    /// Its name, as `flatnet exec --cluster` takes it where it is kept; empty for one that has none.
    pub fn name(&self) -> &str {
        self.session().plan().source.name().unwrap_or_default()
    }

    /// Its nodes, in the order in which `node1`, `node2`, … count them.
    pub fn nodes(&self) -> Vec<Node<'_>> {
        let nodes = self.inside().nodes.iter();
        nodes.map(|node| Node::new(self.inside(), node)).collect()
    }

    /// The node of that name; `node2` is the second one of any cluster.
    ///
    /// # Panics
    /// Where there is none, with the names there are.
    #[track_caller]
    pub fn node(&self, name: &str) -> Node<'_> {
        let found = match self.find(name) {
            Ok(Target::Node(name)) => {
                let mut nodes = self.inside().nodes.iter();
                nodes.find(|node| node.name == name)
            }
            Ok(Target::Pod(_)) => None,
            Err(e) => panic!("{e}"),
        };
        let Some(node) = found else {
            panic!("{name} is a pod; nodes: {}", self.node_names().join(", "))
        };
        Node::new(self.inside(), node)
    }

    /// Its pods with a network of their own, in the order in which they were deployed. Each node has a hostNetwork pod beside them, which
    /// [`Cluster::pod`] finds by name.
    pub fn pods(&self) -> Vec<Pod<'_>> {
        let pods = self.session().pods().iter();
        let own = pods.filter(|pod| !pod.host_network);
        own.map(|pod| Pod::new(self.inside(), pod)).collect()
    }

    /// The pod of that name.
    ///
    /// # Panics
    /// Where there is none, with the names there are.
    #[track_caller]
    pub fn pod(&self, name: &str) -> Pod<'_> {
        let found = match self.find(name) {
            Ok(Target::Pod(pod)) => {
                let mut pods = self.session().pods().iter();
                pods.find(|other| other.reference == pod)
            }
            Ok(Target::Node(_)) => None,
            Err(e) => panic!("{e}"),
        };
        let Some(pod) = found else {
            let pods = self.session().pods().iter();
            let names: Vec<&str> = pods.map(|pod| pod.reference.name.as_str()).collect();
            panic!("{name} is a node; pods: {}", names.join(", "))
        };
        Pod::new(self.inside(), pod)
    }

    fn find(&self, name: &str) -> Result<Target> {
        let pods = self.session().pods().iter();
        let pods: Vec<_> = pods.map(|pod| pod.reference.clone()).collect();
        let names = Names {
            nodes: &self.node_names(),
            pods: &pods,
        };
        names.find(&format!("{name:?}"), name)
    }

    fn node_names(&self) -> Vec<String> {
        let nodes = self.inside().nodes.iter();
        nodes.map(|node| node.name.clone()).collect()
    }

    /// Looks at the cluster as it is now and judges it by a check of the catalogue (`flatnet checks` lists them), as `no-nat` or `mtu`.
    ///
    /// # Panics
    /// Unless it passes: with the evidence where it fails, with the reason where it cannot be judged on this cluster, with similar
    /// names where there is no such check.
    #[track_caller]
    pub fn check(&self, id: &str) {
        let check = or_panic(catalogue::find(id));
        let report = self.inside().judged(self.observed(), &[check]);
        if let Some(words) = evidence::against(&report) {
            panic!("{words}")
        }
    }

    /// What `flatnet diff` and baselines compare, as it is now: MTUs, routes, CNI configuration, verdicts, …
    ///
    /// # Panics
    /// Where the cluster cannot be observed.
    #[track_caller]
    pub fn facts(&self) -> Vec<Fact> {
        let all: Vec<&Check> = catalogue::all().iter().collect();
        let report = self.inside().judged(self.observed(), &all);
        let recorded = Recorded::of_report("now", &report);
        let facts = recorded.iter().flat_map(Recorded::facts);
        facts.map(Fact::of).collect()
    }

    /// Compares the cluster as it is now with a baseline, which people review: one that is not there yet, or differs, leaves what was
    /// found in `FILE.new`, and `flatnet baseline accept FILE` takes it.
    ///
    /// # Panics
    /// With each difference that the baseline does not allow, and the rule it breaks; where the file is not a baseline, or there is none yet.
    #[track_caller]
    pub fn matches_baseline(&self, file: impl AsRef<Path>) {
        let held = or_panic(Held::read(file.as_ref()));
        let all: Vec<&Check> = catalogue::all().iter().collect();
        let report = self.inside().judged(self.observed(), &all);
        let Some(recorded) = Recorded::of_report("now", &report) else {
            panic!(
                "nothing could be observed to compare with {}",
                held.path().display()
            )
        };
        let (against, left) = held.against(&recorded, &report.run.summary());
        let report = report.with_comparison(Comparison {
            baseline: Some(against),
            runs: 1,
            flaky: Vec::new(),
        });
        if let Some(words) = evidence::of_comparison(&report) {
            panic!("{words}")
        }
        if let Err(e) = left {
            panic!("{e}")
        }
    }

    /// Another CNI configuration, as `flatnet change --to` takes it: a CNI as [`Options::cni`](super::Options::cni) takes it, with options, as
    /// `flatnet,mtu=1400` or `new.conflist`. Labs only.
    pub fn change(&self, to: &str) -> Change<'_> {
        Change::new(self.inside(), to)
    }

    #[track_caller]
    fn observed(&self) -> Observations {
        or_panic(
            self.inside()
                .observed(async |session| session.observe().await),
        )
    }

    fn session(&self) -> &Session {
        &self.inside().session
    }

    fn inside(&self) -> &Inside {
        // Only `drop` takes it.
        match &self.0 {
            Some(inside) => inside,
            None => unreachable!("the cluster is dropped"),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(inside) = self.0.take() else {
            return;
        };
        let Inside {
            runtime, session, ..
        } = inside;
        let closed = on_runtime(&runtime, async || session.close().await);
        runtime.shutdown_background();
        match closed {
            Ok(()) => {}
            // A second panic would hide the first, and end the program.
            Err(e) if thread::panicking() => say(&format!("the cluster is not deleted: {e}")),
            Err(e) => panic!("the cluster is not deleted: {e}"),
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(&self.name()).finish()
    }
}

/// Once a runtime listens to signals they end no process by themselves, and the tests after this one would go on. Clusters end with
/// the process, or by their reaper.
fn exit_when_interrupted() -> Result<()> {
    let interrupts = Interrupts::listen()?;
    tokio::spawn(async move {
        if let Err(e) = interrupts.guard(pending::<Result<()>>()).await {
            std::process::exit(e.exit_code().into());
        }
    });
    Ok(())
}

/// Tests are quiet: a failure says what there is to say. What stays on the machine is said all the same.
fn observer() -> Observer {
    Arc::new(|event: &Event| {
        if let Event::Kept { words, .. } = event {
            say(words);
        }
    })
}

/// What cannot be said even on standard error is dropped.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The nodes, once it is certain that every pod runs.
async fn all_run(session: &Session) -> Result<Vec<NodeSnapshot>> {
    if session.pods().iter().any(|pod| !pod.is_running()) {
        let why = session.diagnosis().map(report::diagnosis::render);
        let why = why.unwrap_or_else(|| "nothing says why".to_owned());
        let stays = session.plan().outlives_run().is_some();
        return Err(Error::Failed(format!(
            "not every pod runs\n{}",
            evidence::with_how_to_look(&evidence::plain(&why), stays)
        )));
    }
    let nodes = session.cluster().nodes().await?;
    nodes.iter().map(status::node).collect()
}
