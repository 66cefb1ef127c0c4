//! Networks in the manifests: conflists by the rules of CNI, and one pod network for the cluster and for what serves it.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use flatnet_model::cni::NetworkList;
use ipnet::IpNet;
use serde_json::Value;

use super::{documents, list, text, top};

fn object(file: &str, kind: &str) -> Value {
    let mut objects = documents(file).into_iter();
    objects
        .find(|object| text(object, "/kind") == kind)
        .unwrap()
}

fn flannel_config(key: &str) -> String {
    let map = object("manifests/flannel.yaml", "ConfigMap");
    text(&map, &format!("/data/{key}")).to_owned()
}

/// The pod network of the default kind cluster.
fn pod_network() -> IpNet {
    let kind = object("kind-config.yaml", "Cluster");
    text(&kind, "/networking/podSubnet").parse().unwrap()
}

#[test]
fn flannels_conflist_is_one() {
    let conflist = flannel_config("cni-conf.json");
    let list = NetworkList::parse(conflist.as_bytes(), Path::new("10-flannel.conflist")).unwrap();
    let types: Vec<&str> = list.plugins.iter().map(|p| p.kind.as_str()).collect();
    assert_eq!(types, ["flannel", "portmap"]);
    assert_eq!(list.plugins[1].capabilities, ["portMappings"]);
    let delegate = &list.plugins[0].conf["delegate"];
    assert_eq!(delegate["isDefaultGateway"], true);
    // The check `hairpin` wants it.
    assert_eq!(delegate["hairpinMode"], true);
}

/// The init container copies the file that the ConfigMap holds, to where the container runtime looks.
#[test]
fn flannels_conflist_gets_onto_the_node() {
    let set = object("manifests/flannel.yaml", "DaemonSet");
    let pod = set.pointer("/spec/template/spec").unwrap();
    let copy = list(pod, "/initContainers")
        .find(|c| text(c, "/name") == "install-cni")
        .unwrap();
    let command: Vec<&str> = list(copy, "/command").filter_map(Value::as_str).collect();
    let (from, to) = (command[2], command[3]);
    let mount = |path: &str| {
        let (folder, file) = path.rsplit_once('/').unwrap();
        let mount = list(copy, "/volumeMounts").find(|m| text(m, "/mountPath") == folder);
        let name = text(mount.unwrap(), "/name").to_owned();
        let volume = list(pod, "/volumes").find(|v| text(v, "/name") == name);
        (volume.unwrap().clone(), file.to_owned())
    };
    let (source, file) = mount(from);
    assert_eq!(text(&source, "/configMap/name"), "kube-flannel-cfg");
    assert_ne!(flannel_config(&file), "");
    let (target, file) = mount(to);
    assert_eq!(text(&target, "/hostPath/path"), "/etc/cni/net.d");
    assert!(file.ends_with(".conflist"));
}

#[test]
fn flannel_and_weave_serve_the_pod_network_of_the_default_cluster() {
    let config: Value = serde_json::from_str(&flannel_config("net-conf.json")).unwrap();
    assert_eq!(text(&config, "/Network").parse(), Ok(pod_network()));
    assert_eq!(text(&config, "/Backend/Type"), "vxlan");
    assert_eq!(
        (&config["EnableIPv4"], &config["EnableIPv6"]),
        (&Value::Bool(true), &Value::Bool(false))
    );

    let set = object("manifests/weave.yaml", "DaemonSet");
    let router = list(&set, "/spec/template/spec/containers")
        .find(|c| text(c, "/name") == "weave")
        .unwrap();
    let env: BTreeMap<&str, &str> = list(router, "/env")
        .map(|entry| (text(entry, "/name"), text(entry, "/value")))
        .collect();
    assert_eq!(env["IPALLOC_RANGE"].parse(), Ok(pod_network()));
    // Empty is off, to Weave's launcher; the harness switches it on where the kernel has no openvswitch.
    assert_eq!(env["WEAVE_NO_FASTDP"], "");
}

/// flannel's images are also built without a registry; the versions for that are the manifest's.
#[test]
fn flannels_images_are_those_built_from_source() {
    let set = object("manifests/flannel.yaml", "DaemonSet");
    let pod = set.pointer("/spec/template/spec").unwrap();
    let applied: BTreeSet<&str> = ["/initContainers", "/containers"]
        .iter()
        .flat_map(|key| list(pod, key))
        .map(|container| text(container, "/image"))
        .collect();

    let output = Command::new("sh")
        .args(["-euc", ". images/versions; printf '%s\\n' \"$FLANNEL_IMAGE\" \"$FLANNEL_PLUGIN_IMAGE\" \"$FLANNEL_VERSION\""])
        .current_dir(top("."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let words = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = words.lines().collect();
    assert_eq!(applied, BTreeSet::from([words[0], words[1]]));
    assert!(
        words[0].ends_with(&format!(":{}", words[2])),
        "{} is not built from module version {}",
        words[0],
        words[2]
    );
}
