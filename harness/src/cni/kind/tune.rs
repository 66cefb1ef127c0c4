//! The shipped manifests, fitted to the cluster at hand: its pod ranges, and what the machine's kernel can do.
use std::path::Path;

use ipnet::IpNet;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::{Error, Result};
use flatnet_cluster::kube::objects::{Objects, is};
use flatnet_model::view::Ranges;

/// Fits a shipped manifest; any other is left as it is.
///
/// # Errors
/// A cluster that the CNI cannot do.
pub(super) fn fit(
    objects: &mut Objects,
    name: &str,
    options: &[String],
    ranges: &Ranges,
) -> Result<()> {
    match name {
        "flatnet" => {
            for container in containers(objects) {
                let args = container.get_mut("args").and_then(Value::as_array_mut);
                args.into_iter()
                    .for_each(|args| replace_options(args, options));
            }
            Ok(())
        }
        "flannel" => flannel(objects, &ranges.pods),
        "weave" => weave(objects, &ranges.pods),
        _ => Ok(()),
    }
}

/// Adds options, each in place of one of the same name.
fn replace_options(args: &mut Vec<Value>, options: &[String]) {
    fn name(option: &str) -> &str {
        option.split('=').next().unwrap_or(option)
    }
    let given = |arg: &Value| {
        let arg = arg.as_str().unwrap_or_default();
        options.iter().any(|option| name(option) == name(arg))
    };
    args.retain(|arg| !given(arg));
    args.extend(options.iter().map(|option| json!(option)));
}

/// Runs every container of the DaemonSets from `image`.
pub(super) fn use_image(objects: &mut Objects, image: &str) {
    for container in containers(objects) {
        container["image"] = json!(image);
    }
}

/// flannel's network is the cluster's pod range (`net-conf.json`: `Network`, `IPv6Network`, `EnableIPv4`, `EnableIPv6`).
fn flannel(objects: &mut Objects, pods: &[IpNet]) -> Result<()> {
    let doing = "manifests/flannel.yaml: net-conf.json";
    let map = objects
        .iter_mut()
        .find(|object| is(object, "ConfigMap"))
        .and_then(|map| map.data.pointer_mut("/data/net-conf.json"))
        .ok_or_else(|| Error::Failed(format!("{doing} is not there")))?;
    let text = map.as_str().unwrap_or_default();
    let mut conf: Value = serde_json::from_str(text).map_err(|e| Error::failed(doing, e))?;
    let of = |v4: bool| pods.iter().find(|net| net.addr().is_ipv4() == v4);
    if pods.is_empty() {
        return Ok(());
    }
    conf["EnableIPv4"] = json!(of(true).is_some());
    conf["EnableIPv6"] = json!(of(false).is_some());
    if let Some(net) = of(true) {
        conf["Network"] = json!(net.to_string());
    }
    if let Some(net) = of(false) {
        conf["IPv6Network"] = json!(net.to_string());
    }
    *map = json!(conf.to_string());
    Ok(())
}

/// Weave allocates from one range for the whole cluster, and knows IPv4 only.
fn weave(objects: &mut Objects, pods: &[IpNet]) -> Result<()> {
    let range = pods.iter().find(|net| net.addr().is_ipv4());
    if range.is_none() && !pods.is_empty() {
        return Err(Error::Input(
            "--cni weave: Weave Net supports only IPv4, and this cluster has only IPv6; leave --ip-family out".to_owned(),
        ));
    }
    let no_fastdp = !Path::new("/sys/module/openvswitch").exists();
    for container in containers(objects).filter(|c| c["name"] == "weave") {
        if let Some(range) = range {
            set_env(container, "IPALLOC_RANGE", &range.to_string());
        }
        if no_fastdp {
            set_env(container, "WEAVE_NO_FASTDP", "1");
        }
    }
    Ok(())
}

fn set_env(container: &mut Value, name: &str, value: &str) {
    let entry = json!({ "name": name, "value": value });
    match container.get_mut("env").and_then(Value::as_array_mut) {
        Some(env) => {
            env.retain(|old| old["name"] != name);
            env.push(entry);
        }
        None => container["env"] = json!([entry]),
    }
}

/// Containers of every DaemonSet's pods, init containers included.
fn containers(objects: &mut Objects) -> impl Iterator<Item = &mut Value> {
    objects
        .iter_mut()
        .filter(|object| is(object, "DaemonSet"))
        .filter_map(|set: &mut DynamicObject| {
            set.data.pointer_mut("/spec/template/spec")?.as_object_mut()
        })
        .flat_map(|spec| {
            spec.iter_mut()
                .filter(|(key, _)| *key == "containers" || *key == "initContainers")
                .filter_map(|(_, list)| list.as_array_mut())
                .flatten()
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cni::shipped::{FLANNEL, FLATNET, WEAVE};

    fn ranges(nets: &[&str]) -> Ranges {
        Ranges {
            pods: nets.iter().map(|net| net.parse().unwrap()).collect(),
            services: Vec::new(),
        }
    }

    #[test]
    fn flannel_gets_the_clusters_ranges() {
        let mut objects = Objects::parse("f", FLANNEL).unwrap();
        let ranges = ranges(&["10.99.0.0/16", "fd00:99::/56"]);
        fit(&mut objects, "flannel", &[], &ranges).unwrap();
        let text = objects.to_yaml().unwrap();
        assert!(
            text.contains("10.99.0.0/16") && text.contains("fd00:99::/56"),
            "{text}"
        );
        assert!(!text.contains("10.244.0.0/16"), "{text}");
    }

    #[test]
    fn weave_gets_the_range_once_and_refuses_ipv6_alone() {
        let mut objects = Objects::parse("w", WEAVE).unwrap();
        fit(&mut objects, "weave", &[], &ranges(&["10.99.0.0/16"])).unwrap();
        let env: Vec<Value> = containers(&mut objects)
            .filter(|c| c["name"] == "weave")
            .flat_map(|c| c["env"].as_array().unwrap().clone())
            .filter(|e| e["name"] == "IPALLOC_RANGE")
            .collect();
        assert_eq!(
            env,
            [json!({ "name": "IPALLOC_RANGE", "value": "10.99.0.0/16" })]
        );
        let error = fit(&mut objects, "weave", &[], &ranges(&["fd00::/56"])).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn our_own_gets_its_image_and_options_each_once() {
        let mut objects = Objects::parse("o", FLATNET).unwrap();
        let options = ["--backend=vxlan", "--cni-version=1.1.0"].map(str::to_owned);
        fit(&mut objects, "flatnet", &options, &ranges(&[])).unwrap();
        use_image(&mut objects, "flatnet/flatnet:test");
        assert_eq!(
            objects.images().into_iter().collect::<Vec<_>>(),
            ["flatnet/flatnet:test"]
        );
        let text = objects.to_yaml().unwrap();
        assert!(text.contains("--backend=vxlan"));
        // clap refuses an option that is there twice.
        assert_eq!(text.matches("--cni-version=").count(), 1);
        assert!(text.contains("--cni-version=1.1.0"));
    }
}
