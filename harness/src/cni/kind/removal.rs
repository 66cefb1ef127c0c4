//! Removes from a node what a snapshot found. What a node, a file or the API has named never becomes a word that a shell reads:
//! the scripts here are constants, and take names as arguments or as lines of their input.
use super::snapshot::Section;
use crate::Result;
use flatnet_cluster::{Cluster, Target};

/// Runs the commands on standard input: a word on each line, an empty line after each command.
const COMMANDS: &str = r#"set --
while IFS= read -r word; do
  if [ -n "$word" ]; then set -- "$@" "$word"; else "$@" </dev/null; set --; fi
done"#;
/// Carries out lines in the format of iptables-save, each below the name of its table; `$0` is `iptables` or `ip6tables`. One line at a
/// time, so that one that fails does not undo the others.
const RESTORE: &str = r#"while IFS= read -r table && IFS= read -r line; do
  printf '*%s\n%s\nCOMMIT\n' "$table" "$line" | "$0-restore" --noflush --wait
done"#;
/// Programs whose rules are listed.
const IPTABLES: [&str; 2] = ["iptables", "ip6tables"];

/// A program and its arguments.
type Argv = Vec<String>;

/// What is to be run on a node, in an order that works: rules before the chains they are in or jump to, devices last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Removal {
    /// Files and nftables tables.
    first: Vec<Argv>,
    /// Lines for each of [`IPTABLES`], with their tables.
    rules: [Vec<(String, String)>; 2],
    chains: [Vec<(String, String)>; 2],
    /// IP sets, routes and rules.
    then: Vec<Argv>,
    devices: Vec<Argv>,
}

impl Removal {
    /// Of what is listed. What no command can name safely is left out, and the next snapshot still has it.
    pub(super) fn of(left: &[(Section, String)]) -> Self {
        let mut removal = Removal::default();
        for (section, line) in left {
            removal.add(*section, line);
        }
        removal
    }

    fn add(&mut self, section: Section, line: &str) {
        match section {
            Section::Links => self
                .devices
                .push(argv(&["ip", "link", "delete", "dev", line])),
            Section::Conf => self.delete_file(&format!("/etc/cni/net.d/{line}")),
            Section::Bin => self.delete_file(&format!("/opt/cni/bin/{line}")),
            Section::State => self.delete_file(line),
            Section::Tables => {
                // nft reads its arguments as a script.
                let words: Vec<&str> = line.split(' ').collect();
                if let [family, name] = words[..]
                    && is_identifier(family)
                    && is_identifier(name)
                {
                    self.first
                        .push(argv(&["nft", "delete", "table", family, name]));
                }
            }
            Section::Iptables => self.add_iptables(line),
            // Nothing that could be taken away.
            Section::Missing => {}
            Section::Ipsets => self.then.push(argv(&["ipset", "destroy", line])),
            Section::Routes => {
                if let Some((family, route)) = line.split_once(' ') {
                    self.add_ip(family, &["route", "del"], route);
                }
            }
            Section::Rules => {
                if let Some((family, rule)) = line.split_once(' ')
                    && let Some((priority, selector)) = rule.split_once(':')
                {
                    let selector = selector.replace("[detached] ", "");
                    self.add_ip(family, &["rule", "del", "priority", priority], &selector);
                }
            }
        }
    }

    fn delete_file(&mut self, path: &str) {
        self.first.push(argv(&["rm", "-rf", "--", path]));
    }

    fn add_ip(&mut self, family: &str, verb: &[&str], words: &str) {
        let mut command = argv(&["ip", &format!("-{family}")]);
        command.extend(argv(verb));
        command.extend(words.split_whitespace().map(str::to_owned));
        self.then.push(command);
    }

    /// `PROGRAM TABLE LINE` of `iptables-save` undone.
    fn add_iptables(&mut self, line: &str) {
        let mut parts = line.splitn(3, ' ');
        let (Some(program), Some(table), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return;
        };
        let Some(program) = IPTABLES.iter().position(|known| *known == program) else {
            return;
        };
        if let Some(rule) = rest.strip_prefix("-A ") {
            self.rules[program].push((table.to_owned(), format!("-D {rule}")));
        } else if let Some(declared) = rest.strip_prefix(':') {
            let mut words = declared.split_whitespace();
            let (Some(chain), policy) = (words.next(), words.next()) else {
                return;
            };
            // A chain that is part of its table stays; what it does with what no rule decides can have been changed.
            match policy {
                Some(policy) if policy != "-" => {
                    self.rules[program].push((table.to_owned(), format!(":{chain} ACCEPT [0:0]")));
                }
                _ => self.chains[program].push((table.to_owned(), format!("-X {chain}"))),
            }
        }
    }

    /// Runs everything on a node. Some commands fail because an earlier one took more away: whether all is gone is for another
    /// snapshot to say. Returns what the commands said on standard error.
    ///
    /// # Errors
    /// When nothing can be run there.
    pub(super) async fn run(&self, cluster: &dyn Cluster, node: &str) -> Result<String> {
        let target = Target::Node(node.to_owned());
        let mut said = String::new();
        let run = async |script: &str, name: &str, input: String| {
            if input.is_empty() {
                return Ok(String::new());
            }
            let argv = argv(&["sh", "-c", script, name]);
            let done = cluster.exec(&target, &argv, input.as_bytes()).await?;
            Ok::<_, crate::Error>(done.stderr)
        };
        said += &run(COMMANDS, "remove", commands(&self.first)).await?;
        for lines in [&self.rules, &self.chains] {
            for (program, lines) in IPTABLES.iter().zip(lines) {
                let input = lines
                    .iter()
                    .map(|(table, line)| format!("{table}\n{line}\n"));
                said += &run(RESTORE, program, input.collect()).await?;
            }
        }
        said += &run(COMMANDS, "remove", commands(&self.then)).await?;
        said += &run(COMMANDS, "remove", commands(&self.devices)).await?;
        Ok(said)
    }
}

