//! What listens on the nodes.
use std::net::{IpAddr, Ipv4Addr};

use flatnet_model::kernel::Link;
use flatnet_model::probe::{BoundSocket, Protocol};

use super::findings::Findings;
use flatnet_model::components::ports;
use flatnet_model::inspection::{Fact, Outcome, Source};
use flatnet_model::view::View;

/// Where Docker answers names in a container's namespace, from a process outside (Docker, Networking overview: DNS services).
const ENGINE_RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));
const OF_ENGINE_RESOLVER: &str =
    "the container engine's name resolver: this node is a container, and the program is outside it";

pub(in crate::inspect) fn answer(view: &View) -> Outcome {
    let mut findings = Findings::default();
    for (node, inside) in findings.insides(view) {
        let name = &node.object.name;
        let Some(sockets) = findings.observed(name, "sockets", inside.sockets()) else {
            continue;
        };
        let links = inside.facts().map_or(&[][..], |facts| &facts.links);
        for socket in &sockets.bound {
            findings.fact(described(socket, links).on(name));
        }
        if sockets.closed_processes > 0 && sockets.bound.iter().any(|socket| socket.owner.is_none())
        {
            findings.problem(
                Some(name),
                "/proc",
                format!(
                    "{} processes may not be looked at, so some programs are not known",
                    sockets.closed_processes
                ),
            );
        }
    }
    let lab = !view.capabilities.control_plane.is_present();
    findings.outcome(|| if lab {
        "nothing listens on these nodes: the lab has no control plane, no kubelet and no kube-proxy".to_owned()
    } else {
        "nothing listens on these nodes".to_owned()
    })
}

fn described(socket: &BoundSocket, links: &[Link]) -> Fact {
    let port = socket.local.port();
    let protocol = socket.protocol.as_str();
    let is_its = |link: &&Link| link.vxlan.as_ref().is_some_and(|vxlan| vxlan.port == port);
    let tunnel = links
        .iter()
        .find(is_its)
        .filter(|_| socket.protocol == Protocol::Udp);
    let (program, purpose) = match (&socket.owner, tunnel) {
        (Some(owner), _) => {
            let purpose = ports::purpose(socket.protocol, port, &owner.program);
            (Some(owner.program.clone()), purpose.map(str::to_owned))
        }
        (None, Some(link)) => (
            Some("kernel".to_owned()),
            Some(format!(
                "VXLAN: packets for pods of other nodes arrive here, out of {}",
                link.name
            )),
        ),
        (None, None) if socket.local.ip() == ENGINE_RESOLVER => {
            (None, Some(OF_ENGINE_RESOLVER.to_owned()))
        }
        (None, None) => (None, None),
    };
    Fact::new(
        "listener",
        format!("{protocol} {}", socket.local),
        Source::command("netstat -tunlp"),
    )
    .with("port", port)
    .with("protocol", protocol)
    .with("program", program)
    .with("pid", socket.owner.as_ref().map(|owner| owner.pid))
    .with("bound-to", bound_to(socket))
    .with("purpose", purpose)
}

/// The address in a word that says who can reach it.
fn bound_to(socket: &BoundSocket) -> String {
    let ip = socket.local.ip();
    if ip.is_unspecified() {
        "every address".to_owned()
    } else if ip.is_loopback() {
        format!("{ip} (this node only)")
    } else {
        ip.to_string()
    }
}
