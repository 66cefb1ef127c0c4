//! Configurations and programs, and what is wrong with them.
use crate::example::pieces::found;
use flatnet_model::probe::{ConfFile, FileContent, PluginVersion};
use serde_json::json;

use super::{answered, build};
use crate::inspect::answers::{cni_config, plugins, runtime};
use flatnet_model::view::View;

fn conf(view: &mut View, name: &str, content: Result<&str, &str>) {
    let files = &mut build::inside(view, 0)
        .cni
        .as_mut()
        .unwrap()
        .as_mut()
        .unwrap()
        .conf;
    let content = content.map(str::to_owned).map_err(str::to_owned);
    files.push(ConfFile {
        name: name.to_owned(),
        content,
    });
    files.sort_by(|a, b| a.name.cmp(&b.name));
}

#[test]
fn the_first_file_in_lexical_order_is_in_use_and_every_other_says_why_not() {
    let mut view = build::view();
    view.nodes.truncate(1);
    conf(&mut view, "00-loopback.md", Ok("text"));
    conf(
        &mut view,
        "99-loopback.conf",
        Ok(r#"{"cniVersion":"1.0.0","name":"lo","type":"loopback"}"#),
    );
    conf(&mut view, "20-other.conflist", Ok("{"));
    let answer = answered(cni_config::answer(&view));
    let told = |name: &str| {
        let fact = answer.one("file", name);
        (
            fact.values["in-use"] == true,
            fact.values["why"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(
        told("10-flannel.conflist"),
        (true, "it is the first in lexical order".to_owned())
    );
    assert_eq!(
        told("20-other.conflist"),
        (
            false,
            "10-flannel.conflist comes before it in lexical order".to_owned()
        )
    );
    assert_eq!(
        told("99-loopback.conf"),
        (false, "it sets up loopback only".to_owned())
    );
    assert_eq!(
        told("00-loopback.md"),
        (
            false,
            "its name does not end in .conflist, .conf or .json".to_owned()
        )
    );
    answer.has_problem(&["20-other.conflist", "not a network configuration"]);
    assert_eq!(
        answer.one("key", "plugins[0].delegate.hairpinMode").values["value"],
        true
    );
    assert!(
        answer
            .one("key", "plugins[1].capabilities.portMappings")
            .explanation
            .is_some()
    );
}

#[test]
fn a_configuration_that_cannot_be_used_is_said_to_be_none() {
    for (content, said) in [
        (Ok("{ nonsense"), "line 1"),
        (Ok("{}"), "no \"name\""),
        (Err("permission denied"), "permission denied"),
    ] {
        let mut view = build::view();
        conf(&mut view, "05-bad.conflist", content);
        let answer = answered(cni_config::answer(&view));
        answer.has_problem(&["cp", "/etc/cni/net.d/05-bad.conflist", said]);
        assert_eq!(answer.one("file", "05-bad.conflist").values["in-use"], true);
        answered(plugins::answer(&view)).has_problem(&["cp", "05-bad.conflist", said]);
    }
    let mut view = build::view();
    found(&mut build::inside(&mut view, 1).cni).conf.clear();
    answered(cni_config::answer(&view)).has_problem(&[
        "w1",
        "/etc/cni/net.d",
        "no file of it is a network configuration",
    ]);
}

#[test]
fn plugins_say_who_needs_them_and_missing_ones_are_named() {
    let mut view = build::view();
    view.nodes.truncate(1);
    let found = found(&mut build::inside(&mut view, 0).plugins);
    found.retain(|plugin| plugin.name != "bridge");
    found.push(PluginVersion {
        name: "vrf".to_owned(),
        versions: Err("it did not end within 2s".to_owned()),
        about: None,
    });
    let answer = answered(plugins::answer(&view));
    assert_eq!(
        answer.one("plugin", "portmap").values["needed-by"],
        "10-flannel.conflist"
    );
    assert_eq!(answer.one("plugin", "portmap").values["version"], "1.9.0");
    assert_eq!(
        answer.one("plugin", "loopback").values["needed-by"],
        json!(null)
    );
    answer.has_problem(&[
        "cp",
        "/opt/cni/bin/bridge",
        "10-flannel.conflist needs this plugin",
    ]);
    answer.has_problem(&["cp", "/opt/cni/bin/vrf", "did not end within"]);
}

#[test]
fn the_endpoint_comes_from_the_flag_then_the_file_then_the_default() {
    let endpoint = |view: &View| {
        let answer = answered(runtime::answer(view));
        let fact = answer.one("runtime-endpoint", "kubelet");
        (
            fact.values["endpoint"].as_str().unwrap().to_owned(),
            fact.values["set-by"].as_str().unwrap().to_owned(),
        )
    };
    let mut view = build::view();
    view.nodes.truncate(1);
    assert_eq!(endpoint(&view).1, "containerRuntimeEndpoint");
    let config = "/var/lib/kubelet/config.yaml".to_owned();
    found(&mut build::inside(&mut view, 0).files)
        .insert(config.clone(), build::text("kind: KubeletConfiguration\n"));
    assert_eq!(
        endpoint(&view),
        (
            "unix:///run/containerd/containerd.sock".to_owned(),
            "the kubelet's default".to_owned()
        )
    );
    let inside = build::inside(&mut view, 0);
    inside.processes = Some(Ok(vec![build::process(
        "kubelet",
        &[
            "kubelet",
            "--container-runtime-endpoint=unix:///var/run/crio/crio.sock",
            "--pod-infra-container-image=registry.k8s.io/pause:3.9",
        ],
    )]));
    assert_eq!(
        endpoint(&view),
        (
            "unix:///var/run/crio/crio.sock".to_owned(),
            "flag --container-runtime-endpoint".to_owned()
        )
    );
    answered(runtime::answer(&view)).one("pause-image", "registry.k8s.io/pause:3.9");
}

#[test]
fn configurations_that_do_not_parse_are_named_and_the_rest_is_answered() {
    for (content, said) in [
        (build::text("- a\n- b\n"), "not a KubeletConfiguration"),
        (
            FileContent::Unreadable("permission denied".to_owned()),
            "permission denied",
        ),
        (FileContent::Absent, "not there"),
    ] {
        let mut view = build::view();
        let files = found(&mut build::inside(&mut view, 0).files);
        files.insert("/var/lib/kubelet/config.yaml".to_owned(), content);
        files.insert(
            "/etc/containerd/config.toml".to_owned(),
            build::text("version ="),
        );
        let answer = answered(runtime::answer(&view));
        answer.has_problem(&["cp", "/var/lib/kubelet/config.yaml", said]);
        answer.has_problem(&["cp", "/etc/containerd/config.toml", "not TOML"]);
        assert_eq!(answer.all("runtime-endpoint", "endpoint").len(), 1);
    }
}
