//! The file of a plugin: whether it can be executed here, and what it was built with.
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// The package whose functions every plugin built on it has in its symbol table, stripped or not.
const SKEL: &[u8] = b"containernetworking/cni/pkg/skel";
/// Machine numbers of ELF (elf.h).
const MACHINES: [(u16, &str); 6] = [
    (0x3e, "x86_64"),
    (0xb7, "aarch64"),
    (0x28, "arm"),
    (0x03, "x86"),
    (0x16, "s390x"),
    (0x15, "powerpc64"),
];

/// The program's real path.
///
/// # Errors
/// [`Error::Input`] where it is not a program that this machine can execute.
pub(crate) fn check(path: &Path) -> Result<PathBuf, Error> {
    let wrong = |why: String| Error::Input(format!("{}: {why}", path.display()));
    let real = path
        .canonicalize()
        .map_err(|e| wrong(format!("{e}; give the path of a plugin, or of a conflist")))?;
    let data = fs::metadata(&real).map_err(|e| wrong(e.to_string()))?;
    if !data.is_file() {
        return Err(wrong(
            "is not a file; give the path of one plugin".to_owned(),
        ));
    }
    if data.permissions().mode() & 0o111 == 0 {
        return Err(wrong(
            "is not executable; chmod +x it, or give the program that was built".to_owned(),
        ));
    }
    let mut head = [0; 20];
    let read = File::open(&real).and_then(|mut file| file.read(&mut head));
    let length = read.map_err(|e| wrong(e.to_string()))?;
    match &head[..length] {
        [b'#', b'!', ..] => Ok(real),
        [0x7f, b'E', b'L', b'F', ..] if length == head.len() => {
            let bytes = [head[18], head[19]];
            let machine = match head[5] {
                2 => u16::from_be_bytes(bytes),
                _ => u16::from_le_bytes(bytes),
            };
            let name = MACHINES.iter().find(|(number, _)| *number == machine);
            let name = name.map_or("another architecture", |(_, name)| name);
            if name != std::env::consts::ARCH {
                return Err(wrong(format!(
                    "is a program for {name}, and this machine is {}; build it for this one",
                    std::env::consts::ARCH
                )));
            }
            Ok(real)
        }
        _ => Err(wrong(
            "is not a program: it is neither ELF nor a script that begins with #!".to_owned(),
        )),
    }
}

/// Whether the file was linked with the Go library `skel`.
pub(crate) fn has_skel(path: &Path) -> bool {
    // A piece at a time, each with the end of the one before.
    const PIECE: usize = 1 << 20;
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    let mut buffer = vec![0; PIECE + SKEL.len()];
    let mut kept = 0;
    while let Ok(read @ 1..) = file.read(&mut buffer[kept..]) {
        let end = kept + read;
        if holds(&buffer[..end], SKEL) {
            return true;
        }
        kept = end.min(SKEL.len());
        buffer.copy_within(end - kept..end, 0);
    }
    false
}

/// By the C library: in an unoptimized build a search in Rust takes a second per megabyte.
fn holds(text: &[u8], word: &[u8]) -> bool {
    // SAFETY: both are valid for reads of their lengths.
    let found = unsafe {
        libc::memmem(
            text.as_ptr().cast(),
            text.len(),
            word.as_ptr().cast(),
            word.len(),
        )
    };
    !found.is_null()
}
