//! Clusters that do not come up, and others' plugins and pods that do.
use flatnet::testing::{Cluster, Options};

use super::{clusters, has, said};
use crate::started::install;

const CONFLIST: &str =
    r#"{"cniVersion": "1.0.0", "name": "mine", "plugins": [{"type": "my-cni"}]}"#;

/// A conflist of a plugin that is this script.
fn with_plugin(script: &str) -> (tempfile::TempDir, Options) {
    let dir = tempfile::tempdir().expect("a directory");
    install(dir.path(), &[("my-cni", script)]);
    let conflist = dir.path().join("mine.conflist");
    std::fs::write(&conflist, CONFLIST).expect("a conflist");
    let options = Cluster::lab().nodes(1).pods_per_node(1);
    let options = options.cni(&conflist).cni_bin(dir.path());
    (dir, options)
}

#[test]
fn a_plugin_that_fails_is_quoted() {
    let (_dir, options) = with_plugin(
        r#"echo '{"cniVersion": "1.0.0", "code": 11, "msg": "the moon is full"}'; exit 1"#,
    );
    let name = format!("library-moon-{}", std::process::id());
    let options = options.option("--pod-timeout", "2").option("--name", &name);
    let words = said(|| drop(options.boot()));
    has(
        &words,
        &[
            "the cluster does not come up: not every pod runs",
            "busybox-1",
            "the moon is full",
            "run the test again with FLATNET_KEEP=true",
        ],
    );
    assert!(!clusters().contains(&name));
}

#[test]
fn wrong_options_and_missing_plugins_are_said_before_anything_boots() {
    let (dir, _) = with_plugin("exit 0");
    std::fs::remove_file(dir.path().join("my-cni")).expect("the plugin goes");
    let conflist = dir.path().join("mine.conflist");
    let error = |options: &Options| options.try_boot().expect_err("an error").to_string();
    let missing = Cluster::lab().cni(&conflist).cni_bin(dir.path());
    has(
        &error(&missing),
        &[
            "the plugin \"my-cni\" is not in ",
            &dir.path().display().to_string(),
        ],
    );
    has(
        &error(&Cluster::lab().cni(&conflist).cni_bin("no/such/bin")),
        &["--cni-bin no/such/bin: not a directory; name the one that has the plugins of "],
    );
    std::fs::write(
        &conflist,
        r#"{"cniVersion": "1.0.0", "name": "x", "plugins": [{}]}"#,
    )
    .expect("a conflist");
    has(
        &error(&Cluster::lab().cni(&conflist).cni_bin(dir.path())),
        &[
            "plugins[0] has no \"type\"; each plugin is an object whose \"type\" is the name of its program",
        ],
    );
    let underlay = error(&Cluster::lab().option("--underlay", "l3"));
    has(
        &underlay,
        &["invalid value 'l3'", "[possible values: l2, routed]"],
    );
    // That is for those who type a command.
    assert!(!underlay.contains("--help"), "{underlay}");
    has(&error(&Cluster::lab().nodes(0)), &["--nodes", "0"]);
    has(
        &error(&Cluster::lab().option("--nose", "3")),
        &["--nose", "tip: "],
    );
    has(
        &error(&Cluster::lab().cni("no/such.conflist")),
        &["no/such.conflist"],
    );
    has(
        &error(&Cluster::kind().option("--underlay", "routed")),
        &["--underlay: not supported by --provider kind"],
    );
}

#[test]
fn pods_of_ones_own_are_pinned_where_they_say() {
    let dir = tempfile::tempdir().expect("a directory");
    let manifest = dir.path().join("pods.yaml");
    let pod = |name: &str, node: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  nodeName: {node}\n  containers: [{{name: main, image: busybox, command: [sleep, infinity]}}]\n"
        )
    };
    let text = [pod("client", "node2"), pod("server", "node1")].join("---\n");
    std::fs::write(&manifest, text).expect("a manifest");
    let lab = Cluster::lab()
        .nodes(2)
        .pods(&manifest)
        .option("--underlay", "routed")
        .boot();
    let (client, server) = (lab.pod("client"), lab.pod("server"));
    assert_eq!(
        (client.node().name(), server.node().name()),
        ("node2", "node1")
    );
    client.reaches(&server).without_nat();
}
