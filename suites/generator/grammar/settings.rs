//! sysctls, and files of the CNI.
use flatnet_model::cause::CauseId as C;

use super::{Draw, Drawn, Truth, step};
use crate::ground::Spot;

pub(super) fn sysctl(draw: &mut Draw<'_>) -> Drawn {
    let family = draw.family();
    let node = draw.node();
    let outside = Spot::Node(node);
    let pod = draw.pod_of(node, true);
    let inside = Spot::Pod(pod);
    let vxlan = draw.ground.vxlan.clone();
    let mut uncovered = None;
    let (spot, key, value, back) = match draw.dice.below(7) {
        0 => {
            let key = family.of(["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]);
            (outside, key.to_owned(), 0, 1)
        }
        // The kernel forwards IPv6 by its one switch: those of interfaces say whether they behave as a router's.
        1 => {
            let device = draw.dice.word(&["cni0", "eth0"]);
            (outside, format!("net.ipv4.conf.{device}.forwarding"), 0, 1)
        }
        2 => (
            outside,
            format!("net.ipv4.conf.{}.forwarding", vxlan?),
            0,
            1,
        ),
        3 => {
            let (spot, device) = match draw.dice.below(3) {
                0 => (inside, "eth0"),
                1 => (outside, "cni0"),
                _ => (outside, "all"),
            };
            if !family.is_v6 {
                return None;
            }
            (spot, format!("net.ipv6.conf.{device}.disable_ipv6"), 1, 0)
        }
        4 => {
            let key = family.of([
                "net.ipv4.icmp_echo_ignore_all",
                "net.ipv6.icmp.echo_ignore_all",
            ]);
            let spot = draw.dice.word(&[inside, outside]);
            (spot, key.to_owned(), 1, 0)
        }
        5 => return asymmetric(draw, node),
        _ => {
            let device = draw.dice.word(&["all", "eth0", "cni0"]);
            (outside, format!("net.ipv4.conf.{device}.rp_filter"), 1, 0)
        }
    };
    if key.ends_with("echo_ignore_all") && spot == outside {
        uncovered = Some("a node that does not answer pings breaks no promise about pods");
    }
    let culprits = vec![spot];
    let truth = Truth {
        culprits,
        causes: vec![
            C::ForwardingOff,
            // Where packets come in by the underlay and answers leave by the tunnel, strict `rp_filter` ends them.
            C::ReversePathFilter,
            C::CountedDrop,
            C::AddressNotHeld,
            C::GatewayAddressMissing,
            C::DefaultRouteMissing,
            C::Ipv6Off,
            C::RouteMissing,
            C::RouteRefuses,
            C::RoutedAway,
            C::NeighbourUnresolved,
        ],
        keys: vec![key.trim_start_matches("net.").to_owned()],
        uncovered,
        may: &["bridge", "gateway", "node-routes", "pod-ip-present"],
        ..Truth::default()
    };
    let set = |value: u8| format!("sysctl -qw {key}={value}");
    Some((vec![step(spot, set(value), set(back))], truth))
}

/// Strict `rp_filter`, and a route back to a source that leads out of another device than packets come in by.
fn asymmetric(draw: &mut Draw<'_>, node: usize) -> Drawn {
    let to = draw.other_node(node);
    let far = draw.pod_of(to, true);
    let ip = draw.ground.pods[far].ips[0];
    let spot = Spot::Node(node);
    let plant = format!(
        "sysctl -qw net.ipv4.conf.all.rp_filter=1; ip link add other0 type veth peer name other1 && ip link set other1 up && ip link set other0 up && \
         ip route add {ip}/32 dev other0"
    );
    let undo = "ip link del other0; sysctl -qw net.ipv4.conf.all.rp_filter=0";
    let truth = Truth {
        culprits: vec![spot],
        causes: vec![
            C::ReversePathFilter,
            C::SentAway,
            C::RoutedAway,
            C::PartRoutedElsewhere,
            C::CountedDrop,
        ],
        may: &["node-routes"],
        ..Truth::default()
    };
    Some((vec![step(spot, plant, undo)], truth))
}

/// Configurations and plugins that pods to come would need.
pub(super) fn file(draw: &mut Draw<'_>) -> Drawn {
    let spot = Spot::Node(draw.node());
    let conf = "/etc/cni/net.d";
    let bin = "/opt/cni/bin";
    let (plant, undo, causes) = match draw.dice.below(4) {
        0 => {
            let plugin = draw.dice.word(&["calico", "bridge", "weave-net"]);
            let plant = format!(
                "printf '{{\"cniVersion\":\"1.0.0\",\"name\":\"other\",\"plugins\":[{{\"type\":\"{plugin}\"}}]}}' > {conf}/05-other.conflist"
            );
            let causes = vec![C::TwoConflists, C::PluginMissing, C::ConflistDiffers];
            (plant, format!("rm {conf}/05-other.conflist"), causes)
        }
        1 => (
            format!("mv {bin}/flatnet-cni /run/flatnet-cni.away"),
            format!("mv /run/flatnet-cni.away {bin}/flatnet-cni"),
            vec![C::PluginMissing],
        ),
        2 => (
            format!("chmod 644 {bin}/flatnet-cni"),
            format!("chmod 755 {bin}/flatnet-cni"),
            vec![C::PluginMissing],
        ),
        _ => (
            format!("mkdir -p /run/away; mv {conf}/* /run/away/"),
            format!("mv /run/away/* {conf}/"),
            vec![C::NoConflist, C::ConflistDiffers],
        ),
    };
    let truth = Truth {
        culprits: vec![spot],
        causes,
        must: &["cni-config"],
        may: &["cni-config"],
        ..Truth::default()
    };
    Some((vec![step(spot, plant, undo)], truth))
}
