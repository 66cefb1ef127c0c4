//! The options of a run that decide what a lab is like: kept with the lab, so that a mend can boot the same one again.
use std::path::{Path, absolute};

use flatnet_model::booted::Booted;

use super::RunArgs;
use crate::{Error, Result};

impl RunArgs {
    /// The conflist or manifest of `--cni`, where it is a file.
    pub fn cni_file(&self) -> Option<&Path> {
        let file = self.cni.as_deref().filter(|cni| is_file(cni));
        file.map(Path::new)
    }

    /// The options that were given, by the user or by variables; paths hold from any directory.
    ///
    /// # Errors
    /// [`Error::Failed`] without a current directory.
    pub fn booted(&self) -> Result<Booted> {
        let word = |value: &dyn ToString| value.to_string();
        let cni = match &self.cni {
            Some(file) if is_file(file) => Some(path(Path::new(file))?),
            name => name.clone(),
        };
        let ranges: Vec<String> = self.pod_cidr.iter().map(ToString::to_string).collect();
        let lab = &self.lab;
        let given = [
            ("--nodes", self.nodes.as_ref().map(|n| word(n))),
            (
                "--pods-per-node",
                self.pods_per_node.as_ref().map(|n| word(n)),
            ),
            ("--ip-family", self.ip_family.as_ref().map(|f| word(f))),
            ("--pod-cidr", (!ranges.is_empty()).then(|| ranges.join(","))),
            (
                "--node-cidr-mask",
                lab.node_cidr_mask.as_ref().map(|m| word(m)),
            ),
            ("--underlay", lab.underlay.as_ref().map(|u| word(u))),
            ("--mtu", lab.mtu.as_ref().map(|m| word(m))),
            ("--cni", cni),
            ("--cni-bin", lab.cni_bin.as_deref().map(path).transpose()?),
            ("--backend", self.backend.clone()),
            ("--busybox", lab.busybox.as_deref().map(path).transpose()?),
        ];
        let given = given
            .into_iter()
            .filter_map(|(option, value)| Some([option.to_owned(), value?]));
        Ok(Booted {
            options: given.flatten().collect(),
            manifest: self.manifest.as_deref().map(path).transpose()?,
        })
    }
}

/// Whether `--cni` is the path of a file and not a name.
pub(crate) fn is_file(cni: &str) -> bool {
    cni.contains(['/', '.'])
}

fn path(path: &Path) -> Result<String> {
    let absolute = absolute(path).map_err(|e| Error::failed("find the current directory", e))?;
    Ok(absolute.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_shapes_a_lab_is_kept_and_boots_the_same_one() {
        let line = "--nodes 2 --pods-per-node 1 --ip-family dual --pod-cidr 10.9.0.0/16,fd00:9::/48 --node-cidr-mask 25 \
             --underlay routed --mtu 1400 --cni /x/my.conflist --cni-bin /x/bin --backend vxlan --busybox /x/busybox";
        let args = RunArgs::parse(line.split_whitespace()).unwrap();
        let booted = args.booted().unwrap();
        assert_eq!(
            booted.options.join(" "),
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        );
        assert_eq!(booted.manifest, None);
        let again = RunArgs::parse(booted.options.iter().map(String::as_str)).unwrap();
        assert_eq!(again.booted().unwrap(), booted);
    }

    #[test]
    fn a_relative_path_is_kept_so_that_it_holds_from_elsewhere() {
        let args = ["--cni", "my.conflist", "--manifest", "pods.yaml"];
        let booted = RunArgs::parse(args).unwrap().booted().unwrap();
        let here = std::env::current_dir().unwrap();
        let file = |name: &str| here.join(name).display().to_string();
        assert_eq!(booted.options, ["--cni".to_owned(), file("my.conflist")]);
        assert_eq!(booted.manifest, Some(file("pods.yaml")));
        let named = RunArgs::parse(["--cni", "reference"]).unwrap();
        assert_eq!(named.booted().unwrap().options, ["--cni", "reference"]);
    }
}
