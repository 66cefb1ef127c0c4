//! Mounts, each with an error that says what was to be mounted where.
use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns};

use crate::{Error, Result};

/// Makes every mount of this thread's fresh mount namespace private, and its root the namespace's.
///
/// In a chroot the two differ: the namespace keeps the root of the system outside, and a process that enters it (setns(2)) lands there, away from
/// everything that the lab mounts.
pub(crate) fn own_root() -> Result<()> {
    const NAMESPACE: &str = "/proc/self/ns/mnt";
    let namespace =
        File::open(NAMESPACE).map_err(|e| Error::failed(format!("open {NAMESPACE}"), e))?;
    let mine = File::open("/").map_err(|e| Error::failed("open /", e))?;
    let failed = |what: &'static str| move |errno| crate::refusal::explain(what, errno);
    let enter = || {
        setns(&namespace, CloneFlags::CLONE_NEWNS)
            .map_err(failed("enter this mount namespace again"))
    };
    enter()?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(failed("make mounts private"))?;
    if is_root(&mine).map_err(|e| Error::failed("compare roots", e))? {
        return Ok(());
    }
    // Private by now: what is mounted over the outer root is seen in this namespace only.
    nix::unistd::fchdir(&mine).map_err(failed("return to the chroot"))?;
    bind(Path::new("."), Path::new("/"))?;
    enter()
}

/// Whether the directory is this thread's root.
fn is_root(directory: &File) -> std::io::Result<bool> {
    let (this, root) = (directory.metadata()?, std::fs::metadata("/")?);
    Ok((this.dev(), this.ino()) == (root.dev(), root.ino()))
}

/// What a mount point of the kernel's own file systems needs none of.
const PLAIN: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);

fn refused(what: &str, target: &Path) -> impl FnOnce(Errno) -> Error {
    let text = format!("mount {what} on {}", target.display());
    move |errno| match errno {
        // AppArmor lets a restricted user namespace be made and then refuses every mount.
        Errno::EPERM | Errno::EACCES => crate::refusal::explain(&text, errno),
        _ => Error::failed(text, errno.desc()),
    }
}

/// A fresh tmpfs; `options` as in tmpfs(5).
pub(crate) fn tmpfs(target: &Path, options: &str) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options))
        .map_err(refused("tmpfs", target))
}

/// The processes of the calling process's pid namespace.
pub(crate) fn proc(target: &Path) -> Result<()> {
    mount(Some("proc"), target, Some("proc"), PLAIN, None::<&str>).map_err(refused("proc", target))
}

/// Devices as the calling thread's net namespace has them; writable where `writable` and the host's own is.
pub(crate) fn sysfs(target: &Path, writable: bool) -> Result<()> {
    let with = |flags| mount(Some("sysfs"), target, Some("sysfs"), flags, None::<&str>);
    // A user namespace may not have /sys writable where it was given it read-only (a container's default).
    let result = if writable {
        with(PLAIN).or_else(|_| with(PLAIN | MsFlags::MS_RDONLY))
    } else {
        with(PLAIN | MsFlags::MS_RDONLY)
    };
    result.map_err(refused("sysfs", target))
}

/// What is at `source`, and everything mounted below it, at `target` too.
///
/// Always recursive: in a user namespace the mounts below are locked to the one above, and it alone cannot be bound.
pub(crate) fn bind(source: &Path, target: &Path) -> Result<()> {
    mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        None::<&str>,
    )
    .map_err(refused(&source.display().to_string(), target))
}

/// As [`bind`], read-only all the way down.
pub(crate) fn bind_read_only(source: &Path, target: &Path) -> Result<()> {
    bind(source, target)?;
    set_read_only(target).map_err(refused(&format!("{} read-only", source.display()), target))
}

/// `mount_setattr(2)`: the only way that covers the mounts below (Linux 5.12).
fn set_read_only(target: &Path) -> nix::Result<()> {
    /// struct mount_attr of linux/mount.h.
    #[repr(C)]
    struct MountAttr {
        attr_set: u64,
        attr_clr: u64,
        propagation: u64,
        userns_fd: u64,
    }
    const MOUNT_ATTR_RDONLY: u64 = 1;
    let path = CString::new(target.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let attr = MountAttr {
        attr_set: MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is NUL-terminated and the structure of the size that is given; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// Takes away what is mounted at `target`, with everything below, even where it is in use.
pub(crate) fn detach(target: &Path) -> Result<()> {
    umount2(target, MntFlags::MNT_DETACH)
        .map_err(|e| Error::failed(format!("unmount {}", target.display()), e.desc()))
}

/// Makes the mount at `root` the root of this mount namespace, and the old one appear at `old` (a directory within).
pub(crate) fn pivot(root: &Path, old: &Path) -> Result<()> {
    let failed = |e: Errno| {
        match e {
        Errno::EINVAL => Error::Missing {
            what: format!("make {} the root: {}", root.display(), e.desc()),
            remedy: "run from a root file system that is mounted, not from the initial ramdisk (pivot_root(2))".to_owned(),
        },
        _ => Error::failed(format!("make {} the root", root.display()), e.desc()),
    }
    };
    nix::unistd::pivot_root(root, old).map_err(failed)?;
    nix::unistd::chdir("/").map_err(|e| Error::failed("change to /", e.desc()))
}

/// As [`pivot`], and the old root is gone.
pub(crate) fn pivot_away(root: &Path) -> Result<()> {
    let old = root.join(".old");
    make_dir(&old, 0o700)?;
    pivot(root, &old)?;
    detach(Path::new("/.old"))?;
    std::fs::remove_dir("/.old").map_err(|e| Error::failed("remove /.old", e))
}

/// A directory with these permissions; one that is there keeps its own.
pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let failed = |e| Error::failed(format!("create {}", path.display()), e);
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        // The umask would take its share of a sticky /tmp.
        Ok(()) if mode & 0o7000 != 0 => {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)
        }
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(e)),
        _ => Ok(()),
    }
}

/// A file with this content.
pub(crate) fn make_file(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    std::fs::write(path, content).map_err(|e| Error::failed(format!("write {}", path.display()), e))
}

/// A symbolic link.
pub(crate) fn make_link(path: &Path, target: impl AsRef<Path>) -> Result<()> {
    std::os::unix::fs::symlink(target, path)
        .map_err(|e| Error::failed(format!("create {}", path.display()), e))
}
