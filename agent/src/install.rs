//! Atomic installation of files.
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::file;
use crate::{Error, Result};

/// File name of the CNI plugin, and its `type` in the conflist.
pub(crate) const PLUGIN: &str = "flatnet-cni";

/// Gives the file at `path` this content and mode, creating directories as needed. `Ok(false)`: it had them already.
///
/// The file is written under a temporary name and renamed, so that a reader (or a runtime that executes it) sees either
/// the old or the new one. The temporary name ends in `.tmp`: container runtimes load `*.conf`, `*.conflist` and `*.json`.
///
/// # Errors
/// A file operation fails.
pub fn ensure_file(path: &Path, content: &[u8], mode: u32) -> Result<bool> {
    if is_same(path, content, mode).map_err(file("read", path))? {
        return Ok(false);
    }
    let dir = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(dir).map_err(file("make directory", dir))?;
    let temporary = dir.join(format!(
        ".{}.tmp",
        path.file_name().unwrap_or_default().display()
    ));
    write_new(&temporary, content, mode).map_err(file("write", &temporary))?;
    fs::rename(&temporary, path).map_err(file("rename into place", path))?;
    Ok(true)
}

fn is_same(path: &Path, content: &[u8], mode: u32) -> io::Result<bool> {
    match fs::metadata(path) {
        // Size and mode first: the plugin has two megabytes, and this runs at every pass.
        Ok(there)
            if there.len() != content.len() as u64
                || there.permissions().mode() & 0o7777 != mode =>
        {
            Ok(false)
        }
        Ok(_) => Ok(fs::read(path)? == content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    // Left by a crash, since each node has only one agent.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(content)?;
    // The umask reduces the mode at creation.
    file.set_permissions(Permissions::from_mode(mode))?;
    // Otherwise the renamed file could be empty after a power failure.
    File::sync_all(&file)
}

/// Copies the plugin into `bin_dir`. `Ok(false)`: the same file was there already.
///
/// # Errors
/// The source is missing, or a file operation fails.
pub(crate) fn install_plugin(source: &Path, bin_dir: &Path) -> Result<bool> {
    let content = match fs::read(source) {
        Ok(content) => content,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Err(missing_source(source));
        }
        Err(cause) => return Err(file("read", source)(cause)),
    };
    ensure_file(&bin_dir.join(PLUGIN), &content, 0o755)
}

/// The error of `--install-plugin FILE` if the file does not exist.
pub(crate) fn missing_source(source: &Path) -> Error {
    let remedy = "name the flatnet-cni program with --install-plugin";
    Error::Missing {
        what: "plugin to install",
        path: source.to_owned(),
        remedy,
    }
}

/// Whether `bin_dir` has an executable file of that name.
pub(crate) fn has_program(bin_dir: &Path, name: &str) -> bool {
    let executable = |m: fs::Metadata| m.is_file() && m.permissions().mode() & 0o111 != 0;
    fs::metadata(bin_dir.join(name)).is_ok_and(executable)
}

/// Whether a plugin says that it supports a version of CNI; one that cannot be asked is taken to.
pub(crate) fn supports(plugin: &Path, version: &str) -> bool {
    let asked = Command::new(plugin)
        .env_clear()
        .env("CNI_COMMAND", "VERSION")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let answer = asked
        .ok()
        .and_then(|done| serde_json::from_slice::<Value>(&done.stdout).ok());
    let supported = answer
        .as_ref()
        .and_then(|answer| answer["supportedVersions"].as_array());
    supported.is_none_or(|versions| versions.iter().any(|one| one == version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn an_equal_file_is_not_touched_and_a_different_one_is_replaced_by_another_inode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bin/x");
        assert!(ensure_file(&path, b"one", 0o755).unwrap());
        let first = fs::metadata(&path).unwrap();
        assert_eq!(first.permissions().mode() & 0o7777, 0o755);
        assert!(!ensure_file(&path, b"one", 0o755).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().ino(), first.ino());
        let open = File::open(&path).unwrap();
        assert!(ensure_file(&path, b"two", 0o755).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(
            io::read_to_string(open).unwrap(),
            "one",
            "a reader of the old one keeps it whole"
        );
        assert!(
            ensure_file(&path, b"two", 0o644).unwrap(),
            "the mode counts"
        );
    }

    #[test]
    fn what_a_crash_left_does_not_hinder_and_nothing_is_left_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".x.conflist.tmp"), b"half").unwrap();
        ensure_file(&dir.path().join("x.conflist"), b"whole", 0o644).unwrap();
        let names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["x.conflist"]);
    }

    #[test]
    fn a_missing_plugin_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = install_plugin(&dir.path().join("nowhere"), dir.path()).unwrap_err();
        assert!(
            error.to_string().ends_with(
                "nowhere is missing; name the flatnet-cni program with --install-plugin"
            )
        );
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn a_program_must_be_an_executable_file() {
        let dir = tempfile::tempdir().unwrap();
        ensure_file(&dir.path().join("data"), b"", 0o644).unwrap();
        ensure_file(&dir.path().join("program"), b"", 0o755).unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        let found =
            ["data", "program", "folder", "absent"].map(|name| has_program(dir.path(), name));
        assert_eq!(found, [false, true, false, false]);
    }

    #[test]
    fn a_plugin_says_which_versions_it_supports() {
        let dir = tempfile::tempdir().unwrap();
        let plugin = |name: &str, text: &str| {
            let path = dir.path().join(name);
            ensure_file(&path, text.as_bytes(), 0o755).unwrap();
            path
        };
        let old = "#!/bin/sh\n[ $CNI_COMMAND = VERSION ] && echo '{\"supportedVersions\":[\"0.4.0\",\"1.0.0\"]}'\n";
        let old = plugin("old", old);
        assert!(supports(&old, "1.0.0") && !supports(&old, "1.1.0"));
        assert!(supports(&plugin("silent", "#!/bin/sh\n"), "1.1.0"));
        assert!(supports(&plugin("none", ""), "1.1.0"));
    }
}
