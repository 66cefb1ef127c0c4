//! What a manifest may ask for and the lab cannot do.
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// Fields that would change what runs, and that the lab has no counterpart of.
pub(super) fn in_pod(spec: &PodSpec) -> Vec<String> {
    let security = spec.security_context.as_ref();
    let fields = [
        (
            "volumes",
            spec.volumes.as_ref().is_some_and(|v| !v.is_empty()),
        ),
        (
            "initContainers",
            spec.init_containers.as_ref().is_some_and(|v| !v.is_empty()),
        ),
        (
            "ephemeralContainers",
            spec.ephemeral_containers
                .as_ref()
                .is_some_and(|v| !v.is_empty()),
        ),
        ("hostPID", spec.host_pid == Some(true)),
        ("hostIPC", spec.host_ipc == Some(true)),
        (
            "shareProcessNamespace",
            spec.share_process_namespace == Some(true),
        ),
        (
            "hostAliases",
            spec.host_aliases.as_ref().is_some_and(|v| !v.is_empty()),
        ),
        ("dnsConfig", spec.dns_config.is_some()),
        ("runtimeClassName", spec.runtime_class_name.is_some()),
        (
            "readinessGates",
            spec.readiness_gates.as_ref().is_some_and(|v| !v.is_empty()),
        ),
        (
            "activeDeadlineSeconds",
            spec.active_deadline_seconds.is_some(),
        ),
        (
            "securityContext.runAsUser",
            security
                .and_then(|s| s.run_as_user)
                .is_some_and(|user| user != 0),
        ),
        (
            "securityContext.runAsNonRoot",
            security.and_then(|s| s.run_as_non_root) == Some(true),
        ),
        (
            "securityContext.sysctls",
            security
                .and_then(|s| s.sysctls.as_ref())
                .is_some_and(|v| !v.is_empty()),
        ),
    ];
    let used = fields.into_iter().filter(|(_, used)| *used);
    used.map(|(field, _)| format!("spec.{field} is not supported in the lab"))
        .collect()
}

/// The same of a container.
pub(super) fn in_container(container: &Container) -> Vec<String> {
    let security = container.security_context.as_ref();
    let fields = [
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
        ("lifecycle", container.lifecycle.is_some()),
        (
            "volumeMounts",
            container
                .volume_mounts
                .as_ref()
                .is_some_and(|v| !v.is_empty()),
        ),
        (
            "volumeDevices",
            container
                .volume_devices
                .as_ref()
                .is_some_and(|v| !v.is_empty()),
        ),
        (
            "envFrom",
            container.env_from.as_ref().is_some_and(|v| !v.is_empty()),
        ),
        ("restartPolicy", container.restart_policy.is_some()),
        (
            "securityContext.runAsUser",
            security
                .and_then(|s| s.run_as_user)
                .is_some_and(|user| user != 0),
        ),
        (
            "securityContext.runAsNonRoot",
            security.and_then(|s| s.run_as_non_root) == Some(true),
        ),
        (
            "securityContext.readOnlyRootFilesystem",
            security.and_then(|s| s.read_only_root_filesystem) == Some(true),
        ),
    ];
    let used = fields.into_iter().filter(|(_, used)| *used);
    used.map(|(field, _)| {
        format!(
            "container {}: {field} is not supported in the lab",
            container.name
        )
    })
    .collect()
}
