//! Every ordered pair of 200 pods over TCP by one probe a pod, against one exec and one ping for each pair.
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flatnet::config::{Provider, RunArgs};
use flatnet::session::Session;
use flatnet_cluster::observe::fleet::{Fleet, POD_PORT};
use flatnet_cluster::observe::gather;
use flatnet_cluster::status;
use flatnet_cluster::{Cluster, PodRef, Target as Place};
use flatnet_model::observations::Endpoint;
use flatnet_model::probe::{DialOutcome, DialRequest, Transport, ask};
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::{IpFamily, Underlay};
use k8s_openapi::api::core::v1::Node;
use tokio::task::JoinSet;

use crate::outcome::{Failure, Result};
use crate::stats::median;
use crate::table::{Figure, Row, Target};
use crate::{Effort, Sink};

const NODES: u16 = 4;
const PODS_PER_NODE: u16 = 50;
const ROUNDS: usize = 3;
/// Pairs of one round that are pinged; the rest is reckoned.
const SAMPLE: usize = 200;
/// Execs under way at once.
const EXECS: usize = 8;
/// Dials under way at once, of all probes together: more would only wait for each other, and the last for too long.
const IN_FLIGHT: usize = 1_000;
const TIMEOUT_MS: u64 = 1_000;
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run(effort: Effort, sink: &mut Sink) -> Result<()> {
    flatnet::session::runtime()?.block_on(measure(effort, sink))
}

async fn measure(effort: Effort, sink: &mut Sink) -> Result<()> {
    let mut args = RunArgs::from_env()?;
    (args.nodes, args.pods_per_node) = (Some(NODES), Some(PODS_PER_NODE));
    args.provider = Some(Provider::Lab);
    args.lab.underlay = Some(Underlay::L2);
    (args.ip_family, args.transports) = (Some(IpFamily::Ipv4), vec![Transport::Tcp]);
    args.cni = Some("flatnet".to_owned());
    args.pod_timeout = Some(LIMIT.as_secs());
    sink.progress(&format!(
        "matrix: {NODES} nodes, {} pods",
        NODES * PODS_PER_NODE
    ));
    let session = Session::start(&args, None, Arc::new(|_| ())).await?;
    let measured = observe(&session, effort, sink).await;
    session.close().await?;
    measured
}

/// One pod in the pod network.
struct Member {
    pod: PodRef,
    address: IpAddr,
}

async fn observe(session: &Session, effort: Effort, sink: &mut Sink) -> Result<()> {
    let cluster = session.cluster();
    let (nodes, pods) = (cluster.nodes().await?, pods(session).await?);
    let members: Vec<Member> = pods
        .iter()
        .filter(|pod| !pod.host_network)
        .map(member)
        .collect::<Result<_>>()?;
    let pairs = members.len() * (members.len() - 1);
    let probed: Vec<&PodSnapshot> = pods.iter().collect();
    let fleet = Arc::new(Fleet::start(Arc::clone(cluster), &nodes, &probed, None).await?);
    let (mut dial, mut longest, mut ping) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort.rounds(ROUNDS) {
        sink.progress(&format!("matrix: round {}", round + 1));
        let (wall, row) = dial_all(&fleet, &members).await?;
        dial.push(wall);
        longest.push(row);
        let sample = ping_some(cluster, &members, round).await?;
        ping.push(sample.mul_f64(pairs as f64 / SAMPLE as f64));
    }
    let (ours, reference) = (Figure::Time(median(&dial)), Figure::Time(median(&ping)));
    let what = format!(
        "matrix, {} pods, {pairs} pairs (reference: exec + ping, {EXECS} at once)",
        members.len()
    );
    sink.row(Row::pair(what, ours, reference, Target::Better(40.0)));
    sink.row(Row::alone(
        "the same: the slowest probe's own row",
        Figure::Time(median(&longest)),
        Target::None,
    ));
    whole(session, &fleet, nodes, &pods, sink).await
}

/// What the checks are drawn from, gathered whole, and what that takes.
async fn whole(
    session: &Session,
    fleet: &Arc<Fleet>,
    nodes: Vec<Node>,
    pods: &[PodSnapshot],
    sink: &mut Sink,
) -> Result<()> {
    let start = Instant::now();
    let seen = gather::everything(fleet, nodes, &session.scope()).await?;
    let what = format!(
        "everything the checks need of {} pods, {} dials: time",
        pods.len(),
        seen.dials.len()
    );
    sink.row(Row::alone(
        what,
        Figure::Time(start.elapsed()),
        Target::None,
    ));
    sink.row(Row::alone(
        "the same: memory of the harness (VmHWM)",
        Figure::Bytes(peak_memory()?),
        Target::None,
    ));
    Ok(())
}

