//! What puts things right.
use flatnet_model::evidence::{Remediation, Step, Todo};

use super::Words;
use super::list::all;

impl Words<'_> {
    /// Steps, joined by semicolons.
    pub fn remediation(&self, remediation: &Remediation) -> String {
        let steps: Vec<String> = remediation.steps.iter().map(|s| self.step(s)).collect();
        steps.join("; ")
    }

    fn step(&self, step: &Step) -> String {
        let commands: Vec<String> = step.commands.iter().map(|c| self.line(c)).collect();
        let commands = commands.join(" && ");
        match &step.todo {
            Some(todo) if commands.is_empty() => words(todo),
            Some(todo) => format!("{}: {commands}", words(todo)),
            None => commands,
        }
    }
}

fn words(todo: &Todo) -> String {
    match todo {
        Todo::CommandOfImage { image } => format!("a command that {image} has"),
        Todo::HeedLastWords => "what its last words ask for".to_owned(),
        Todo::HeedWords => "what these words ask for".to_owned(),
        Todo::ReadMoreWords => "what these words say; more of them".to_owned(),
        Todo::ReadLogs => "what these words say; its own".to_owned(),
        Todo::SmallerRequests => "smaller requests".to_owned(),
        Todo::BindClaim => "create or bind the claim".to_owned(),
        Todo::Tolerate => "a toleration in the pod, or the taint off a node".to_owned(),
        Todo::EditDaemonSet => "its nodeSelector, affinity and tolerations".to_owned(),
        Todo::DeletePodsOf { node } => format!(
            "then delete the pods of {node}: those with an address of the earlier range stay cut off"
        ),
        Todo::AssignRanges => "set --allocate-node-cidrs=true and a --cluster-cidr with room in /etc/kubernetes/manifests/kube-controller-manager.yaml; what it has now".to_owned(),
        Todo::RangesOnUp => "this gives each node a podCIDR".to_owned(),
        Todo::RoomOnUp => "with a smaller --pods-per-node or --node-cidr-mask".to_owned(),
        Todo::MoreRoom { node } => format!(
            "then delete pods of {node} that may run elsewhere; for more room a larger --node-cidr-mask-size"
        ),
        Todo::CarryOutOnce => {
            "this carries out what has changed so far".to_owned()
        }
        Todo::BootAgain => {
            "or, to have the agent run again, the lab booted again (its pods are lost)".to_owned()
        }
        Todo::EarlierCause => {
            "what gives it one: the cause named before this, or what these words say; look".to_owned()
        }
        Todo::NamedCause => "what its cause names; look".to_owned(),
        Todo::RuleOwner => {
            "for now; whoever made the rule (firewalld, Docker, an agent) may make it again".to_owned()
        }
        Todo::PathCarriesMore => "if what lies between carries more by now".to_owned(),
        Todo::ForgetPathMtu => {
            "then the smaller MTU is forgotten by pods that have learned it, which otherwise keep it for minutes".to_owned()
        }
        Todo::LostWithDevice { device, addresses } => {
            let addresses = match &addresses[..] {
                [] => String::new(),
                lost => format!("{} and ", all(lost, ", ")),
            };
            format!(
                "then {addresses}the routes by {device} that the kernel removed when it was set down; the node's agent puts back those to podCIDRs when it looks again; what there is now"
            )
        }
        Todo::FindRule => "the rule that does it".to_owned(),
        Todo::CreateClaim { name } => {
            format!("with the manifest of a PersistentVolumeClaim named {name}")
        }
        Todo::LoadImage => "or put it onto the nodes".to_owned(),
        Todo::ApplyAddOn => "the network add-on's manifest".to_owned(),
        Todo::InstallProgram { program } => {
            format!("install {program} with the node's package manager; it is there once this finds it")
        }
        Todo::GiveRange => "a range or subnet in the \"ipam\" section of".to_owned(),
        Todo::SameDirectory => {
            "set it to the add-on's directory, then restart the runtime".to_owned()
        }
        Todo::GiveBackReservations => {
            "remove the reservations whose sandbox the runtime does not have".to_owned()
        }
        Todo::CorrectManifest => "correct its manifest".to_owned(),
    }
}
