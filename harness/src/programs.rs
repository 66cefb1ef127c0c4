//! The programs that go into nodes and pods: found beside this one, and static.
use std::io;
use std::path::{Path, PathBuf};

use elf::abi::PT_INTERP;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::{ElfStream, ParseError};

use crate::{Error, Result};
use flatnet_cluster::input;

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
pub const BUILD_OUTSIDE: &str = "an archive and make install bring it; from a clone: make outside, or cargo build -p flatnet-outside with the profile flatnet was built with";

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

/// Looks for an interpreter in the headers of a 64-bit little-endian program (System V ABI, "Program Header").
///
/// # Errors
/// Not readable, or not such a program (`InvalidData`).
pub fn linkage(path: &Path) -> io::Result<Linkage> {
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let bad = |e| match e {
        ParseError::IOError(e) => e,
        other => invalid(other.to_string()),
    };
    let file = input::open(path)?;
    let mut program = ElfStream::<LittleEndian, _>::open_stream(file).map_err(bad)?;
    if program.ehdr.class != Class::ELF64 {
        return Err(invalid("not a 64-bit ELF program".to_owned()));
    }
    let mut segments = program.segments().iter();
    let Some(named) = segments.find(|segment| segment.p_type == PT_INTERP) else {
        return Ok(Linkage::Static);
    };
    let named = *named;
    let interpreter = program.segment_data(&named).map_err(bad)?;
    let interpreter = String::from_utf8_lossy(interpreter);
    Ok(Linkage::Dynamic {
        interpreter: interpreter.trim_end_matches('\0').to_owned(),
    })
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
            io::ErrorKind::InvalidData
        );
    }
}
