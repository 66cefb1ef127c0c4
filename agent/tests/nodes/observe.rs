//! What a namespace looks like to programs that did not do the work.
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use serde_json::Value;

use crate::wire::Ns;

impl Ns {
    pub(crate) fn json(&self, command: &str) -> Value {
        let text = self.run(command);
        // `ip -j` prints nothing at all where there is nothing.
        if text.trim().is_empty() {
            Value::Array(vec![])
        } else {
            serde_json::from_str(&text).unwrap()
        }
    }

    /// Routes with our protocol number, main table, both families, as `DST via GATEWAY dev DEV [onlink]`, sorted.
    pub(crate) fn our_routes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for family in ["-4", "-6"] {
            for r in self
                .json(&format!("ip -j {family} route show proto 102"))
                .as_array()
                .unwrap()
            {
                let text = |key: &str| r[key].as_str().unwrap_or("-").to_owned();
                let onlink = r["flags"].as_array().unwrap().contains(&"onlink".into());
                let onlink = if onlink { " onlink" } else { "" };
                found.push(format!(
                    "{} via {} dev {}{onlink}",
                    text("dst"),
                    text("gateway"),
                    text("dev")
                ));
            }
        }
        found.sort();
        found
    }

    /// Every route to `dst`, whatever its protocol.
    pub(crate) fn routes_to(&self, dst: &str) -> Vec<String> {
        let family = if dst.contains(':') { "-6" } else { "-4" };
        let routes = self.run(&format!("ip {family} route show {dst}"));
        routes.lines().map(|l| l.trim().to_owned()).collect()
    }

    /// Permanent neighbours on a device: (address, MAC), sorted.
    pub(crate) fn neighbours(&self, dev: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for family in ["-4", "-6"] {
            let entries = self.json(&format!(
                "ip -j {family} neigh show dev {dev} nud permanent"
            ));
            found.extend(
                entries
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|n| (word(&n["dst"]), word(&n["lladdr"]))),
            );
        }
        found.sort();
        found
    }

    /// FDB of the tunnel: (MAC, VTEP), sorted.
    pub(crate) fn fdb(&self, dev: &str) -> Vec<(String, String)> {
        let entries = self.json(&format!("bridge -j fdb show dev {dev}"));
        let with_dst = entries
            .as_array()
            .unwrap()
            .iter()
            .filter(|e| e["dst"].is_string());
        let mut found: Vec<_> = with_dst
            .map(|e| (word(&e["mac"]), word(&e["dst"])))
            .collect();
        found.sort();
        found
    }

    /// `ip -d link show` of a device.
    pub(crate) fn device(&self, dev: &str) -> Value {
        self.json(&format!("ip -j -d link show {dev}"))[0].clone()
    }

    pub(crate) fn has_device(&self, dev: &str) -> bool {
        self.try_run(&format!("ip link show {dev}"))
            .status
            .success()
    }

    /// Addresses of a device, with prefix lengths, in the kernel's order.
    pub(crate) fn addresses(&self, dev: &str) -> Vec<String> {
        let all = self.json(&format!("ip -j addr show dev {dev}"));
        let infos = all[0]["addr_info"].as_array().unwrap();
        infos
            .iter()
            .map(|a| format!("{}/{}", word(&a["local"]), a["prefixlen"]))
            .collect()
    }

    /// Everything that a pass could change, as text. A table that is written again has new handles.
    pub(crate) fn snapshot(&self) -> String {
        [
            "ip -d link show type vxlan",
            "ip -o addr",
            "ip -4 route show table all",
            "ip -6 route show table all",
            "ip neigh show nud permanent",
            "bridge fdb",
            "nft -a list ruleset",
        ]
        .map(|command| self.run(command))
        .join("\n")
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

/// Counts changes of addresses, routes, neighbours and FDB entries in a namespace.
pub(crate) struct Events(OwnedFd);

/// RTMGRP_NEIGH, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE of linux/rtnetlink.h.
const GROUPS: u32 = 0x4 | 0x10 | 0x40 | 0x100 | 0x400;

impl Events {
    pub(crate) fn open(ns: &Ns) -> Self {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let open = || {
            socket(
                AddressFamily::Netlink,
                SockType::Raw,
                flags,
                SockProtocol::NetlinkRoute,
            )
        };
        let fd = ns.within(open).unwrap();
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS)).unwrap();
        Events(fd)
    }

    /// How many messages came since the last call. The kernel queues them before a write returns.
    pub(crate) fn heard(&self) -> usize {
        let mut buffer = [0; 8192];
        let mut count = 0;
        loop {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(_) => count += 1,
                Err(Errno::EAGAIN) => return count,
                Err(error) => panic!("{error}"),
            }
        }
    }
}
