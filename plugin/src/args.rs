//! The parameters of the CNI protocol, from environment variables (CNI spec, section 2, Parameters).
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::owner::Owner;
use crate::types::Command;
use crate::validate::{ContainerId, IfName};

/// Looks up an environment variable.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A command with its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Add { owner: Owner, netns: PathBuf },
    Check { owner: Owner, netns: PathBuf },
    Del { owner: Owner },
    Gc,
    Status,
    Version,
}

impl Call {
    pub(crate) fn command(&self) -> Command {
        match self {
            Self::Add { .. } => Command::Add,
            Self::Check { .. } => Command::Check,
            Self::Del { .. } => Command::Del,
            Self::Gc => Command::Gc,
            Self::Status => Command::Status,
            Self::Version => Command::Version,
        }
    }

    /// Reads the variables that the command requires; the error names all that are missing or invalid.
    pub(crate) fn from_env(env: Env<'_>) -> Result<Self> {
        let mut reader = Reader {
            env,
            missing: Vec::new(),
            wrong: Vec::new(),
        };
        let command = reader
            .required("CNI_COMMAND")
            .and_then(|text| match Command::parse(&text) {
                Some(command) => Some(command),
                None => reader.reject(
                    "CNI_COMMAND",
                    &text,
                    &format!(
                        "is none of {}",
                        Command::ALL.map(Command::as_str).join(", ")
                    ),
                ),
            });
        let call = match command {
            Some(Command::Add) => reader
                .owner()
                .zip(reader.netns())
                .map(|(owner, netns)| Self::Add { owner, netns }),
            Some(Command::Check) => reader
                .owner()
                .zip(reader.netns())
                .map(|(owner, netns)| Self::Check { owner, netns }),
            // CNI_NETNS is ignored: what DEL deletes is on the node, and the namespace may be gone.
            Some(Command::Del) => reader.owner().map(|owner| Self::Del { owner }),
            // The only command for which the specification requires CNI_PATH.
            Some(Command::Gc) => reader.required("CNI_PATH").map(|_| Self::Gc),
            Some(Command::Status) => Some(Self::Status),
            Some(Command::Version) => Some(Self::Version),
            None => None,
        };
        // What is to be removed goes, whatever else is wrong.
        if matches!(command, Some(Command::Add | Command::Check)) {
            reader.check_args();
        }
        reader.finish(call)
    }
}

struct Reader<'a> {
    env: Env<'a>,
    missing: Vec<&'static str>,
    wrong: Vec<String>,
}

