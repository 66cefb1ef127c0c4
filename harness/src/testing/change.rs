//! A change of a cluster's CNI configuration, and what it did.
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flatnet_model::change::{Arrival, Arrived};
use flatnet_model::quoting::quoted;

use super::inside::Inside;
use super::streams::Streams;
use crate::change::report::Pass;
use crate::change::{self, Order, text};
use crate::config::{RunArgs, is_file};
use crate::events::{Event, Observer};
use crate::{Error, Result};

/// Another CNI configuration for a cluster; nothing is changed before [`Change::apply`] or [`Change::keeps`].
#[derive(Clone)]
#[must_use = "nothing is changed before apply() or keeps()"]
pub struct Change<'a> {
    inside: &'a Inside,
    to: String,
    cni_bin: Option<PathBuf>,
}

impl<'a> Change<'a> {
    pub(super) fn new(inside: &'a Inside, to: &str) -> Self {
        Change {
            inside,
            to: to.to_owned(),
            cni_bin: None,
        }
    }

    /// Directory of the plugins that the new conflist names; where it is not said, that of the cluster.
    pub fn cni_bin(mut self, directory: impl AsRef<Path>) -> Self {
        self.cni_bin = Some(directory.as_ref().to_owned());
        self
    }

    /// Makes the change as `flatnet change` does: each node in turn, a first new pod before the second node, new pods on every node. The pods
    /// of the test stay. Pods of the change's own, from before and from after it, are made and deleted, and a second lab, which is made with
    /// the new configuration, shows what is to come of it: that takes seconds.
    ///
    /// # Panics
    /// Where the configuration is not one, or the first new pod does not run: with why, and the cluster has its first configuration on
    /// every node again; on a cluster that `flatnet change` does not change.
    #[track_caller]
    pub fn apply(&self) -> Changed {
        match self.made() {
            Ok(changed) => changed,
            Err((e, then)) => panic!("the change to {} is not made: {e}{then}", self.to),
        }
    }

    /// As [`Change::apply`], for tests of what must be refused.
    ///
    /// # Errors
    /// Where [`Change::apply`] panics.
    pub fn try_apply(&self) -> Result<Changed> {
        self.made().map_err(|(e, _)| e)
    }

    /// [`Change::apply`] and [`Changed::keeps`].
    ///
    /// # Panics
    /// Where one of the two does.
    #[track_caller]
    pub fn keeps(&self, streams: &Streams<'_>) -> Changed {
        let changed = self.apply();
        changed.keeps(streams);
        changed
    }

    /// Where it is not made, also what a person is to know besides why, in lines.
    fn made(&self) -> std::result::Result<Changed, (Error, String)> {
        let notes = Arc::new(Mutex::new(String::new()));
        let repeat = self.repeat();
        match self.conduct(noting(&notes)) {
            Ok(pass) => Ok(Changed { pass, repeat }),
            Err(e) => {
                let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
                Err((e, format!("{notes}\n  repeat     {repeat}")))
            }
        }
    }

    fn conduct(&self, observer: Observer) -> Result<Pass> {
        let session = &self.inside.session;
        let Some(name) = session.plan().source.name() else {
            return Err(Error::Input(
                "a cluster behind a kubeconfig is not changed; boot one with Cluster::lab()"
                    .to_owned(),
            ));
        };
        let cluster = format!("{}/{name}", session.cluster().provider());
        // Two pods on each node are enough for streams within it.
        let options = ["--cluster", cluster.as_str(), "--pods-per-node", "2"];
        let order = Order {
            run: RunArgs::written(options)?,
            to: self.to.clone(),
            from: None,
            to_cni_bin: self.plugins(),
            and_back: false,
            disruptive: false,
        };
        let report = self
            .inside
            .run(async |_| change::conduct(order, observer).await)?;
        let mut passes = report.passes.into_iter();
        let pass = passes.next();
        pass.ok_or_else(|| Error::Failed("nothing was changed".to_owned()))
    }

    /// Where the plugins of the new conflist are, if it is one.
    fn plugins(&self) -> Option<PathBuf> {
        let file = self.to.split(',').next().is_some_and(is_file);
        let of_cluster = self.inside.cni_bin.as_ref().filter(|_| file);
        self.cni_bin.as_ref().or(of_cluster).cloned()
    }

    /// The command that makes the same change of a cluster like this one.
    fn repeat(&self) -> String {
        let booted = self
            .inside
            .run(async |looked| looked.session.cluster().booted().await);
        let booted = booted.ok().flatten().unwrap_or_default();
        let mut argv = vec!["flatnet".to_owned(), "change".to_owned()];
        argv.extend(booted.options);
        if let Some(manifest) = booted.manifest {
            argv.extend(["--manifest".to_owned(), manifest]);
        }
        argv.extend(["--to".to_owned(), self.to_from_anywhere()]);
        if let Some(plugins) = self.plugins() {
            argv.extend(["--to-cni-bin".to_owned(), from_anywhere(&plugins)]);
        }
        quoted(&argv)
    }

