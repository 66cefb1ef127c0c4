//! The network configuration of a node, as this runtime takes it.
use std::io::ErrorKind;
use std::path::Path;

use flatnet_model::cni::{ListError, NetworkList, PluginFault, Version, is_configuration};

use super::Error;
use crate::node_root::NodeRoot;

/// The longest configuration that is read, bytes. Runtimes know no limit, and a real one has a few KiB.
const MOST: u64 = 1 << 20;

/// The network in use: the first file in lexical order that is a configuration by its name. A file that is malformed is not
/// passed over, as containerd does not pass it over.
///
/// # Errors
/// [`Error::NoConfig`] without such a file, [`Error::Config`] for one that is not a regular file, too long, malformed or has no
/// version that this runtime speaks.
pub(super) fn load(root: &NodeRoot, dir: &Path) -> Result<NetworkList, Error> {
    let names = match root.list(dir) {
        Ok(names) => names,
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(Error::NoConfig),
        Err(e) => {
            return Err(Error::Io {
                what: format!("list {}", dir.display()),
                cause: e,
            });
        }
    };
    let first = names.into_iter().find(|name| is_configuration(name));
    let path = dir.join(first.ok_or(Error::NoConfig)?);
    let bytes = root.read(&path, MOST).map_err(|e| match e.kind() {
        ErrorKind::InvalidInput | ErrorKind::FileTooLarge => {
            bad(&path, format!("error reading file: {e}"))
        }
        _ => Error::io(format!("read {}", path.display()))(e),
    })?;
    parse(&bytes, &path)
}

/// What containerd says of a file that it does not load.
fn bad(source: &Path, why: String) -> Error {
    let what = match source.extension() {
        Some(ending) if ending == "conflist" => "CNI config list file",
        _ => "CNI config file",
    };
    Error::Config(format!("failed to load {what} {}: {why}", source.display()))
}

/// Reads the bytes of the file `source`, and leaves of its versions those that this runtime speaks.
pub(super) fn parse(bytes: &[u8], source: &Path) -> Result<NetworkList, Error> {
    let bad = |why: String| bad(source, why);
    let mut list = NetworkList::parse(bytes, source).map_err(|e| bad(in_libcnis_words(&e)))?;
    list.versions.retain(|version| version.is_spoken());
    match (list.versions.is_empty(), list.declared.is_empty()) {
        (false, _) => Ok(list),
        // libcni takes that as 0.1.0.
        (true, true) => Err(bad("no \"cniVersion\"".to_owned())),
        (true, false) => Err(bad(format!(
            "unsupported CNI version {} (the lab's runtime speaks {})",
            list.declared.join(", "),
            Version::spoken()
        ))),
    }
}

/// The wording of libcni, where it differs.
fn in_libcnis_words(error: &ListError) -> String {
    let missing_type = "missing 'type'";
    match error {
        ListError::Json(why) => format!("error parsing configuration: {why}"),
        ListError::NoName => "no network \"name\"".to_owned(),
        ListError::NoPlugins => format!("no \"plugins\" key: {error}"),
        ListError::EmptyChain => "the list has no plugins".to_owned(),
        ListError::InChain {
            position,
            fault: PluginFault::NoType,
        } => format!("plugin {position}: {missing_type}"),
        ListError::Single(PluginFault::NoType) => missing_type.to_owned(),
        ListError::ListInConf => format!("{missing_type}: {error}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<NetworkList, String> {
        parse(text.as_bytes(), Path::new("/etc/cni/net.d/10-x.conflist")).map_err(|e| e.to_string())
    }

    #[test]
    fn versions_that_this_runtime_does_not_speak_are_left_out() {
        let text = r#"{"cniVersion": "0.2.0", "cniVersions": ["0.4.0", "1.1.0", "2.0.0"], "name": "n", "plugins": [{"type": "x"}]}"#;
        assert_eq!(
            list(text).unwrap().versions,
            [Version::V1_1_0, Version::V0_4_0]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file() {
        for (text, part) in [
            ("{\n  \"name\": \"n\",\n  oops\n}", "line 3 column 3"),
            ("[]", "not a JSON object"),
            (
                r#"{"cniVersion": "1.0.0", "plugins": [{"type": "x"}]}"#,
                "no network \"name\"",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "../x", "plugins": [{"type": "x"}]}"#,
                "invalid characters found in network name",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "n"}"#,
                "no \"plugins\" key",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "n", "plugins": []}"#,
                "no plugins",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "a"}, {}]}"#,
                "plugin 2: missing 'type'",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "../a"}]}"#,
                "not a file name",
            ),
            (
                r#"{"cniVersion": "0.2.0", "name": "n", "plugins": [{"type": "x"}]}"#,
                "unsupported CNI version 0.2.0",
            ),
            (
                r#"{"name": "n", "plugins": [{"type": "x"}]}"#,
                "no \"cniVersion\"",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "n", "disableCheck": "maybe", "plugins": [{"type": "x"}]}"#,
                "disableCheck",
            ),
        ] {
            let error = list(text).unwrap_err();
            assert!(
                error.contains("/etc/cni/net.d/10-x.conflist") && error.contains(part),
                "{part} is missing from: {error}"
            );
        }
    }

    #[test]
    fn the_first_file_in_lexical_order_counts_even_if_it_is_bad() {
        let dir = tempfile::tempdir().unwrap();
        let root = NodeRoot::here().unwrap();
        let good = r#"{"cniVersion": "1.0.0", "name": "NAME", "type": "bridge"}"#;
        assert!(matches!(load(&root, dir.path()), Err(Error::NoConfig)));
        assert!(matches!(
            load(&root, &dir.path().join("none")),
            Err(Error::NoConfig)
        ));
        std::fs::write(dir.path().join("00-readme.txt"), "x").unwrap();
        std::fs::write(dir.path().join("20-b.json"), good.replace("NAME", "b")).unwrap();
        std::fs::write(dir.path().join("10-a.conf"), good.replace("NAME", "a")).unwrap();
        assert_eq!(load(&root, dir.path()).unwrap().name, "a");
        std::fs::write(dir.path().join("05-bad.conflist"), "{").unwrap();
        assert!(matches!(load(&root, dir.path()), Err(Error::Config(_))));
    }

    #[test]
    fn what_is_not_a_file_or_too_long_is_said_as_a_malformed_one_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = NodeRoot::here().unwrap();
        let path = dir.path().join("00-x.conflist");
        let said = || load(&root, dir.path()).unwrap_err().to_string();
        let loading = format!(
            "cni config load failed: failed to load CNI config list file {}: error reading file: ",
            path.display()
        );
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_eq!(said(), format!("{loading}not a regular file"));
        std::fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(said(), format!("{loading}not a regular file"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, " ".repeat(2_000_000)).unwrap();
        assert_eq!(
            said(),
            format!("{loading}longer than 1024 KiB (2000000 bytes)")
        );
    }
}
