//! Commands as a person types them for the cluster at hand.
use crate::PodRef;
use crate::booted::Booted;
use crate::capabilities::Capabilities;
use crate::evidence::{At, Command, Remediation, Todo};
use crate::quoting::{quote, quoted};

/// The name for what a person has to fill in.
const MANIFEST: &str = "MANIFEST";

/// Writes commands.
#[derive(Clone, Debug)]
pub struct Advice {
    /// The cluster's name; none where there is only one, or it is not known.
    pub cluster: Option<String>,
    /// Decides whether kubectl or `flatnet exec` stands in commands.
    pub capabilities: Capabilities,
    /// How a cluster of flatnet's own was booted, where the cluster has the record of it.
    pub booted: Option<Booted>,
}

impl Advice {
    /// For a reader who knows which cluster is meant.
    pub fn brief() -> Self {
        Advice {
            cluster: None,
            capabilities: Capabilities::default(),
            booted: None,
        }
    }

    /// A command as one line for a shell; a pod is typed by what `name` calls it.
    pub fn line(&self, command: &Command, name: impl Fn(&PodRef) -> String) -> String {
        let words = quoted(&command.argv);
        let exec = |target: &str| match &self.cluster {
            Some(cluster) => format!(
                "flatnet exec --cluster {} {target} -- {words}",
                quote(cluster)
            ),
            None => format!("flatnet exec {target} -- {words}"),
        };
        match (&command.at, self.capabilities.exec_on_nodes.is_present()) {
            (At::Here, _) => match &command.argv[..] {
                // Whoever types it has a shell.
                [shell, option, line] if shell == "sh" && option == "-c" => self.kubectl(line),
                [flatnet, inspect, ..] if flatnet == "flatnet" && inspect == "inspect" => {
                    match (&self.cluster, self.capabilities.exec_on_nodes.is_present()) {
                        (Some(cluster), true) => format!("{words} --cluster {}", quote(cluster)),
                        (Some(context), false) => format!("{words} --context {}", quote(context)),
                        (None, _) => words,
                    }
                }
                _ => self.kubectl(&words),
            },
            // ssh joins its words with blanks for a shell at the other end.
            (At::Node(node), false) if words != command.argv.join(" ") => {
                format!("ssh {node} -- {}", quote(&words))
            }
            (At::Node(node), false) => format!("ssh {node} -- {words}"),
            (At::Node(node), true) => exec(node),
            (At::Pod(pod), _) => exec(&name(pod)),
        }
    }

    /// A line for a shell in which each kubectl asks the cluster at hand, which need not be the one of the current context.
    fn kubectl(&self, line: &str) -> String {
        match &self.cluster {
            Some(context) if !self.capabilities.exec_on_nodes.is_present() => {
                let asks = format!("kubectl --context {}", quote(context));
                let parts = line
                    .split(" | ")
                    .map(|part| match part.strip_prefix("kubectl ") {
                        Some(rest) => format!("{asks} {rest}"),
                        None => part.to_owned(),
                    });
                parts.collect::<Vec<_>>().join(" | ")
            }
            _ => line.to_owned(),
        }
    }

    /// What a pod's object and events say.
    pub fn describe(&self, pod: &PodRef) -> Command {
        if self.has_kubectl() {
            Command::here(&format!(
                "kubectl -n {} describe pod {}",
                pod.namespace, pod.name
            ))
        } else {
            let cluster = self.name();
            Command::here(&format!(
                "flatnet diagnose --cluster {cluster} {pod} --output json"
            ))
        }
    }

    /// Creates a pod again as it is: the lab's pods are created with it.
    pub fn recreate(&self, pod: &PodRef) -> Vec<Command> {
        if self.has_kubectl() {
            vec![self.replace(pod, "")]
        } else {
            self.up_again()
        }
    }

    /// Creates a pod again with a correction that only a person can make.
    pub fn edit(&self, todo: Todo, pod: &PodRef) -> Remediation {
        let what = Remediation::to(todo, Vec::new());
        if !self.has_kubectl() {
            let again = self.up_with(Some(self.manifest()));
            return what.then(Remediation::to(Todo::CorrectManifest, again));
        }
        let PodRef { namespace, name } = pod;
        let save = format!("kubectl -n {namespace} get pod {name} -o yaml > {name}.yaml");
        let replace = Command::here(&format!("kubectl replace --force -f {name}.yaml"));
        what.then(Remediation::run(Command::shell(At::Here, save)))
            .then(Remediation::to(Todo::CorrectManifest, vec![replace]))
    }

    /// Creates a pod again with a change to its manifest that the API does not allow in place.
    pub fn change(&self, pod: &PodRef, sed: &str) -> Vec<Command> {
        if self.has_kubectl() {
            return vec![self.replace(pod, &format!(" | sed {}", quote(sed)))];
        }
        let argv = ["sed", "-i", sed, self.manifest()];
        let argv = argv.map(str::to_owned).to_vec();
        let edit = Command { argv, at: At::Here };
        let again = self.up_with(Some(self.manifest()));
        std::iter::once(edit).chain(again).collect()
    }

    /// Ends a cluster of flatnet's own and boots it again, with the options and the manifest that it was booted with.
    pub fn up_again(&self) -> Vec<Command> {
        self.up_with(self.booted.as_ref().and_then(|b| b.manifest.as_deref()))
    }

    fn up_with(&self, manifest: Option<&str>) -> Vec<Command> {
        let cluster = self.name();
        let options = self.booted.iter().flat_map(|booted| &booted.options);
        let manifest = manifest.map(|manifest| ["--manifest", manifest]);
        let argv = ["flatnet", "up", "--name", cluster]
            .into_iter()
            .chain(options.map(String::as_str))
            .chain(manifest.into_iter().flatten());
        vec![
            Command::here(&format!("flatnet down {cluster}")),
            Command {
                argv: argv.map(str::to_owned).collect(),
                at: At::Here,
            },
        ]
    }

