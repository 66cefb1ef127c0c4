//! Where the API is, and who the agent is there.
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::{Error, Result};

/// The longest that a connection may take to stand. While kube-proxy has not programmed the service address yet,
/// packets to it are lost somewhere on the node's default route.
const CONNECT: Duration = Duration::from_secs(10);

/// How the agent gets to the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// As a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, and the service account's token.
    InCluster,
    /// By the current context of a kubeconfig.
    Kubeconfig(PathBuf),
}

impl Access {
    /// Reads what there is to read; connects to nothing.
    pub(super) async fn config(&self) -> Result<Config> {
        let mut config = match self {
            // By address, never by name: DNS runs on pods, which run when this agent is done.
            Access::InCluster => Config::incluster_env().map_err(|cause| Error::NotInCluster {
                cause: cause.to_string(),
            })?,
            Access::Kubeconfig(path) => kubeconfig(path).await?,
        };
        config.connect_timeout = Some(CONNECT);
        // The client would retry 429, 503 and 504 by itself for a quarter of an hour and more, without a word.
        config.default_retry = false;
        // kube takes HTTPS_PROXY for it as well; the way from a node to its own control plane has none.
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
