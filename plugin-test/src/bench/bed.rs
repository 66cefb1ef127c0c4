//! A node for one clause: containers, calls of the plugin, what is there before and after, and what was found.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use flatnet_model::cni::Version;
use serde_json::{Value, json};

use super::journal::Journal;
use crate::call::{Answer, Request};
use crate::ledger::{Change, Ledger, NAMESPACES, difference};
use crate::stand_in;
use crate::subject::{Kind, Subject};
use crate::verdict::{Evidence, Finding, Verdict};

/// The network's name.
pub(crate) const NETWORK: &str = "testnet";
/// How long what a plugin left to the background may take.
const SETTLE: Duration = Duration::from_secs(2);
/// Between two looks meanwhile.
const AGAIN: Duration = Duration::from_millis(20);

/// So many findings of a clause have evidence; further ones are counted.
const MOST_FINDINGS: usize = 8;

/// Why a clause is at its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// There is a finding that leaves nothing more to try.
    Found,
    NotApplicable(String),
    Advisory(Vec<String>),
    Broken(String),
}

/// A container.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) id: String,
    /// What plugins before this one made, where there are any.
    pub(crate) prev: Value,
}

/// A container with what ADD said of it.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub(crate) pod: Pod,
    pub(crate) result: Value,
}

/// A node with nothing on it but one plugin.
pub(crate) struct Bed {
    pub(crate) subject: Subject,
    pub(crate) version: Version,
    pub(super) limit: Duration,
    rootless: bool,
    pub(super) journal: Journal,
    findings: Vec<Finding>,
    /// Findings beyond [`MOST_FINDINGS`].
    more: usize,
    pub(super) last: Option<(Request, Answer)>,
    pub(super) before: Ledger,
    pub(super) ids: Vec<String>,
}

impl Pod {
    /// CNI_NETNS.
    pub(crate) fn netns(&self) -> String {
        format!("{NAMESPACES}/{}", self.id)
    }
}

impl Bed {
    /// Prepares the node as the plugin needs it.
    pub(crate) fn make(subject: Subject, limit_ms: u64, rootless: bool) -> Result<Bed, String> {
        let version = subject.version.parse().unwrap_or(Version::NEWEST);
        let mut bed = Bed {
            subject,
            version,
            limit: Duration::from_millis(limit_ms),
            rootless,
            journal: Journal::default(),
            findings: Vec::new(),
            more: 0,
            last: None,
            before: Ledger::default(),
            ids: Vec::new(),
        };
        let script = Path::new(stand_in::FOLDER).join(stand_in::IPAM_TYPE);
        let written = fs::create_dir_all(stand_in::FOLDER)
            .and_then(|()| fs::write(&script, stand_in::IPAM))
            .and_then(|()| fs::set_permissions(&script, fs::Permissions::from_mode(0o755)));
        written.map_err(|e| format!("write {}: {e}", script.display()))?;
        shell("ip link set lo up").map_err(|e| format!("{e}; install iproute2"))?;
        for line in bed.subject.recipe.node.clone() {
            bed.journal.shell(&line);
            shell(&line)?;
        }
        Ok(bed)
    }

    /// What is said of a clause that has come to its end.
    pub(crate) fn verdict(self, end: Result<String, Stop>) -> Verdict {
        let mut findings = self.findings;
        if let (Some(last), 1..) = (findings.last_mut(), self.more) {
            last.observed
                .push_str(&format!("; and {} more findings", self.more));
        }
        let library = self.subject.skel && findings.iter().all(|finding| finding.library);
        match end {
            Err(Stop::Broken(error)) => Verdict::Broken { error },
            _ if !findings.is_empty() && library => Verdict::Library { findings },
            _ if !findings.is_empty() => Verdict::Fail { findings },
            Ok(facts) => Verdict::Pass { facts },
            Err(Stop::NotApplicable(reason)) => Verdict::NotApplicable { reason },
            Err(Stop::Advisory(readings)) => Verdict::Advisory { readings },
            Err(Stop::Found) => Verdict::Broken {
                error: "the bench stopped without a finding".to_owned(),
            },
        }
    }