    fn to_from_anywhere(&self) -> String {
        let (name, options) = self.to.split_at(self.to.find(',').unwrap_or(self.to.len()));
        match is_file(name) {
            true => format!("{}{options}", from_anywhere(Path::new(name))),
            false => self.to.clone(),
        }
    }
}

impl fmt::Debug for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Change").field(&self.to).finish()
    }
}

/// A path that holds from another directory, too.
fn from_anywhere(path: &Path) -> String {
    let absolute = std::path::absolute(path);
    absolute.as_deref().unwrap_or(path).display().to_string()
}

/// What a person is told of a change besides its report, in lines: that the first configuration is back, for example.
fn noting(notes: &Arc<Mutex<String>>) -> Observer {
    let notes = Arc::clone(notes);
    Arc::new(move |event: &Event| {
        if let Event::Note(words) = event {
            let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
            notes.push_str("\n  ");
            notes.push_str(words);
        }
    })
}

/// A change that was made. Assertions about it read what was seen meanwhile and afterwards.
pub struct Changed {
    pass: Pass,
    repeat: String,
}

impl Changed {
    /// Fails unless every number of these streams was answered, and no connection of theirs ended. Numbers that came late are not lost.
    ///
    /// # Panics
    /// With the numbers that were lost, for how long and in which step of the change, and how connections ended; also where the streams were
    /// not open from before the change to its end.
    #[track_caller]
    pub fn keeps(&self, streams: &Streams<'_>) -> &Self {
        self.fails_unless(streams, streams.all_kept(), "cuts")
    }

    /// Fails unless each time in which the network did not answer these streams lasted no longer, and no connection of theirs ended. Such a
    /// time goes on until a number is answered again, or that was sent after those that were lost; without a loss it counts from 100 ms on.
    ///
    /// # Panics
    /// As [`Changed::keeps`].
    #[track_caller]
    pub fn cuts_at_most(&self, streams: &Streams<'_>, limit: Duration) -> &Self {
        let how = format!("cuts, for longer than {limit:?} or for good,");
        self.fails_unless(streams, streams.cut_at_most(limit), &how)
    }

    #[track_caller]
    fn fails_unless(&self, streams: &Streams<'_>, holds: bool, how: &str) -> &Self {
        if let Some(why) = streams.not_through(&self.pass.steps) {
            panic!(
                "streams from {streams} tell nothing of {}: {why}",
                self.words()
            )
        }
        if !holds {
            let steps = text::steps(&self.pass.steps);
            let told = format!("  steps      {steps}\n{}", streams.told(&self.pass.steps));
            self.fail(&format!("{how} streams from {streams}"), &told)
        }
        self
    }

    /// Fails unless everything in which the two configurations differ is in effect on every node and in every pod that was made after the
    /// change. Pods from before it keep what they got when they were made, and nodes what these need: routes to a former range, for example.
    ///
    /// # Panics
    /// With what is still as it was, or as neither of the two has it, and where; also where the two do not differ in anything.
    #[track_caller]
    pub fn arrives(&self) -> &Self {
        let Pass {
            arrived,
            arrived_after,
            not_running,
            ..
        } = &self.pass;
        let late: Vec<Arrived> = arrived_after.iter().filter_map(late).collect();
        if !not_running.is_empty() {
            self.fail("does not arrive: new pods do not run", &listed(not_running));
        }
        if !late.is_empty() {
            self.fail(
                "does not arrive everywhere",
                &listed(&text::arrivals(&late)),
            );
        }
        if arrived.is_empty() {
            self.fail(
                "changes nothing",
                "  nodes and pods of the two configurations are alike",
            );
        }
        self
    }

    /// Fails unless each node is like one of a cluster that was made with the new configuration, but for what belongs to pods that stay: links,
    /// addresses, routes, rules, neighbours, FDB entries, nftables tables, files, reservations. On kind there is no such cluster: fails where
    /// something is left of the first configuration or of pods of the change (docs/change.md).
    ///
    /// # Panics
    /// With what is left, what came besides and what is missing, and where.
    #[track_caller]
    pub fn leaves_nothing(&self) -> &Self {
        let leftovers = &self.pass.leftovers;
        if !leftovers.is_empty() {
            self.fail(
                "leaves nodes other than it would make them",
                &listed(&text::leftover_lines(leftovers, self.pass.compared)),
            );
        }
        self
    }

    fn words(&self) -> String {
        format!("the change from {} to {}", self.pass.from, self.pass.to)
    }

    #[track_caller]
    fn fail(&self, what: &str, told: &str) -> ! {
        panic!(
            "{} {what}\n{told}\n  repeat     {}",
            self.words(),
            self.repeat
        )
    }
}

impl fmt::Debug for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Changed").field(&self.words()).finish()
    }
}

/// What of it is not in effect.
fn late(arrived: &Arrived) -> Option<Arrived> {
    let properties = arrived.properties.iter();
    let late = properties.filter(|one| one.arrival != Arrival::InEffect);
    let late = Arrived {
        at: arrived.at.clone(),
        properties: late.cloned().collect(),
    };
    (!late.properties.is_empty()).then_some(late)
}

fn listed(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}
