//! A node for one clause: containers, calls of the plugin, what is there before and after, and what was found.
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use flatnet_model::cni::Version;
use serde_json::{Value, json};

use super::journal::Journal;
use crate::call::{Answer, Ending, Request};
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
    limit: Duration,
    rootless: bool,
    journal: Journal,
    findings: Vec<Finding>,
    last: Option<(Request, Answer)>,
    before: Ledger,
    ids: Vec<String>,
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
        let findings = self.findings;
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

    /// The plugin's configuration.
    pub(crate) fn conf(&self) -> Value {
        let mut conf = self.subject.recipe.conf.clone();
        conf["cniVersion"] = json!(self.version.as_str());
        conf["name"] = json!(NETWORK);
        conf["type"] = json!(self.subject.kind_name);
        conf
    }

    /// A command about a container, with everything that a runtime gives.
    pub(crate) fn request(&self, command: &str, pod: &Pod) -> Request {
        let request = self
            .request_on_node(command)
            .with("CNI_CONTAINERID", &pod.id)
            .with("CNI_NETNS", &pod.netns())
            .with("CNI_IFNAME", &self.subject.recipe.ifname);
        match &pod.prev {
            Value::Null => request,
            prev => request.with_key("prevResult", prev.clone()),
        }
    }

    /// A command about an attachment that was made: with the result of its ADD.
    pub(crate) fn request_of(&self, command: &str, added: &Added) -> Request {
        let request = self.request(command, &added.pod);
        match self.version.has_check() {
            true => request.with_key("prevResult", added.result.clone()),
            false => request,
        }
    }

    /// A command about no container.
    pub(crate) fn request_on_node(&self, command: &str) -> Request {
        let folders = self.subject.folders.iter().map(PathBuf::as_path);
        let stand_in = self
            .subject
            .delegates
            .then_some(Path::new(stand_in::FOLDER));
        let folders: Vec<String> = folders
            .chain(stand_in)
            .map(|path| path.display().to_string())
            .collect();
        let env = BTreeMap::from([
            ("CNI_COMMAND".to_owned(), command.to_owned()),
            ("CNI_PATH".to_owned(), folders.join(":")),
        ]);
        Request {
            program: self.subject.program.clone(),
            env,
            stdin: self.conf().to_string(),
        }
    }

    /// GC with these attachments valid.
    pub(crate) fn gc(&self, valid: &[&Added]) -> Request {
        let list = valid.iter().map(
            |added| json!({"containerID": added.pod.id, "ifname": self.subject.recipe.ifname}),
        );
        self.request_on_node("GC")
            .with_key("cni.dev/valid-attachments", list.collect())
    }

    /// What is there now.
    pub(crate) fn ledger(&self) -> Result<Ledger, Stop> {
        Ledger::take(&self.ids).map_err(|e| Stop::Broken(e.to_string()))
    }

    /// Executes the plugin. One that does not end by itself is a finding, and the end of the clause.
    pub(crate) fn call(&mut self, request: Request) -> Result<Answer, Stop> {
        self.before = self.ledger()?;
        self.journal.call(&request);
        let answer = request.run(self.limit);
        self.last = Some((request, answer.clone()));
        if !answer.ended() {
            let command = self
                .last
                .as_ref()
                .map_or("", |(request, _)| request.command());
            let seconds = self.limit.as_secs_f64();
            let within = if answer.ending == Ending::TimedOut {
                format!(" (limit {seconds} s)")
            } else {
                String::new()
            };
            self.fail(format!("{command}: {}{within}", answer.ending));
            return Err(Stop::Found);
        }
        Ok(answer)
    }

    /// Executes all at once.
    pub(crate) fn together(&mut self, requests: &[Request]) -> Result<Vec<Answer>, Stop> {
        self.before = self.ledger()?;
        self.journal.together(requests);
        let limit = self.limit;
        let answers: Vec<Answer> = thread::scope(|scope| {
            let running: Vec<_> = requests
                .iter()
                .map(|request| scope.spawn(move || request.run(limit)))
                .collect();
            running
                .into_iter()
                .filter_map(|one| one.join().ok())
                .collect()
        });
        Ok(answers)
    }

    /// Executes all at once, each killed after its time; whether each had ended by itself before.
    pub(crate) fn killed(&mut self, requests: &[(Request, Duration)]) -> Result<Vec<Answer>, Stop> {
        self.before = self.ledger()?;
        let calls: Vec<Request> = requests
            .iter()
            .map(|(request, _)| request.clone())
            .collect();
        self.journal.together(&calls);
        let answers = thread::scope(|scope| {
            let running: Vec<_> = requests
                .iter()
                .map(|(request, after)| scope.spawn(move || request.run(*after)))
                .collect();
            running
                .into_iter()
                .filter_map(|one| one.join().ok())
                .collect()
        });
        Ok(answers)
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

    /// What the last call came to.
    pub(crate) fn last_words(&self) -> String {
        self.last
            .as_ref()
            .map_or_else(String::new, |(_, answer)| answer.summary())
    }

    /// The call that the next finding is about, of several that ran together.
    pub(crate) fn about(&mut self, request: &Request, answer: &Answer) {
        self.last = Some((request.clone(), answer.clone()));
    }

    /// ADD of a new container, which must succeed.
    pub(crate) fn add(&mut self) -> Result<Added, Stop> {
        let pod = self.pod()?;
        let request = self.request("ADD", &pod);
        let result = self.added(request)?;
        Ok(Added { pod, result })
    }

    /// An ADD that must succeed; its result.
    pub(crate) fn added(&mut self, request: Request) -> Result<Value, Stop> {
        let answer = self.call(request)?;
        if !answer.ok() {
            self.fail(format!("ADD fails: {}", answer.summary()));
            return Err(Stop::Found);
        }
        match answer.json() {
            Some(result) => Ok(result),
            None => {
                self.fail("ADD succeeds and writes no JSON object on standard output".to_owned());
                Err(Stop::Found)
            }
        }
    }

    /// A call that must succeed.
    pub(crate) fn succeeds(&mut self, what: &str, request: Request) -> Result<bool, Stop> {
        let command = request.command().to_owned();
        let answer = self.call(request)?;
        if !answer.ok() {
            self.fail(format!("{command} {what} fails: {}", answer.summary()));
        }
        Ok(answer.ok())
    }

    /// A call that must fail.
    pub(crate) fn refuses(&mut self, what: &str, request: Request) -> Result<Answer, Stop> {
        let command = request.command().to_owned();
        let answer = self.call(request)?;
        if answer.ok() {
            self.fail(format!("{command} {what} succeeds"));
        }
        Ok(answer)
    }

    /// DEL as a runtime calls it, which must succeed.
    pub(crate) fn del(&mut self, added: &Added) -> Result<bool, Stop> {
        let request = self.request_of("DEL", added);
        self.succeeds("of an attachment", request)
    }

    /// One attachment is made and removed: what it leaves belongs to the node.
    pub(crate) fn warm(&mut self) -> Result<(), Stop> {
        let added = self.add()?;
        match self.del(&added)? {
            true => Ok(()),
            false => Err(Stop::Found),
        }
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
            Change::Changed { item, after, .. } => item.kind != "link" || !after.starts_with("bridge"),
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

    /// The clause is about versions from this one on.
    pub(crate) fn needs(&self, version: Version) -> Result<(), Stop> {
        match self.version >= version {
            true => Ok(()),
            false => Err(Stop::NotApplicable(format!(
                "cniVersion {} has it not: it came with {version}",
                self.version
            ))),
        }
    }

    /// The clause is about plugins of these kinds.
    pub(crate) fn only(&self, kinds: &[Kind]) -> Result<(), Stop> {
        match kinds.contains(&self.subject.recipe.kind) {
            true => Ok(()),
            false => Err(Stop::NotApplicable(format!(
                "it is not about plugins of kind {}",
                self.subject.recipe.kind.as_str()
            ))),
        }
    }

    /// The clause is about plugins that can make several attachments at a time.
    pub(crate) fn several(&self) -> Result<(), Stop> {
        match self.subject.recipe.single {
            true => Err(Stop::NotApplicable(
                "with this configuration it makes one attachment at a time".to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// The clause is about plugins that call an IPAM plugin.
    pub(crate) fn delegating(&self) -> Result<(), Stop> {
        match self.subject.delegates {
            true => Ok(()),
            false => Err(Stop::NotApplicable(
                "it delegates to no other plugin".to_owned(),
            )),
        }
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
