//! Manifests hold together by themselves: what they name exists, and reaches every node.
use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{documents, files, list, read, text};

/// Every manifest with its objects.
fn manifests() -> Vec<(String, Vec<Value>)> {
    let manifests: Vec<_> = files("manifests", ".yaml")
        .into_iter()
        .map(|file| (file.clone(), documents(&file)))
        .collect();
    for shipped in ["flannel", "weave"] {
        let file = format!("manifests/{shipped}.yaml");
        assert!(manifests.iter().any(|(name, _)| *name == file), "{file}");
    }
    manifests
}

/// Every DaemonSet, with the objects of its file.
fn daemon_sets() -> Vec<(String, Vec<Value>, Value)> {
    let mut sets = Vec::new();
    for (file, objects) in manifests() {
        for set in objects.iter().filter(|o| text(o, "/kind") == "DaemonSet") {
            sets.push((file.clone(), objects.clone(), set.clone()));
        }
    }
    sets
}

/// Containers of a DaemonSet's pods, init containers first.
fn containers(set: &Value) -> impl Iterator<Item = &Value> {
    const POD: &str = "/spec/template/spec";
    let of = move |key: &str| list(set, &format!("{POD}/{key}"));
    of("initContainers").chain(of("containers"))
}

fn exists(objects: &[Value], kind: &str, namespace: &str, name: &str) -> bool {
    objects.iter().any(|object| {
        text(object, "/kind") == kind
            && text(object, "/metadata/name") == name
            && text(object, "/metadata/namespace") == namespace
    })
}

#[test]
fn every_object_says_what_it_is_and_says_it_once() {
    for (file, objects) in manifests() {
        let mut seen = BTreeSet::new();
        for object in &objects {
            for pointer in ["/apiVersion", "/kind", "/metadata/name"] {
                assert_ne!(text(object, pointer), "", "{file}: {pointer} of {object}");
            }
            let key = ["/kind", "/metadata/namespace", "/metadata/name"].map(|p| text(object, p));
            assert!(seen.insert(key), "{file}: {key:?} is there twice");
        }
    }
}

/// What Kubernetes' own types take in and give out again; a misspelled or misplaced field is lost on the way.
fn known<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
    let typed: T = serde_json::from_value(object.clone()).unwrap();
    serde_json::to_value(typed).unwrap()
}

#[test]
fn every_field_is_one_that_kubernetes_knows() {
    for (file, objects) in manifests() {
        for object in &objects {
            let understood = match text(object, "/kind") {
                "ClusterRole" => known::<ClusterRole>(object),
                "ClusterRoleBinding" => known::<ClusterRoleBinding>(object),
                "ConfigMap" => known::<ConfigMap>(object),
                "DaemonSet" => known::<DaemonSet>(object),
                "Namespace" => known::<Namespace>(object),
                "Pod" => known::<Pod>(object),
                "Role" => known::<Role>(object),
                "RoleBinding" => known::<RoleBinding>(object),
                "ServiceAccount" => known::<ServiceAccount>(object),
                kind => panic!("{file}: {kind} is new here; add its type to this list"),
            };
            assert_eq!(*object, understood, "{file}");
        }
    }
}

#[test]
fn a_namespace_is_made_before_what_lies_in_it() {
    // Present in every cluster.
    let given = ["", "default", "kube-system"];
    for (file, objects) in manifests() {
        for (index, object) in objects.iter().enumerate() {
            let namespace = text(object, "/metadata/namespace");
            let made = exists(&objects[..index], "Namespace", "", namespace);
            assert!(given.contains(&namespace) || made, "{file}: {namespace}");
        }
    }
}

#[test]
fn a_daemon_set_selects_its_own_pods() {
    for (file, _, set) in daemon_sets() {
        let wanted = set.pointer("/spec/selector/matchLabels").unwrap();
        let wanted = wanted.as_object().unwrap();
        assert!(!wanted.is_empty(), "{file}");
        for (key, value) in wanted {
            let label = set
                .pointer("/spec/template/metadata/labels")
                .unwrap()
                .get(key);
            assert_eq!(label, Some(value), "{file}: label {key}");
        }
    }
}

#[test]
fn a_daemon_set_runs_on_every_node() {
    for (file, _, set) in daemon_sets() {
        // No key and no effect: whatever the taint.
        let all = list(&set, "/spec/template/spec/tolerations").any(|t| {
            t.as_object().is_some_and(|t| t.len() == 1) && text(t, "/operator") == "Exists"
        });
        assert!(all, "{file}: some taint keeps it off a node");
        // Without a network there is nothing but the node's own.
        assert_eq!(
            set.pointer("/spec/template/spec/hostNetwork"),
            Some(&Value::Bool(true)),
            "{file}"
        );
        assert_eq!(
            text(&set, "/spec/template/spec/priorityClassName"),
            "system-node-critical",
            "{file}: a full node would evict its network"
        );
    }
}