    /// A shell line that must succeed; it becomes part of what repeats a failure.
    pub(crate) fn shell(&mut self, line: &str) -> Result<(), Stop> {
        self.journal.shell(line);
        shell(line).map_err(Stop::Broken)
    }

    /// A container, with what plugins before this one make in it.
    pub(crate) fn pod(&mut self) -> Result<Pod, Stop> {
        let number = self.ids.len() + 1;
        let id = format!("ctr{number}");
        self.ids.push(id.clone());
        self.shell(&format!("ip netns add {id}"))?;
        if self.subject.recipe.ifname != "lo" {
            // As runtimes do.
            self.shell(&format!("ip -n {id} link set lo up"))?;
        }
        for line in self.subject.recipe.container.clone() {
            self.shell(&line.replace("{id}", &id))?;
        }
        let mut pod = Pod {
            id,
            prev: Value::Null,
        };
        if !self.subject.before.is_empty() {
            pod.prev = self.earlier(&pod)?;
        } else if self.subject.recipe.kind == Kind::Chained {
            pod.prev = self.wire(&pod, number)?;
        }
        Ok(pod)
    }

    /// A veth pair with addresses, as an earlier plugin makes one; its result.
    fn wire(&mut self, pod: &Pod, number: usize) -> Result<Value, Stop> {
        let id = &pod.id;
        let (outer, inner) = (
            format!("02:00:00:00:{number:02x}:01"),
            format!("02:00:00:00:{number:02x}:02"),
        );
        let ifname = self.subject.recipe.ifname.clone();
        self.shell(&format!(
            "ip link add veth{id} address {outer} type veth peer name {ifname} netns {id} address {inner}; \
             ip addr add 10.88.{number}.1/24 dev veth{id}; ip link set veth{id} up; \
             ip -n {id} addr add 10.88.{number}.2/24 dev {ifname}; ip -n {id} link set {ifname} up; \
             ip -n {id} route add default via 10.88.{number}.1"
        ))?;
        let (address, gateway) = (format!("10.88.{number}.2/24"), format!("10.88.{number}.1"));
        if self.version < Version::V0_3_0 {
            return Ok(
                json!({"cniVersion": self.version.as_str(), "ip4": {"ip": address, "gateway": gateway, "routes": [{"dst": "0.0.0.0/0", "gw": gateway}]}}),
            );
        }
        let mut ip = json!({"interface": 1, "address": address, "gateway": gateway});
        if self.version < Version::V1_0_0 {
            ip["version"] = json!("4");
        }
        Ok(json!({
            "cniVersion": self.version.as_str(),
            "interfaces": [{"name": format!("veth{id}"), "mac": outer}, {"name": ifname, "mac": inner, "sandbox": pod.netns()}],
            "ips": [ip],
            "routes": [{"dst": "0.0.0.0/0", "gw": gateway}],
        }))
    }

    /// The result of the plugins that run before this one in its list.
    fn earlier(&mut self, pod: &Pod) -> Result<Value, Stop> {
        let mut prev = Value::Null;
        for (program, conf) in self.subject.before.clone() {
            let mut conf = conf;
            conf["cniVersion"] = json!(self.version.as_str());
            conf["name"] = json!(NETWORK);
            if !prev.is_null() {
                conf["prevResult"] = prev;
            }
            let mut request = self.request("ADD", pod);
            request.program = program;
            request.stdin = conf.to_string();
            self.journal.call(&request);
            let answer = request.run(self.limit);
            let failed = format!(
                "{} before it in the list: {}",
                request.program.display(),
                answer.summary()
            );
            prev = answer
                .json()
                .filter(|_| answer.ok())
                .ok_or(Stop::Broken(failed))?;
        }
        Ok(prev)
    }

    /// What is there now.
    pub(crate) fn ledger(&self) -> Result<Ledger, Stop> {
        Ledger::take(&self.ids).map_err(|e| Stop::Broken(e.to_string()))
    }

