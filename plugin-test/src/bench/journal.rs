//! What was done on a bed, as one shell line.
use base64::prelude::{BASE64_STANDARD, Engine};

use crate::call::Request;
use crate::stand_in;

/// Everything that was done, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    steps: Vec<String>,
}

impl Journal {
    pub(crate) fn shell(&mut self, line: &str) {
        self.steps.push(line.to_owned());
    }

    pub(crate) fn call(&mut self, request: &Request) {
        self.steps.push(request.shell());
    }

    /// Calls that run side by side.
    pub(crate) fn together(&mut self, requests: &[Request]) {
        let each: Vec<String> = requests
            .iter()
            .map(|request| format!("( {} ) &", request.shell()))
            .collect();
        self.steps.push(format!("{} wait", each.join(" ")));
    }

    /// The line: new namespaces, an empty node, the steps, and what is there in the end. Where the stand-in is part of it, it is written
    /// first.
    pub(crate) fn line(&self, rootless: bool) -> String {
        let text = self.steps.join("; ");
        let mut script = vec![
            "mount -t tmpfs t /run; mount -t tmpfs t /var/lib; mkdir -p /run/netns /var/lib/cni; ip link set lo up".to_owned(),
        ];
        if text.contains(stand_in::FOLDER) {
            script.push(format!(
                "mkdir {0}; echo {1} | base64 -d >{0}/{2}; chmod +x {0}/{2}",
                stand_in::FOLDER,
                BASE64_STANDARD.encode(stand_in::IPAM),
                stand_in::IPAM_TYPE
            ));
        }
        script.push(text);
        script
            .push("ip link; ip -all netns exec ip addr; find /var/lib/cni /run -type f".to_owned());
        let user = if rootless { "-Urmn" } else { "-mn" };
        format!("unshare {user} sh -c {}", single_quoted(&script.join("; ")))
    }
}

/// For a text full of double quotes: what a person can still read.
fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
