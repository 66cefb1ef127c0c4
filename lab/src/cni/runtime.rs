//! The operations on a network: the chain, its results, its cleaning up (spec section 3).
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flatnet_model::cni::{NetworkList, Plugin, Version};
use serde_json::{Map, Value, json};

use super::cache::Cached;
use super::invoke::Call;
use super::{AddResult, Error, conf};
use crate::node_root::NodeRoot;

/// Runs the plugins of networks on a node.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Where plugins run and files are.
    pub root: Arc<NodeRoot>,
    /// Directory of the configuration.
    pub conf_dir: PathBuf,
    /// Directories of the plugins' programs.
    pub bin_dirs: Vec<PathBuf>,
    /// Directory that holds `results`.
    pub cache_dir: PathBuf,
    /// A plugin that runs longer is killed.
    pub limit: Duration,
}

/// One container's tie to a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    /// `CNI_CONTAINERID`: begins with a letter or digit, then `_`, `.` and `-` too.
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// `CNI_NETNS`: path of the namespace, as seen from the node.
    pub netns: String,
    /// `CNI_ARGS`.
    pub args: Vec<(String, String)>,
    /// What goes to plugins that declare the capability, as `runtimeConfig`.
    pub capabilities: BTreeMap<String, Value>,
}

/// An operation on an attachment.
#[derive(Clone, Copy)]
struct Verb {
    /// `CNI_COMMAND`.
    command: &'static str,
    /// libcni's word for it in errors.
    word: &'static str,
}

const ADD: Verb = Verb {
    command: "ADD",
    word: "add",
};
const DEL: Verb = Verb {
    command: "DEL",
    word: "delete",
};
const CHECK: Verb = Verb {
    command: "CHECK",
    word: "check",
};

impl Runtime {
    /// With the paths of a Kubernetes node, and a minute for a plugin.
    pub fn new(root: Arc<NodeRoot>) -> Runtime {
        Runtime {
            root,
            conf_dir: PathBuf::from("/etc/cni/net.d"),
            bin_dirs: vec![PathBuf::from("/opt/cni/bin")],
            cache_dir: PathBuf::from("/var/lib/cni"),
            limit: Duration::from_secs(60),
        }
    }

    /// The network in use: the first configuration in lexical order.
    ///
    /// # Errors
    /// [`Error::NoConfig`] where there is none, [`Error::Config`] for one that is malformed or has no version that this
    /// runtime speaks.
    pub fn network(&self) -> Result<NetworkList, Error> {
        conf::load(&self.root, &self.conf_dir)
    }

    /// ADD: every plugin in order, each with the result of the one before; the last result is kept for DEL and CHECK.
    ///
    /// # Errors
    /// The first plugin that fails ends it. Whoever called then calls [`Runtime::del`].
    pub fn add(&self, network: &NetworkList, attachment: &Attachment) -> Result<AddResult, Error> {
        let version = self.version(network)?;
        let mut result: Option<Value> = None;
        for plugin in &network.plugins {
            let printed = self.run(ADD, network, version, plugin, attachment, result.as_ref())?;
            let parsed = AddResult::parse(&printed)
                .map_err(|why| chain(plugin, ADD.word, Error::Config(why)))?;
            result = Some(parsed.0);
        }
        let result = result.unwrap_or(Value::Null);
        let cached = Cached {
            network_name: network.name.clone(),
            container_id: attachment.container_id.clone(),
            if_name: attachment.ifname.clone(),
            netns: attachment.netns.clone(),
            cni_args: attachment.args.clone(),
            capability_args: attachment.capabilities.clone(),
            cni_version: version.to_string(),
            config_file: network.source.clone(),
            config: network.root.clone(),
            result: result.clone(),
        };
        cached.save(&self.root, &self.cache_dir)?;
        Ok(AddResult(result))
    }

