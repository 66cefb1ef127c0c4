//! containerd's configuration, as far as it names the pause image.
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

fn at<'a>(table: &'a Table, path: &[&str]) -> Option<&'a str> {
    let (last, folders) = path.split_last()?;
    let mut table = table;
    for folder in folders {
        table = table.get(*folder)?.as_table()?;
    }
    table.get(*last)?.as_str()
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