fn argv(words: &[&str]) -> Argv {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The input of [`COMMANDS`].
fn commands(all: &[Argv]) -> String {
    let one = |argv: &Argv| format!("{}\n\n", argv.join("\n"));
    all.iter().map(one).collect()
}

/// Whether nft takes it for one name.
fn is_identifier(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    use super::*;

    fn of(left: &[(Section, &str)]) -> Removal {
        let left: Vec<(Section, String)> = left
            .iter()
            .map(|(section, line)| (*section, (*line).to_owned()))
            .collect();
        Removal::of(&left)
    }

    #[test]
    fn what_is_left_becomes_commands_in_an_order_that_works() {
        let removal = of(&[
            (Section::Links, "cni0"),
            (Section::Iptables, "iptables nat :FLANNEL-POSTRTG -"),
            (
                Section::Iptables,
                "iptables nat -A POSTROUTING -m comment --comment \"flanneld masq\" -j FLANNEL-POSTRTG",
            ),
            (Section::Iptables, "iptables filter :FORWARD DROP"),
            (Section::Tables, "inet flatnet"),
            (Section::Bin, "it's"),
            (Section::Routes, "4 10.244.1.0/24 via 172.18.0.3 dev eth0"),
            (Section::Rules, "4 100:\tfrom all lookup 7"),
        ]);
        assert_eq!(
            commands(&removal.first),
            "nft\ndelete\ntable\ninet\nflatnet\n\nrm\n-rf\n--\n/opt/cni/bin/it's\n\n"
        );
        assert_eq!(
            removal.rules[0],
            [
                (
                    "nat".to_owned(),
                    "-D POSTROUTING -m comment --comment \"flanneld masq\" -j FLANNEL-POSTRTG"
                        .to_owned()
                ),
                ("filter".to_owned(), ":FORWARD ACCEPT [0:0]".to_owned()),
            ]
        );
        assert_eq!(
            removal.chains[0],
            [("nat".to_owned(), "-X FLANNEL-POSTRTG".to_owned())]
        );
        assert_eq!(
            commands(&removal.then),
            "ip\n-4\nroute\ndel\n10.244.1.0/24\nvia\n172.18.0.3\ndev\neth0\n\n\
             ip\n-4\nrule\ndel\npriority\n100\nfrom\nall\nlookup\n7\n\n"
        );
        assert_eq!(
            commands(&removal.devices),
            "ip\nlink\ndelete\ndev\ncni0\n\n"
        );
    }

    #[test]
    fn a_table_whose_name_nft_would_read_as_a_command_is_left() {
        assert_eq!(of(&[(Section::Tables, "inet x;flush")]), Removal::default());
        assert_eq!(of(&[(Section::Tables, "inet x y")]), Removal::default());
    }

    /// Runs a script in a folder whose programs are recorders: what each was called with, an argument a line, and its input.
    fn recorded(script: &str, name: &str, programs: &[&str], input: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        for program in programs {
            let path = dir.path().join(program);
            let text = format!(
                "#!/bin/sh\nprintf '%s\\n' \"{program}\" \"$@\" >>'{log}'; /bin/cat >>'{log}'; exit 1\n",
                log = log.display()
            );
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut child = Command::new("/bin/sh")
            .args(["-c", script, name])
            .env("PATH", dir.path())
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait().unwrap();
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "log" && !programs.contains(&name.as_str()))
            .collect();
        left.sort();
        assert!(left.is_empty(), "the script made {left:?}");
        std::fs::read_to_string(&log).unwrap_or_default()
    }

    /// Words that a shell would act on, as names of weave's sets, comments and files can have them.
    const WORDS: [&str; 8] = [
        "weave-;touch pwned;",
        "$(touch pwned)",
        "`touch pwned`",
        "a|touch pwned",
        ">pwned",
        "# not a comment",
        "it's \"quoted\" \\ and $HOME *",
        "-n",
    ];

    #[test]
    fn no_name_becomes_a_shell_word_of_a_command() {
        for word in WORDS {
            let removal = of(&[(Section::Ipsets, word), (Section::State, word)]);
            let input = commands(&removal.first) + &commands(&removal.then);
            let log = recorded(COMMANDS, "remove", &["rm", "ipset"], &input);
            assert_eq!(
                log,
                format!("rm\n-rf\n--\n{word}\nipset\ndestroy\n{word}\n")
            );
        }
    }

    #[test]
    fn no_name_becomes_a_shell_word_of_a_rule_and_one_that_fails_stops_no_other() {
        for word in WORDS {
            let line = format!("iptables filter -A FORWARD -m set --match-set {word} dst -j DROP");
            let removal = of(&[
                (Section::Iptables, &line),
                (Section::Iptables, "iptables filter -A FORWARD -j X"),
            ]);
            let input: String = removal.rules[0]
                .iter()
                .map(|(table, line)| format!("{table}\n{line}\n"))
                .collect();
            let log = recorded(RESTORE, "iptables", &["iptables-restore"], &input);
            let one = |rule: &str| {
                format!("iptables-restore\n--noflush\n--wait\n*filter\n-D FORWARD {rule}\nCOMMIT\n")
            };
            let expected = one(&format!("-m set --match-set {word} dst -j DROP")) + &one("-j X");
            assert_eq!(log, expected);
        }
    }
}