    /// DEL: every plugin in reverse order, with configuration and result as they were at ADD where they are known, else with
    /// `network`. Without either there is nothing to be deleted.
    ///
    /// # Errors
    /// The first plugin that fails ends it; it may be called again.
    pub fn del(&self, network: Option<&NetworkList>, attachment: &Attachment) -> Result<(), Error> {
        let cached = Cached::of(
            &self.root,
            &self.cache_dir,
            &attachment.container_id,
            &attachment.ifname,
        )?;
        let kept = cached.as_ref().map(Cached::network).transpose()?;
        let Some(network) = kept.as_ref().or(network) else {
            return Ok(());
        };
        let version = self.version(network)?;
        let result = cached
            .as_ref()
            .map(|cached| &cached.result)
            .filter(|_| version.has_check());
        for plugin in network.plugins.iter().rev() {
            self.run(DEL, network, version, plugin, attachment, result)?;
        }
        cached.map_or(Ok(()), |cached| cached.remove(&self.root, &self.cache_dir))
    }

    /// CHECK: every plugin in order, with configuration and result as they were at ADD. Networks older than 0.4.0, and those
    /// with `disableCheck`, have nothing to check.
    ///
    /// # Errors
    /// The first plugin that finds something wrong; or there was no ADD.
    pub fn check(&self, attachment: &Attachment) -> Result<(), Error> {
        let cached = Cached::of(
            &self.root,
            &self.cache_dir,
            &attachment.container_id,
            &attachment.ifname,
        )?;
        let Some(cached) = cached else {
            return Err(Error::Config(format!(
                "container {} has no result of an earlier ADD",
                attachment.container_id
            )));
        };
        let network = cached.network()?;
        let version = self.version(&network)?;
        if network.disable_check || !version.has_check() {
            return Ok(());
        }
        for plugin in &network.plugins {
            self.run(
                CHECK,
                &network,
                version,
                plugin,
                attachment,
                Some(&cached.result),
            )?;
        }
        Ok(())
    }

    /// GC: a DEL for each attachment that is kept but not in `valid` (container id, ifname); then, from 1.1.0 on and without
    /// `disableGC`, every plugin's own GC. All are tried.
    ///
    /// # Errors
    /// The first that failed.
    pub fn gc(&self, network: &NetworkList, valid: &[(String, String)]) -> Result<(), Error> {
        if network.disable_gc {
            return Ok(());
        }
        let mut outcome = Ok(());
        for cached in Cached::all(&self.root, &self.cache_dir)? {
            let is_valid = valid
                .iter()
                .any(|(id, ifname)| *id == cached.container_id && *ifname == cached.if_name);
            if !is_valid && cached.network_name == network.name {
                let stale = Attachment {
                    container_id: cached.container_id,
                    ifname: cached.if_name,
                    netns: cached.netns,
                    args: cached.cni_args,
                    capabilities: cached.capability_args,
                };
                outcome = outcome.and(self.del(Some(network), &stale));
            }
        }
        let version = self.version(network)?;
        if version.has_gc() {
            let attachments: Vec<_> = valid
                .iter()
                .map(|(id, ifname)| json!({"containerID": id, "ifname": ifname}))
                .collect();
            for plugin in &network.plugins {
                let mut conf = self.request(network, version, plugin, None);
                conf.insert(
                    "cni.dev/valid-attachments".to_owned(),
                    Value::Array(attachments.clone()),
                );
                // Until the final 1.1.0 the key was this one, and some plugins know only it.
                conf.insert(
                    "cni.dev/attachments".to_owned(),
                    Value::Array(attachments.clone()),
                );
                let run = self.call(plugin, &[("CNI_COMMAND", "GC".to_owned())], &conf);
                outcome = outcome.and(run.map(drop).map_err(|e| chain(plugin, "gc", e)));
            }
        }
        outcome
    }

    /// STATUS of every plugin, from 1.1.0 on.
    ///
    /// # Errors
    /// The first that is not ready: [`Error::Plugin`] with code 50 or 51, mostly.
    pub fn status(&self, network: &NetworkList) -> Result<(), Error> {
        let version = self.version(network)?;
        if !version.has_gc() {
            return Ok(());
        }
        for plugin in &network.plugins {
            let conf = self.request(network, version, plugin, None);
            self.call(plugin, &[("CNI_COMMAND", "STATUS".to_owned())], &conf)
                .map_err(|e| chain(plugin, "status", e))?;
        }
        Ok(())
    }

