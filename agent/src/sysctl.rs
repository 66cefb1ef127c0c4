//! The sysctls that routing between pods needs, and no others. Each is read first and written only if wrong.
//!
//! | sysctl | why |
//! |---|---|
//! | `net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding` | a node routes between its pods and the others |
//! | `net.ipv6.conf.UPLINK.accept_ra` 1 → 2 | with forwarding on, 1 drops the default route that a router advertised |
//! | `net.ipv4.conf.{all,BRIDGE}.send_redirects` | pods of one node talk through the gateway on purpose |
//! | `net.ipv4.conf.{UPLINK,VXLAN}.rp_filter` 1 → 2, with a tunnel | a pod reaches another *node* over the underlay and is answered through the tunnel; strict filtering (RFC 3704) drops the answer |
//!
//! In an unprivileged container `/proc/sys` is read-only. Values that are already right need no write; for the others,
//! mount the node's `/proc/sys/net` elsewhere and name it with `--sysctl-dir`. (Every mount of it shows the network
//! namespace of the reading process, and CAP_NET_ADMIN suffices to write.)
use std::fs;
use std::path::PathBuf;

use flatnet_netlink::route::Family;

use crate::desired::Desired;
use crate::diff::Devices;
use crate::error::file;
use crate::pass::Pass;
use crate::{Error, Result};

/// The usual place of the network sysctls.
pub(crate) const PROC: &str = "/proc/sys/net";

/// The sysctls of one network namespace.
#[derive(Clone, Debug)]
pub struct Sysctl {
    root: PathBuf,
}

impl Sysctl {
    /// `root`: `/proc/sys/net`, or another mount of it.
    pub fn new(root: PathBuf) -> Self {
        Sysctl { root }
    }

    /// Enables forwarding on this node.
    ///
    /// # Errors
    /// Forwarding is off and cannot be switched on.
    pub(crate) fn ensure_forwarding(
        &self,
        desired: &Desired,
        uplink: &str,
        pass: &mut Pass,
    ) -> Result<()> {
        if desired.has_pods(Family::V4) {
            self.ensure("ipv4/ip_forward", |now| (now == "0").then_some("1"), pass)?;
        }
        if desired.has_pods(Family::V6) {
            self.ensure(
                &format!("ipv6/conf/{uplink}/accept_ra"),
                |now| (now == "1").then_some("2"),
                pass,
            )?;
            self.ensure(
                "ipv6/conf/all/forwarding",
                |now| (now == "0").then_some("1"),
                pass,
            )?;
        }
        Ok(())
    }

    /// Sets the remaining sysctls; each failure is recorded and does not stop the others.
    pub(crate) fn ensure_redirects_and_rp_filter(&self, devices: &Devices, pass: &mut Pass) {
        for dev in ["all", &devices.bridge.name] {
            let key = format!("ipv4/conf/{dev}/send_redirects");
            let outcome = self.ensure(&key, |now| (now != "0").then_some("0"), pass);
            pass.record(outcome);
        }
        let Some(vxlan) = &devices.vxlan else { return };
        for dev in [&devices.uplink.name, &vxlan.name] {
            let outcome = self.loosen_rp_filter(dev, pass);
            pass.record(outcome);
        }
    }

    /// The kernel uses the larger of `all` and the device's own value: 0 off, 1 strict, 2 loose.
    fn loosen_rp_filter(&self, dev: &str, pass: &mut Pass) -> Result<()> {
        let all = self.read("ipv4/conf/all/rp_filter")?;
        let strict = |own: &str| (own == "1" || (own == "0" && all == "1")).then_some("2");
        self.ensure(&format!("ipv4/conf/{dev}/rp_filter"), strict, pass)
    }

    /// Writes what `correct` returns for the current value; `None` leaves it.
    fn ensure(
        &self,
        key: &str,
        correct: impl FnOnce(&str) -> Option<&'static str>,
        pass: &mut Pass,
    ) -> Result<()> {
        let now = self.read(key)?;
        if let Some(wanted) = correct(&now) {
            let path = self.path(key);
            fs::write(&path, wanted).map_err(|cause| Error::Sysctl {
                path,
                wanted,
                cause,
            })?;
            pass.changed(format_args!("sysctl net/{key}: {now} -> {wanted}"));
        }
        Ok(())
    }

    fn read(&self, key: &str) -> Result<String> {
        let path = self.path(key);
        let text = fs::read_to_string(&path).map_err(file("read", &path))?;
        Ok(text.trim_end().to_owned())
    }

    /// Keys use slashes, because interface names may contain dots.
    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }
}

impl Default for Sysctl {
    fn default() -> Self {
        Sysctl::new(PathBuf::from(PROC))
    }
}
