//! What is wrong with a pod itself.
use flatnet_model::cause::CauseId;
use rstest::rstest;

use crate::cluster::{Cluster, SLEEPER};

#[test]
fn a_healthy_pod_gets_none() {
    let cluster = Cluster::mine();
    cluster.apply(Some(&cluster.worker()), SLEEPER);
    cluster.runs();

    let (code, diagnosis) = cluster.diagnose(&["default/app"]);

    assert_eq!(code, 0, "{diagnosis:#?}");
    assert!(diagnosis.subjects[0].findings.is_empty() && diagnosis.unread.is_empty());
}

#[test]
fn a_node_that_is_not_there() {
    let cluster = Cluster::mine();
    cluster.apply(Some("no-such-node"), SLEEPER);

    cluster.first_is(
        CauseId::NodeUnknown,
        &["no-such-node", &cluster.worker(), "default/app"],
    );
}

#[rstest]
#[case::resources("resources: {requests: {cpu: '1000'}}", "", "Insufficient cpu")]
#[case::selector("resources: {}", "nodeSelector: {disk: of-gold}, ", "disk=of-gold")]
fn no_node_takes_it(#[case] container: &str, #[case] spec: &str, #[case] named: &str) {
    let cluster = Cluster::mine();
    let spec = format!(
        "{spec}containers: [{{name: c, image: 'busybox:1.36', command: [sleep, infinity], {container}}}]"
    );
    cluster.apply(None, &spec);
    cluster.warned("FailedScheduling");

    cluster.first_is(CauseId::Unschedulable, &["default/app", named]);
}

#[test]
fn a_claim_that_is_not_there() {
    let cluster = Cluster::mine();
    cluster.apply(
        None,
        &format!(
            "volumes: [{{name: v, persistentVolumeClaim: {{claimName: no-such-claim}}}}], {SLEEPER}"
        ),
    );
    cluster.warned("FailedScheduling");

    cluster.first_is(CauseId::Unschedulable, &["no-such-claim", "claim"]);
}

#[test]
fn the_node_it_is_pinned_to_refuses_it() {
    let cluster = Cluster::mine();
    let spec = "containers: [{name: c, image: 'busybox:1.36', command: [sleep, infinity], resources: {requests: {cpu: '1000'}}}]";
    cluster.apply(Some(&cluster.worker()), spec);
    cluster.until("a refusal", |cluster| {
        cluster.get(&["pod", "app"])["status"]["reason"] == "OutOfcpu"
    });

    cluster.first_is(
        CauseId::Unschedulable,
        &["OutOfcpu", &cluster.worker(), "default/app"],
    );
}

#[rstest]
#[case::pull("image: 'localhost:1/none:1'", &["ErrImagePull", "ImagePullBackOff"], "cannot reach the registry")]
#[case::never("image: 'none:1', imagePullPolicy: Never", &["ErrImageNeverPull"], "imagePullPolicy is Never")]
#[case::name("image: 'NO_NAME!'", &["InvalidImageName"], "not an image reference")]
fn an_image_that_cannot_be_had(#[case] image: &str, #[case] reasons: &[&str], #[case] why: &str) {
    let cluster = Cluster::mine();
    cluster.apply(
        Some(&cluster.worker()),
        &format!("containers: [{{name: web, {image}}}]"),
    );
    cluster.container(reasons);

    cluster.first_is(
        CauseId::ImagePull,
        &["container web", &cluster.worker(), why],
    );
}

#[rstest]
#[case::not_there("[no-such-program]", &["RunContainerError", "StartError", "CrashLoopBackOff"], CauseId::CommandNotFound, "executable file not found")]
#[case::shell("[sh, -c, no-such-program]", &["CrashLoopBackOff"], CauseId::CommandNotFound, "exit code 127")]
#[case::crash("[sh, -c, 'echo no database; exit 3']", &["CrashLoopBackOff"], CauseId::CrashLoop, "no database")]
#[case::end("['true']", &["CrashLoopBackOff"], CauseId::CrashLoop, "has to last")]
fn a_container_that_does_not_last(
    #[case] command: &str,
    #[case] reasons: &[&str],
    #[case] cause: CauseId,
    #[case] named: &str,
) {
    let cluster = Cluster::mine();
    let spec = format!(
        "containers: [{{name: c, image: 'busybox:1.36', imagePullPolicy: IfNotPresent, command: {command}}}]"
    );
    cluster.apply(Some(&cluster.worker()), &spec);
    cluster.container(reasons);

    cluster.first_is(cause, &["container c", named]);
}

#[test]
fn a_container_that_the_runtime_cannot_make() {
    let cluster = Cluster::mine();
    let spec = "volumes: [{name: v, emptyDir: {}}], containers: [{name: c, image: 'busybox:1.36', imagePullPolicy: IfNotPresent, command: [sleep, infinity], volumeMounts: [{name: v, mountPath: /proc/here}]}]";
    cluster.apply(Some(&cluster.worker()), spec);
    cluster.container(&[
        "RunContainerError",
        "CreateContainerError",
        "StartError",
        "CrashLoopBackOff",
    ]);

    cluster.first_is(CauseId::ContainerCreate, &["container c", "/proc"]);
}

#[rstest]
#[case::variable(
    "containers: [{name: c, image: 'busybox:1.36', imagePullPolicy: IfNotPresent, command: [sleep, infinity], env: [{name: A, valueFrom: {configMapKeyRef: {name: no-such-map, key: a}}}]}]",
    "no-such-map",
    None
)]
#[case::volume(
    "volumes: [{name: v, secret: {secretName: no-such-secret}}], containers: [{name: c, image: 'busybox:1.36', imagePullPolicy: IfNotPresent, command: [sleep, infinity], volumeMounts: [{name: v, mountPath: /v}]}]",
    "no-such-secret",
    Some("FailedMount")
)]
fn an_object_that_is_not_there(
    #[case] spec: &str,
    #[case] object: &str,
    #[case] event: Option<&str>,
) {
    let cluster = Cluster::mine();
    cluster.apply(Some(&cluster.worker()), spec);
    match event {
        Some(event) => cluster.warned(event),
        None => cluster.container(&["CreateContainerConfigError"]),
    }

    cluster.first_is(
        CauseId::ObjectMissing,
        &["default/app", object, "kubectl -n default create"],
    );
}

#[test]
fn a_readiness_probe_that_fails() {
    let cluster = Cluster::mine();
    let spec = "containers: [{name: c, image: 'busybox:1.36', imagePullPolicy: IfNotPresent, command: [sleep, infinity], readinessProbe: {periodSeconds: 1, exec: {command: [cat, /ready]}}}]";
    cluster.apply(Some(&cluster.worker()), spec);
    cluster.warned("Unhealthy");

    cluster.first_is(CauseId::ProbeFails, &["container c", "/ready"]);
}
