//! A node of its own for one plugin: some pods that stay, some that come and go, and the proof that nothing is left.
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::call::{Kind, NETWORK, Operation, Plugin};
use crate::outcome::{Failure, Result};
use crate::sandbox::{self, Netns};

/// How many come at once while a node is filled.
const FILL_AT_ONCE: usize = 8;

/// A pod's sandbox.
pub(super) struct Pod {
    netns: Netns,
    path: PathBuf,
}

impl Pod {
    /// In the empty /run of this process.
    pub(super) fn new(name: &str) -> Result<Pod> {
        let path = PathBuf::from("/run").join(name);
        Ok(Pod {
            netns: Netns::at(&path)?,
            path,
        })
    }
}

/// A pod that the plugin wired.
struct Attachment<'a> {
    pod: &'a Pod,
    id: String,
    result: Value,
    address: IpAddr,
}

/// One operation on several pods at once.
#[derive(Default)]
pub(super) struct Wave {
    /// What each took, from exec to exit.
    pub(super) each: Vec<Duration>,
    /// From the first start to the last end.
    pub(super) wall: Duration,
    /// The same, to the end of what the plugin left to a child.
    pub(super) settled: Duration,
}

/// One plugin's node.
pub(super) struct Field {
    plugin: Plugin,
    node: Netns,
    data: TempDir,
    /// Those that stay.
    residents: BTreeSet<IpAddr>,
    /// Links of the node with only the residents there.
    links: usize,
    ids: AtomicUsize,
}

impl Field {
    /// A node with `residents` on it, who are not masqueraded in any case: a table with hundreds of rules costs iptables
    /// seconds a pod, and the reference would be measured by that alone.
    pub(super) fn new(kind: Kind, program: &Path, residents: &[Pod]) -> Result<Field> {
        let data = sandbox::folder()?;
        let plugin = Plugin::new(kind, program, data.path());
        let mut field = Field {
            plugin,
            node: Netns::new()?,
            data,
            residents: BTreeSet::new(),
            links: 0,
            ids: AtomicUsize::new(0),
        };
        let pods: Vec<&Pod> = residents.iter().collect();
        let (_, attachments) = field.add(&pods, FILL_AT_ONCE, false)?;
        field.residents = attachments.iter().map(|a| a.address).collect();
        if field.residents.len() != residents.len() {
            return Err(Failure::Broken("an address was given twice".to_owned()));
        }
        field.links = field.count_links()?;
        Ok(field)
    }

    pub(super) fn kind(&self) -> Kind {
        self.plugin.kind
    }

    /// Pods come, all at once.
    fn add<'a>(
        &self,
        pods: &[&'a Pod],
        at_once: usize,
        masquerade: bool,
    ) -> Result<(Wave, Vec<Attachment<'a>>)> {
        let input = self.plugin.input(masquerade, None);
        let named: Vec<(&Pod, String)> = pods.iter().map(|pod| (*pod, self.next_id())).collect();
        let (wave, outputs) = self.wave(at_once, &named, |plugin, (pod, id)| {
            plugin.call(Operation::Add, id, &pod.path, &input)
        })?;
        let mut attachments = Vec::new();
        for ((pod, id), stdout) in named.into_iter().zip(outputs) {
            let result: Value = serde_json::from_slice(&stdout)
                .map_err(Failure::broken("read the result of ADD"))?;
            let address = address(&result).ok_or_else(|| {
                Failure::Broken(format!("no address in the result of ADD: {result}"))
            })?;
            if self.residents.contains(&address) {
                return Err(Failure::Broken(format!("{address} was given twice")));
            }
            attachments.push(Attachment {
                pod,
                id,
                result,
                address,
            });
        }
        Ok((wave, attachments))
    }

    /// They go, all at once; nothing may be left of them.
    fn del(&self, attachments: &[Attachment<'_>], masquerade: bool) -> Result<Wave> {
        let named: Vec<_> = attachments
            .iter()
            .map(|a| (a, self.plugin.input(masquerade, Some(&a.result))))
            .collect();
        let (wave, _) = self.wave(attachments.len(), &named, |plugin, (a, input)| {
            plugin.call(Operation::Del, &a.id, &a.pod.path, input)
        })?;
        self.verify_clean(attachments)?;
        Ok(wave)
    }

    /// `pods` come at once and then go at once: what each of the two took.
    pub(super) fn turnover(&self, pods: &[&Pod], masquerade: bool) -> Result<(Wave, Wave)> {
        let (add, attachments) = self.add(pods, pods.len(), masquerade)?;
        let del = self.del(&attachments, masquerade)?;
        Ok((add, del))
    }

    /// Runs `call` for every item, `at_once` at a time, each on a thread that is in the node's namespace already.
    fn wave<T: Sync>(
        &self,
        at_once: usize,
        items: &[T],
        call: impl Fn(&Plugin, &T) -> Result<super::call::Call> + Sync,
    ) -> Result<(Wave, Vec<Vec<u8>>)> {
        let (next, ready) = (AtomicUsize::new(0), Barrier::new(at_once));
        let starts = Mutex::new(None::<Instant>);
        let work = || {
            let joined = self.node.join();
            ready.wait();
            joined?;
            starts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(Instant::now);
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else {
                    return Ok(done);
                };
                done.push((index, call(&self.plugin, item)?));
            }
        };
        let calls = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
            let joined = threads.into_iter().map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            joined.collect::<Result<Vec<_>>>()
        });
        let first = starts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let elapsed = || first.map(|first| first.elapsed()).unwrap_or_default();
        let wall = elapsed();
        // What was left to a child must not run beside what is measured next.
        sandbox::settle()?;
        let settled = elapsed();
        let mut calls: Vec<_> = calls?.into_iter().flatten().collect();
        calls.sort_by_key(|(index, _)| *index);
        let each = calls.iter().map(|(_, call)| call.took).collect();
        Ok((
            Wave {
                each,
                wall,
                settled,
            },
            calls.into_iter().map(|(_, call)| call.stdout).collect(),
        ))
    }

    /// As long as a runtime's.
    fn next_id(&self) -> String {
        format!("{:064x}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn count_links(&self) -> Result<usize> {
        self.node
            .route()?
            .links()
            .map(|links| links.len())
            .map_err(Failure::broken("list the node's links"))
    }

    fn verify_clean(&self, gone: &[Attachment<'_>]) -> Result<()> {
        let left = |what: String| {
            Err(Failure::Broken(format!(
                "after DEL by the {:?} plugin: {what}",
                self.kind()
            )))
        };
        let links = self.count_links()?;
        if links != self.links {
            return left(format!(
                "the node has {links} links instead of {}",
                self.links
            ));
        }
        for attachment in gone {
            let links = attachment
                .pod
                .netns
                .route()?
                .links()
                .map_err(Failure::broken("list a pod's links"))?;
            if links.iter().any(|link| link.name != "lo") {
                return left(format!("the pod still has {}", links.len()));
            }
        }
        let names = std::fs::read_dir(self.data.path().join(NETWORK))
            .map_err(Failure::broken("list reservations"))?;
        let reserved: BTreeSet<IpAddr> = names
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        if reserved != self.residents {
            return left(format!(
                "{} addresses are reserved for {} pods",
                reserved.len(),
                self.residents.len()
            ));
        }
        Ok(())
    }
}

fn address(result: &Value) -> Option<IpAddr> {
    let text = result["ips"][0]["address"].as_str()?;
    text.split('/').next()?.parse().ok()
}
