//! One pass: from the node list to a node that is ready for pods.
use std::path::PathBuf;

use flatnet_netlink::{Nft, Route};

use crate::cluster::Cluster;
use crate::conflist::{CniVersion, PORTMAP};
use crate::desired::{Desired, Settings};
use crate::device::{absent_is_fine, ensure_bridge, ensure_vxlan, remove_other_tunnels};
use crate::diff::{self, Actual, Devices, Step};
use crate::install::{self, PLUGIN};
use crate::node::NodesFile;
use crate::pass::Pass;
use crate::sysctl::Sysctl;
use crate::uplink::Uplink;
use crate::{Error, Result, conflist, foreign, former, masquerade};

/// The container runtime's directories and what goes into them.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Directory of network configurations, `/etc/cni/net.d`.
    pub conf_dir: PathBuf,
    /// Directory of plugins, `/opt/cni/bin`.
    pub bin_dir: PathBuf,
    /// The `flatnet-cni` program to copy into `bin_dir`; `None` if it is already there.
    pub install_plugin: Option<PathBuf>,
    /// `name` of the network in the conflist.
    pub network_name: String,
    /// `cniVersion` of the conflist.
    pub cni_version: CniVersion,
    /// Whether the ports of new pods get hairpin mode.
    pub hairpin: bool,
    /// Whether `portmap` is chained where it is installed.
    pub portmap: bool,
}

impl Runtime {
    /// Whether a runtime could add pods now.
    ///
    /// # Errors
    /// The plugin or the conflist is missing.
    pub(crate) fn complete(&self) -> Result<()> {
        self.has_plugin()?;
        let conflist = conflist::path(&self.conf_dir);
        if conflist.is_file() {
            return Ok(());
        }
        Err(Error::Missing {
            what: "conflist",
            path: conflist,
            remedy: "it is written when the node can network pods",
        })
    }

    fn has_plugin(&self) -> Result<()> {
        if install::has_program(&self.bin_dir, PLUGIN) {
            return Ok(());
        }
        Err(Error::Missing {
            what: "plugin",
            path: self.bin_dir.join(PLUGIN),
            remedy: "install it, or name it with --install-plugin",
        })
    }
}

/// Brings one node to its desired state, as often as [`Reconciler::pass`] is called.
#[derive(Debug)]
pub struct Reconciler {
    node: String,
    settings: Settings,
    runtime: Runtime,
    sysctl: Sysctl,
}

impl Reconciler {
    /// For the node called `node` in the list.
    pub fn new(node: String, settings: Settings, runtime: Runtime, sysctl: Sysctl) -> Self {
        Reconciler {
            node,
            settings,
            runtime,
            sysctl,
        }
    }

    /// Makes the calling thread's network namespace and the runtime's directories match the list.
    ///
    /// A remote node that cannot be served is reported as a failure; it affects neither the other nodes nor this node's
    /// readiness. A problem of this node itself does. An existing conflist always stays, because running pods depend on
    /// it.
    pub fn pass(&mut self, list: &NodesFile) -> Pass {
        let mut pass = Pass::default();
        match self.network(list, &mut pass) {
            Ok(desired) => {
                let outcome = self.install_cni(&desired, &mut pass);
                pass.record(outcome);
                pass.ready = pass.failures.iter().all(Error::is_elsewhere);
            }
            Err(error) => pass.failures.push(error),
        }
        pass
    }

