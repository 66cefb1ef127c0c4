//! A plugin that the node does not execute, or that ended without what it was run for: by the runtime's words.
use flatnet_model::cause::NotAProgram;
use flatnet_model::cni::{BIN_DIR, CONF_DIR};
use flatnet_model::evidence::{Command, Remediation, Start, Subject, Todo};

use super::{About, Cause, Finding, Known, Said, agent, said, words};

pub(super) fn of(about: &About<'_>) -> Option<Finding> {
    let text = about.network_words()?.text;
    let node = about.node.object.name.clone();
    let plugin = words::plugin(&text);
    let case = match words::read(&text) {
        Said::NotRunnable { plugin, how } => not_runnable(about, plugin, how),
        Said::Killed => Case {
            expected: Start::PluginAnswers,
            look: about.on_node("dmesg"),
            fix: Remediation::to(Todo::ReadMoreWords, vec![words_of_services(about)]),
            cause: Cause::PluginKilled { node, plugin },
        },
        Said::ProgramMissing { program } => {
            let find = about.shell(format!("command -v {}", shell_word(&program)));
            Case {
                expected: Start::ProgramInstalled {
                    program: program.clone(),
                },
                look: find.clone(),
                fix: Remediation::to(
                    Todo::InstallProgram {
                        program: program.clone(),
                    },
                    vec![find],
                ),
                cause: Cause::ProgramMissing { node, program },
            }
        }
        Said::Refused => Case {
            expected: Start::CredentialsAccepted,
            look: about.on_node(&format!("ls -l {CONF_DIR}")),
            // The agent writes the kubeconfig when it starts.
            fix: restart(about),
            cause: Cause::CredentialsRefused { node, plugin },
        },
        Said::NoAddress => {
            let ipam = about.shell(format!("grep -n -A 8 ipam {CONF_DIR}/*"));
            Case {
                expected: Start::AddressGiven,
                look: ipam.clone(),
                fix: Remediation::to(Todo::GiveRange, vec![ipam]),
                cause: Cause::NoAddressGiven { node, plugin },
            }
        }
        _ => return None,
    };
    let culprit = match &case.cause {
        Cause::PluginNotRunnable { node, plugin, .. } => Subject::Plugin {
            node: node.clone(),
            plugin: plugin.clone(),
        },
        Cause::ProgramMissing { .. } => about.node(),
        _ => match words::plugin(&text) {
            Some(plugin) => Subject::Plugin {
                node: about.node.object.name.clone(),
                plugin,
            },
            None => about.node(),
        },
    };
    let known = Known {
        subjects: vec![about.subject(), about.node()],
        culprit,
        expected: case.expected.into(),
        observed: vec![said(words::core(&text))],
        look: case.look,
        fix: case.fix,
        seen: Vec::new(),
    };
    Some(about.finding(case.cause, known))
}

/// What one of them needs, what shows it, and what puts it right.
struct Case {
    expected: Start,
    look: Command,
    fix: Remediation,
    cause: Cause,
}

fn not_runnable(about: &About<'_>, plugin: String, how: NotAProgram) -> Case {
    let path = format!("{BIN_DIR}/{plugin}");
    let on_path = |words: &[&str]| Command {
        argv: words
            .iter()
            .copied()
            .chain([path.as_str()])
            .map(str::to_owned)
            .collect(),
        ..about.on_node("ls")
    };
    Case {
        expected: Start::RunnablePlugin,
        look: match how {
            NotAProgram::Permission => on_path(&["ls", "-lL"]),
            // The kind of file and the machine are in the first 20 bytes (elf(5)), an interpreter in the first line.
            NotAProgram::Format | NotAProgram::Interpreter => on_path(&["head", "-c", "64"]),
        },
        fix: match how {
            NotAProgram::Permission => Remediation::run(on_path(&["chmod", "755"])),
            NotAProgram::Format | NotAProgram::Interpreter => restart(about),
        },
        cause: Cause::PluginNotRunnable {
            node: about.node.object.name.clone(),
            plugin,
            how,
        },
    }
}

fn restart(about: &About<'_>) -> Remediation {
    match &about.evidence.agents {
        Ok(agents) => agent::fix(about, agents.first(), None),
        Err(_) => agent::apply_add_on(),
    }
}

fn words_of_services(about: &About<'_>) -> Command {
    match about.evidence.advice.has_kubectl() {
        true => about.on_node("journalctl -k -u containerd -u crio -n 50"),
        false => about.on_node("cat /proc/meminfo"),
    }
}

/// It comes from a message: only what a file name of a program usually has.
fn shell_word(text: &str) -> String {
    let fine = |c: &char| c.is_ascii_alphanumeric() || "-_./+".contains(*c);
    text.chars().filter(fine).collect()
}