/// Every pod of the plan, as it runs.
async fn pods(session: &Session) -> Result<Vec<PodSnapshot>> {
    let mut pods = Vec::new();
    for pod in session.pods() {
        let object = session.cluster().wait_pod(&pod.reference, LIMIT).await?;
        pods.push(status::pod(&object)?);
    }
    Ok(pods)
}

fn member(pod: &PodSnapshot) -> Result<Member> {
    let address = pod.ips.first().copied();
    let pod = pod.reference.clone();
    match address {
        Some(address) => Ok(Member { pod, address }),
        None => Err(Failure::Broken(format!("pod {pod} has no IP"))),
    }
}

/// All pairs once: wall time from the first question to the last answer, and the longest of the probes' own times.
async fn dial_all(fleet: &Fleet, members: &[Member]) -> Result<(Duration, Duration)> {
    let request = |member: &Member| DialRequest {
        address: member.address,
        transport: Transport::Tcp,
        port: POD_PORT,
    };
    let at_once = (IN_FLIGHT / members.len()).max(1);
    let row = |from: &Member| {
        let targets = members
            .iter()
            .filter(|to| to.pod != from.pod)
            .map(request)
            .collect();
        (
            Endpoint::Pod(from.pod.clone()),
            ask::Dial {
                targets,
                at_once,
                timeout_ms: TIMEOUT_MS,
                attempts: 1,
            },
        )
    };
    let questions = members.iter().map(row).collect();
    let start = Instant::now();
    let answers = fleet.ask(questions, LIMIT).await;
    let wall = start.elapsed();
    let mut longest = 0;
    for (from, answer) in answers {
        let dials = answer.map_err(Failure::broken(format!("dial from {from}")))?;
        if let Some(failed) = dials
            .results
            .iter()
            .find(|result| matches!(result, DialOutcome::Failed { .. }))
        {
            return Err(Failure::Broken(format!(
                "a pair does not answer, from {from}: {failed:?}"
            )));
        }
        longest = dials.took_us.max(longest);
    }
    Ok((wall, Duration::from_micros(longest)))
}

/// `SAMPLE` pairs spread over all of them, each by one exec.
async fn ping_some(
    cluster: &Arc<dyn Cluster>,
    members: &[Member],
    round: usize,
) -> Result<Duration> {
    let pairs: Arc<Vec<(PodRef, IpAddr)>> = Arc::new(
        (0..SAMPLE)
            .map(|i| {
                let from = (i + round) % members.len();
                // Steps through near and far, never to itself.
                let to = (from + 1 + i * 7 % (members.len() - 1)) % members.len();
                (members[from].pod.clone(), members[to].address)
            })
            .collect(),
    );
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    let start = Instant::now();
    for _ in 0..EXECS {
        let (cluster, pairs, next) = (Arc::clone(cluster), Arc::clone(&pairs), Arc::clone(&next));
        workers.spawn(async move {
            while let Some((pod, to)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let argv = ["ping", "-c1", "-W1", &to.to_string()].map(str::to_owned);
                let done = cluster.exec(&Place::Pod(pod.clone()), &argv, b"").await?;
                if done.code != 0 {
                    return Err(Failure::Broken(format!(
                        "ping {to} in {pod} ended with {}: {}",
                        done.code,
                        done.stderr.trim()
                    )));
                }
            }
            Ok(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done.map_err(Failure::broken("ping"))??;
    }
    Ok(start.elapsed())
}

/// VmHWM of this process, bytes (proc(5)).
fn peak_memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(Failure::broken("read /proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: Option<u64> =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes
        .map(|kb| kb * 1024)
        .ok_or_else(|| Failure::Broken("no VmHWM in /proc/self/status".to_owned()))
}

impl From<flatnet::Error> for Failure {
    fn from(error: flatnet::Error) -> Failure {
        match error {
            flatnet::Error::Missing { what, remedy } => Failure::Missing { what, remedy },
            other => Failure::Broken(other.to_string()),
        }
    }
}