    /// Devices, sysctls, masquerade, routes to the other nodes.
    fn network(&mut self, list: &NodesFile, pass: &mut Pass) -> Result<Desired> {
        let (mut cluster, left_out) = Cluster::new(list, &self.node)?;
        let (new, broken) = left_out.into_iter().partition(Error::is_waiting);
        pass.notices = new;
        pass.failures = broken;
        // New sockets for each pass: passes are rare, and an earlier failure cannot leave anything behind in them.
        let mut kernel = Route::open()?;
        let uplink = Uplink::find(&cluster.own, &kernel.links()?, &kernel.addresses(None)?)?;
        self.keep_former(&mut kernel, &mut cluster, pass)?;
        let (desired, unreachable) = Desired::new(&cluster, &uplink, &self.settings)?;
        pass.failures.extend(unreachable);
        if desired.pod_mtu > desired.fitting_mtu {
            pass.notices.push(Error::MtuTooLarge {
                mtu: desired.pod_mtu,
                fits: desired.fitting_mtu,
            });
        }
        former::make_way(&mut kernel, &desired.bridge, pass)?;
        let bridge = ensure_bridge(&mut kernel, &desired.bridge, pass)?;
        let vxlan = match &desired.vxlan {
            Some(wanted) => Some(ensure_vxlan(&mut kernel, wanted, uplink.index, pass)?),
            None => None,
        };
        let devices = Devices {
            uplink: Devices::uplink(&uplink),
            bridge,
            vxlan,
        };
        self.sysctl
            .ensure_forwarding(&desired, &uplink.name, pass)?;
        self.sysctl.ensure_redirects_and_rp_filter(&devices, pass);
        masquerade::ensure(&mut Nft::open()?, desired.masquerade.as_ref(), pass)?;
        let actual = Actual {
            routes: kernel.routes()?,
            neighbours: kernel.neighbours()?,
            fdb: kernel.fdb()?,
        };
        pass.failures
            .extend(foreign::conflicts(&desired, &devices, &actual.routes));
        for step in diff::steps(&desired, &devices, &actual) {
            let outcome = apply(&mut kernel, step, pass);
            pass.record(outcome);
        }
        // Last, when no route leads into them any more.
        remove_other_tunnels(&mut kernel, devices.vxlan.as_ref(), pass)?;
        Ok(desired)
    }

    /// Notes the podCIDRs that this node had before and whose pods still run: their gateway, and what else they need here, stays.
    fn keep_former(
        &self,
        kernel: &mut Route,
        cluster: &mut Cluster,
        pass: &mut Pass,
    ) -> Result<()> {
        let Some(bridge) = kernel.link(&self.settings.bridge)? else {
            return Ok(());
        };
        let wanted: Vec<_> = cluster.own.gateways().collect();
        let addresses = kernel.addresses(Some(bridge.index))?;
        if addresses.iter().all(|one| wanted.contains(&one.net)) {
            return Ok(());
        }
        let found = former::in_use(bridge.index, &addresses, &kernel.neighbours()?, &wanted);
        cluster.former = found.iter().map(|one| one.gateway).collect();
        let notices = found.into_iter().map(|one| Error::CarriedOver {
            bridge: bridge.name.clone(),
            gateway: one.gateway,
            pods: one.pods,
        });
        pass.notices.extend(notices);
        Ok(())
    }

    /// Plugin first, then conflist: once the conflist is there, the runtime adds pods.
    fn install_cni(&self, desired: &Desired, pass: &mut Pass) -> Result<()> {
        let Runtime {
            conf_dir,
            bin_dir,
            install_plugin,
            network_name,
            cni_version,
            hairpin,
            portmap,
        } = &self.runtime;
        if let Some(source) = install_plugin
            && install::install_plugin(source, bin_dir)?
        {
            pass.changed(format_args!(
                "plugin {}: installed",
                bin_dir.join(PLUGIN).display()
            ));
        }
        self.runtime.has_plugin()?;
        // Checked at every pass: portmap may be installed later, and must not be listed once it has been removed.
        let installed = install::has_program(bin_dir, PORTMAP);
        if *portmap && !installed {
            pass.notices.push(Error::NoPortmap {
                path: bin_dir.join(PORTMAP),
            });
        }
        let chained = *portmap && installed;
        let mut cni_version = *cni_version;
        if chained
            && cni_version == CniVersion::V1_1_0
            && !install::supports(&bin_dir.join(PORTMAP), "1.1.0")
        {
            // A runtime asks every plugin of a chain for its STATUS from 1.1.0 on, and one that does not know it makes the node unready.
            cni_version = CniVersion::V1_0_0;
            let path = bin_dir.join(PORTMAP);
            pass.notices.push(Error::OldPortmap { path });
        }
        let list = conflist::List {
            network: network_name,
            cni_version,
            hairpin: *hairpin,
            portmap: chained,
        };
        let content = conflist::render(desired, &list);
        if conflist::ensure(conf_dir, &content)? {
            let path = conflist::path(conf_dir);
            let chain = if chained { " with portmap" } else { "" };
            pass.changed(format_args!("conflist {}: written{chain}", path.display()));
        }
        Ok(())
    }
}

fn apply(kernel: &mut Route, step: Step, pass: &mut Pass) -> Result<()> {
    let mut outcome = kernel.send(step.write.request());
    if step.write.is_removal() {
        outcome = absent_is_fine(outcome);
    }
    match (outcome, step.node) {
        (Ok(()), _) => {
            pass.changed(format_args!("{}", step.write));
            Ok(())
        }
        (Err(cause), Some(node)) => Err(Error::Node { node, cause }),
        (Err(cause), None) => Err(cause.into()),
    }
}
