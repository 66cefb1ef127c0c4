//! Images and plugin programs that a CNI needs on the nodes.
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use kube::ResourceExt;
use serde_json::Value;

use super::KindCluster;
use crate::cni::shipped::REFERENCE_DIRS;
use crate::{Error, Result};
use flatnet_cluster::kind::{
    self,
    engine::Engine,
    program::{WORKS_WITHIN, run_within},
};
use flatnet_cluster::kube::objects::{Objects, is};
use flatnet_cluster::upload::Upload;
use flatnet_cluster::{Cluster, Target};

/// Our own image, built from the programs beside this one.
const DOCKERFILE: &str = include_str!("../../../../images/flatnet/Dockerfile");
/// Its name; the tag is made of what is in it, so that a rebuilt program is never mistaken for the one on the nodes.
const IMAGE: &str = "flatnet/flatnet";

/// Builds our image, where this machine's engine does not have it yet; returns its name.
pub(super) async fn build(onto: &KindCluster, engine: &Engine) -> Result<String> {
    let doing = "build flatnet's image";
    let parts = [
        ("flatnet-agent", &onto.programs.agent),
        ("flatnet-cni", &onto.programs.cni),
    ];
    let mut hasher = DefaultHasher::new();
    DOCKERFILE.hash(&mut hasher);
    for (_, path) in parts {
        let bytes = tokio::fs::read(path).await;
        let bytes = bytes.map_err(|e| Error::failed(format!("read {}", path.display()), e))?;
        bytes.hash(&mut hasher);
    }
    let image = format!("{IMAGE}:{:016x}", hasher.finish());
    if kind::images::in_engine(engine, &image).await? {
        return Ok(image);
    }
    let context = tempfile::tempdir().map_err(|e| Error::failed(doing, e))?;
    for (name, path) in parts {
        let part = context.path().join(name);
        tokio::fs::copy(path, &part)
            .await
            .map_err(|e| Error::failed(doing, e))?;
        executable(&part)?;
    }
    tokio::fs::write(context.path().join("Dockerfile"), DOCKERFILE)
        .await
        .map_err(|e| Error::failed(doing, e))?;
    let mut build = engine.engine();
    build.args(["build", "-t", &image]).arg(context.path());
    let said = run_within(WORKS_WITHIN, &mut build, doing).await?;
    if said.code != 0 {
        return Err(Error::failed(doing, said.stderr.trim()));
    }
    Ok(image)
}

fn executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .map_err(|e| Error::failed(format!("make {} executable", path.display()), e))
}

/// Loads those images of the manifest that this machine's engine has: nodes need no registry for them. Nodes of another engine pull.
pub(super) async fn load_local(onto: &KindCluster, objects: &Objects) -> Result<()> {
    let Some(engine) = &onto.engine else {
        return Ok(());
    };
    for image in objects.images() {
        if kind::images::in_engine(engine, &image).await? {
            kind::images::load(engine, &onto.name, &image).await?;
        }
    }
    Ok(())
}

/// Copies reference plugins that the manifest's conflists name and a node lacks: kind's own node image has no `bridge`, which
/// flannel delegates to.
pub(super) async fn bring_plugins(onto: &KindCluster, objects: &Objects) -> Result<()> {
    for plugin in reference_plugins(objects) {
        for node in onto.cluster.nodes().await? {
            let node = node.name_any();
            let target = Target::Node(node.clone());
            let path = format!("/opt/cni/bin/{plugin}");
            let test = ["test", "-x", &path].map(str::to_owned);
            if onto.cluster.exec(&target, &test, b"").await?.code == 0 {
                continue;
            }
            let from = find(plugin).ok_or_else(|| Error::Missing {
                what: format!(
                    "the plugin {plugin:?} is neither in /opt/cni/bin of node {node} nor on this machine in {}",
                    REFERENCE_DIRS.join(", ")
                ),
                remedy: "install it on this machine (Debian: package containernetworking-plugins); flatnet copies it onto the nodes".to_owned(),
            })?;
            let upload = Upload::read(&from, &path).await?;
            let process = onto.cluster.start(&target, &upload.argv()).await?;
            upload.through(process, &target.to_string()).await?;
        }
    }
    Ok(())
}

fn find(plugin: &str) -> Option<PathBuf> {
    let dirs = REFERENCE_DIRS.iter();
    dirs.map(|dir| Path::new(dir).join(plugin))
        .find(|path| path.is_file())
}

/// Plugins of the reference set that conflists in ConfigMaps name; flannel's plugin names `bridge` only by doing so.
fn reference_plugins(objects: &Objects) -> Vec<&'static str> {
    let known = [
        "bridge",
        "host-local",
        "loopback",
        "portmap",
        "bandwidth",
        "tuning",
        "ptp",
    ];
    let maps = objects.iter().filter(|object| is(object, "ConfigMap"));
    let texts = maps.flat_map(|map| {
        let data = map.data.get("data").and_then(Value::as_object);
        data.into_iter().flat_map(|data| data.values())
    });
    let mut types: Vec<String> = texts
        .filter_map(|text| serde_json::from_str::<Value>(text.as_str()?).ok())
        .filter_map(|conf| conf.get("plugins")?.as_array().cloned())
        .flatten()
        .filter_map(|plugin| Some(plugin.get("type")?.as_str()?.to_owned()))
        .collect();
    if types.iter().any(|name| name == "flannel") {
        types.extend(["bridge", "host-local"].map(str::to_owned));
    }
    known
        .into_iter()
        .filter(|name| types.iter().any(|t| t == name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cni::shipped::FLANNEL;

    #[test]
    fn flannel_needs_bridge_and_portmap() {
        let objects = Objects::parse("flannel", FLANNEL).unwrap();
        assert_eq!(
            reference_plugins(&objects),
            ["bridge", "host-local", "portmap"]
        );
    }
}