    /// The kernel takes down a namespace in the background, and the node's ends of what was in it.
    pub(crate) fn until_gone(&self, link: Option<String>) -> Result<(), Stop> {
        const LIMIT: Duration = Duration::from_secs(20);
        let Some(link) = link else { return Ok(()) };
        let until = Instant::now() + LIMIT;
        while self
            .ledger()?
            .of(crate::ledger::NODE, "link")
            .any(|(name, _)| name == link)
        {
            if Instant::now() > until {
                return Err(Stop::Broken(format!(
                    "{link} is still there {} s after its namespace was deleted",
                    LIMIT.as_secs()
                )));
            }
            thread::sleep(AGAIN);
        }
        Ok(())
    }

    /// What is different from `before`, once what the plugin left to the background had its time.
    pub(crate) fn remains(&mut self, before: &Ledger) -> Result<Vec<Change>, Stop> {
        let until = Instant::now() + SETTLE;
        loop {
            let mut changes = difference(before, &self.ledger()?);
            changes.retain(|change| self.counts(change));
            if changes.is_empty() || Instant::now() > until {
                return Ok(changes);
            }
            thread::sleep(AGAIN);
        }
    }

    /// Whether it is a difference that matters: a file that is written again is not one that is left, unless it names a container now,
    /// and what an earlier call left to the background may end.
    fn counts(&self, change: &Change) -> bool {
        match change {
            Change::Changed { item, after, .. } if item.kind == "file" => {
                self.ids.iter().any(|id| after.contains(id.as_str()))
            }
            // The MTU of a bridge is the smallest of its ports', unless somebody set it.
            Change::Changed { item, after, .. } => {
                item.kind != "link" || !after.starts_with("bridge")
            }
            Change::Went { item, .. } => item.kind != "process",
            Change::Came { .. } => true,
        }
    }

    /// Nothing may be different from `before`.
    pub(crate) fn same_as(&mut self, before: &Ledger, what: &str) -> Result<bool, Stop> {
        let changes = self.remains(before)?;
        if changes.is_empty() {
            return Ok(true);
        }
        let words: Vec<String> = changes.iter().take(4).map(ToString::to_string).collect();
        let more = if changes.len() > 4 {
            format!(" and {} more", changes.len() - 4)
        } else {
            String::new()
        };
        self.before = before.clone();
        self.fail(format!("{what}: {}{more}", words.join("; ")));
        Ok(false)
    }

    /// Whether something was found already.
    pub(crate) fn has_findings(&self) -> bool {
        !self.findings.is_empty()
    }

    /// A finding about the last call.
    pub(crate) fn fail(&mut self, observed: String) {
        self.note(observed, false);
    }

    /// A finding that is the Go library's where the plugin is built on it.
    pub(crate) fn fail_of_library(&mut self, observed: String) {
        self.note(observed, true);
    }

    fn note(&mut self, observed: String, library: bool) {
        if self.findings.len() >= MOST_FINDINGS {
            self.more += 1;
            return;
        }
        let after = Ledger::take(&self.ids).unwrap_or_default();
        self.findings.push(Finding {
            observed,
            library,
            evidence: Evidence {
                call: self.last.clone(),
                difference: difference(&self.before, &after),
                repeat: self.journal.line(self.rootless),
            },
        });
    }

    /// The stand-in fails at this command from now on.
    pub(crate) fn stand_in_fails(&mut self, command: &str) -> Result<(), Stop> {
        self.shell(&format!("touch {}/fail-{command}", stand_in::FOLDER))
    }

    /// What the stand-in was asked to do, in order.
    pub(crate) fn delegated(&self) -> Vec<String> {
        let calls =
            fs::read_to_string(Path::new(stand_in::FOLDER).join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }
}

/// Runs a line.
fn shell(line: &str) -> Result<(), String> {
    let done = Command::new("sh").args(["-ec", line]).output();
    let done = done.map_err(|e| format!("start sh: {e}"))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!(
            "`{line}`: {}",
            String::from_utf8_lossy(&done.stderr).trim()
        )),
    }
}
