//! The main loop: a question, an answer.
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};

use crate::dial::{Row, dial};
use crate::echo::Pinger;
use crate::error::{Error, Result};
use crate::lines::{Input, Output};
use crate::responder::Responder;
use crate::{
    Answer, Ask, cni_files, facts, files, network_namespaces, path_mtu, plugin_versions, processes,
    resolv_conf, resolve, sockets, ways,
};

/// Answers the questions on `input` on `output`, one by one, until the input ends. All sockets are opened by the calling
/// thread, thus in its network namespace. A question that cannot be answered is answered with [`Answer::Failed`]; fails
/// only where the streams do, or nobody reads the answers any more.
pub fn run(input: impl AsFd, output: impl AsFd) -> Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build_local(LocalOptions::default())
        .map_err(|error| Error::system("start the event loop", error))?;
    runtime.block_on(async {
        let (mut input, mut output) = (Input::new(input)?, Output::new(output)?);
        let mut session = Session::default();
        while let Some(line) = input.line().await? {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let answer = tokio::select! {
                answer = session.answer_line(&line) => answer,
                hung_up = output.hung_up() => {
                    let broken_pipe = std::io::Error::from(nix::errno::Errno::EPIPE);
                    return Err(Error::system("wait for the answer", hung_up.err().unwrap_or(broken_pipe)));
                }
            };
            output.line(serde_json::to_vec(&answer).map_err(Error::Answer)?).await?;
        }
        Ok(())
    })
}

/// What outlives a question.
#[derive(Default)]
struct Session {
    responder: Option<Responder>,
}

impl Session {
    async fn answer_line(&mut self, line: &[u8]) -> Answer {
        let answer = match serde_json::from_slice(line) {
            Ok(ask) => self.answer(ask).await,
            Err(error) => Err(Error::Question(error)),
        };
        answer.unwrap_or_else(|error| Answer::Failed {
            error: error.to_string(),
        })
    }

    async fn answer(&mut self, ask: Ask) -> Result<Answer> {
        match ask {
            Ask::Listen { name, port } => self.listen(&name, port).await,
            Ask::Dial {
                targets,
                at_once,
                timeout_ms,
                attempts,
            } => {
                let name = match &self.responder {
                    Some(responder) => responder.name().to_owned(),
                    None => facts::hostname()?,
                };
                let begun = Instant::now();
                let row = Row {
                    name,
                    targets,
                    at_once,
                    timeout: Duration::from_millis(timeout_ms),
                    attempts,
                };
                let results = dial(row).await;
                Ok(Answer::Dialled {
                    results,
                    took_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
                })
            }
            Ask::PathMtu {
                address,
                port,
                sizes,
                timeout_ms,
            } => {
                let to = SocketAddr::new(address.to_canonical(), port);
                Ok(Answer::PathMtu {
                    trials: path_mtu::measure(to, &sizes, Duration::from_millis(timeout_ms))
                        .await?,
                })
            }
            Ask::Seen => Ok(Answer::Seen {
                sightings: self
                    .responder
                    .as_ref()
                    .map(Responder::sightings)
                    .unwrap_or_default(),
            }),
            Ask::Facts => Ok(Answer::Facts(Box::new(facts::facts()?))),
            Ask::Ways { flows } => Ok(Answer::Ways {
                ways: ways::ask(&flows)?,
            }),
            Ask::CniFiles { conf_dir, bin_dir } => Ok(Answer::CniFiles(cni_files::read(
                Path::new(&conf_dir),
                Path::new(&bin_dir),
            )?)),
            Ask::ResolvConf { path } => Ok(Answer::ResolvConf(resolv_conf::read(&path)?)),
            Ask::Resolve {
                server,
                lookups,
                timeout_ms,
                attempts,
            } => {
                let timeout = Duration::from_millis(timeout_ms);
                Ok(Answer::Resolved {
                    results: resolve::all(server, lookups, timeout, attempts).await,
                })
            }
            Ask::Sockets { proc, ports } => {
                Ok(Answer::Sockets(sockets::read(Path::new(&proc), &ports)?))
            }
            Ask::Processes { proc, names } => Ok(Answer::Processes {
                processes: processes::named(Path::new(&proc), &names)?,
            }),
            Ask::NetworkNamespaces { proc } => Ok(Answer::NetworkNamespaces {
                namespaces: network_namespaces::read(Path::new(&proc))?,
            }),
            Ask::Files { root, paths } => Ok(Answer::Files {
                files: files::read(&root, &paths),
            }),
            Ask::PluginVersions {
                root,
                bin_dir,
                timeout_ms,
            } => Ok(Answer::PluginVersions {
                plugins: plugin_versions::ask(&root, &bin_dir, Duration::from_millis(timeout_ms))
                    .await?,
            }),
        }
    }

    /// A second `Listen` starts anew: another name or port, and nothing seen yet.
    async fn listen(&mut self, name: &str, port: u16) -> Result<Answer> {
        if let Some(responder) = self.responder.take() {
            responder.stop().await;
        }
        let responder = self.responder.insert(Responder::start(name, port)?);
        let icmp_send = Pinger::open(false).is_ok() || Pinger::open(true).is_ok();
        Ok(Answer::Listening {
            port: responder.port(),
            icmp_seen: responder.icmp_seen(),
            icmp_send,
        })
    }
}
