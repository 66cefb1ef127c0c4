//! The node list in a watched file.
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::NodeSource;
use crate::error::file;
use crate::node::NodesFile;
use crate::{Error, Result};

/// Bytes that a nodes file may have: room for some thousand nodes.
const LIMIT: u64 = 1 << 20;

/// Reads the node list from a file. Watches its directory rather than the file itself: replacing a file by rename (or, as
/// the kubelet does with a mounted ConfigMap, a symlink beside it) would leave the watch on the old inode.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    directory: PathBuf,
    inotify: Inotify,
    /// Content at the last read, valid or not.
    seen: Option<Vec<u8>>,
}

impl FileSource {
    /// Starts watching. The file need not exist yet; its directory must.
    ///
    /// # Errors
    /// The directory is missing, or inotify is not available.
    pub fn open(path: &Path) -> Result<Self> {
        let directory = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
            Some(parent) => parent.to_owned(),
            None => PathBuf::from("/"),
        };
        let inotify =
            Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).map_err(|cause| {
                Error::System {
                    action: "watch files",
                    cause,
                }
            })?;
        let source = FileSource {
            path: path.to_owned(),
            directory,
            inotify,
            seen: None,
        };
        source.watch()?;
        Ok(source)
    }

    /// Idempotent for the same directory; a recreated directory needs a new watch.
    fn watch(&self) -> Result<()> {
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ONLYDIR;
        match self.inotify.add_watch(&self.directory, flags) {
            Ok(_) => Ok(()),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Err(Error::Missing {
                what: "directory of the nodes file",
                path: self.directory.clone(),
                remedy: "make it, or give another path with --nodes-file",
            }),
            Err(cause) => Err(file("watch", &self.directory)(cause.into())),
        }
    }

    fn drain(&self) -> Result<()> {
        loop {
            match self.inotify.read_events() {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(cause) => {
                    return Err(Error::System {
                        action: "read file events",
                        cause,
                    });
                }
            }
        }
    }
}

impl NodeSource for FileSource {
    fn wake(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    fn changed(&mut self) -> Result<Option<NodesFile>> {
        // Before reading the file, so that later changes wake us again.
        self.drain()?;
        self.watch()?;
        let content = match read(&self.path) {
            Ok(content) => content,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing {
                    what: "nodes file",
                    path: self.path.clone(),
                    remedy: "write it, or give another path with --nodes-file",
                });
            }
            Err(cause) => return Err(file("read", &self.path)(cause)),
        };
        if self.seen.as_ref() == Some(&content) {
            return Ok(None);
        }
        let list = serde_json::from_slice(&content);
        self.seen = Some(content);
        list.map(Some).map_err(|cause| Error::Malformed {
            path: self.path.clone(),
            cause,
        })
    }
}

/// A regular file of at most [`LIMIT`] bytes, without a byte order mark: a FIFO would be waited for, a device read forever.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut content = Vec::new();
    File::open(path)?
        .take(LIMIT + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > LIMIT {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    if content.starts_with("\u{feff}".as_bytes()) {
        content.drain(..3);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    const ONE: &str = r#"{"podNetwork": ["10.244.0.0/16"], "nodes": [{"name": "a", "addresses": ["172.18.0.2"], "podCIDRs": ["10.244.1.0/24"]}]}"#;
    const NONE: &str = r#"{"podNetwork": [], "nodes": []}"#;

    fn wakes(source: &FileSource) -> bool {
        poll(
            &mut [PollFd::new(source.wake(), PollFlags::POLLIN)],
            PollTimeout::ZERO,
        )
        .unwrap()
            == 1
    }

    fn replace(path: &Path, content: &str) {
        let temporary = path.with_extension("new");
        fs::write(&temporary, content).unwrap();
        fs::rename(&temporary, path).unwrap();
    }

    #[test]
    fn a_list_is_yielded_once_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nodes.json");
        let mut source = FileSource::open(&path).unwrap();
        assert!(source.changed().unwrap_err().is_waiting());
        replace(&path, ONE);
        assert!(wakes(&source));
        assert_eq!(source.changed().unwrap().unwrap().nodes[0].name, "a");
        assert!(!wakes(&source));
        assert_eq!(source.changed().unwrap(), None);
        replace(&path, NONE);
        assert!(wakes(&source), "a rename into place is noticed");
        assert!(source.changed().unwrap().unwrap().nodes.is_empty());
        fs::write(&path, ONE).unwrap();
        assert!(wakes(&source), "writing in place is, too");
        assert!(source.changed().unwrap().is_some());
    }

    #[test]
    fn malformed_content_names_line_and_column_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nodes.json");
        fs::write(&path, "{\n  \"podNetwork\": [\"10.244.0.0/99\"]\n}").unwrap();
        let mut source = FileSource::open(&path).unwrap();
        let error = source.changed().unwrap_err();
        assert!(error.to_string().contains("at line 2 column "), "{error}");
        assert_eq!(error.exit_code(), 2);
        assert_eq!(source.changed().unwrap(), None);
        fs::write(&path, ONE).unwrap();
        assert!(source.changed().unwrap().is_some());
    }

    #[test]
    fn only_a_regular_file_of_bounded_size_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nodes.json");
        let mut source = FileSource::open(&path).unwrap();
        let mut refused = || source.changed().unwrap_err().to_string();
        fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
        assert!(refused().ends_with("larger than 1 MiB"));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(refused().ends_with("not a regular file"));
        replace(&path, &format!("\u{feff}{ONE}"));
        assert_eq!(source.changed().unwrap().unwrap().nodes[0].name, "a");
    }

    #[test]
    fn a_recreated_directory_is_watched_again() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let path = inner.join("nodes.json");
        let mut source = FileSource::open(&path).unwrap();
        fs::remove_dir(&inner).unwrap();
        assert!(
            source
                .changed()
                .unwrap_err()
                .to_string()
                .contains("inner is missing")
        );
        fs::create_dir(&inner).unwrap();
        assert!(source.changed().is_err());
        replace(&path, ONE);
        assert!(wakes(&source));
        assert!(source.changed().unwrap().is_some());
    }
}
