//! A root directory with the namespaces that belong to it: where files are read and written, and programs started.
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, openat2};

use crate::{Error, Result};

/// Threads that only prepare a process need no more.
const STACK: usize = 256 << 10;

/// A root directory and the namespaces around it. Files are reached from any thread, without entering anything
/// (`openat2` with `RESOLVE_IN_ROOT`); programs are started from a short-lived thread that has entered all of them.
#[derive(Debug)]
pub struct NodeRoot {
    root: OwnedFd,
    namespaces: Vec<Namespace>,
}

/// One namespace to enter.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    pub(crate) kind: CloneFlags,
    pub(crate) fd: Arc<OwnedFd>,
}

impl NodeRoot {
    /// The caller's own root and namespaces.
    ///
    /// # Errors
    /// `/` cannot be opened.
    pub fn here() -> io::Result<NodeRoot> {
        Ok(NodeRoot {
            root: open_root()?,
            namespaces: Vec::new(),
        })
    }

    /// The caller's own root, with another network namespace.
    ///
    /// # Errors
    /// `/` cannot be opened.
    pub fn here_with_netns(netns: OwnedFd) -> io::Result<NodeRoot> {
        Ok(NodeRoot {
            root: open_root()?,
            namespaces: vec![Namespace {
                kind: CloneFlags::CLONE_NEWNET,
                fd: Arc::new(netns),
            }],
        })
    }

    /// The calling thread's own, to be entered from elsewhere.
    pub(crate) fn of_this_thread() -> Result<NodeRoot> {
        let root = open_root().map_err(|e| Error::failed("open /", e))?;
        let kinds = [
            ("net", CloneFlags::CLONE_NEWNET),
            ("uts", CloneFlags::CLONE_NEWUTS),
            ("mnt", CloneFlags::CLONE_NEWNS),
        ];
        let namespaces = kinds.into_iter().map(|(name, kind)| {
            Ok(Namespace {
                kind,
                fd: Arc::new(own_namespace(name)?),
            })
        });
        Ok(NodeRoot {
            root,
            namespaces: namespaces.collect::<Result<_>>()?,
        })
    }