    /// VERSION: what a plugin says it speaks, in its own order.
    ///
    /// # Errors
    /// It is not there, fails, or answers something else.
    pub fn supported_versions(&self, plugin: &Plugin) -> Result<Vec<String>, Error> {
        let mut conf = Map::new();
        conf.insert(
            "cniVersion".to_owned(),
            Value::from(Version::V1_1_0.as_str()),
        );
        let printed = self.call(plugin, &[("CNI_COMMAND", "VERSION".to_owned())], &conf)?;
        let answer: Value = serde_json::from_slice(&printed)
            .map_err(|e| Error::Config(format!("the answer to VERSION is not JSON: {e}")))?;
        let versions = answer.get("supportedVersions").and_then(Value::as_array);
        let versions = versions.ok_or_else(|| {
            Error::Config("the answer to VERSION has no \"supportedVersions\"".to_owned())
        })?;
        Ok(versions
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect())
    }

    /// The version to use: the configuration's only one, or of several the highest that every plugin speaks.
    fn version(&self, network: &NetworkList) -> Result<Version, Error> {
        let [version] = network.versions[..] else {
            let mut spoken = network.versions.clone();
            for plugin in &network.plugins {
                let supported = self
                    .supported_versions(plugin)
                    .map_err(|e| chain(plugin, "version", e))?;
                spoken.retain(|version| supported.iter().any(|text| text == version.as_str()));
            }
            let wanted = || {
                network
                    .versions
                    .iter()
                    .map(Version::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            return spoken.first().copied().ok_or_else(|| {
                Error::Config(format!(
                    "no plugin chain of {} speaks any of {}",
                    network.name,
                    wanted()
                ))
            });
        };
        Ok(version)
    }

    /// One plugin of an operation on an attachment.
    fn run(
        &self,
        verb: Verb,
        network: &NetworkList,
        version: Version,
        plugin: &Plugin,
        attachment: &Attachment,
        result: Option<&Value>,
    ) -> Result<Vec<u8>, Error> {
        let mut conf = self.request(network, version, plugin, result);
        let wanted = plugin
            .capabilities
            .iter()
            .filter_map(|name| Some((name.clone(), attachment.capabilities.get(name)?.clone())));
        let runtime_config: Map<String, Value> = wanted.collect();
        if !runtime_config.is_empty() {
            conf.insert("runtimeConfig".to_owned(), Value::Object(runtime_config));
        }
        let args: Vec<String> = attachment
            .args
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let env = [
            ("CNI_COMMAND", verb.command.to_owned()),
            ("CNI_CONTAINERID", attachment.container_id.clone()),
            ("CNI_NETNS", attachment.netns.clone()),
            ("CNI_IFNAME", attachment.ifname.clone()),
            ("CNI_ARGS", args.join(";")),
        ];
        self.call(plugin, &env, &conf)
            .map_err(|e| chain(plugin, verb.word, e))
    }

    /// The configuration that a plugin is given: its own, with name and version of the list, the result of the one before, and
    /// without `capabilities` (spec section 3, "Deriving request configuration").
    fn request(
        &self,
        network: &NetworkList,
        version: Version,
        plugin: &Plugin,
        result: Option<&Value>,
    ) -> Map<String, Value> {
        let mut conf = plugin.conf.clone();
        conf.remove("capabilities");
        conf.remove("cniVersions");
        conf.insert("name".to_owned(), Value::from(network.name.as_str()));
        conf.insert("cniVersion".to_owned(), Value::from(version.as_str()));
        if let Some(result) = result {
            conf.insert("prevResult".to_owned(), result.clone());
        }
        conf
    }

    fn call(
        &self,
        plugin: &Plugin,
        env: &[(&'static str, String)],
        conf: &Map<String, Value>,
    ) -> Result<Vec<u8>, Error> {
        let stdin = serde_json::to_vec(conf).map_err(|e| Error::Config(e.to_string()))?;
        Call {
            root: &self.root,
            bin_dirs: &self.bin_dirs,
            kind: &plugin.kind,
            env,
            stdin: &stdin,
            limit: self.limit,
        }
        .run()
    }
}

fn chain(plugin: &Plugin, verb: &'static str, cause: Error) -> Error {
    Error::Chain {
        plugin: plugin.describe(),
        verb,
        cause: Box::new(cause),
    }
}
