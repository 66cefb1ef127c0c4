//! The service behind an address, where there is one.
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service as Object;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::api::ListParams;
use kube::core::Expression;
use kube::{Api, Client, ResourceExt};

use super::denied;
use crate::Result;
use flatnet_model::view::ServiceAt;

/// The label by which an EndpointSlice names its service (KEP-752).
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Looks for a service with this ClusterIP.
///
/// # Errors
/// A right that is missing, or an API server that does not answer.
pub(super) async fn find(client: &Client, address: IpAddr) -> Result<Option<ServiceAt>> {
    let all: Api<Object> = Api::all(client.clone());
    let list = all
        .list(&ListParams::default())
        .await
        .map_err(|e| denied("list services", e))?;
    let has = |service: &&Object| {
        let ips = service
            .spec
            .as_ref()
            .and_then(|spec| spec.cluster_ips.as_ref());
        ips.into_iter()
            .flatten()
            .any(|ip| ip.parse() == Ok(address))
    };
    let Some(service) = list.items.iter().find(has) else {
        return Ok(None);
    };
    let (namespace, name) = (service.namespace().unwrap_or_default(), service.name_any());
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), &namespace);
    let of_service = Expression::Equal(SERVICE_NAME.to_owned(), name.clone());
    let of_service = ListParams::default().labels_from(&of_service.into());
    let slices = slices
        .list(&of_service)
        .await
        .map_err(|e| denied(&format!("list EndpointSlices of {namespace}/{name}"), e))?;
    let mut endpoints: Vec<IpAddr> = slices.iter().flat_map(ready).collect();
    endpoints.retain(|endpoint| endpoint.is_ipv4() == address.is_ipv4());
    endpoints.sort();
    endpoints.dedup();
    Ok(Some(ServiceAt {
        namespace,
        name,
        address,
        endpoints,
    }))
}

/// Addresses of endpoints that are ready.
fn ready(slice: &EndpointSlice) -> Vec<IpAddr> {
    let ready = slice.endpoints.iter().filter(|endpoint| is_ready(endpoint));
    ready
        .flat_map(|endpoint| &endpoint.addresses)
        .filter_map(|address| address.parse().ok())
        .collect()
}

/// Whether an endpoint takes traffic; one without the condition is to be taken for ready (discovery/v1, EndpointConditions).
pub fn is_ready(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions.and_then(|c| c.ready).unwrap_or(true)
}
