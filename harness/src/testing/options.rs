//! Which cluster a test wants.
use std::ffi::OsStr;
use std::path::Path;

use super::Cluster;
use crate::Result;
use crate::config::RunArgs;

/// What to boot, and what to put on it. Each method is an option of `flatnet test`; paths are relative to the directory in which
/// the tests run, for cargo that of the package.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is booted before boot()"]
pub struct Options(Vec<String>);

impl Options {
    /// Number of nodes, 1 to 250; 3 where nothing says otherwise.
    pub fn nodes(self, count: u16) -> Self {
        self.option("--nodes", count.to_string())
    }

    /// Number of busybox pods pinned to each node, beside one hostNetwork pod; 3 where nothing says otherwise.
    pub fn pods_per_node(self, count: u16) -> Self {
        self.option("--pods-per-node", count.to_string())
    }

    /// Manifest of the pods to deploy instead; each pod names its node (`nodeName: node2`).
    pub fn pods(self, manifest: impl AsRef<Path>) -> Self {
        self.option("--manifest", manifest.as_ref())
    }

    /// The CNI: a conflist for the lab, a manifest for kind, or a name that `flatnet test --cni` knows.
    pub fn cni(self, file: impl AsRef<Path>) -> Self {
        let file = file.as_ref();
        // A bare word is the name of a CNI.
        let is_bare = file.components().count() == 1 && file.exists();
        match is_bare {
            true => self.option("--cni", Path::new(".").join(file)),
            false => self.option("--cni", file),
        }
    }

    /// Directory of the plugins that the conflist names.
    pub fn cni_bin(self, directory: impl AsRef<Path>) -> Self {
        self.option("--cni-bin", directory.as_ref())
    }

    /// Any other option of `flatnet test` that chooses a cluster, as `("--underlay", "routed")` or `("--ip-family", "dual")`.
    pub fn option(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.push(name.to_owned());
        self.0.push(value.as_ref().to_string_lossy().into_owned());
        self
    }

    /// Boots it, installs the CNI, deploys the pods and waits until all of them run.
    ///
    /// # Panics
    /// With why it does not come up: what is missing on this machine and how to get it, or which pods do not run, the cause, and
    /// what the plugin said.
    #[track_caller]
    pub fn boot(&self) -> Cluster {
        match self.try_boot() {
            Ok(cluster) => cluster,
            Err(e) => panic!("the cluster does not come up: {e}"),
        }
    }

    /// As [`Options::boot`], for tests of what must not come up. Nothing is left of it.
    ///
    /// # Errors
    /// Where [`Options::boot`] panics.
    pub fn try_boot(&self) -> Result<Cluster> {
        let mut args = RunArgs::parse(self.0.iter().map(String::as_str))?;
        args.settle(|option| {
            let given = format!("--{option}");
            self.0.iter().step_by(2).any(|name| *name == given)
        });
        Cluster::start(&args)
    }
}
