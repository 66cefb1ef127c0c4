//! What only a lab does: changes in its namespaces, files and daemons on its nodes.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

use flatnet_lab::{Change, Lab, LabInfo, LabTarget, NodeFile};

use super::{LabCluster, failure_of_found_lab};
use crate::{Error, Result};

impl LabCluster {
    /// The blocking client, from async code: each of its calls has a limit of its own. A call that is given up may still be
    /// carried out.
    pub(super) async fn call<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Lab) -> flatnet_lab::Result<T> + Send + 'static,
    {
        let (lab, name) = (Arc::clone(&self.lab), Arc::clone(&self.name));
        let started = Instant::now();
        let asking = tokio::task::spawn_blocking(move || {
            work(&lab).map_err(|e| match e {
                // It ended meanwhile: nothing was wrong with what was asked.
                flatnet_lab::Error::Invalid { what } if Lab::connect(&name).is_err() => {
                    Error::Failed(what)
                }
                e => failure_of_found_lab(e),
            })
        });
        let result = match asking.await {
            Ok(result) => result,
            Err(e) => Err(Error::failed("ask the lab", e)),
        };
        let error = result.as_ref().err().map(tracing::field::display);
        tracing::debug!(call = call_name::<F>(), error, took = ?started.elapsed(), "asked the lab");
        result
    }

    /// What it was made from.
    ///
    /// # Errors
    /// A lab that does not answer.
    pub async fn info(&self) -> Result<LabInfo> {
        self.call(Lab::info).await
    }

    /// Makes these changes in a place's network namespace, in order; stops at the first that fails.
    ///
    /// # Errors
    /// The kernel's answer to that one.
    pub async fn change(&self, place: LabTarget, changes: Vec<Change>) -> Result<()> {
        self.call(move |lab| lab.change(&place, &changes)).await
    }

    /// Writes a file on a node, atomically, its folders included.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub async fn write_file(&self, node: &str, path: &str, content: Vec<u8>) -> Result<()> {
        self.write(node, path, content, 0o644).await
    }

    /// As [`LabCluster::write_file`], a program.
    ///
    /// # Errors
    /// As there.
    pub async fn write_program(&self, node: &str, path: &str, content: Vec<u8>) -> Result<()> {
        self.write(node, path, content, 0o755).await
    }

    async fn write(&self, node: &str, path: &str, content: Vec<u8>, mode: u32) -> Result<()> {
        let (node, path) = (node.to_owned(), path.to_owned());
        self.call(move |lab| {
            let file = NodeFile {
                path: &path,
                content: &content,
                mode,
            };
            lab.write_file(&node, &file)
        })
        .await
    }

    /// Has the lab remember these labels, and other podCIDRs of the nodes named.
    ///
    /// # Errors
    /// A node that is not there.
    pub async fn record(
        &self,
        labels: BTreeMap<String, String>,
        pod_cidrs: BTreeMap<String, Vec<IpNet>>,
    ) -> Result<()> {
        self.call(move |lab| lab.record(&labels, &pod_cidrs)).await
    }

    /// Removes a file of a node; that it is not there is fine.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub async fn remove_file(&self, node: &str, path: &str) -> Result<()> {
        let (node, path) = (node.to_owned(), path.to_owned());
        self.call(move |lab| lab.remove_file(&node, &path)).await
    }

    /// Runs a daemon on a node as long as the lab lives; one of that name that runs already is ended first.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_daemon(&self, node: &str, name: &str, argv: Vec<String>) -> Result<()> {
        let (node, name) = (node.to_owned(), name.to_owned());
        self.call(move |lab| lab.start_daemon(&node, &name, &argv))
            .await
    }

    /// Ends a daemon; that it does not run is fine.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop_daemon(&self, node: &str, name: &str) -> Result<()> {
        let (node, name) = (node.to_owned(), name.to_owned());
        self.call(move |lab| lab.stop_daemon(&node, &name)).await
    }

    /// What a daemon printed, and its exit code once it ended.
    ///
    /// # Errors
    /// Where none of that name was ever started.
    pub async fn daemon_log(&self, node: &str, name: &str) -> Result<(String, Option<i32>)> {
        let (node, name) = (node.to_owned(), name.to_owned());
        self.call(move |lab| lab.daemon_log(&node, &name)).await
    }

    /// The process id, in the lab, of a daemon that a signal has stopped.
    ///
    /// # Errors
    /// Where none of that name was ever started.
    pub async fn stopped_daemon(&self, node: &str, name: &str) -> Result<Option<i32>> {
        let (node, name) = (node.to_owned(), name.to_owned());
        self.call(move |lab| lab.stopped_daemon(&node, &name)).await
    }
}

/// `create_pod`: the name of a function, or of the one that a closure is in.
fn call_name<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let name = path.rsplit("::").find(|part| !part.starts_with('{'));
    let name = name.unwrap_or(path);
    // Without the lifetimes of an async function.
    name.split('<').next().unwrap_or(name)
}