    fn manifest(&self) -> &str {
        let known = self.booted.as_ref().and_then(|b| b.manifest.as_deref());
        known.unwrap_or(MANIFEST)
    }

    /// Puts an image of this machine onto the nodes, where there is a program for that.
    pub fn load(&self, image: &str) -> Option<Command> {
        let loads = self.capabilities.image_loads.is_present();
        loads.then(|| {
            let cluster = self.name();
            Command::here(&format!("kind load docker-image --name {cluster} {image}"))
        })
    }

    /// Whether kubectl is answered.
    pub fn has_kubectl(&self) -> bool {
        self.capabilities.kubectl.is_present()
    }

    fn replace(&self, pod: &PodRef, filter: &str) -> Command {
        let line = format!(
            "kubectl -n {} get pod {} -o yaml{filter} | kubectl replace --force -f -",
            pod.namespace, pod.name
        );
        Command::shell(At::Here, line)
    }

    fn name(&self) -> &str {
        self.cluster.as_deref().unwrap_or("CLUSTER")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(capabilities: Capabilities) -> Advice {
        Advice {
            cluster: Some("demo".to_owned()),
            capabilities,
            booted: None,
        }
    }

    #[test]
    fn a_command_is_written_for_the_cluster_at_hand() {
        let route = Command::on("node1", "ip route");
        let here = Command::here("kubectl get nodes");
        for (advice, line) in [
            (Advice::brief(), "flatnet exec node1 -- ip route"),
            (
                advice(Capabilities::lab()),
                "flatnet exec --cluster demo node1 -- ip route",
            ),
            (advice(Capabilities::kubeconfig()), "ssh node1 -- ip route"),
        ] {
            assert_eq!(advice.line(&route, PodRef::to_string), line);
            let nodes = match advice.capabilities.exec_on_nodes.is_present() {
                true => "kubectl get nodes",
                false => "kubectl --context demo get nodes",
            };
            assert_eq!(advice.line(&here, PodRef::to_string), nodes);
        }
        let foreign = advice(Capabilities::kubeconfig());
        let edit = foreign.change(&PodRef::new("default", "app"), "s/a/b/");
        assert_eq!(
            foreign.line(&edit[0], PodRef::to_string),
            "kubectl --context demo -n default get pod app -o yaml | sed s/a/b/ | kubectl --context demo replace --force -f -"
        );
        let inspect = Command::here("flatnet inspect route --from n/a --to 10.0.0.1 --live");
        for (advice, named) in [
            (Advice::brief(), ""),
            (advice(Capabilities::lab()), " --cluster demo"),
            (advice(Capabilities::kubeconfig()), " --context demo"),
        ] {
            let line = format!("flatnet inspect route --from n/a --to 10.0.0.1 --live{named}");
            assert_eq!(advice.line(&inspect, PodRef::to_string), line);
        }
    }

    #[test]
    fn a_lab_is_booted_again_as_it_was() {
        let up = |booted| {
            let advice = Advice {
                booted,
                ..advice(Capabilities::lab())
            };
            advice.line(&advice.up_again()[1], PodRef::to_string)
        };
        assert_eq!(up(None), "flatnet up --name demo");
        let shipped = Booted {
            options: ["--nodes", "4", "--underlay", "routed"]
                .map(str::to_owned)
                .to_vec(),
            manifest: None,
        };
        assert_eq!(
            up(Some(shipped.clone())),
            "flatnet up --name demo --nodes 4 --underlay routed"
        );
        let manifest = Some("/my pods.yaml".to_owned());
        let own = Booted {
            manifest,
            ..shipped.clone()
        };
        assert_eq!(
            up(Some(own.clone())),
            "flatnet up --name demo --nodes 4 --underlay routed --manifest '/my pods.yaml'"
        );
        // A correction is one of the manifest, which is named once, and stands for itself where it is not known.
        for (booted, manifest) in [(own, "'/my pods.yaml'"), (shipped, "MANIFEST")] {
            let advice = Advice {
                booted: Some(booted),
                ..advice(Capabilities::lab())
            };
            let edit = advice.edit(Todo::HeedWords, &PodRef::new("default", "app"));
            let commands = edit.steps.iter().flat_map(|step| &step.commands);
            assert_eq!(
                advice.line(commands.last().unwrap(), PodRef::to_string),
                format!("flatnet up --name demo --nodes 4 --underlay routed --manifest {manifest}")
            );
        }
    }

    #[test]
    fn what_a_shell_would_change_is_quoted() {
        let list = Command::shell(At::Node("node1".to_owned()), "ls /var/lib/cni/networks/*");
        assert_eq!(
            Advice::brief().line(&list, PodRef::to_string),
            "flatnet exec node1 -- sh -c 'ls /var/lib/cni/networks/*'"
        );
        assert_eq!(
            advice(Capabilities::kubeconfig()).line(&list, PodRef::to_string),
            "ssh node1 -- \"sh -c 'ls /var/lib/cni/networks/*'\""
        );
        let here = Command::shell(At::Here, "kubectl get pods | grep agent");
        assert_eq!(
            Advice::brief().line(&here, PodRef::to_string),
            "kubectl get pods | grep agent"
        );
        let sed = Advice::brief().change(&PodRef::new("default", "app"), "s/a b/c/");
        assert_eq!(
            Advice::brief().line(&sed[0], PodRef::to_string),
            "kubectl -n default get pod app -o yaml | sed 's/a b/c/' | kubectl replace --force -f -"
        );
    }
}
