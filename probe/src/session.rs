//! The main loop: a question, an answer.
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use std::collections::BTreeMap;

use flatnet_model::probe::watch::Watching;
use flatnet_model::probe::{RepeatedAnswers, SeriesResults, StreamsOpened, Transfers, Translating};
use flatnet_netlink::Nft;
use flatnet_netlink::nft::OwnedTable;
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::sleep;

use crate::dial::{Row, dial, series, transfer};
use crate::echo::Pinger;
use crate::error::{Error, Result};
use crate::lines::{Input, Output};
use crate::responder::Responder;
use crate::streams::Streams;
use crate::translate;
use crate::watch::Watch;
use crate::{
    DialResults, Files, Listening, MtuTrials, NetworkNamespaces, NftTables, PluginVersions,
    Processes, Question, ReceivedRequests, Resolutions, Routes, Transport, ask, cni_files, facts,
    files, netfilter, network_namespaces, path_mtu, plugin_versions, processes, resolv_conf,
    resolve, routes, sockets, wire,
};

/// Answers the questions on `input` on `output`, one by one, until the input ends. All sockets are opened by the calling
/// thread, thus in its network namespace. A question that cannot be answered gets the answer `failed`
/// ([`wire::failure_line`]).
///
/// # Errors
/// Streams that fail, or a closed output.
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
                answer = session.answer_line(&line) => answer?,
                hung_up = output.hung_up() => {
                    let broken_pipe = std::io::Error::from(nix::errno::Errno::EPIPE);
                    return Err(Error::system("wait for the answer", hung_up.err().unwrap_or(broken_pipe)));
                }
            };
            output.line(&answer).await?;
        }
        Ok(())
    })
}

/// What outlives a question.
#[derive(Default)]
struct Session {
    responder: Option<Responder>,
    /// Answers that came more than once, by transport and source.
    repeated: BTreeMap<(Transport, IpAddr), u32>,
    watch: Option<Watch>,
    translations: Option<OwnedTable>,
    streams: Option<Streams>,
}

/// Picks the arm of the question that a line asks. An arm gets the question, and what it returns must be that question's
/// answer.
macro_rules! answer {
    ($line:ident: $($question:ident($asked:pat) => $answer:expr,)+) => {
        match wire::question_name($line).map_err(Error::Question)?.as_str() {
            $(ask::$question::NAME => {
                let $asked = wire::read_question::<ask::$question>($line).map_err(Error::Question)?;
                wire::answer_line::<ask::$question>(&$answer).map_err(Error::Answer)
            })+
            unknown => Err(Error::UnknownQuestion {
                given: unknown.to_owned(),
                known: [$(ask::$question::NAME),+].join(", "),
            }),
        }
    };
}

impl Session {
    async fn answer_line(&mut self, line: &[u8]) -> Result<Vec<u8>> {
        match self.answer(line).await {
            Ok(answer) => Ok(answer),
            Err(error) => wire::failure_line(&error.to_string()).map_err(Error::Answer),
        }
    }

    async fn answer(&mut self, line: &[u8]) -> Result<Vec<u8>> {
        answer! { line:
            Listen(asked) => self.listen(&asked.name, asked.port).await?,
            Dial(asked) => self.dial(asked).await?,
            Series(asked) => self.series(asked).await?,
            Transfer(asked) => Transfers { transfers: transfer(asked).await },
            StreamsOpen(asked) => self.open_streams(asked).await,
            Streams(_) => self.streams.as_ref().ok_or(Error::NoStreams)?.report(),
            StreamsEnd(_) => self.streams.take().ok_or(Error::NoStreams)?.end().await,
            PathMtu(asked) => MtuTrials {
                trials: path_mtu::measure(
                    &asked.targets,
                    Duration::from_millis(asked.timeout_ms),
                    asked.sends.clamp(1, 10),
                )
                .await?,
                // Asked for afterwards: the trials may have taught it.
                learned: routes::learned(asked.targets.iter().map(|target| target.address)),
            },
            Seen(_) => ReceivedRequests {
                requests: self
                    .responder
                    .as_ref()
                    .map(Responder::received)
                    .unwrap_or_default(),
                repeated_answers: self.repeated_answers(),
            },
            Facts(_) => facts::facts()?,
            NftTables(_) => NftTables { tables: Nft::open()?.tables()? },
            Netfilter(_) => netfilter::read().await?,
            Routes(asked) => Routes { routes: routes::ask(&asked.flows)? },
            CniFiles(asked) => {
                cni_files::read(Path::new(&asked.conf_dir), Path::new(&asked.bin_dir))?
            },
            ResolvConf(asked) => resolv_conf::read(&asked.path)?,
            Resolve(asked) => Resolutions {
                results: resolve::all(
                    asked.server,
                    asked.lookups,
                    Duration::from_millis(asked.timeout_ms),
                    asked.attempts,
                )
                .await,
            },
            Sockets(asked) => sockets::read(Path::new(&asked.proc), &asked.ports)?,
            Processes(asked) => Processes {
                processes: processes::named(Path::new(&asked.proc), &asked.names)?,
            },
            NetworkNamespaces(asked) => NetworkNamespaces {
                namespaces: network_namespaces::read(Path::new(&asked.proc))?,
            },
            Files(asked) => Files { files: files::read(&asked.root, &asked.paths) },
            PluginVersions(asked) => PluginVersions {
                plugins: plugin_versions::ask(
                    &asked.root,
                    &asked.bin_dir,
                    asked.only.as_deref(),
                    Duration::from_millis(asked.timeout_ms),
                )
                .await?,
            },
            Watch(asked) => self.watch(&asked).await,
            WatchEnd(_) => self.watch.take().ok_or(Error::NoWatch)?.end().await,
            Translate(asked) => self.translate(&asked)?,
            TranslateEnd(_) => {
                self.translations = None;
                Translating {}
            },
        }
    }

