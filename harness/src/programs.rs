//! The programs that go into nodes and pods: found beside this one, and static.
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Where flatnet's parts are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `flatnet` itself: a run in another program (a test suite) starts it as the reaper.
    pub flatnet: PathBuf,
    /// `flatnet-lab`, which runs on this machine.
    pub lab: PathBuf,
    /// `flatnet-cni`.
    pub cni: PathBuf,
    /// `flatnet-agent`.
    pub agent: PathBuf,
    /// `flatnet-probe`.
    pub probe: PathBuf,
    /// `flatnet-outside`, where it was built: only checks about the world outside a kind cluster need it, and it brings many
    /// dependencies.
    pub outside: Option<PathBuf>,
}

impl Programs {
    /// Looks beside the running program, and one folder up (cargo puts test programs into `deps/`).
    ///
    /// # Errors
    /// [`Error::Missing`] names the part and how to build it.
    pub fn locate() -> Result<Self> {
        let me = std::env::current_exe()
            .map_err(|e| Error::failed("find this program's own path", e))?;
        let beside = me.parent().unwrap_or(Path::new("/"));
        let find = |name: &str| {
            [Some(beside), beside.parent()]
                .into_iter()
                .flatten()
                .map(|dir| dir.join(name))
                .find(|path| path.is_file())
                .ok_or_else(|| Error::Missing {
                    what: format!(
                        "the program {name} is not in the directory of {}",
                        me.display()
                    ),
                    remedy:
                        "build all programs with make build, or keep those of a release together"
                            .to_owned(),
                })
        };
        let static_part = |name: &str| {
            let path = find(name)?;
            match linkage(&path) {
                Ok(Linkage::Static) => Ok(path),
                Ok(Linkage::Dynamic { interpreter }) => Err(Error::Missing {
                    what: format!("{} needs the loader {interpreter}, which pods do not have", path.display()),
                    remedy: "build it static: run cargo inside the flatnet checkout, whose .cargo/config.toml says so".to_owned(),
                }),
                Err(e) => Err(Error::failed(format!("read {}", path.display()), e)),
            }
        };
        Ok(Programs {
            flatnet: find("flatnet")?,
            lab: find("flatnet-lab")?,
            cni: static_part("flatnet-cni")?,
            agent: static_part("flatnet-agent")?,
            probe: static_part("flatnet-probe")?,
            outside: find("flatnet-outside").ok(),
        })
    }
}

/// How to get `flatnet-outside`, the program that keeps a peer outside a kind cluster.
pub const BUILD_OUTSIDE: &str = "build it: make outside, or cargo build -p flatnet-outside with the profile flatnet was built with";

/// How a program is linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// Needs nothing at run time.
    Static,
    /// Needs a loader (PT_INTERP).
    Dynamic {
        /// Its path.
        interpreter: String,
    },
}

/// Reads the ELF program headers of a 64-bit little-endian program (System V ABI, "Program Header").
///
/// # Errors
/// Not readable, or not such a program (`InvalidData`).
pub fn linkage(path: &Path) -> std::io::Result<Linkage> {
    const PT_INTERP: u32 = 3;
    let bad = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let mut bytes = Vec::new();
    // Headers and interpreter name sit in the first page of every linker's output.
    File::open(path)?.take(64 * 1024).read_to_end(&mut bytes)?;
    if bytes.len() < 64 || bytes[..4] != *b"\x7fELF" || bytes[4] != 2 || bytes[5] != 1 {
        return Err(bad("not a 64-bit ELF program"));
    }
    let number = |at: usize, len: usize| -> std::io::Result<usize> {
        let raw = bytes
            .get(at..at + len)
            .ok_or_else(|| bad("truncated ELF headers"))?;
        Ok(raw
            .iter()
            .rev()
            .fold(0, |n, byte| n << 8 | usize::from(*byte)))
    };
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for entry in (0..count).map(|i| table + i * size) {
        if number(entry, 4)? == PT_INTERP as usize {
            let (offset, len) = (number(entry + 8, 8)?, number(entry + 32, 8)?);
            let name = bytes
                .get(offset..offset + len)
                .ok_or_else(|| bad("truncated ELF interpreter"))?;
            return Ok(Linkage::Dynamic {
                interpreter: String::from_utf8_lossy(name)
                    .trim_end_matches('\0')
                    .to_owned(),
            });
        }
    }
    Ok(Linkage::Static)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_static_from_dynamic() {
        assert_eq!(
            linkage(&std::env::current_exe().unwrap()).unwrap(),
            Linkage::Static
        );
        assert!(
            matches!(linkage(Path::new("/bin/ls")).unwrap(), Linkage::Dynamic { interpreter } if interpreter.contains("ld"))
        );
        assert_eq!(
            linkage(Path::new("/etc/passwd")).unwrap_err().kind(),
            std::io::ErrorKind::InvalidData
        );
    }
}