    /// Its network namespace; `None`: the caller's.
    pub fn netns(&self) -> Option<BorrowedFd<'_>> {
        self.namespaces
            .iter()
            .find(|ns| ns.kind == CloneFlags::CLONE_NEWNET)
            .map(|ns| ns.fd.as_fd())
    }

    /// All of them, in the order in which they are entered.
    pub(crate) fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }

    /// Its namespace of that kind.
    pub(crate) fn namespace(&self, kind: CloneFlags) -> Result<Arc<OwnedFd>> {
        let found = self
            .namespaces
            .iter()
            .find(|ns| ns.kind == kind)
            .map(|ns| ns.fd.clone());
        found.ok_or_else(|| Error::Failed {
            what: format!("a namespace is missing ({kind:?})"),
        })
    }

    /// Runs `work` on a short-lived thread inside these namespaces; processes that it starts are born there.
    ///
    /// # Errors
    /// The thread cannot be started, or a namespace not be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        if self.namespaces.is_empty() {
            return Ok(work());
        }
        on_thread(|| {
            join(&self.namespaces)?;
            Ok(work())
        })
        .map_err(io::Error::other)?
    }

    fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let path = if path == Path::new("/") {
            Path::new(".")
        } else {
            path
        };
        let flags = flags | OFlags::CLOEXEC;
        let mut tries = 0;
        loop {
            match openat2(
                &self.root,
                path,
                flags,
                Mode::empty(),
                ResolveFlags::IN_ROOT,
            ) {
                // A mount or rename anywhere on the machine while `..` was followed; openat2(2) says to try again.
                Err(rustix::io::Errno::AGAIN) if tries < 1000 => tries += 1,
                other => return Ok(other?),
            }
            std::thread::yield_now();
        }
    }

    /// The whole file: a regular one of at most `most` bytes. Who owns the node may have put anything there, and the lab must
    /// neither wait for it nor run out of memory.
    ///
    /// # Errors
    /// As of opening and reading it; [`io::ErrorKind::InvalidInput`]: it is not a regular file,
    /// [`io::ErrorKind::FileTooLarge`]: it is longer.
    pub fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let file = self.open_regular(path)?;
        let mut content = Vec::new();
        (&file).take(most + 1).read_to_end(&mut content)?;
        if content.len() as u64 > most {
            let length = file.metadata()?.len();
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("longer than {} KiB ({length} bytes)", most / 1024),
            ));
        }
        Ok(content)
    }

    /// The last `most` bytes of a regular file, the whole of a shorter one.
    ///
    /// # Errors
    /// As of opening and reading it; it is not a regular file.
    pub(crate) fn read_end(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut file = self.open_regular(path)?;
        file.seek(SeekFrom::Start(file.metadata()?.len().saturating_sub(most)))?;
        let mut end = Vec::new();
        file.take(most).read_to_end(&mut end)?;
        Ok(end)
    }

    fn open_regular(&self, path: &Path) -> io::Result<File> {
        // Looked at before it is opened: to open a device can have an effect.
        if !is_regular(&self.open(path, OFlags::PATH)?)? {
            return Err(not_regular());
        }
        regular(self.open(path, OFlags::RDONLY | OFlags::NONBLOCK)?)
    }

    /// A file to append to, created with mode 0640, directories included.
    pub(crate) fn append_to(&self, path: &Path) -> io::Result<File> {
        let (dir, name) = self.parent_of(path)?;
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::APPEND
            | OFlags::CLOEXEC
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK;
        regular(rustix::fs::openat(
            dir,
            name,
            flags,
            Mode::from_raw_mode(0o640),
        )?)
    }

    /// Names in a directory, sorted; `.` and `..` are left out.
    ///
    /// # Errors
    /// As of opening and reading it.
    pub fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let dir = rustix::fs::Dir::new(self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?)?;
        let mut names = Vec::new();
        for entry in dir {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Whether a regular file is there.
    pub fn is_file(&self, path: &Path) -> bool {
        let found = self.open(path, OFlags::PATH);
        found.and_then(|fd| is_regular(&fd)).unwrap_or(false)
    }

    /// Writes the file whole and renames it into place; missing directories are created (0755).
    ///
    /// # Errors
    /// As of creating, writing and renaming.
    pub fn write(&self, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        let (dir, name) = self.parent_of(path)?;
        let temporary = format!(".{name}.{}", crate::identifier::hex::<4>()?);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(
            &dir,
            &temporary,
            flags,
            Mode::from_raw_mode(0o600),
        )?);
        let written = file.write_all(content).and_then(|()| {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            // Closed before it has its name: a program that is still open for writing cannot be run (ETXTBSY).
            drop(file);
            Ok(rustix::fs::renameat(&dir, &temporary, &dir, &name)?)
        });
        if written.is_err() {
            // The first error is the one to tell.
            let _ = rustix::fs::unlinkat(&dir, &temporary, AtFlags::empty());
        }
        written
    }

    /// Removes a file; absent is fine.
    ///
    /// # Errors
    /// As of unlinking it.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let Some((parent, name)) = path.parent().zip(path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let removed = self
            .open(parent, OFlags::PATH | OFlags::DIRECTORY)
            .and_then(|dir| Ok(rustix::fs::unlinkat(dir, name, AtFlags::empty())?));
        match removed {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// The directory that holds `path`, made where it is missing, and the name therein.
    fn parent_of(&self, path: &Path) -> io::Result<(OwnedFd, String)> {
        let bad = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} names no file", path.display()),
            )
        };
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(bad)?;
        Ok((
            self.directory(path.parent().ok_or_else(bad)?)?,
            name.to_owned(),
        ))
    }

    fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        match self.open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let (parent, name) = self.parent_of(path)?;
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {
                self.open(path, OFlags::PATH | OFlags::DIRECTORY)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// A path by which the kernel finds what is at `path` here from anywhere, as long as the descriptor lives.
    pub(crate) fn handle(&self, path: &Path) -> io::Result<(OwnedFd, PathBuf)> {
        use std::os::fd::AsRawFd;
        let fd = self.open(path, OFlags::PATH)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        Ok((fd, path))
    }
}

/// An open file that is a regular one: something else may have taken its place since it was looked at.
fn regular(fd: OwnedFd) -> io::Result<File> {
    match is_regular(&fd)? {
        true => Ok(fd.into()),
        false => Err(not_regular()),
    }
}

fn is_regular(fd: &OwnedFd) -> io::Result<bool> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file())
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

fn open_root() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        "/",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// The calling thread's namespace of that kind (a name in /proc/thread-self/ns).
pub(crate) fn own_namespace(kind: &str) -> Result<OwnedFd> {
    let path = format!("/proc/thread-self/ns/{kind}");
    File::open(&path)
        .map(OwnedFd::from)
        .map_err(|e| Error::failed(format!("open {path}"), e))
}

/// Enters namespaces with the calling thread, permanently: use a short-lived thread.
pub(crate) fn join(namespaces: &[Namespace]) -> io::Result<()> {
    // A mount namespace can be entered only by a thread that shares its root and directory with no other.
    unshare(CloneFlags::CLONE_FS)?;
    for namespace in namespaces {
        setns(&namespace.fd, namespace.kind)?;
    }
    Ok(())
}

/// Runs `work` on a short-lived thread, which may change its namespaces as it likes.
pub(crate) fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work);
        let thread = thread.map_err(|e| Error::failed("start a thread", e))?;
        thread
            .join()
            .or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests;
