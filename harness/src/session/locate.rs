//! The running cluster that `--cluster` names, and what it was made with: that is kept unless the user asks for something else.
use flatnet_lab::LabSpec;
use ipnet::IpNet;

use crate::cni::{self, Given};
use crate::config::{Provider, RunArgs};
use crate::{Error, Result};
use flatnet_cluster::kind::{self, engine::Engine};
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::running::{self, ClusterName, Maker, Running};

/// The label of a lab that has its pod network ranges.
const POD_CIDR: &str = "pod-cidr";

/// A cluster that runs already.
#[derive(Clone, Debug)]
pub struct Existing {
    /// Which.
    pub cluster: Located,
    /// Whether the CNI that it has stays, untouched.
    pub cni_stays: bool,
}

/// What is known of a cluster that runs.
#[derive(Clone, Debug)]
pub enum Located {
    /// What a lab was made from.
    Lab(LabSpec),
    /// A kind cluster.
    Kind {
        /// Its name.
        name: String,
        /// The engine that its nodes are in.
        engine: Engine,
    },
}

/// Finds the cluster that `--cluster` names, if any, and fills in what it decides: who made it, its CNI and the backend.
///
/// # Errors
/// [`Error::Input`] for options that do not fit the provider, a name that no cluster has, or a CNI other than the one the cluster
/// was given.
pub async fn locate(args: &mut RunArgs) -> Result<Option<Existing>> {
    let Some(name) = args.cluster.clone() else {
        args.check_provider()?;
        return Ok(None);
    };
    if args.provider.is_some() {
        args.check_provider()?;
    }
    let name = ClusterName::new(&name);
    let name = match args.provider {
        Some(Provider::Lab) => name.of(Maker::Lab),
        Some(Provider::Kind) => name.of(Maker::Kind),
        Some(Provider::Kubeconfig) | None => name,
    };
    let cluster = running::find().await?.named(&name)?;
    args.provider = Some(match cluster.maker() {
        Maker::Lab => Provider::Lab,
        Maker::Kind => Provider::Kind,
    });
    args.check_provider()?;
    let (located, given) = match cluster.clone() {
        Running::Lab(name) => {
            let spec = LabCluster::connect(&name).await?.info().await?.spec;
            let given = Given::of_lab(&spec);
            (Located::Lab(spec), given)
        }
        Running::Kind { name, engine } => {
            let connection = kind::connection(&engine, &name).await?;
            let given = cni::recorded(&connection.client).await?;
            (Located::Kind { name, engine }, given)
        }
    };
    let cni_stays = match &given {
        Some(given) => keep(args, &cluster, given)?,
        None => false,
    };
    Ok(Some(Existing {
        cluster: located,
        cni_stays,
    }))
}

/// Compares what is asked for with what the cluster was given, which becomes the default. Whether the CNI is left as it is.
fn keep(args: &mut RunArgs, cluster: &Running, given: &Given) -> Result<bool> {
    let on_lab = cluster.maker() == Maker::Lab;
    if on_lab && args.change_cni {
        return Err(Error::Input(format!(
            "--change-cni: {cluster} keeps the CNI it was booted with; boot another lab: flatnet up --cni {} --name NAME",
            args.cni.as_deref().unwrap_or(&given.name)
        )));
    }
    // "none" is whatever is there.
    args.cni = args.cni.take().filter(|cni| cni != "none");
    let asked = args.cni.is_some() || args.backend.is_some();
    if !args.change_cni {
        let other = |option: &str, asked: &str, has: &str| {
            let change = if on_lab {
                "boot another lab with flatnet up --name NAME"
            } else {
                "add --change-cni to replace it"
            };
            Error::Input(format!(
                "{option} {asked}: {cluster} was created with {option} {has}; leave {option} out to keep that, or {change}"
            ))
        };
        if let Some(cni) = args.cni.as_ref().filter(|cni| **cni != given.name) {
            return Err(other("--cni", cni, &given.name));
        }
        if let (Some(backend), Some(has)) = (&args.backend, &given.backend)
            && backend != has
        {
            return Err(other("--backend", backend, has));
        }
        args.cni = Some(given.name.clone());
        args.backend = args.backend.take().or_else(|| given.backend.clone());
        // Those that a change gave it.
        args.cni_options.clone_from(&given.options);
    }
    Ok(on_lab || !(asked || args.change_cni))
}

