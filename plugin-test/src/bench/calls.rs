//! Calls of the plugin on a bed: what a runtime would give it, and what is asked of the answer.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::bed::{Added, Bed, NETWORK, Pod, Stop};
use crate::call::{Answer, Ending, Request};
use crate::stand_in;

/// Of so many calls at once, each has as much time again.
const AT_ONCE: usize = 8;

impl Bed {
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
        // They share the processors.
        let more = u32::try_from(requests.len() / AT_ONCE).unwrap_or(u32::MAX);
        let limit = self.limit.saturating_mul(more.saturating_add(1));
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
}
