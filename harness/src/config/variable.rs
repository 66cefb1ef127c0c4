//! Variables that set options: one that is empty sets nothing, and an error about a value from one names the variable.
use std::env;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// The command with only those variables that hold something.
pub(crate) fn nonempty(command: Command) -> Command {
    command
        .mut_args(|arg| {
            let value = arg.get_env().and_then(env::var_os);
            match value.is_some_and(|value| value.is_empty()) {
                true => arg.env(Resettable::Reset),
                false => arg,
            }
        })
        .mut_subcommands(nonempty)
}

/// The command without variables: its options are those that are written.
pub(crate) fn unheard(command: Command) -> Command {
    command.mut_args(|arg| arg.env(Resettable::Reset))
}

/// An error's words about options of `command`: an option whose value a variable set is called by that variable.
pub(crate) fn named(error: &str, command: &Command, matches: &ArgMatches) -> String {
    let mut words = error.to_owned();
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        let (Some(option), Some(variable)) = (arg.get_long(), arg.get_env()) else {
            continue;
        };
        if matches.value_source(id) == Some(ValueSource::EnvVariable) {
            let value = env::var(variable).unwrap_or_default();
            words = renamed(&words, option, &variable.to_string_lossy(), &value);
        }
    }
    words
}

/// `--option` is `VARIABLE`, and `--option value` is `VARIABLE=value`. `--option other:` is about another value, which the variable
/// did not set.
fn renamed(words: &str, option: &str, variable: &str, value: &str) -> String {
    let option = format!("--{option}");
    let mut pieces = words.split(&option);
    let mut renamed = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let longer = piece.starts_with(|c: char| c == '-' || c.is_ascii_alphanumeric());
        let rest = piece.strip_prefix(' ').unwrap_or_default();
        let word = rest.split(' ').next().unwrap_or_default();
        let bare = word.trim_end_matches([',', ':', ';']);
        // A cluster's name may have its maker in front of it, in the variable or in the error.
        let valued = !bare.is_empty() && (bare.ends_with(value) || value.ends_with(bare));
        if longer || (!valued && word.ends_with(':')) {
            renamed.extend([&option, piece]);
        } else if valued {
            renamed.extend([variable, "=", rest]);
        } else {
            renamed.extend([variable, piece]);
        }
    }
    renamed
}

/// The `FLATNET_*` variable that set the value `error` rejects; none where the option itself was typed.
pub(crate) fn behind(error: &clap::Error) -> Option<String> {
    let (Some(ContextValue::String(argument)), Some(ContextValue::String(value))) = (
        error.get(ContextKind::InvalidArg),
        error.get(ContextKind::InvalidValue),
    ) else {
        return None;
    };
    let option = argument.split_whitespace().next()?;
    let typed = env::args().any(|arg| arg.split('=').next() == Some(option));
    let name = option.strip_prefix("--")?.replace('-', "_");
    let variable = format!("FLATNET_{}", name.to_uppercase());
    let set = env::var(&variable).is_ok_and(|text| text.contains(value));
    (set && !typed).then_some(variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_option_itself_is_renamed() {
        let of = |words| renamed(words, "cni", "FLATNET_CNI", "x");
        assert_eq!(
            of("--cni x: --cni-bin y, --cni: leave --cni out, or choose --cni lab/x"),
            "FLATNET_CNI=x: --cni-bin y, FLATNET_CNI: leave FLATNET_CNI out, or choose FLATNET_CNI=lab/x"
        );
        assert_eq!(of("--cni z: unknown"), "--cni z: unknown");
        assert_eq!(of("no option"), "no option");
    }
}