/// The labels in which a new lab records for later runs what it was created with.
pub(super) fn labels(
    given: &Given,
    pod_network: &[IpNet],
) -> impl Iterator<Item = (String, String)> + use<> {
    let ranges: Vec<String> = pod_network.iter().map(IpNet::to_string).collect();
    let mut labels = vec![
        ("cni".to_owned(), given.name.clone()),
        (POD_CIDR.to_owned(), ranges.join(",")),
    ];
    labels.extend(
        given
            .backend
            .iter()
            .map(|backend| ("backend".to_owned(), backend.clone())),
    );
    labels.into_iter()
}

/// The pod network ranges of a lab that runs; none where an older flatnet made it.
pub(super) fn pod_network(spec: &LabSpec) -> Vec<IpNet> {
    let ranges = spec.labels.get(POD_CIDR).into_iter();
    ranges
        .flat_map(|ranges| ranges.split(','))
        .filter_map(|range| range.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flatnet_model::{IpFamily, Underlay};

    use super::*;

    fn lab(labels: BTreeMap<String, String>) -> LabSpec {
        LabSpec {
            name: "demo".to_owned(),
            nodes: Vec::new(),
            underlay: Underlay::L2,
            mtu: 1500,
            family: IpFamily::Ipv4,
            busybox: None,
            programs: Vec::new(),
            labels,
        }
    }

    /// What a run on a lab with that CNI would have, or why there is none.
    fn kept(line: &str) -> std::result::Result<(String, String), String> {
        let given = Given {
            name: "flatnet".to_owned(),
            backend: Some("vxlan".to_owned()),
            options: BTreeMap::new(),
        };
        let mut args = RunArgs::parse(line.split_whitespace()).unwrap();
        let cluster = Running::Lab("demo".to_owned());
        let stays = keep(&mut args, &cluster, &given).map_err(|e| e.to_string())?;
        assert!(stays);
        Ok((args.cni().to_owned(), args.backend().to_owned()))
    }

    #[test]
    fn what_a_cluster_was_given_is_the_default() {
        let vxlan = Ok(("flatnet".to_owned(), "vxlan".to_owned()));
        for line in ["", "--cni none", "--cni flatnet", "--backend vxlan"] {
            assert_eq!(kept(line), vxlan, "{line}");
        }
    }

    #[test]
    fn something_else_is_refused_with_both_and_what_to_do() {
        assert_eq!(
            kept("--backend auto").unwrap_err(),
            "--backend auto: lab demo was created with --backend vxlan; leave --backend out to keep that, or boot another lab with flatnet up --name NAME"
        );
        assert!(
            kept("--cni reference")
                .unwrap_err()
                .starts_with("--cni reference: lab demo was created with --cni flatnet;")
        );
        assert!(
            kept("--cni reference --change-cni")
                .unwrap_err()
                .contains("keeps the CNI it was booted with")
        );
    }

    #[test]
    fn a_lab_remembers_what_it_was_made_with() {
        let given = Given {
            name: "./my.conflist".to_owned(),
            backend: None,
            options: BTreeMap::new(),
        };
        let ranges: Vec<IpNet> = vec!["10.1.0.0/16".parse().unwrap(), "fd00::/48".parse().unwrap()];
        let spec = lab(labels(&given, &ranges).collect());
        assert_eq!(Given::of_lab(&spec), Some(given));
        assert_eq!(pod_network(&spec), ranges);
    }
}
