//! Conflists of rows: one that stands in the file, or a known one, with keys changed.
use std::path::{Path, PathBuf};

use flatnet_cluster::input;
use serde_json::Value as Json;

use super::key_path::set;
use super::options::Options;
use crate::cni::{REFERENCE, REFERENCE_DIRS};
use crate::programs::Programs;
use crate::{Error, Result};

/// Placeholders that stand for something else than text: they are without quotes in a conflist, which JSON cannot hold.
const UNQUOTED: [&str; 2] = ["${MTU}", "${RANGES}"];

/// The text of the conflist of these options; nothing where they take a CNI as it is.
///
/// # Errors
/// [`Error::Input`] where keys are to be changed of what is not a conflist, or do not fit it.
pub(super) fn text(options: &Options) -> Result<Option<String>> {
    let cni = options.named.get("cni").map(|word| word.0.as_str());
    let base = match (&options.conflist, cni) {
        (Some(_), Some(cni)) => {
            return Err(Error::Input(format!(
                "conflist: the row has cni {cni} too; leave one of them out"
            )));
        }
        (Some(conflist), None) => conflist.clone(),
        (None, _) if options.set.is_empty() => return Ok(None),
        (None, Some("reference")) => parsed("reference", REFERENCE)?,
        (None, Some(file)) if crate::config::is_file(file) => {
            let text = input::text(Path::new(file))
                .map_err(|e| Error::Input(format!("cni {file}: {e}")))?;
            parsed(file, &text)?
        }
        (None, _) => {
            return Err(Error::Input(
                "set: it changes keys of a conflist; give conflist, or cni: reference or the path of one"
                    .to_owned(),
            ));
        }
    };
    let mut conflist = base;
    for (path, value) in &options.set {
        set(&mut conflist, path, value).map_err(Error::Input)?;
    }
    let mut text = serde_json::to_string_pretty(&conflist)
        .map_err(|e| Error::failed("write a conflist", e))?;
    for placeholder in UNQUOTED {
        text = text.replace(&format!("\"{placeholder}\""), placeholder);
    }
    Ok(Some(text))
}

fn parsed(name: &str, text: &str) -> Result<Json> {
    let mut quoted = text.to_owned();
    for placeholder in UNQUOTED {
        quoted = quoted
            .replace(&format!("\"{placeholder}\""), placeholder)
            .replace(placeholder, &format!("\"{placeholder}\""));
    }
    serde_json::from_str(&quoted).map_err(|e| Error::Input(format!("cni {name}: not JSON: {e}")))
}

/// Puts a row's conflist into a folder, with the programs that it may name beside it; returns the options that use them. Programs
/// are flatnet's own and those of the distribution, where `cni-bin` does not say otherwise.
///
/// # Errors
/// When it cannot be written.
pub(super) fn install(dir: &Path, text: &str, options: &Options) -> Result<Vec<String>> {
    let failed = |e: std::io::Error| Error::failed(format!("write into {}", dir.display()), e);
    let file = dir.join("row.conflist");
    std::fs::write(&file, text).map_err(failed)?;
    let mut words = vec![format!("--cni={}", file.display())];
    if !options.named.contains_key("cni-bin") {
        let bin = dir.join("bin");
        if !bin.is_dir() {
            std::fs::create_dir(&bin).map_err(failed)?;
            for program in programs()? {
                let name = program.file_name().unwrap_or_default();
                let link = bin.join(name);
                if !link.exists() {
                    std::os::unix::fs::symlink(&program, link).map_err(failed)?;
                }
            }
        }
        words.push(format!("--cni-bin={}", bin.display()));
    }
    Ok(words)
}

fn programs() -> Result<Vec<PathBuf>> {
    let mut all = vec![Programs::locate()?.cni];
    for dir in REFERENCE_DIRS {
        // Where it is not there, the row says which plugin is missing.
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        all.extend(entries.map(|entry| entry.path()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stay_as_the_lab_fills_them() {
        let options: Options = serde_yaml::from_str(
            "{cni: reference, set: {'plugins[0].hairpinMode': false, 'plugins[1]': null}}",
        )
        .unwrap();
        let text = text(&options).unwrap().unwrap();
        assert!(text.contains("\"mtu\": ${MTU}"), "{text}");
        assert!(text.contains("\"ranges\": ${RANGES}"), "{text}");
        assert!(text.contains("\"hairpinMode\": false"), "{text}");
        assert!(!text.contains("portmap"), "{text}");
    }
}
