//! The variable that a rejected value came from: clap names only the option.
use std::env;

use clap::error::{ContextKind, ContextValue};

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
