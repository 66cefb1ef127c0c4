//! What goes on to kubeadm and containerd: feature gates, the API's runtime configuration, and patches.
use serde_yaml::Value;

use super::networking::Masks;
use super::walk::{Fields, Findings, Spot};
use flatnet_model::nearest::nearest;

/// Objects that kind generates; a patch for any other changes nothing, and kind does not say so.
const KINDS: [&str; 5] = [
    "ClusterConfiguration",
    "InitConfiguration",
    "JoinConfiguration",
    "KubeletConfiguration",
    "KubeProxyConfiguration",
];

/// `featureGates` and `runtimeConfig`.
pub(super) fn check_gates(fields: &mut Fields<'_>, found: &mut Findings) {
    if let Some(gates) = fields.take("featureGates") {
        for (_, gate) in gates.entries(found) {
            gate.flag(found);
        }
    }
    if let Some(config) = fields.take("runtimeConfig") {
        for (_, value) in config.entries(found) {
            value.text(found);
        }
    }
}

/// `kubeadmConfigPatches` and `kubeadmConfigPatchesJSON6902`, of the cluster or of a node.
pub(super) fn check_patches(fields: &mut Fields<'_>, found: &mut Findings) -> Masks {
    let mut masks = Masks::Default;
    let mut note = |text: &str| {
        if text.contains("node-cidr-mask-size") {
            masks = Masks::Patched;
        }
    };
    if let Some(patches) = fields.take("kubeadmConfigPatches") {
        for (spot, text) in patches.texts(found) {
            note(text);
            if let Some(patch) = inner(&spot, text, found) {
                kind_of(&spot, patch.get("kind").and_then(Value::as_str), found);
            }
        }
    }
    if let Some(patches) = fields.take("kubeadmConfigPatchesJSON6902") {
        for spot in patches.items(found) {
            json_patch(&spot, &mut note, found);
        }
    }
    masks
}

/// `containerdConfigPatches` (TOML) and `containerdConfigPatchesJSON6902` (YAML or JSON).
pub(super) fn check_containerd(fields: &mut Fields<'_>, found: &mut Findings) {
    if let Some(patches) = fields.take("containerdConfigPatches") {
        patches.texts(found);
    }
    if let Some(patches) = fields.take("containerdConfigPatchesJSON6902") {
        for (spot, text) in patches.texts(found) {
            operations(&spot, text, found);
        }
    }
}

fn json_patch(spot: &Spot<'_>, note: &mut impl FnMut(&str), found: &mut Findings) {
    let Some(mut fields) = spot.fields(found) else {
        return;
    };
    for key in ["group", "version"] {
        if let Some(spot) = fields.take(key) {
            spot.text(found);
        }
    }
    match fields.take("kind") {
        None => kind_of(spot, None, found),
        Some(spot) => {
            if let Some(kind) = spot.text(found) {
                kind_of(&spot, Some(kind), found);
            }
        }
    }
    match fields.take("patch") {
        None => found.add(fields.path_of("patch"), "is missing"),
        Some(spot) => {
            if let Some(text) = spot.text(found) {
                note(text);
                operations(&spot, text, found);
            }
        }
    }
    fields.finish(found);
}

fn kind_of(spot: &Spot<'_>, kind: Option<&str>, found: &mut Findings) {
    match kind {
        None => found.add(
            spot.path(),
            format!(
                "names no `kind`, so it would change nothing; write one of {}",
                KINDS.join(", ")
            ),
        ),
        Some(kind) if !KINDS.contains(&kind) => {
            let hint = match nearest(kind, &KINDS) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("kind generates {}", KINDS.join(", ")),
            };
            found.add(
                spot.path(),
                format!("would change nothing: {kind:?} is no object of kind's; {hint}"),
            );
        }
        Some(_) => {}
    }
}

/// A list of operations, RFC 6902.
fn operations(spot: &Spot<'_>, text: &str, found: &mut Findings) {
    if let Some(patch) = inner(spot, text, found)
        && !patch.is_sequence()
    {
        found.add(
            spot.path(),
            "is not a list of operations (RFC 6902), each with op and path",
        );
    }
}

/// A document within the document.
fn inner(spot: &Spot<'_>, text: &str, found: &mut Findings) -> Option<Value> {
    match serde_yaml::from_str(text) {
        Ok(value) => Some(value),
        Err(e) => {
            found.add(
                spot.path(),
                format!("not YAML, counted from its own first line: {e}"),
            );
            None
        }
    }
}
