//! Answers, as data: every way to print them only reads this.
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the JSON form, raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// What a cluster answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `lab`, `kind`, `kubeconfig`.
    pub provider: String,
    /// The cluster's name, or the kubeconfig's context.
    pub cluster: String,
    /// In the catalogue's order.
    pub answers: Vec<Answer>,
}

/// One question and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The question's stable id.
    pub id: String,
    /// The question as a sentence, for headings.
    pub question: String,
    /// Facts and problems, or why there are none.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What it means, for a learner; only where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// There is an answer, perhaps with parts that could not be had.
    Answered {
        /// In a stable order: by topic, node, and what each is about.
        facts: Vec<Fact>,
        /// What is wrong with what was looked at: a file that does not parse, a node that does not answer.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        problems: Vec<Problem>,
    },
    /// The question does not exist on this cluster, or a right is missing.
    Skipped {
        /// In words a reader can act on.
        reason: String,
    },
    /// It exists and could not be answered.
    Unanswered {
        /// What went wrong, with its causes.
        error: String,
    },
}

/// One row of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Facts of one topic have the same values and make one table: `bridge`, `port`, `plugin`, ….
    pub topic: String,
    /// The node it was seen on; none for what concerns the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What it is about: an interface, a file, a pod, a range.
    pub about: String,
    /// Names (`kebab-case`) and values: text, numbers, booleans, or lists of them. In the order in which they are shown.
    pub values: IndexMap<String, Value>,
    /// Names of values that differ between two looks at the same cluster (a count, an ephemeral port, an age).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub varies: Vec<String>,
    /// The file, or the command that shows a person the same.
    pub source: Source,
    /// What this one means; only where asked for, and where the question's own explanation does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
}

impl Fact {
    /// A fact of the whole cluster, without values yet.
    pub fn new(topic: &str, about: impl Into<String>, source: Source) -> Fact {
        Fact {
            topic: topic.to_owned(),
            node: None,
            about: about.into(),
            values: IndexMap::new(),
            varies: Vec::new(),
            source,
            explanation: None,
        }
    }

    /// Seen on that node.
    pub fn on(mut self, node: &str) -> Fact {
        self.node = Some(node.to_owned());
        self
    }

    /// With one more value; `null` where there is none.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Fact {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// With one more value, which differs between two looks.
    pub fn varying(mut self, name: &str, value: impl Into<Value>) -> Fact {
        self.varies.push(name.to_owned());
        self.with(name, value)
    }

    /// With an explanation for a learner.
    pub fn meaning(mut self, explanation: &str) -> Fact {
        self.explanation = Some(explanation.to_owned());
        self
    }
}

/// Where a fact comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "text", rename_all = "kebab-case")]
pub enum Source {
    /// A file on a node or in a pod.
    File(String),
    /// What the kernel says; with the command that shows a person the same.
    Command(String),
    /// An object of the API, as a `kubectl get` command shows it.
    Api(String),
}

impl Source {
    /// The kernel's word, as this command shows it.
    pub fn command(line: impl Into<String>) -> Source {
        Source::Command(line.into())
    }

    /// An object of the API, as this command shows it.
    pub fn api(line: impl Into<String>) -> Source {
        Source::Api(line.into())
    }

    /// The path, or the command.
    pub fn text(&self) -> &str {
        match self {
            Source::File(text) | Source::Command(text) | Source::Api(text) => text,
        }
    }
}

/// Something that is wrong with what was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The node it was seen on; none for what concerns the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The file, interface or object.
    pub about: String,
    /// What is wrong with that, as a lower-case fragment.
    pub what: String,
}
