//! The oracle's processes, one in each namespace, and what they are asked.
use std::sync::Arc;

use flatnet_cluster::{Cluster, Process, Target};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, Lines};

use crate::ground::{Ground, Spot};
use crate::oracle::{self, Dial, NotFlat};
use crate::shell::start;

/// The oracle's process in one namespace.
pub(crate) struct Voice {
    process: Process,
    lines: Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    dials: Vec<Dial>,
    name: String,
}

/// Where the oracle is on a node: this program, which is static.
const PROGRAM: &str = "/run/generator-oracle";

pub(crate) async fn put_oracle(cluster: &Arc<dyn Cluster>, node: &str) {
    let program = std::fs::read("/proc/self/exe").expect("this program");
    let line = format!("cat > {PROGRAM} && chmod 755 {PROGRAM}");
    let argv = ["sh".to_owned(), "-c".to_owned(), line];
    let done = cluster
        .exec(&Target::Node(node.to_owned()), &argv, &program)
        .await;
    assert_eq!(done.expect("a copy of the oracle").code, 0);
}

impl Voice {
    pub(crate) async fn start(cluster: &Arc<dyn Cluster>, ground: &Ground, spot: Spot) -> Voice {
        let name = ground.netns(spot).exec_name();
        let addresses: Vec<String> = ground.ips(spot).iter().map(ToString::to_string).collect();
        let variables = [
            format!("{}={name}", oracle::NAME),
            format!("{}={}", oracle::ADDRESSES, addresses.join(",")),
            format!("{}={}", oracle::PORT, port(spot)),
        ];
        let argv = [
            "env",
            &variables[0],
            &variables[1],
            &variables[2],
            PROGRAM,
            "--exact",
            "oracle::process",
            "--ignored",
            "--nocapture",
        ];
        let mut process = start(cluster, ground, spot, &argv)
            .await
            .expect("the oracle starts");
        let output = std::mem::replace(&mut process.stdout, Box::new(tokio::io::empty()));
        let mut voice = Voice {
            process,
            lines: BufReader::new(output).lines(),
            dials: dials(ground, spot),
            name,
        };
        voice.line().await.expect("the oracle is ready");
        voice
    }

    /// The next line that is the oracle's.
    async fn line(&mut self) -> Result<String, String> {
        loop {
            let line = self.lines.next_line().await.map_err(|e| e.to_string())?;
            let line = line.ok_or_else(|| format!("the oracle of {} ended", self.name))?;
            if let Some(line) = line.strip_prefix(oracle::MARK) {
                return Ok(line.to_owned());
            }
        }
    }

    /// What is not flat about its dials, in words.
    pub(crate) async fn ask(&mut self) -> Result<Vec<String>, String> {
        let question = serde_json::to_string(&self.dials).map_err(|e| e.to_string())?;
        let question = format!("{question}\n");
        let stdin = &mut self.process.stdin;
        stdin
            .write_all(question.as_bytes())
            .await
            .map_err(|e| e.to_string())?;
        stdin.flush().await.map_err(|e| e.to_string())?;
        let line = self.line().await?;
        let found: Vec<NotFlat> = serde_json::from_str(&line).map_err(|e| e.to_string())?;
        let words = found.into_iter().map(|fault| {
            let NotFlat {
                name,
                address,
                over,
                what,
            } = fault;
            format!("{} -> {name} {address} {over}: {what}", self.name)
        });
        Ok(words.collect())
    }
}

fn port(spot: Spot) -> u16 {
    match spot {
        Spot::Node(_) | Spot::Wire => oracle::NODE_PORT,
        Spot::Pod(_) => oracle::POD_PORT,
    }
}

/// Every namespace at every address.
fn dials(ground: &Ground, from: Spot) -> Vec<Dial> {
    // A pod is also to reach itself.
    let all = ground
        .spots()
        .filter(|to| *to != from || matches!(from, Spot::Pod(_)));
    let dials = all.flat_map(|to| {
        let is_pods = matches!((from, to), (Spot::Pod(_), Spot::Pod(_)));
        let name = ground.netns(to).exec_name();
        ground.ips(to).iter().map(move |address| Dial {
            name: name.clone(),
            address: *address,
            port: port(to),
            sources: match (from, to) {
                // What pods send to nodes may be masqueraded: flatnet reports that, and does not judge it.
                (Spot::Pod(pod), Spot::Node(_)) => ground.nodes[ground.pods[pod].node].ips.clone(),
                _ => Vec::new(),
            },
            large: is_pods && to != from,
        })
    });
    dials.collect()
}
