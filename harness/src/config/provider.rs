//! Options of one provider each.
use std::path::PathBuf;

use clap::Args;

use flatnet_model::Underlay;

use super::one_of;

/// Options of the lab.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Lab")]
pub struct LabArgs {
    /// How nodes are connected: l2, one Ethernet segment like kind's docker network; or routed, each node in a subnet of its own
    /// behind a router [default: l2]
    #[arg(long, env = "FLATNET_UNDERLAY", value_parser = one_of::<Underlay>(Underlay::WORDS))]
    pub underlay: Option<Underlay>,

    /// MTU between nodes, in bytes, 1280 to 65535 [default: 1500]
    #[arg(long, env = "FLATNET_MTU", value_parser = clap::value_parser!(u32).range(1280..=65535))]
    pub mtu: Option<u32>,

    /// Prefix length of each node's IPv4 podCIDR, 8 to 30 [default: 24]
    #[arg(long, env = "FLATNET_NODE_CIDR_MASK", value_name = "BITS", value_parser = clap::value_parser!(u8).range(8..=30))]
    pub node_cidr_mask: Option<u8>,

    /// Directory with the plugins that the conflist names [default for --cni reference: /usr/lib/cni, /opt/cni/bin]
    #[arg(long, env = "FLATNET_CNI_BIN", value_name = "DIR")]
    pub cni_bin: Option<PathBuf>,

    /// Static busybox binary for the pods' root file system [default: the one on this machine, if any]
    #[arg(long, env = "FLATNET_BUSYBOX", value_name = "FILE")]
    pub busybox: Option<PathBuf>,
}

impl LabArgs {
    /// How nodes are connected.
    pub fn underlay(&self) -> Underlay {
        self.underlay.unwrap_or_default()
    }

    /// MTU between nodes, bytes.
    pub fn mtu(&self) -> u32 {
        self.mtu.unwrap_or(1500)
    }
}

/// Options of kind.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "kind")]
pub struct KindArgs {
    /// Node image [default: FLATNET_KIND_NODE_IMAGE, which `scripts/kind-engine` sets, else kind's own default]
    #[arg(long, env = "FLATNET_IMAGE", value_name = "IMAGE")]
    pub image: Option<String>,

    /// kind configuration to use instead of the default one
    #[arg(long, env = "FLATNET_KIND_CONFIG", value_name = "FILE")]
    pub kind_config: Option<PathBuf>,

    /// Image archives (`docker save`) to load onto the nodes, where no registry is reachable; may be repeated [default: those
    /// for the CNI in FLATNET_KIND_DIR, which `scripts/kind-engine` sets]
    #[arg(
        long,
        env = "FLATNET_IMAGE_ARCHIVE",
        value_delimiter = ',',
        value_name = "FILE"
    )]
    pub image_archive: Vec<PathBuf>,
}

impl KindArgs {
    /// The node image: the one named, else the one that `scripts/kind-engine` provides.
    pub fn node_image(&self) -> Option<String> {
        let beside = || std::env::var("FLATNET_KIND_NODE_IMAGE").ok();
        let image = self.image.clone().or_else(beside);
        image.filter(|image| !image.is_empty())
    }

    /// Image archives for the nodes: those named, else those that `scripts/kind-engine` provides for the CNI.
    pub fn archives(&self, cni: &str) -> Vec<PathBuf> {
        if !self.image_archive.is_empty() {
            return self.image_archive.clone();
        }
        let kept = std::env::var_os("FLATNET_KIND_DIR").filter(|dir| !dir.is_empty());
        let kept = kept.map(|dir| PathBuf::from(dir).join("images").join(format!("{cni}.tar")));
        kept.into_iter().filter(|file| file.is_file()).collect()
    }
}

/// Options of a cluster reached through a kubeconfig.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Kubeconfig")]
pub struct KubeArgs {
    /// kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, env = "FLATNET_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig [default: the current context]
    #[arg(long, env = "FLATNET_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,

    /// Existing namespace to deploy into [default: a new one, deleted afterwards]
    #[arg(long, env = "FLATNET_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
}
