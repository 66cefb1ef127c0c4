//! Reading network configurations.
use std::path::Path;

use super::{ListError, NetworkList, PluginFault, Version};

fn read(name: &str, text: &str) -> Result<NetworkList, ListError> {
    NetworkList::parse(text.as_bytes(), Path::new(name))
}

fn list(text: &str) -> Result<NetworkList, ListError> {
    read("/etc/cni/net.d/10-x.conflist", text)
}

#[test]
fn a_list_is_read_with_its_switches_and_capabilities() {
    let text = r#"{"cniVersion": "0.4.0", "name": "net", "disableCheck": "true", "disableGC": true,
        "plugins": [{"type": "bridge", "bridge": "cni0"}, {"type": "portmap", "name": "pm", "capabilities": {"portMappings": true, "x": false}}]}"#;
    let list = list(text).unwrap();
    assert_eq!(
        (list.name.as_str(), list.disable_check, list.disable_gc),
        ("net", true, true)
    );
    assert_eq!(list.versions, [Version::V0_4_0]);
    assert_eq!(list.plugins[1].capabilities, ["portMappings"]);
    assert_eq!(list.plugins[0].describe(), r#"type="bridge""#);
    assert_eq!(list.plugins[1].describe(), r#"type="portmap" name="pm""#);
}

#[test]
fn of_several_versions_the_highest_known_comes_first() {
    let text = r#"{"cniVersion": "1.0.0", "cniVersions": ["0.4.0", "1.1.0", "2.0.0"], "name": "n", "plugins": [{"type": "x"}]}"#;
    let list = list(text).unwrap();
    assert_eq!(
        list.versions,
        [Version::V1_1_0, Version::V1_0_0, Version::V0_4_0]
    );
    assert_eq!(list.declared, ["1.0.0", "0.4.0", "1.1.0", "2.0.0"]);
}

#[test]
fn the_ending_of_the_file_says_whether_it_is_a_list() {
    let single =
        r#"{"cniVersion": "1.0.0", "name": "n", "type": "bridge", "disableGC": "whatever"}"#;
    let chain = r#"{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "bridge"}]}"#;
    for name in ["10-x.conf", "10-x.json"] {
        let read_single = read(name, single).unwrap();
        assert_eq!(read_single.kinds().collect::<Vec<_>>(), ["bridge"]);
        assert!(!read_single.disable_gc);
        assert_eq!(read(name, chain), Err(ListError::ListInConf));
    }
    assert_eq!(list(single), Err(not_a_switch("disableGC")));
    assert_eq!(
        list(r#"{"name": "n", "type": "bridge"}"#),
        Err(ListError::NoPlugins)
    );
    // Go's filepath.Ext, which libcni goes by.
    assert!(read(".conflist", chain).is_ok());
}

fn not_a_switch(key: &'static str) -> ListError {
    ListError::Value {
        key,
        expected: "true or false",
    }
}

#[test]
fn what_no_runtime_can_use_is_refused_and_named() {
    let in_chain = |fault| ListError::InChain { position: 2, fault };
    for (text, error) in [
        ("[]", ListError::NotAnObject),
        (r#"{"plugins": [{"type": "x"}]}"#, ListError::NoName),
        (
            r#"{"name": "", "plugins": [{"type": "x"}]}"#,
            ListError::NoName,
        ),
        (
            r#"{"name": "../x", "plugins": [{"type": "x"}]}"#,
            ListError::Name("../x".to_owned()),
        ),
        (r#"{"name": "n", "plugins": []}"#, ListError::EmptyChain),
        (
            r#"{"name": "n", "plugins": [{"type": "a"}, {}]}"#,
            in_chain(PluginFault::NoType),
        ),
        (
            r#"{"name": "n", "plugins": [{"type": "a"}, {"type": "../a"}]}"#,
            in_chain(PluginFault::TypeIsPath("../a".to_owned())),
        ),
        (
            r#"{"name": "n", "plugins": [{"type": "a"}, 7]}"#,
            in_chain(PluginFault::NotAnObject),
        ),
        (
            r#"{"name": "n", "disableCheck": "maybe", "plugins": [{"type": "x"}]}"#,
            not_a_switch("disableCheck"),
        ),
    ] {
        assert_eq!(list(text).unwrap_err(), error, "{text}");
    }
    let error = list("{\n  \"name\": \"n\",\n  oops\n}").unwrap_err();
    assert!(error.to_string().contains("line 3 column 3"), "{error}");
}

#[test]
fn programs_are_those_of_the_chain_with_ipam_and_delegates() {
    let text = r#"{"name": "n", "plugins": [
        {"type": "flannel", "delegate": {"hairpinMode": true}},
        {"type": "portmap"},
        {"type": "multus", "delegate": {"type": "macvlan", "ipam": {"type": "dhcp"}}},
        {"type": "flatnet-cni", "ipam": {"type": "host-local-of-its-own"}}]}"#;
    assert_eq!(
        list(text).unwrap().programs(),
        [
            "bridge",
            "dhcp",
            "flannel",
            "flatnet-cni",
            "host-local",
            "macvlan",
            "multus",
            "portmap"
        ]
    );
}
