//! How pods are called in text for people.
use std::collections::BTreeMap;

use super::Observations;
use crate::PodRef;
use crate::reference::Endpoint;

/// The namespace where none is named.
const DEFAULT: &str = "default";

/// Short names of the observed pods: those of the run's namespace and of `default` go by their bare name, unless another
/// pod has it too; every other pod is `NAMESPACE/NAME`.
#[derive(Clone, Debug)]
pub struct PodNames<'a> {
    /// The run's namespace.
    home: &'a str,
    /// How many pods have that bare name.
    bearers: BTreeMap<&'a str, usize>,
}

impl<'a> PodNames<'a> {
    /// Of all pods that were observed.
    pub fn of(observations: &'a Observations) -> Self {
        let mut bearers = BTreeMap::new();
        for pod in &observations.pods {
            *bearers.entry(pod.reference().name.as_str()).or_default() += 1;
        }
        PodNames {
            home: &observations.namespace,
            bearers,
        }
    }

    /// What a person calls a pod, and may type for it.
    pub fn pod(&self, pod: &PodRef) -> String {
        let at_home = pod.namespace == DEFAULT || pod.namespace == self.home;
        let alone = self.bearers.get(pod.name.as_str()).is_none_or(|n| *n <= 1);
        match at_home && alone {
            true => pod.name.clone(),
            false => pod.to_string(),
        }
    }

    /// What a person calls one end of a conversation.
    pub fn end(&self, end: &Endpoint) -> String {
        match end {
            Endpoint::Pod(pod) => self.pod(pod),
            Endpoint::Node(name) | Endpoint::Outside(name) => name.clone(),
        }
    }
}