    /// What we call ourselves.
    fn name(&self) -> Result<String> {
        match &self.responder {
            Some(responder) => Ok(responder.name().to_owned()),
            None => facts::hostname(),
        }
    }

    fn note_repeated(&mut self, repeated: Vec<RepeatedAnswers>) {
        for answers in repeated {
            let key = (answers.transport, answers.from);
            *self.repeated.entry(key).or_default() += answers.count;
        }
    }

    fn repeated_answers(&self) -> Vec<RepeatedAnswers> {
        let each = self.repeated.iter();
        let answers = each.map(|((transport, from), count)| RepeatedAnswers {
            transport: *transport,
            from: *from,
            count: *count,
        });
        answers.collect()
    }

    async fn series(&mut self, asked: ask::Series) -> Result<SeriesResults> {
        let (results, repeated) = series(self.name()?, asked).await;
        self.note_repeated(repeated);
        Ok(SeriesResults { results })
    }

    async fn dial(&mut self, asked: ask::Dial) -> Result<DialResults> {
        let name = self.name()?;
        let begun = Instant::now();
        let (results, repeated) = dial(Row {
            name,
            targets: asked.targets,
            at_once: asked.at_once,
            timeout: Duration::from_millis(asked.timeout_ms),
            attempts: asked.attempts,
        })
        .await;
        self.note_repeated(repeated);
        Ok(DialResults {
            results,
            took_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        })
    }

    async fn open_streams(&mut self, asked: ask::StreamsOpen) -> StreamsOpened {
        drop(self.streams.take());
        let (streams, opened) = Streams::open(asked).await;
        self.streams = Some(streams);
        opened
    }

    /// A second `watch` starts over. The first is over before the second begins: both may want a table of one name.
    async fn watch(&mut self, asked: &ask::Watch) -> Watching {
        drop(self.watch.take());
        let (watch, watching) = Watch::start(asked).await;
        self.watch = Some(watch);
        watching
    }

    /// The first table is gone before the second is made: both may have one name.
    fn translate(&mut self, asked: &ask::Translate) -> Result<Translating> {
        self.translations = None;
        self.translations = Some(translate::start(asked)?);
        Ok(Translating {})
    }

    /// A second `listen` starts over: another name or port, and nothing seen yet.
    async fn listen(&mut self, name: &str, port: u16) -> Result<Listening> {
        if let Some(responder) = self.responder.take() {
            responder.stop().await;
        }
        let responder = self.responder.insert(started(name, port).await?);
        self.repeated.clear();
        let icmp_send = Pinger::open(false).is_ok() || Pinger::open(true).is_ok();
        Ok(Listening {
            port: responder.port(),
            icmp_seen: responder.icmp_seen(),
            icmp_send,
        })
    }
}

/// Looks at a port that is in use, and pause between two of them.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// A responder, also where the probe of the last run, of which nobody has heard the end yet, still holds the port for a moment.
async fn started(name: &str, port: u16) -> Result<Responder> {
    for _ in 1..TRIES {
        match Responder::start(name, port) {
            Err(Error::System { source, .. }) if source.kind() == ErrorKind::AddrInUse => {
                sleep(PAUSE).await;
            }
            done => return done,
        }
    }
    Responder::start(name, port)
}
