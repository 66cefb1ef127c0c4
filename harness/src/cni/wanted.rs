//! A CNI with options, as a person writes it: `flatnet,mtu=1400,backend=vxlan`, `reference,mtu=1400`, `./my.conflist`.
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use flatnet_agent::args::Args as AgentArgs;
use flatnet_model::change::Step;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Given;
use crate::config::booted::is_file;
use crate::{Error, Result};

/// What every CNI of a lab takes: the ranges of its pods, and the length of each node's part of the IPv4 range.
const RANGES: [&str; 2] = ["pod-cidr", "node-cidr-mask"];
/// What flatnet takes besides; all but the last two are options of its agent.
const OF_FLATNET: [&str; 11] = [
    "backend",
    "bridge",
    "cni-version",
    "hairpin",
    "masquerade",
    "mtu",
    "network",
    "port",
    "vni",
    "plugin",
    "portmap",
];

/// What keeps an option from being taken, in words.
type Checked<T> = std::result::Result<T, String>;

/// A CNI and its options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// A name or a file, as `--cni` takes it.
    pub name: String,
    /// By key.
    pub options: BTreeMap<String, String>,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let mut options = self.options.iter();
        options.try_for_each(|(key, value)| write!(f, ",{key}={value}"))
    }
}

impl Wanted {
    /// Reads what `option` (`--to`, `--from`) was given.
    ///
    /// # Errors
    /// [`Error::Input`]: an option that the CNI does not take, or a value that it does not.
    pub fn parse(option: &str, text: &str) -> Result<Self> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default().to_owned();
        let bad = |what: String| Error::Input(format!("{option} {text}: {what}"));
        if name.is_empty() {
            return Err(bad(
                "no CNI is named; write it as flatnet,mtu=1400".to_owned()
            ));
        }
        let mut options = BTreeMap::new();
        for part in parts {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| bad(format!("{part:?} is not an option; write it as KEY=VALUE")))?;
            if options.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(bad(format!("{key} is there twice; leave one of them out")));
            }
        }
        let wanted = Wanted { name, options };
        wanted.check().map_err(bad)?;
        Ok(wanted)
    }

    /// A change from this to `to` that ended early, in words.
    pub(super) fn unfinished(&self, to: &Wanted, at: &Step) -> String {
        format!(
            "a change from {self} to {to} was not finished: it ended at the step \"{}\"",
            at.words()
        )
    }

    /// What a cluster was given when it was made, or by a later change.
    pub fn given(given: &Given) -> Self {
        let mut options = given.options.clone();
        let backend = given.backend.clone().filter(|backend| backend != "auto");
        options.extend(backend.map(|backend| ("backend".to_owned(), backend)));
        Wanted {
            name: given.name.clone(),
            options,
        }
    }

    /// The same without the ranges of pods, which belong to the cluster.
    pub(super) fn without_ranges(&self) -> Self {
        let mut without = self.clone();
        without
            .options
            .retain(|key, _| !RANGES.contains(&key.as_str()));
        without
    }

    /// As later runs compare it with what they are asked for.
    pub fn as_given(&self) -> Given {
        let mut options = self.without_ranges().options;
        let backend = options.remove("backend");
        let backend = match self.is_flatnet() {
            true => Some(backend.unwrap_or_else(|| "auto".to_owned())),
            false => None,
        };
        Given {
            name: self.name.clone(),
            backend,
            options,
        }
    }

    /// Refuses what only a lab can do.
    ///
    /// # Errors
    /// [`Error::Input`] names the option, or the CNI.
    pub fn check_for_api(&self, option: &str) -> Result<()> {
        let of_lab = ["pod-cidr", "node-cidr-mask", "plugin"];
        let unfit = self.options.iter().find(|(key, value)| {
            of_lab.contains(&key.as_str())
                || (*key == "portmap" && *value == "on")
                || !self.is_flatnet()
        });
        match unfit {
            Some((key, value)) => Err(Error::Input(format!(
                "{option} {self}: {key}={value} is an option for labs; on a cluster with an API flatnet takes {}, and a manifest says everything itself",
                "backend, bridge, cni-version, hairpin, masquerade, mtu, network, port, portmap=off, vni"
            ))),
            None => Ok(()),
        }
    }

    /// Whether it is our own.
    pub fn is_flatnet(&self) -> bool {
        self.name == "flatnet"
    }

    fn check(&self) -> Checked<()> {
        let takes: Vec<&str> = match self.name.as_str() {
            "flatnet" => OF_FLATNET.iter().chain(&RANGES).copied().collect(),
            "reference" => ["mtu"].iter().chain(&RANGES).copied().collect(),
            file if is_file(file) => ["mtu"].iter().chain(&RANGES).copied().collect(),
            _ => Vec::new(),
        };
        for key in self.options.keys() {
            if !takes.contains(&key.as_str()) {
                let name = &self.name;
                return Err(match takes[..] {
                    [] => format!("{name} takes no options"),
                    _ => format!(
                        "{name} takes no option {key:?}; choose {}",
                        takes.join(", ")
                    ),
                });
            }
        }
        for key in ["hairpin", "masquerade", "portmap"] {
            self.is_on(key)?;
        }
        if let Some(mtu) = self.options.get("mtu") {
            mtu.parse::<u32>()
                .map_err(|_| format!("mtu {mtu:?} is not a number of bytes"))?;
        }
        self.pod_network()?;
        if self.is_flatnet() {
            self.check_agent()?;
        }
        Ok(())
    }

    /// The agent's own words on its options.
    fn check_agent(&self) -> Checked<()> {
        use clap::Parser;
        let fixed = [
            "flatnet-agent",
            "--node",
            "node",
            "--nodes-file",
            "nodes.json",
        ];
        let options = self.agent_options();
        let all = fixed.into_iter().chain(options.iter().map(String::as_str));
        AgentArgs::try_parse_from(all).map(drop).map_err(|e| {
            let words = e.to_string();
            let first = words.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        })
    }

    /// `Ok(None)` where it is not said.
    fn is_on(&self, key: &str) -> Checked<Option<bool>> {
        match self.options.get(key).map(String::as_str) {
            None => Ok(None),
            Some("on") => Ok(Some(true)),
            Some("off") => Ok(Some(false)),
            Some(other) => Err(format!("{key} {other:?}; choose on or off")),
        }
    }

    /// Options of flatnet's agent.
    pub fn agent_options(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (key, value) in &self.options {
            let option = match (key.as_str(), value.as_str()) {
                ("hairpin", "off") => "--no-hairpin".to_owned(),
                ("masquerade", "off") => "--no-masquerade".to_owned(),
                ("portmap", "off") => "--no-portmap".to_owned(),
                ("network", name) => format!("--network-name={name}"),
                ("backend" | "bridge" | "cni-version" | "mtu" | "port" | "vni", value) => {
                    format!("--{key}={value}")
                }
                _ => continue,
            };
            all.push(option);
        }
        all
    }

    /// Whether `portmap` is to be installed.
    pub(super) fn wants_portmap(&self) -> bool {
        self.options
            .get("portmap")
            .is_some_and(|value| value == "on")
    }

    /// The plugin program to install in place of flatnet's own.
    pub(super) fn plugin(&self) -> Option<PathBuf> {
        self.options.get("plugin").map(PathBuf::from)
    }

    /// `${MTU}` of a conflist.
    pub(super) fn mtu(&self) -> Option<u32> {
        self.options.get("mtu")?.parse().ok()
    }

    /// The ranges of the whole cluster's pods, where others are wanted: `10.245.0.0/16`, or `10.245.0.0/16+fd00:245::/48`.
    pub fn pod_network(&self) -> Checked<Option<Vec<IpNet>>> {
        let Some(text) = self.options.get("pod-cidr") else {
            return Ok(None);
        };
        let nets = text.split('+').map(|part| {
            let net: IpNet = part.parse().map_err(|_| {
                format!(
                    "pod-cidr {part:?}; write it as 10.245.0.0/16, two of them with a + between"
                )
            })?;
            match net.trunc() == net {
                true => Ok(net),
                false => Err(format!(
                    "pod-cidr {net}: host bits are set; did you mean {}?",
                    net.trunc()
                )),
            }
        });
        nets.collect::<Checked<_>>().map(Some)
    }

    /// The prefix length of each node's part of the IPv4 range, where another is wanted.
    pub fn mask(&self) -> Checked<Option<u8>> {
        let Some(text) = self.options.get("node-cidr-mask") else {
            return Ok(None);
        };
        match text.parse::<u8>() {
            Ok(mask) if (8..=30).contains(&mask) => Ok(Some(mask)),
            _ => Err(format!("node-cidr-mask {text:?} is not within 8 to 30")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Wanted::parse("--to", text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_what_is_shown_and_given() {
        for text in [
            "flatnet",
            "flatnet,backend=vxlan,mtu=1400",
            "./x.conflist",
            "reference,mtu=1400",
        ] {
            let wanted = Wanted::parse("--to", text).unwrap();
            assert_eq!(wanted.to_string(), text);
            assert_eq!(Wanted::given(&wanted.as_given()), wanted);
        }
        let wanted = Wanted::parse(
            "--to",
            "flatnet,masquerade=off,portmap=on,mtu=1400,network=x",
        )
        .unwrap();
        assert_eq!(
            wanted.agent_options(),
            ["--no-masquerade", "--mtu=1400", "--network-name=x"]
        );
        assert!(wanted.wants_portmap());
        let ranges = Wanted::parse("--to", "flatnet,pod-cidr=10.1.0.0/16+fd00::/48").unwrap();
        assert_eq!(ranges.pod_network().unwrap().unwrap().len(), 2);
        assert_eq!(ranges.as_given().options, BTreeMap::new());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_is_allowed() {
        assert_eq!(
            refused(""),
            "--to : no CNI is named; write it as flatnet,mtu=1400"
        );
        assert!(refused("flatnet,mtu").contains("\"mtu\" is not an option; write it as KEY=VALUE"));
        assert!(refused("flatnet,mtu=1,mtu=2").contains("mtu is there twice"));
        assert!(
            refused("flatnet,colour=red")
                .contains("flatnet takes no option \"colour\"; choose backend, ")
        );
        assert!(refused("flannel,mtu=1400").ends_with("flannel takes no options"));
        assert!(refused("flatnet,masquerade=no").ends_with("masquerade \"no\"; choose on or off"));
        assert!(refused("flatnet,mtu=100").contains("invalid value '100' for '--mtu <BYTES>'"));
        assert!(
            refused("flatnet,backend=ipip")
                .contains("invalid value 'ipip' for '--backend <BACKEND>'")
        );
        assert!(refused("flatnet,pod-cidr=10.1.0.1/16").contains("did you mean 10.1.0.0/16?"));
    }
}
