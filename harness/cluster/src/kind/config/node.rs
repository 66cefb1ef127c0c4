//! The `nodes` list.
use super::kubeadm;
use super::label;
use super::networking::Masks;
use super::port::Bindings;
use super::walk::{Findings, Spot};

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    ControlPlane,
    Worker,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::ControlPlane => "control-plane",
            Role::Worker => "worker",
        }
    }
}

/// Roles in the order of the list; whether a node's patches change the size of podCIDRs.
pub(super) fn read(list: Option<Spot<'_>>, found: &mut Findings) -> (Vec<Role>, Masks) {
    let items = list.as_ref().map(|list| list.items(found));
    let Some(list) = list.filter(|_| items.as_ref().is_some_and(|items| !items.is_empty())) else {
        // kind's default; what is no list was noted already.
        return (vec![Role::ControlPlane], Masks::Default);
    };
    let mut roles = Vec::new();
    let mut masks = Masks::Default;
    let mut bindings = Bindings::default();
    for item in items.unwrap_or_default() {
        let (role, patched) = node(&item, &mut bindings, found);
        roles.push(role);
        masks = masks.or(patched);
    }
    if roles.iter().all(|role| *role == Some(Role::Worker)) {
        found.add(
            list.path(),
            "no node has the role control-plane; one at least must",
        );
    }
    let roles = roles.into_iter().map(|role| role.unwrap_or(Role::Worker));
    (roles.collect(), masks)
}

/// The role, none where it is no known one.
fn node(spot: &Spot<'_>, bindings: &mut Bindings, found: &mut Findings) -> (Option<Role>, Masks) {
    let Some(mut fields) = spot.fields(found) else {
        return (None, Masks::Default);
    };
    let role = match fields.take("role") {
        None => Some(Role::ControlPlane),
        Some(spot) => spot
            .word(&["control-plane", "worker"], "a role", found)
            .map(|word| {
                if word == "worker" {
                    Role::Worker
                } else {
                    Role::ControlPlane
                }
            }),
    };
    if let Some(spot) = fields.take("image")
        && let Some(image) = spot.text(found)
        && (image.is_empty() || image.contains(char::is_whitespace))
    {
        found.add(
            spot.path(),
            format!("{image:?} is not the name of an image"),
        );
    }
    if let Some(labels) = fields.take("labels") {
        for (key, value) in labels.entries(found) {
            label::check(key, &value, found);
        }
    }
    if let Some(mounts) = fields.take("extraMounts") {
        for item in mounts.items(found) {
            mount(&item, found);
        }
    }
    if let Some(ports) = fields.take("extraPortMappings") {
        for item in ports.items(found) {
            bindings.read(&item, found);
        }
    }
    let masks = kubeadm::check_patches(&mut fields, found);
    fields.finish(found);
    (role, masks)
}

fn mount(spot: &Spot<'_>, found: &mut Findings) {
    let Some(mut fields) = spot.fields(found) else {
        return;
    };
    for (key, absolute) in [("hostPath", false), ("containerPath", true)] {
        let Some(path) = fields.take(key) else {
            found.add(
                fields.path_of(key),
                "is missing; a mount needs hostPath and containerPath",
            );
            continue;
        };
        if let Some(text) = path.text(found) {
            if text.is_empty() {
                found.add(path.path(), "is empty");
            } else if absolute && !text.starts_with('/') {
                found.add(
                    path.path(),
                    format!("{text:?} must begin with /: it is a path in the node"),
                );
            }
        }
    }
    for key in ["readOnly", "selinuxRelabel"] {
        if let Some(spot) = fields.take(key) {
            spot.flag(found);
        }
    }
    if let Some(spot) = fields.take("propagation") {
        spot.word(
            &["None", "HostToContainer", "Bidirectional"],
            "a mount propagation",
            found,
        );
    }
    fields.finish(found);
}
