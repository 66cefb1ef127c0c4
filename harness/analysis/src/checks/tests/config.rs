//! cni-config.
use flatnet_model::probe::{CniFiles, ConfFile};
use flatnet_model::snapshot::Condition;
use rstest::rstest;

use super::*;
use crate::example::build::{Style, healthy};

fn files<'a>(o: &'a mut Observations, name: &str) -> &'a mut CniFiles {
    found(&mut node(o, name).inside.cni)
}

fn not_ready(reason: &str, message: &str) -> Option<Condition> {
    Some(Condition {
        kind: "Ready".to_owned(),
        status: "False".to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
    })
}

fn file(name: &str, text: &str) -> ConfFile {
    ConfFile {
        name: name.to_owned(),
        content: Ok(text.to_owned()),
    }
}

#[test]
fn a_second_conflist_is_named_with_the_one_it_shadows() {
    let mut o = healthy(Style::Vxlan);
    let leftover = r#"{"cniVersion":"1.0.0","name":"leftover","plugins":[{"type":"flatnet-cni"}]}"#;
    files(&mut o, "node1")
        .conf
        .insert(0, file("00-leftover.conflist", leftover));
    assert_red(&o, &["cni-config"], &[]);
    let evidence = sole("cni-config", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node1"));
    assert_contains(
        &evidence.what,
        "00-leftover.conflist wins, 10-flatnet.conflist shadowed",
    );
    assert_eq!(evidence.look, "flatnet exec node1 -- ls /etc/cni/net.d");
}

#[test]
fn a_missing_plugin_is_named() {
    let mut o = healthy(Style::Vxlan);
    files(&mut o, "node1")
        .programs
        .retain(|program| program != "flatnet-cni");
    assert_red(&o, &["cni-config"], &[]);
    let evidence = sole("cni-config", &o);
    assert_contains(
        &evidence.what,
        "plugin flatnet-cni of 10-flatnet.conflist not in /opt/cni/bin of node1",
    );
}

#[test]
fn ipam_and_delegates_count_as_plugins_except_our_own_ipam() {
    let mut o = healthy(Style::Reference);
    files(&mut o, "node2")
        .programs
        .retain(|program| program != "host-local");
    assert_contains(&sole("cni-config", &o).what, "plugin host-local");
    let flannel = r#"{"name":"cbr0","cniVersion":"0.3.1","plugins":[{"type":"flannel","delegate":{"hairpinMode":true}},{"type":"portmap"}]}"#;
    for name in ["node1", "node2", "node3"] {
        files(&mut o, name).conf = vec![file("10-flannel.conflist", flannel)];
        files(&mut o, name).programs = ["flannel", "bridge", "portmap"].map(str::to_owned).to_vec();
    }
    let all = evidence("cni-config", &o);
    assert_eq!(all.len(), 3);
    assert_contains(&all[0].what, "plugin host-local");
    // The healthy flatnet configuration has ipam.type host-local without that program.
    assert_eq!(judge("cni-config", &healthy(Style::Vxlan)).name(), "pass");
}

#[rstest]
#[case::not_json("{\"name\": \"x\",\n  oops}", "at line 2 column 3")]
#[case::no_name(r#"{"plugins":[{"type":"bridge"}]}"#, "no \"name\"")]
#[case::empty_chain(r#"{"name":"x","plugins":[]}"#, "\"plugins\" is empty")]
#[case::no_type(
    r#"{"name":"x","plugins":[{"type":"portmap"},{"ipam":{}}]}"#,
    "plugin 2 of the chain has no \"type\""
)]
fn a_malformed_conflist_is_named_with_the_place(#[case] text: &str, #[case] observed: &str) {
    let mut o = healthy(Style::Vxlan);
    files(&mut o, "node3").conf[0].content = Ok(text.to_owned());
    let evidence = sole("cni-config", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node3"));
    assert_contains(&evidence.observed, observed);
}

/// What a file holds is read by its ending, as the runtime reads it.
#[rstest]
#[case::list_in_conf(
    "10-x.conf",
    r#"{"name":"x","plugins":[{"type":"flatnet-cni"}]}"#,
    "a list goes into a file that ends in .conflist"
)]
#[case::single_in_conflist(
    "10-x.conflist",
    r#"{"name":"x","type":"flatnet-cni"}"#,
    "a single plugin's configuration goes into a file that ends in .conf"
)]
#[case::name("10-x.conf", r#"{"name":"../x","type":"flatnet-cni"}"#, "\"../x\"")]
#[case::version(
    "10-x.conf",
    r#"{"name":"x","cniVersion":"9.9.9","type":"flatnet-cni"}"#,
    "cniVersion 9.9.9"
)]
fn a_file_that_the_runtime_refuses_is_red(
    #[case] name: &str,
    #[case] text: &str,
    #[case] observed: &str,
) {
    let mut o = healthy(Style::Vxlan);
    files(&mut o, "node3").conf = vec![file(name, text)];
    let evidence = sole("cni-config", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node3"));
    assert_contains(&evidence.observed, observed);
}

#[test]
fn a_file_that_the_nodes_own_runtime_refuses_is_red() {
    let mut o = healthy(Style::Vxlan);
    node(&mut o, "node1").object.ready = not_ready(
        "KubeletNotReady",
        "cni config load failed: failed to load CNI config list file /etc/cni/net.d/10-flatnet.conflist: no \"cniVersion\"",
    );
    let evidence = sole("cni-config", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node1"));
    assert_contains(&evidence.observed, "no \"cniVersion\"");
}

#[test]
fn no_configuration_says_what_the_node_says() {
    let mut o = healthy(Style::Vxlan);
    files(&mut o, "node2").conf = vec![
        file("README", "nothing"),
        file("10-flatnet.conflist.bak", "{}"),
    ];
    node(&mut o, "node2").object.ready =
        not_ready("NetworkPluginNotReady", "cni plugin not initialized");
    let evidence = sole("cni-config", &o);
    assert_contains(
        &evidence.what,
        "no CNI configuration in /etc/cni/net.d of node2",
    );
    assert_contains(&evidence.observed, "cni plugin not initialized");
}

#[test]
fn a_single_plugin_conf_and_a_loopback_file_are_fine() {
    let mut o = healthy(Style::Vxlan);
    for name in ["node1", "node2", "node3"] {
        files(&mut o, name).conf = vec![
            file("10-flatnet.conf", r#"{"name":"n","type":"flatnet-cni"}"#),
            file("99-loopback.conf", r#"{"name":"lo","type":"loopback"}"#),
        ];
    }
    assert_eq!(
        facts("cni-config", &o),
        ["10-flatnet.conf (network n: flatnet-cni) on node1, node2, node3"]
    );
}

#[test]
fn a_node_with_another_configuration_is_the_odd_one_out() {
    let mut o = healthy(Style::Vxlan);
    files(&mut o, "node2").conf[0].name = "05-flatnet.conflist".to_owned();
    let evidence = sole("cni-config", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node2"));
    assert_contains(&evidence.observed, "05-flatnet.conflist");
}

#[test]
fn files_that_cannot_be_read_are_broken() {
    let mut o = healthy(Style::Vxlan);
    files(&mut o, "node2").conf[0].content = Err("permission denied".to_owned());
    assert_contains(
        &broken("cni-config", &o),
        "10-flatnet.conflist of node2: permission denied",
    );
    node(&mut o, "node3").inside.cni = Some(Err("no exec".to_owned()));
    assert_contains(&broken("cni-config", &o), "CNI files of node3: no exec");
}
