//! Faults of CNI configurations and plugins on nodes.
use flatnet_model::cause::CauseId as C;

use super::Fault;
use crate::plant::Who::Node;
use crate::plant::says::{may_be, seen};
use crate::plant::shell::node;

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "no-conflist",
        "node2 has no CNI configuration",
        &[node(2, "rm /etc/cni/net.d/*")],
        &[seen(
            &["cni-config"],
            &[Node(2)],
            C::NoConflist,
            &[("node", "node2")],
        )],
    ),
    Fault::shell(
        "conflist-malformed",
        "the CNI configuration of node3 does not parse",
        &[node(
            3,
            "printf '{\"cniVersion\":' > /etc/cni/net.d/10-flatnet.conflist",
        )],
        &[seen(
            &["cni-config"],
            &[Node(3)],
            C::ConflistMalformed,
            &[("file", "10-flatnet.conflist"), ("node", "node3")],
        )],
    ),
    Fault::shell(
        "conflist-version",
        "the CNI configuration of node2 has a version that its plugin does not \
             speak",
        &[node(
            2,
            "sed -i 's/\"cniVersion\": *\"[^\"]*\"/\"cniVersion\":\"9.9.9\"/' \
             /etc/cni/net.d/10-flatnet.conflist",
        )],
        &[may_be(
            &["cni-config"],
            &[Node(2)],
            C::CniVersion,
            &[("file", "10-flatnet.conflist"), ("node", "node2")],
        )],
    ),
    Fault::shell(
        "conflist-differs",
        "node3 has a CNI configuration of another network",
        &[node(
            3,
            "sed -i 's/\"name\": *\"[^\"]*\"/\"name\":\"other\"/' \
             /etc/cni/net.d/10-flatnet.conflist",
        )],
        &[may_be(
            &["cni-config"],
            &[Node(3)],
            C::ConflistDiffers,
            &[("nodes.0", "node3")],
        )],
    ),
    Fault::shell(
        "leftover-add-on",
        "node1 keeps a configuration of an add-on whose plugin is gone, and it \
             sorts first",
        &[node(
            1,
            "printf \
             '{\"cniVersion\":\"1.0.0\",\"name\":\"weave\",\"plugins\":[{\"type\":\"weave-net\"}]}' \
             > /etc/cni/net.d/05-weave.conflist",
        )],
        &[
            seen(
                &["cni-config"],
                &[Node(1)],
                C::TwoConflists,
                &[
                    ("node", "node1"),
                    ("shadowed.0", "10-flatnet.conflist"),
                    ("used", "05-weave.conflist"),
                ],
            ),
            seen(
                &["cni-config"],
                &[Node(1)],
                C::PluginMissing,
                &[
                    ("file", "05-weave.conflist"),
                    ("node", "node1"),
                    ("plugins.0", "weave-net"),
                ],
            ),
        ],
    ),
    Fault::shell(
        "plugin-not-executable",
        "the plugin of node2 is not executable",
        &[node(2, "chmod 644 /opt/cni/bin/flatnet-cni")],
        &[seen(
            &["cni-config"],
            &[Node(2)],
            C::PluginMissing,
            &[
                ("file", "10-flatnet.conflist"),
                ("node", "node2"),
                ("plugins.0", "flatnet-cni"),
            ],
        )],
    ),
];
