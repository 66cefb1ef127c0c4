//! The configuration that is asked for, decided before anything is changed.
use std::collections::BTreeMap;

use super::{Order, args_for, ranges};
use crate::cni::lab_change::Config;
use crate::cni::{Choice, Wanted};
use crate::config::Provider;
use crate::{Error, Result};

/// What a person asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) order: &'a Order,
    pub(super) to: &'a Wanted,
    pub(super) from: Option<&'a Wanted>,
}

impl Asked<'_> {
    /// Whether a cluster has what `--from` says.
    ///
    /// # Errors
    /// [`Error::Input`] where it has something else.
    pub(super) fn agrees(&self, cluster: &str, has: &Wanted) -> Result<()> {
        match self.from {
            Some(from) if from.as_given() != has.as_given() => Err(Error::Input(format!(
                "--from {from}: {cluster} has {has}; leave --from out"
            ))),
            _ => Ok(()),
        }
    }
}

/// The configuration that is asked for, with the ranges that the lab has where no others are wanted.
pub(super) fn config(asked: &Asked<'_>, from: &Config) -> Result<Config> {
    let order = asked.order;
    let mut to = asked.to.clone();
    if to.is_flatnet() && from.brings_portmap() {
        let portmap = to.options.entry("portmap".to_owned());
        portmap.or_insert_with(|| "on".to_owned());
    }
    let to = &to;
    let mut args = args_for(&order.run, to, order.to_cni_bin.as_deref());
    let choice = Choice::parse(&args)?;
    let mask = to.mask().map_err(Error::Input)?;
    let network = to.pod_network().map_err(Error::Input)?;
    if network.is_none() && mask.is_none() {
        let (network, cidrs) = (from.pod_network.clone(), from.pod_cidrs.clone());
        return Config::new(to.clone(), &choice, network, cidrs);
    }
    args.nodes = u16::try_from(from.pod_cidrs.len()).ok();
    args.pod_cidr = network.unwrap_or_else(|| from.pod_network.clone());
    args.ip_family = Some(family(&args.pod_cidr)?);
    args.lab.node_cidr_mask = mask.or(args.lab.node_cidr_mask);
    let (network, nodes) = ranges(&args)?;
    let cidrs = nodes.into_iter().map(|node| (node.name, node.pod_cidrs));
    let cidrs: BTreeMap<String, Vec<ipnet::IpNet>> = cidrs.collect();
    if cidrs.keys().ne(from.pod_cidrs.keys()) {
        return Err(Error::Input(format!(
            "--to {to}: nodes of the lab are not named node1, node2, …: their ranges cannot be changed"
        )));
    }
    Config::new(to.clone(), &choice, network, cidrs)
}

/// What is asked for of a cluster behind an API.
///
/// # Errors
/// [`Error::Input`] for what only a lab can do, or no CNI at all.
pub(super) fn of_cluster(order: &Order, to: &Wanted) -> Result<Choice> {
    to.check_for_api("--to")?;
    let mut args = args_for(&order.run, to, None);
    // A manifest is one on any cluster with an API.
    args.provider = Some(Provider::Kind);
    Choice::parse(&args)
}

fn family(ranges: &[ipnet::IpNet]) -> Result<flatnet_model::IpFamily> {
    let has = |v4: bool| ranges.iter().any(|range| range.addr().is_ipv4() == v4);
    let word = match (has(true), has(false)) {
        (true, true) => "dual",
        (false, true) => "ipv6",
        _ => "ipv4",
    };
    let family: std::result::Result<_, _> = word.parse();
    family.map_err(|e: flatnet_model::network::UnknownWord| Error::Input(e.to_string()))
}
