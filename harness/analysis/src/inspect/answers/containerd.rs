//! containerd's configuration, as far as it names the pause image and the directories of CNI.
use toml::{Table, Value};

/// What the configuration says of the pause image.
#[derive(Debug, PartialEq)]
pub(super) enum PauseImage {
    /// It names it, at that key.
    Set { image: String, key: &'static str },
    /// It leaves it to the default that containerd was built with.
    Default,
    /// It does not name it and takes in other files.
    Imported(Vec<String>),
}

/// Where versions 3 and 2 of the configuration have it (containerd, docs/cri/config.md).
const KEYS: [(&[&str], &str); 2] = [
    (
        &[
            "plugins",
            "io.containerd.cri.v1.images",
            "pinned_images",
            "sandbox",
        ],
        "plugins.'io.containerd.cri.v1.images'.pinned_images.sandbox",
    ),
    (
        &["plugins", "io.containerd.grpc.v1.cri", "sandbox_image"],
        "plugins.'io.containerd.grpc.v1.cri'.sandbox_image",
    ),
];

/// Reads the file's text.
///
/// # Errors
/// Why it is not TOML, with line and column.
pub(super) fn pause_image(text: &str) -> Result<PauseImage, String> {
    let table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| error.message().to_owned())
        .map_err(|message| format!("it is not TOML: {message}"))?;
    for (path, key) in KEYS {
        if let Some(image) = at(&table, path) {
            return Ok(PauseImage::Set {
                image: image.to_owned(),
                key,
            });
        }
    }
    let imports = table
        .get("imports")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let imports: Vec<String> = imports
        .filter_map(|path| Some(path.as_str()?.to_owned()))
        .collect();
    Ok(if imports.is_empty() {
        PauseImage::Default
    } else {
        PauseImage::Imported(imports)
    })
}

/// The tables that hold `conf_dir`, `bin_dir` and `bin_dirs`: versions 3 and 2 (the same pages).
const CNI: [[&str; 3]; 2] = [
    ["plugins", "io.containerd.cri.v1.runtime", "cni"],
    ["plugins", "io.containerd.grpc.v1.cri", "cni"],
];

/// Directories that the configuration gives for CNI; nothing of what it leaves to the defaults.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct CniDirectories {
    /// `conf_dir`.
    pub(crate) configurations: Option<String>,
    /// `bin_dir`, `bin_dirs`.
    pub(crate) plugins: Vec<String>,
}

/// Those of the file's text; none where it is not TOML.
pub(crate) fn cni_directories(text: &str) -> CniDirectories {
    let Ok(table) = text.parse::<Table>() else {
        return CniDirectories::default();
    };
    let cni = CNI.iter().find_map(|path| folder(&table, path));
    let Some(cni) = cni else {
        return CniDirectories::default();
    };
    let texts = |value: &Value| -> Vec<String> {
        let list = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        let texts = list.iter().filter_map(Value::as_str);
        texts
            .map(|path| path.trim_end_matches('/').to_owned())
            .collect()
    };
    let all = |key: &str| cni.get(key).map(texts).unwrap_or_default();
    let set = |path: &String| !path.is_empty();
    CniDirectories {
        configurations: all("conf_dir").into_iter().find(set),
        plugins: [all("bin_dir"), all("bin_dirs")]
            .concat()
            .into_iter()
            .filter(set)
            .collect(),
    }
}

fn folder<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Table> {
    path.iter()
        .try_fold(table, |table, folder| table.get(*folder)?.as_table())
}

fn at<'a>(table: &'a Table, path: &[&str]) -> Option<&'a str> {
    let (last, folders) = path.split_last()?;
    folder(table, folders)?.get(*last)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_the_configuration_are_read() {
        let v2 = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"registry.k8s.io/pause:3.10\"\n";
        let v3 = "version = 3\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = 'registry.k8s.io/pause:3.10.1'\n";
        assert!(
            matches!(pause_image(v2), Ok(PauseImage::Set { image, .. }) if image == "registry.k8s.io/pause:3.10")
        );
        assert!(
            matches!(pause_image(v3), Ok(PauseImage::Set { image, .. }) if image == "registry.k8s.io/pause:3.10.1")
        );
    }

    #[test]
    fn directories_of_cni_are_read_in_both_versions() {
        let v2 = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\n  conf_dir = \"/etc/cni/test/\"\n  bin_dir = \"/usr/lib/cni\"\n";
        let v3 = "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.cni]\nbin_dirs = ['/opt/cni/bin', '/usr/lib/cni']\n";
        let given = cni_directories(v2);
        assert_eq!(given.configurations.as_deref(), Some("/etc/cni/test"));
        assert_eq!(given.plugins, ["/usr/lib/cni"]);
        let given = cni_directories(v3);
        assert_eq!(given.configurations, None);
        assert_eq!(given.plugins, ["/opt/cni/bin", "/usr/lib/cni"]);
        assert_eq!(cni_directories("version = \n"), CniDirectories::default());
    }

    #[test]
    fn what_it_does_not_say_is_told_apart() {
        assert_eq!(pause_image("version = 2\n"), Ok(PauseImage::Default));
        assert_eq!(
            pause_image("imports = ['/etc/containerd/conf.d/*.toml']\n"),
            Ok(PauseImage::Imported(vec![
                "/etc/containerd/conf.d/*.toml".to_owned()
            ]))
        );
        assert!(
            pause_image("version = \n")
                .unwrap_err()
                .starts_with("it is not TOML: ")
        );
        assert_eq!(pause_image("plugins = 3\n"), Ok(PauseImage::Default));
    }
}