#[test]
fn rights_go_to_a_service_account_that_exists() {
    for (file, objects) in manifests() {
        let bindings = objects
            .iter()
            .filter(|o| ["ClusterRoleBinding", "RoleBinding"].contains(&text(o, "/kind")));
        for binding in bindings {
            let namespace = match text(binding, "/roleRef/kind") {
                "ClusterRole" => "",
                _ => text(binding, "/metadata/namespace"),
            };
            let (kind, role) = (
                text(binding, "/roleRef/kind"),
                text(binding, "/roleRef/name"),
            );
            assert!(
                exists(&objects, kind, namespace, role),
                "{file}: {kind} {role}"
            );
            assert!(list(binding, "/subjects").count() > 0, "{file}");
            for subject in list(binding, "/subjects") {
                assert_eq!(text(subject, "/kind"), "ServiceAccount", "{file}");
                let (namespace, name) = (text(subject, "/namespace"), text(subject, "/name"));
                assert!(
                    exists(&objects, "ServiceAccount", namespace, name),
                    "{file}: {namespace}/{name}"
                );
            }
        }
    }
    for (file, objects, set) in daemon_sets() {
        let namespace = text(&set, "/metadata/namespace");
        let account = text(&set, "/spec/template/spec/serviceAccountName");
        assert!(
            exists(&objects, "ServiceAccount", namespace, account),
            "{file}: {namespace}/{account}"
        );
    }
}

#[test]
fn no_role_may_do_everything() {
    for (file, objects) in manifests() {
        for rule in objects.iter().flat_map(|object| list(object, "/rules")) {
            for key in ["apiGroups", "resources", "verbs"] {
                let all = list(rule, &format!("/{key}")).any(|word| word == "*");
                assert!(!all, "{file}: {rule}");
            }
        }
    }
}

#[test]
fn what_is_mounted_exists_and_is_used() {
    for (file, objects, set) in daemon_sets() {
        let volumes: BTreeSet<&str> = list(&set, "/spec/template/spec/volumes")
            .map(|volume| text(volume, "/name"))
            .collect();
        let mounted: BTreeSet<&str> = containers(&set)
            .flat_map(|container| list(container, "/volumeMounts"))
            .map(|mount| text(mount, "/name"))
            .collect();
        assert_eq!(volumes, mounted, "{file}");
        for volume in list(&set, "/spec/template/spec/volumes") {
            let map = text(volume, "/configMap/name");
            let there = exists(
                &objects,
                "ConfigMap",
                text(&set, "/metadata/namespace"),
                map,
            );
            assert!(map.is_empty() || there, "{file}: ConfigMap {map}");
        }
    }
}

#[test]
fn only_a_foreign_cni_is_privileged() {
    let privileged: BTreeSet<String> = daemon_sets()
        .into_iter()
        .filter(|(_, _, set)| {
            containers(set)
                .any(|c| c.pointer("/securityContext/privileged") == Some(&Value::Bool(true)))
        })
        .map(|(file, ..)| file)
        .collect();
    assert_eq!(
        privileged,
        BTreeSet::from(["manifests/weave.yaml".to_owned()])
    );
}

#[test]
fn images_are_pinned_and_need_no_registry_once_loaded() {
    for (file, _, set) in daemon_sets() {
        for container in containers(&set) {
            let image = text(container, "/image");
            let tag = image
                .rsplit_once('/')
                .and_then(|(_, name)| name.split_once(':'));
            assert!(
                tag.is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest"),
                "{file}: {image:?} may be another one tomorrow"
            );
            assert_eq!(
                text(container, "/imagePullPolicy"),
                "IfNotPresent",
                "{file}"
            );
        }
    }
}

/// Image names are written in the manifests; elsewhere only what builds them without a registry repeats them.
#[test]
fn images_of_foreign_cnis_are_named_in_one_place() {
    for file in [
        "Makefile",
        "action.yml",
        ".github/workflows/conformance.yml",
    ] {
        let written = read(file);
        let sets = daemon_sets().into_iter();
        for (manifest, _, set) in sets.filter(|(file, ..)| file != "manifests/flatnet.yaml") {
            for container in containers(&set) {
                let image = text(container, "/image");
                let name = image.split(':').next().unwrap();
                assert!(
                    !written.contains(name),
                    "{file} repeats {image} of {manifest}"
                );
            }
        }
    }
}
