//! Pod and service ranges of a cluster, as kubeadm keeps them.
use ipnet::IpNet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use serde::Deserialize;

use super::denied;
use crate::{Error, Result};
use flatnet_model::view::Ranges;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterConfiguration {
    #[serde(default)]
    networking: Networking,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Networking {
    pod_subnet: String,
    service_subnet: String,
}

/// Reads `kube-system/kubeadm-config` (kubeadm, v1beta4 `ClusterConfiguration`); empty ranges where it is not there.
///
/// # Errors
/// When it may not be read, or does not parse.
pub async fn read(client: &Client) -> Result<Ranges> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
    let map = api
        .get_opt("kubeadm-config")
        .await
        .map_err(|e| denied("read kube-system/kubeadm-config", e))?;
    let text = map.and_then(|map| map.data?.remove("ClusterConfiguration"));
    text.map_or_else(|| Ok(Ranges::default()), |text| parse(&text))
}

fn parse(text: &str) -> Result<Ranges> {
    let bad = |e: &dyn std::fmt::Display| {
        Error::Failed(format!("kube-system/kubeadm-config does not parse: {e}"))
    };
    let config: ClusterConfiguration = serde_yaml::from_str(text).map_err(|e| bad(&e))?;
    let nets = |list: &str| {
        list.split(',')
            .map(str::trim)
            .filter(|net| !net.is_empty())
            .map(|net| net.parse::<IpNet>().map_err(|e| bad(&e)))
            .collect::<Result<Vec<_>>>()
    };
    Ok(Ranges {
        pods: nets(&config.networking.pod_subnet)?,
        services: nets(&config.networking.service_subnet)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_read() {
        let ranges = parse("kind: ClusterConfiguration\nnetworking:\n  dnsDomain: cluster.local\n  podSubnet: 10.244.0.0/16,fd00:10:244::/56\n  serviceSubnet: 10.96.0.0/16\n").unwrap();
        assert_eq!(ranges.pods.len(), 2);
        assert_eq!(ranges.services, ["10.96.0.0/16".parse().unwrap()]);
        assert!(parse("kind: x\n").unwrap().pods.is_empty());
        assert!(parse("networking: {podSubnet: nonsense}").is_err());
    }
}
