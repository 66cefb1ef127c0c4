//! Address of the API server and credentials for it.
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::{Error, Result};

/// Limit for establishing a connection. Until kube-proxy has programmed the service address, packets to it leave by the
/// node's default route and are lost.
const CONNECT: Duration = Duration::from_secs(10);

/// How the agent reaches the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// As a pod does: KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and the service account's token.
    InCluster,
    /// The current context of a kubeconfig.
    Kubeconfig(PathBuf),
}

impl Access {
    /// Reads environment and files; does not connect.
    pub(super) async fn config(&self) -> Result<Config> {
        let mut config = match self {
            // By address, never by name: DNS runs in pods, which need this agent first.
            Access::InCluster => Config::incluster_env().map_err(|cause| Error::NotInCluster {
                cause: cause.to_string(),
            })?,
            Access::Kubeconfig(path) => kubeconfig(path).await?,
        };
        config.connect_timeout = Some(CONNECT);
        // The client would silently retry 429, 503 and 504 for more than a quarter of an hour.
        config.default_retry = false;
        // kube would use HTTPS_PROXY, but there is no proxy between a node and its own control plane.
        config.proxy_url = None;
        Ok(config)
    }
}

async fn kubeconfig(path: &Path) -> Result<Config> {
    let unusable = |cause: kube::config::KubeconfigError| Error::Kubeconfig {
        path: path.to_owned(),
        cause: cause.to_string(),
    };
    if !path.exists() {
        return Err(Error::Missing {
            what: "kubeconfig",
            path: path.to_owned(),
            remedy: "give another path with --kubeconfig",
        });
    }
    let content = Kubeconfig::read_from(path).map_err(unusable)?;
    Config::from_custom_kubeconfig(content, &KubeConfigOptions::default())
        .await
        .map_err(unusable)
}
