//! What keeps a real cluster from being booted or reached, told before anything is made. The programs that kind needs are
//! stood in for by scripts that say what the real ones say; what happens on a cluster that runs is in `suites/kind`.
use std::process::Output;

use rstest::rstest;
use tempfile::TempDir;

use super::file;
use super::started::{alone, install, tells};

/// flatnet, run where `PATH` has these programs and no others; each is a shell script's text.
pub(super) fn with_programs(programs: &[(&str, &str)], arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a folder");
    install(dir.path(), programs);
    alone(dir.path())
        .args(arguments)
        .output()
        .expect("flatnet starts")
}

pub(super) const KIND: (&str, &str) = ("kind", "echo kind v0.33.0 go1.26.8 linux/amd64");
const NO_DAEMON: &str = "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2; exit 1";
const NO_PERMISSION: &str = "echo 'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock' >&2; exit 1";

#[rstest]
#[case::kind_missing(&[], &["the program kind is not on PATH", "go install sigs.k8s.io/kind"])]
#[case::kind_too_old(&[("kind", "echo kind v0.11.1 go1.16 linux/amd64")], &["too old", "install kind v0.20 or newer"])]
#[case::no_engine(&[KIND], &["docker or podman is not on PATH"])]
#[case::engine_not_running(&[KIND, ("docker", NO_DAEMON)], &["docker does not answer", "start docker"])]
#[case::engine_not_permitted(&[KIND, ("docker", NO_PERMISSION)], &["docker does not answer", "not permitted"])]
fn what_kind_needs_is_named(#[case] programs: &[(&str, &str)], #[case] says: &[&str]) {
    let output = with_programs(programs, &["test", "--provider", "kind"]);

    tells(&output, 3, says);
}

/// kind 0.33 on a configuration with such mistakes, before it makes anything.
const REFUSING_KIND: &str = r#"case $1 in
version) echo kind v0.33.0 go1.26.8 linux/amd64 ;;
create) echo 'ERROR: failed to create cluster: unable to decode config: yaml: unmarshal errors:
  line 5: cannot unmarshal !!str `maybe` into bool
  line 9: field imagee not found in type v1alpha4.Node' >&2; exit 1 ;;
esac"#;

#[test]
fn every_mistake_in_a_kind_config_is_reported_in_kinds_words() {
    let (_dir, path) = file(
        "kind.yaml",
        "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnetworking:\n  disableDefaultCNI: true\n  apiServerPort: maybe\nnodes:\n- role: control-plane\n- role: worker\n  imagee: x\n",
    );
    let output = with_programs(
        &[("kind", REFUSING_KIND), ("docker", "exit 0")],
        &["test", "--provider", "kind", "--kind-config", &path],
    );
    tells(&output, 2, &["kind refuses it", "maybe", "imagee"]);
}

#[rstest]
#[case::a_cni_of_kinds_own(
    "kind: Cluster\nnetworking: {disableDefaultCNI: false}\n",
    "disableDefaultCNI"
)]
#[case::not_yaml("kind: [Cluster\n", "line 2")]
fn a_kind_config_that_flatnet_cannot_use_is_refused_before_kind_is_asked(
    #[case] text: &str,
    #[case] says: &str,
) {
    let (_dir, path) = file("kind.yaml", text);
    let output = with_programs(
        &[KIND],
        &["test", "--provider", "kind", "--kind-config", &path],
    );
    tells(&output, 2, &["kind.yaml", says]);
}

#[rstest]
#[case::manifest_no_yaml("cni.yaml", "kind: [DaemonSet\n", &["cni.yaml", "line"])]
#[case::manifest_no_object("cni.yaml", "hello: world\n", &["cni.yaml"])]
fn a_malformed_cni_manifest_is_reported(
    #[case] name: &str,
    #[case] text: &str,
    #[case] says: &[&str],
) {
    let (_dir, path) = file(name, text);

    let output = with_programs(&[KIND], &["test", "--provider", "kind", "--cni", &path]);

    tells(&output, 2, says);
}

#[rstest]
#[case::archive_missing(&["--image-archive", "/nowhere.tar"], "/nowhere.tar")]
#[case::lab_option(&["--underlay", "routed"], "--underlay: not supported by --provider kind")]
#[case::cluster_and_nodes(&["--cluster", "a", "--nodes", "4"], "--nodes: cannot be combined with --cluster, which already determines this")]
#[case::bad_name(&["--name", "No_Name"], "not a name for a kind cluster; use 1 to 45 lower-case letters")]
fn options_that_cannot_be_for_kind_are_refused(#[case] options: &[&str], #[case] says: &str) {
    let output = with_programs(
        &[KIND],
        &[&["test", "--provider", "kind"], options].concat(),
    );

    tells(&output, 2, &[says]);
}

/// A kubeconfig with two contexts; nothing listens on port 1 of loopback, and the kernel says so at once.
const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: one\nclusters:\n- name: c\n  cluster: {server: 'https://127.0.0.1:1'}\nusers:\n- name: u\n  user: {}\ncontexts:\n- name: one\n  context: {cluster: c, user: u}\n- name: two\n  context: {cluster: c, user: u}\n";

fn with_kubeconfig(text: &str, options: &[&str]) -> (TempDir, Output) {
    let (dir, path) = file("config", text);
    let arguments = [
        &["test", "--provider", "kubeconfig", "--kubeconfig", &path],
        options,
    ]
    .concat();
    let output = with_programs(&[], &arguments);
    (dir, output)
}

#[rstest]
#[case::no_yaml("contexts: [\n", &[], 2, "name a readable kubeconfig with --kubeconfig")]
#[case::no_such_context(KUBECONFIG, &["--context", "three"], 2, "no context \"three\"; it has one, two")]
#[case::nobody_answers(KUBECONFIG, &[], 3, "does not answer")]
#[case::cni_given(KUBECONFIG, &["--cni", "flannel"], 2, "flatnet installs no CNI on a cluster it did not boot")]
fn a_cluster_that_cannot_be_reached_is_reported_with_the_reason(
    #[case] kubeconfig: &str,
    #[case] options: &[&str],
    #[case] code: i32,
    #[case] says: &str,
) {
    let (_dir, output) = with_kubeconfig(kubeconfig, options);

    tells(&output, code, &[says]);
}

#[test]
fn no_kubeconfig_at_all_is_missing() {
    let output = with_programs(&[], &["test", "--provider", "kubeconfig"]);

    tells(&output, 3, &["kubeconfig"]);
}
