//! `extraPortMappings`: ports of nodes on this machine.
use std::net::{IpAddr, Ipv4Addr};

use super::networking::address;
use super::walk::{Findings, Spot};

/// Ports taken so far, by every node: they are all ports of one machine.
#[derive(Debug, Default)]
pub(super) struct Bindings(Vec<Binding>);

#[derive(Debug)]
struct Binding {
    address: IpAddr,
    port: i64,
    protocol: String,
    path: String,
}

impl Bindings {
    pub(super) fn read(&mut self, spot: &Spot<'_>, found: &mut Findings) {
        let Some(mut fields) = spot.fields(found) else {
            return;
        };
        match fields.take("containerPort") {
            None => found.add(
                fields.path_of("containerPort"),
                "is missing; it is the port of the node",
            ),
            Some(port) => {
                port.number(1, 65535, found);
            }
        }
        // 0 and -1 leave the choice to kind or to the container engine.
        let port = fields
            .take("hostPort")
            .and_then(|port| port.number(-1, 65535, found));
        let address = match fields.take("listenAddress") {
            None => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            Some(spot) => address(&spot, found),
        };
        let protocol = match fields.take("protocol") {
            None => Some("TCP".to_owned()),
            Some(spot) => protocol(&spot, found),
        };
        fields.finish(found);
        if let (Some(port @ 1..), Some(address), Some(protocol)) = (port, address, protocol) {
            self.bind(
                Binding {
                    address,
                    port,
                    protocol,
                    path: spot.path().to_owned(),
                },
                found,
            );
        }
    }

    fn bind(&mut self, new: Binding, found: &mut Findings) {
        if let Some(old) = self.0.iter().find(|old| old.collides(&new)) {
            found.add(
                &new.path,
                format!(
                    "port {} ({}) of this machine is already taken by {}",
                    new.port, new.protocol, old.path
                ),
            );
        }
        self.0.push(new);
    }
}

impl Binding {
    /// A wildcard takes the port on every address; kind holds `0.0.0.0` and `::` for the same.
    fn collides(&self, other: &Binding) -> bool {
        self.port == other.port
            && self.protocol == other.protocol
            && (self.address == other.address
                || self.address.is_unspecified()
                || other.address.is_unspecified())
    }
}

fn protocol(spot: &Spot<'_>, found: &mut Findings) -> Option<String> {
    const KNOWN: [&str; 3] = ["TCP", "UDP", "SCTP"];
    let text = spot.text(found)?;
    let protocol = text.to_ascii_uppercase();
    if !KNOWN.contains(&protocol.as_str()) {
        found.add(
            spot.path(),
            format!("{text:?} is not a protocol ({})", KNOWN.join(", ")),
        );
        return None;
    }
    Some(protocol)
}
