//! Files below a root that need not be our own: symbolic links lead where they lead for those who live there.
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

use crate::error::words;
use crate::{FileContent, NodeFile};

/// Longest file that is read, bytes.
const MOST: u64 = 64 * 1024;
/// Most files of one folder that are read.
const MANY: usize = 1024;

/// Opens a path for reading. Nothing is waited for: a FIFO without a writer opens at once.
pub(crate) fn open(root: &str, path: &str) -> io::Result<File> {
    let root = if root.is_empty() { "/" } else { root };
    let below = openat(
        AT_FDCWD,
        root,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT);
    let path = path.trim_start_matches('/');
    let path = if path.is_empty() { "." } else { path };
    Ok(File::from(openat2(below, path, how)?))
}

/// Names in a folder, in lexical order.
pub(crate) fn names(folder: File) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::from_fd(OwnedFd::from(folder))?.iter() {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// What is at each path, in their order. A path that ends in `/*` stands for the files in that folder, or for the folder
/// where it is none or cannot be read.
pub(crate) fn read(root: &str, paths: &[String]) -> Vec<NodeFile> {
    paths
        .iter()
        .flat_map(|path| match path.strip_suffix("/*") {
            Some(folder) => in_folder(root, folder),
            None => vec![NodeFile {
                path: path.clone(),
                content: content(root, path),
            }],
        })
        .collect()
}

fn in_folder(root: &str, folder: &str) -> Vec<NodeFile> {
    let names = match content(root, folder) {
        FileContent::Folder(names) => names,
        content => {
            return vec![NodeFile {
                path: folder.to_owned(),
                content,
            }];
        }
    };
    let paths = names
        .iter()
        .take(MANY)
        .map(|name| format!("{folder}/{name}"));
    paths
        .map(|path| NodeFile {
            content: content(root, &path),
            path,
        })
        .filter(|file| !matches!(file.content, FileContent::Folder(_)))
        .collect()
}

fn content(root: &str, path: &str) -> FileContent {
    let unreadable = |error: io::Error| FileContent::Unreadable(words(&error));
    let file = match open(root, path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return FileContent::Absent,
        Err(error) if error.raw_os_error() == Some(Errno::ENOTDIR as i32) => {
            return FileContent::Absent;
        }
        Err(error) => return unreadable(error),
    };
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            names(file).map_or_else(unreadable, FileContent::Folder)
        }
        Ok(metadata) if metadata.is_file() => text(file, metadata.len()),
        Ok(_) => FileContent::Unreadable("not a regular file".to_owned()),
        Err(error) => unreadable(error),
    }
}

fn text(file: File, long: u64) -> FileContent {
    let mut bytes = Vec::new();
    if let Err(error) = file.take(MOST + 1).read_to_end(&mut bytes) {
        return FileContent::Unreadable(words(&error));
    }
    if bytes.len() as u64 > MOST {
        return FileContent::Unreadable(format!("longer than {} KiB ({long} bytes)", MOST / 1024));
    }
    String::from_utf8(bytes).map_or_else(
        |_| FileContent::Unreadable("not UTF-8 text".to_owned()),
        FileContent::Text,
    )
}
