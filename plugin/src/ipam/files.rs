//! Files of the store, opened so that whatever stands in their place is neither followed, nor waited for, nor read without end: a link,
//! a FIFO or a device there must cost no more than the file it replaces, and the plugin runs as root.
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A reservation has some 150 bytes; the longest names and 100 addresses make 5,000.
const LONGEST: u64 = 64 * 1024;

/// What a name of the store refers to.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// Nothing has the name.
    Nothing,
    /// What has the name is not a regular file, or longer than any file of the store.
    Foreign,
    /// A file of the store.
    Regular(T),
}

/// Opens a regular file.
pub(super) fn open(path: &Path, options: &OpenOptions) -> io::Result<Found<File>> {
    // Before it is opened: to open a device can have an effect.
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(Found::Foreign),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    }
    let opened = options
        .clone()
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(Found::Regular(file)),
        Ok(_) => Ok(Found::Foreign),
        // Exchanged in between.
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => Ok(Found::Foreign),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

/// Opens a regular file to read it.
pub(super) fn open_to_read(path: &Path) -> io::Result<Found<File>> {
    open(path, OpenOptions::new().read(true))
}

/// The content of a regular file.
pub(super) fn read(path: &Path) -> io::Result<Found<Vec<u8>>> {
    match open_to_read(path)? {
        Found::Regular(file) => Ok(content(&file)?.map_or(Found::Foreign, Found::Regular)),
        Found::Foreign => Ok(Found::Foreign),
        Found::Nothing => Ok(Found::Nothing),
    }
}

/// The content of an open file; `None` where it is longer than any of the store.
pub(super) fn content(file: &File) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= LONGEST);
    Ok(fits.then_some(bytes))
}

/// Whether anything has the name, a link that leads nowhere included.
pub(super) fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
