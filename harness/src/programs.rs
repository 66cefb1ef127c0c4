//! flatnet's programs: found beside this one, where a variable says, or on PATH; those that go into nodes and pods are static.
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use elf::abi::PT_INTERP;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::{ElfStream, ParseError};

use crate::{Error, Result};
use flatnet_cluster::input;

/// The program whose directory holds the others.
const FLATNET: &str = "flatnet";

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
    /// Looks in the directory that [`VARIABLE`] names; without it beside the running program and one folder up (cargo puts test
    /// programs into `deps/`), and where flatnet is not there either, beside the `flatnet` on `PATH`.
    ///
    /// # Errors
    /// [`Error::Missing`] names the part and how to get it, or how to get parts of this version.
    pub fn locate() -> Result<Self> {
        let dirs = directories()?;
        let find = |name: &str| {
            let found = dirs.iter().map(|dir| dir.join(name));
            found
                .clone()
                .find(|path| path.is_file())
                .ok_or_else(|| missing(name, &dirs))
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
            flatnet: find(FLATNET)?,
            lab: find("flatnet-lab")?,
            cni: static_part("flatnet-cni")?,
            agent: static_part("flatnet-agent")?,
            probe: static_part("flatnet-probe")?,
            outside: find("flatnet-outside").ok(),
        })
    }
}

/// Names the directory of flatnet's programs.
pub const VARIABLE: &str = "FLATNET_PROGRAMS";

/// Where the programs may be.
fn directories() -> Result<Vec<PathBuf>> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        of_this_version(&named)?;
        return Ok(vec![named]);
    }
    let me =
        std::env::current_exe().map_err(|e| Error::failed("find this program's own path", e))?;
    let near = me.ancestors().skip(1).take(2);
    let near: Vec<PathBuf> = near.map(Path::to_owned).collect();
    let is_there = |dir: &PathBuf| dir.join(FLATNET).is_file();
    match which::which(FLATNET) {
        Ok(installed) if !near.iter().any(is_there) => {
            // A link to it may be alone in its directory.
            let installed = installed.canonicalize().unwrap_or(installed);
            let dir = installed.parent().unwrap_or(Path::new("/"));
            of_this_version(dir)?;
            Ok(vec![dir.to_owned()])
        }
        _ => Ok(near),
    }
}

/// The parts talk to each other in a language of their own, which only those of one version share.
fn of_this_version(dir: &Path) -> Result<()> {
    let flatnet = dir.join(FLATNET);
    let Ok(told) = Command::new(&flatnet).arg("--version").output() else {
        return Err(missing(FLATNET, &[dir.to_owned()]));
    };
    let told = String::from_utf8_lossy(&told.stdout);
    let version = told.trim().strip_prefix("flatnet ").unwrap_or(told.trim());
    if version == env!("CARGO_PKG_VERSION") {
        return Ok(());
    }
    Err(Error::Missing {
        what: format!(
            "{} is of version {version:?}, and the library flatnet in this program of version {:?}",
            flatnet.display(),
            env!("CARGO_PKG_VERSION")
        ),
        remedy: "install flatnet in the version of the library, or use the library in the version of flatnet".to_owned(),
    })
}

fn missing(name: &str, dirs: &[PathBuf]) -> Error {
    let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    Error::Missing {
        what: format!("the program {name} is not in {}", dirs.join(" or ")),
        remedy: format!(
            "install flatnet, so that flatnet is on PATH, or name the directory of its programs with {VARIABLE}; in a clone, build all of them with make build; those of a release belong together"
        ),
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
