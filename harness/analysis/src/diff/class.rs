//! What a difference means.
use flatnet_model::fact::{Kind, Nature, Seen, Value};
use serde::{Deserialize, Serialize};

/// What a difference means, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// What was promised no longer holds.
    PromiseBroken,
    /// It holds again.
    PromiseRestored,
    /// Packets take another path.
    PathDiffers,
    /// Something is otherwise.
    FactDiffers,
    /// Names, addresses and the like, which differ between any two runs.
    Noise,
}

impl Class {
    /// As headings have it.
    pub fn heading(self) -> &'static str {
        match self {
            Class::PromiseBroken => "promise broken",
            Class::PromiseRestored => "promise restored",
            Class::PathDiffers => "path differs",
            Class::FactDiffers => "fact differs",
            Class::Noise => "noise",
        }
    }
}

/// How well a value keeps the promise of its kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    No,
    /// It says nothing of the promise.
    Unknown,
}

fn kept(kind: Kind, value: Option<&Value>) -> Kept {
    let text = match value {
        Some(Value::Text(text)) => text.as_str(),
        _ => "",
    };
    match kind {
        Kind::Verdict => match text {
            "pass" | "report" => Kept::Yes,
            "fail" => Kept::No,
            _ => Kept::Unknown,
        },
        Kind::Finding => match value {
            None => Kept::Yes,
            Some(_) => Kept::No,
        },
        // `icmp, tcp, udp: answered`, and nothing else.
        Kind::Reach => match text {
            "" => Kept::Unknown,
            _ if text.contains(';') || text.contains("not supported") => Kept::No,
            _ if text.ends_with(": answered") => Kept::Yes,
            _ => Kept::No,
        },
        Kind::PathMtu => match value {
            Some(Value::Number(_)) => Kept::Yes,
            Some(_) => Kept::No,
            None => Kept::Unknown,
        },
        _ => Kept::Unknown,
    }
}

/// What it means that a fact of that kind was `before` and is `after`.
pub(super) fn of(kind: Kind, before: Option<&Seen>, after: Option<&Seen>) -> Class {
    let value = |seen: Option<&Seen>| seen.and_then(Seen::value).cloned();
    let (before, after) = (value(before), value(after));
    let was = kept(kind, before.as_ref());
    let is = kept(kind, after.as_ref());
    match (was, is) {
        (Kept::Yes | Kept::Unknown, Kept::No) => Class::PromiseBroken,
        (Kept::No, Kept::Yes) => Class::PromiseRestored,
        (Kept::No, Kept::No) if kind == Kind::Finding => findings(before, after),
        _ if kind.entry().nature == Nature::Path => Class::PathDiffers,
        _ => Class::FactDiffers,
    }
}

/// Of two failing runs, the one that fails for more reasons is worse.
fn findings(before: Option<Value>, after: Option<Value>) -> Class {
    match (before, after) {
        (Some(Value::List(before)), Some(Value::List(after))) => {
            match after.iter().all(|finding| before.contains(finding)) {
                true => Class::PromiseRestored,
                false => Class::PromiseBroken,
            }
        }
        _ => Class::PromiseBroken,
    }
}
