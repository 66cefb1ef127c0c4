//! The CNI files of a node.
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Error, Result, words};
use crate::{CniFiles, ConfFile};

/// Longest configuration that is read, bytes.
const MOST: u64 = 64 * 1024;

/// Lists both directories. One that is not there is empty; fails where one cannot be read.
pub(crate) fn read(conf_dir: &Path, bin_dir: &Path) -> Result<CniFiles> {
    let mut conf = Vec::new();
    for name in names(conf_dir)? {
        let path = conf_dir.join(&name);
        if !fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
            conf.push(ConfFile {
                name,
                content: content(&path),
            });
        }
    }
    let executable = |name: &String| {
        let metadata = fs::metadata(bin_dir.join(name));
        metadata
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    Ok(CniFiles {
        conf,
        programs: names(bin_dir)?.into_iter().filter(executable).collect(),
    })
}

/// Names in lexical order, which is the order in which container runtimes look for their configuration.
fn names(dir: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::system(format!("read {}", dir.display()), error);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed)?;
    names.sort_unstable();
    Ok(names)
}

/// The text, or why there is none.
fn content(path: &Path) -> std::result::Result<String, String> {
    // Asked first: opening a FIFO would wait for a writer.
    let metadata = fs::metadata(path).map_err(|error| words(&error))?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes))
        .map_err(|error| words(&error))?;
    if bytes.len() as u64 > MOST {
        return Err(format!(
            "longer than {} KiB ({} bytes)",
            MOST / 1024,
            metadata.len()
        ));
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())
}
