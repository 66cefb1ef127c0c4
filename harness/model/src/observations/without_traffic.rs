//! Observations of which only nodes and pods are read.
use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::Deserialize;

use super::{
    Change, ControlPlane, Denied, Dial, MtuRun, Observations, Observed, ObservedNode, ObservedPod,
    SeriesRun, Translated,
};
use crate::booted::Booted;
use crate::capabilities::Capabilities;
use crate::covering::Covering;
use crate::follow::Following;
use crate::probe::{ReceivedRequest, RepeatedAnswers};
use crate::reference::Endpoint;

/// [`Observations::without_traffic`], read from the JSON of whole ones: what was sent is skipped as it is read, and never held. With all
/// pairs of 200 pods it is 97 % of the text.
#[derive(Clone, Debug, Deserialize)]
pub struct WithoutTraffic(#[serde(deserialize_with = "Kept::deserialize")] pub Observations);

/// The fields of [`Observations`]: the compiler compares.
#[derive(Deserialize)]
#[serde(remote = "Observations")]
struct Kept {
    nodes: Vec<ObservedNode>,
    pods: Vec<ObservedPod>,
    #[serde(skip)]
    dials: Vec<Dial>,
    #[serde(default)]
    coverage: Covering,
    #[serde(skip)]
    received: BTreeMap<Endpoint, Observed<Vec<ReceivedRequest>>>,
    #[serde(skip)]
    repeated_answers: BTreeMap<Endpoint, Vec<RepeatedAnswers>>,
    #[serde(skip)]
    series: Vec<SeriesRun>,
    #[serde(skip)]
    mtu: Vec<MtuRun>,
    pod_network: Vec<IpNet>,
    #[serde(default)]
    denied: Vec<Denied>,
    #[serde(skip)]
    control_plane: Option<ControlPlane>,
    #[serde(skip)]
    translated: Option<Translated>,
    #[serde(skip)]
    following: Following,
    #[serde(skip)]
    changes: Vec<Change>,
    namespace: String,
    cni: String,
    provider: String,
    #[serde(default)]
    booted: Option<Booted>,
    #[serde(default)]
    capabilities: Capabilities,
}