impl Reader<'_> {
    /// The value, if it is set, not empty, and UTF-8.
    fn optional(&mut self, name: &str) -> Option<String> {
        let value = (self.env)(name).filter(|value| !value.is_empty())?;
        match value.into_string() {
            Ok(text) => Some(text),
            Err(value) => self.reject(name, &value.to_string_lossy(), "is not UTF-8"),
        }
    }

    fn required(&mut self, name: &'static str) -> Option<String> {
        let wrong = self.wrong.len();
        let value = self.optional(name);
        if value.is_none() && self.wrong.len() == wrong {
            self.missing.push(name);
        }
        value
    }

    fn reject<T>(&mut self, name: &str, value: &str, why: &str) -> Option<T> {
        self.wrong.push(format!("{name} {value:?} {why}"));
        None
    }

    fn owner(&mut self) -> Option<Owner> {
        let container = self.required("CNI_CONTAINERID").and_then(|text| {
            ContainerId::new(&text)
                .or_else(|| self.reject("CNI_CONTAINERID", &text, ContainerId::RULE))
        });
        let ifname = self.required("CNI_IFNAME").and_then(|text| {
            IfName::new(&text).or_else(|| self.reject("CNI_IFNAME", &text, IfName::RULE))
        });
        container
            .zip(ifname)
            .map(|(container, ifname)| Owner { container, ifname })
    }

    fn netns(&mut self) -> Option<PathBuf> {
        let text = self.required("CNI_NETNS")?;
        if Path::new(&text).is_absolute() {
            Some(PathBuf::from(text))
        } else {
            self.reject("CNI_NETNS", &text, "is not an absolute path")
        }
    }

    /// CNI_ARGS: `KEY=VALUE` pairs separated by semicolons. IgnoreUnknown is the only key that this plugin knows; all
    /// others (K8S_POD_NAME and the like) are ignored, whatever IgnoreUnknown says.
    fn check_args(&mut self) {
        let Some(args) = self.optional("CNI_ARGS") else {
            return;
        };
        for pair in args.split(';').filter(|pair| !pair.is_empty()) {
            let fine = match pair.split_once('=') {
                Some(("IgnoreUnknown", value)) => {
                    matches!(
                        value.to_ascii_lowercase().as_str(),
                        "0" | "1" | "true" | "false"
                    )
                }
                Some((key, _)) => !key.is_empty(),
                None => false,
            };
            if !fine {
                self.wrong.push(format!(
                    "CNI_ARGS: {pair:?} is not a KEY=VALUE pair, or its value is invalid"
                ));
            }
        }
    }

    fn finish(self, call: Option<Call>) -> Result<Call> {
        let mut problems = Vec::new();
        if !self.missing.is_empty() {
            problems.push(format!("required but not set: {}", self.missing.join(", ")));
        }
        problems.extend(self.wrong);
        match call {
            Some(call) if problems.is_empty() => Ok(call),
            _ => Err(Error::Environment { problems }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(vars: &[(&str, &str)]) -> std::result::Result<Call, String> {
        let env = |name: &str| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        };
        Call::from_env(&env).map_err(|error| {
            assert_eq!(error.code(), 4);
            error.to_string()
        })
    }

    const ADD: [(&str, &str); 4] = [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_NETNS", "/run/netns/x"),
    ];

    #[test]
    fn add_needs_four_variables_and_names_all_that_are_missing() {
        assert!(matches!(call(&ADD), Ok(Call::Add { .. })));
        assert_eq!(
            call(&ADD[..1]).unwrap_err(),
            "required but not set: CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS"
        );
        assert_eq!(call(&[]).unwrap_err(), "required but not set: CNI_COMMAND");
        assert_eq!(
            call(&[("CNI_COMMAND", "")]).unwrap_err(),
            "required but not set: CNI_COMMAND"
        );
    }

    #[test]
    fn missing_and_wrong_are_reported_together() {
        let error = call(&[
            ("CNI_COMMAND", "CHECK"),
            ("CNI_CONTAINERID", "../c"),
            ("CNI_NETNS", "x"),
        ])
        .unwrap_err();
        assert!(
            error.starts_with("required but not set: CNI_IFNAME; CNI_CONTAINERID \"../c\" must"),
            "{error}"
        );
        assert!(
            error.ends_with("CNI_NETNS \"x\" is not an absolute path"),
            "{error}"
        );
        let error = call(&[("CNI_COMMAND", "add")]).unwrap_err();
        assert_eq!(
            error,
            "CNI_COMMAND \"add\" is none of ADD, DEL, CHECK, GC, STATUS, VERSION"
        );
    }

    #[test]
    fn each_command_requires_what_the_spec_says() {
        assert_eq!(call(&[("CNI_COMMAND", "VERSION")]), Ok(Call::Version));
        assert_eq!(call(&[("CNI_COMMAND", "STATUS")]), Ok(Call::Status));
        assert_eq!(
            call(&[("CNI_COMMAND", "GC"), ("CNI_PATH", "/opt/cni/bin")]),
            Ok(Call::Gc)
        );
        assert_eq!(
            call(&[("CNI_COMMAND", "GC")]).unwrap_err(),
            "required but not set: CNI_PATH"
        );
        let del = [
            ("CNI_COMMAND", "DEL"),
            ("CNI_CONTAINERID", "c1"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_NETNS", ""),
        ];
        assert!(matches!(call(&del), Ok(Call::Del { .. })));
    }

    #[test]
    fn cni_args_are_pairs_and_unknown_keys_are_ignored() {
        let with = |args: &'static str| {
            let mut vars = ADD.to_vec();
            vars.push(("CNI_ARGS", args));
            call(&vars)
        };
        for fine in [
            "",
            "K8S_POD_NAME=a;K8S_POD_NAMESPACE=b;IgnoreUnknown=1",
            "A=b=c;",
            "IgnoreUnknown=false",
        ] {
            assert!(with(fine).is_ok(), "{fine:?}");
        }
        for bad in ["A", "=b", "A=b;c", "IgnoreUnknown=maybe"] {
            assert!(with(bad).is_err(), "{bad:?}");
            let del = [&[("CNI_COMMAND", "DEL"), ("CNI_ARGS", bad)], &ADD[1..]].concat();
            assert!(matches!(call(&del), Ok(Call::Del { .. })), "{bad:?}");
        }
    }
}
