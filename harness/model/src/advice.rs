//! Commands as a person types them for the cluster at hand.
use crate::PodRef;
use crate::capabilities::Capabilities;

/// Writes commands.
#[derive(Clone, Debug)]
pub struct Advice {
    /// `lab`, `kind`, `kubeconfig`.
    pub provider: String,
    /// The cluster's name.
    pub cluster: String,
    /// What it can do.
    pub capabilities: Capabilities,
}

impl Advice {
    /// A command on a node.
    pub fn on_node(&self, node: &str, command: &str) -> String {
        match self.capabilities.exec_on_nodes.is_present() {
            false => format!("ssh {node} -- {command}"),
            true => format!(
                "flatnet exec --cluster {} {node} -- {command}",
                self.cluster
            ),
        }
    }

    /// What a pod's object and events say.
    pub fn describe(&self, pod: &PodRef) -> String {
        if self.is_lab() {
            format!(
                "flatnet diagnose --cluster {} {pod} --output json",
                self.cluster
            )
        } else {
            format!("kubectl -n {} describe pod {}", pod.namespace, pod.name)
        }
    }

    /// Makes a pod anew as it is: the lab's pods are made with it.
    pub fn remake(&self, pod: &PodRef) -> String {
        if self.is_lab() {
            format!("flatnet down {0} && flatnet up --name {0}", self.cluster)
        } else {
            format!(
                "kubectl -n {0} get pod {1} -o yaml | kubectl replace --force -f -",
                pod.namespace, pod.name
            )
        }
    }

    /// Makes a pod anew with a correction that only a person can make.
    pub fn edit(&self, pod: &PodRef) -> String {
        let name = &pod.name;
        if self.is_lab() {
            format!(
                "correct its manifest, then {} --manifest MANIFEST",
                self.remake(pod)
            )
        } else {
            format!(
                "kubectl -n {} get pod {name} -o yaml > {name}.yaml, correct it, kubectl replace --force -f {name}.yaml",
                pod.namespace
            )
        }
    }

    /// Makes a pod anew with a change to its manifest that the API does not allow in place.
    pub fn change(&self, pod: &PodRef, sed: &str) -> String {
        if self.is_lab() {
            format!(
                "sed -i '{sed}' MANIFEST && {} --manifest MANIFEST",
                self.remake(pod)
            )
        } else {
            self.remake(pod)
                .replace(" | kubectl", &format!(" | sed '{sed}' | kubectl"))
        }
    }

    /// Whether there is no API server.
    pub fn is_lab(&self) -> bool {
        !self.capabilities.kubectl.is_present()
    }
}
