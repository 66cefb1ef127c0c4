//! The address that was assigned last: where the next search starts. Nothing depends on it.
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::files::{self, Found};

/// `None` where there is no hint, or none that can be read.
pub(super) fn read(path: &Path) -> Option<IpAddr> {
    match files::read(path) {
        Ok(Found::Regular(bytes)) => str::from_utf8(&bytes).ok()?.trim_end().parse().ok(),
        _ => None,
    }
}

/// Overwrites the file in place with a single write: renaming a new file onto an old one makes ext4 wait for the disk
/// (auto_da_alloc), which takes longer than the rest of ADD.
pub(super) fn write(path: &Path, address: IpAddr) -> io::Result<()> {
    let mut writable = OpenOptions::new();
    writable.write(true);
    let mut file = match files::open(path, &writable)? {
        // A file with a second name is a file elsewhere, too.
        Found::Regular(file) if file.metadata()?.nlink() == 1 => file,
        Found::Nothing => match writable.create_new(true).open(path) {
            Ok(file) => file,
            // Another process was faster, and its hint is as good.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(error),
        },
        Found::Regular(_) | Found::Foreign => {
            // The next ADD makes the hint again; where that is impossible, each searches from the start.
            let _ = fs::remove_file(path);
            return Ok(());
        }
    };
    // Padded to the longest address, 39 characters, so that no old text is left behind.
    let line = format!("{:<39}\n", address.to_string());
    file.write_all(line.as_bytes())
}
