//! What processes of the lab see of the file system: the server, a node, a container.
//!
//! The server's own root ([`Base`]) is a tmpfs with the host at [`HOST`] and the parts that all nodes and containers share.
//! Their roots are built at [`NEW`], each in a mount namespace of its own, and become its root there.
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use nix::sched::{CloneFlags, unshare};

use crate::mounts::{self, make_dir, make_file, make_link};
use crate::{Error, LabSpec, PROGRAMS_DIR, Result, launch, sleep};

/// The host's file system, in the server's root only.
const HOST: &str = "/host";
/// Where a new root is put together.
const NEW: &str = "/new";
/// Device nodes, bound from the host's.
const DEVICES: &str = "/devices";
/// The directory of busybox and its applets.
const APPLETS: &str = "/applets";
/// [`LabSpec::programs`].
const PROGRAMS: &str = "/programs";
/// The host's /etc, where a root keeps links into it.
const HOST_ETC: &str = ".host-etc";

/// The server's root, prepared; gives nodes and containers theirs.
pub(crate) struct Base {
    /// Mount namespace from which containers are made: without the host's tree where they do not need it.
    pub(crate) containers: Arc<OwnedFd>,
    with_busybox: bool,
}

/// Where a new root gets the programs from, and whose names its /etc holds.
pub(crate) struct Identity<'a> {
    pub(crate) hostname: &'a str,
    /// Contents of /etc/hosts.
    pub(crate) hosts: &'a str,
}

impl Base {
    /// Turns the calling process's mount namespace into the server's.
    pub(crate) fn prepare(spec: &LabSpec) -> Result<Base> {
        // A directory must hold the new root until pivot_root; afterwards it is unchanged.
        let carrier = Path::new("/tmp");
        mounts::tmpfs(carrier, "mode=0755")?;
        make_dir(&carrier.join("host"), 0o755)?;
        mounts::pivot(carrier, &carrier.join("host"))?;
        for dir in ["/proc", "/sys", "/tmp", NEW, DEVICES, APPLETS, PROGRAMS] {
            make_dir(Path::new(dir), 0o755)?;
        }
        make_link(Path::new("/dev"), "host/dev")?;
        mounts::proc(Path::new("/proc"))?;
        // A user namespace may mount a sysfs only where it sees one already.
        mounts::bind(&Path::new(HOST).join("sys"), Path::new("/sys"))?;
        devices()?;
        for (name, path) in &spec.programs {
            let target = Path::new(PROGRAMS).join(name);
            make_file(&target, "")?;
            mounts::bind_read_only(&on_host(path), &target)?;
        }
        if let Some(busybox) = &spec.busybox {
            applets(busybox)?;
        }
        let with_busybox = spec.busybox.is_some();
        Ok(Base {
            containers: Arc::new(containers_namespace(with_busybox)?),
            with_busybox,
        })
    }

    /// Makes the calling thread's fresh mount namespace a node's. It is in the node's net namespace.
    pub(crate) fn node(&self, identity: &Identity<'_>) -> Result<()> {
        let new = Path::new(NEW);
        mounts::tmpfs(new, "mode=0755,size=1g")?;
        host_programs(new)?;
        std_dirs(new)?;
        // What pods print must not fill the rest.
        make_dir(&new.join("var/log"), 0o755)?;
        mounts::tmpfs(&new.join("var/log"), "mode=0755,size=64m")?;
        for (dir, mode) in [
            ("etc/cni", 0o755),
            ("etc/cni/net.d", 0o755),
            ("opt/cni", 0o755),
            ("opt/cni/bin", 0o755),
        ] {
            make_dir(&new.join(dir), mode)?;
        }
        for dir in [
            "var/lib",
            "var/lib/cni",
            "var/cache",
            "var/log/pods",
            "run/lock",
            "run/netns",
        ] {
            make_dir(&new.join(dir), 0o755)?;
        }
        make_dir(&new.join("var/tmp"), 0o1777)?;
        make_link(&new.join("var/run"), "/run")?;
        make_link(&new.join("var/lock"), "/run/lock")?;
        if self.with_busybox {
            make_dir(
                &new.join(launch::NODE_APPLETS.trim_start_matches('/')),
                0o755,
            )?;
            mounts::bind_read_only(
                Path::new(APPLETS),
                &new.join(launch::NODE_APPLETS.trim_start_matches('/')),
            )?;
        }
        names(new, identity)?;
        kernel_dirs(new, true)?;
        mounts::pivot_away(new)
    }

    /// Makes the calling thread's mount namespace, a fresh copy of [`Base::containers`], a container's. It is in the pod's net
    /// namespace; /proc is still the lab's, for the container's first process to cover.
    pub(crate) fn container(&self, identity: &Identity<'_>) -> Result<()> {
        let new = Path::new(NEW);
        mounts::tmpfs(new, "mode=0755,size=256m")?;
        if self.with_busybox {
            make_dir(&new.join("bin"), 0o755)?;
            mounts::bind_read_only(Path::new(APPLETS), &new.join("bin"))?;
            make_link(&new.join("sbin"), "bin")?;
            make_dir(&new.join("usr"), 0o755)?;
            make_link(&new.join("usr/bin"), "../bin")?;
            make_link(&new.join("usr/sbin"), "../bin")?;
            std_dirs(new)?;
            make_file(
                &new.join("etc/passwd"),
                "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
            )?;
            make_file(&new.join("etc/group"), "root:x:0:\nnobody:x:65534:\n")?;
        } else {
            host_programs(new)?;
            give_sleep(new)?;
            std_dirs(new)?;
        }
        make_dir(&new.join("home"), 0o755)?;
        make_link(&new.join("var/run"), "/run")?;
        names(new, identity)?;
        kernel_dirs(new, false)?;
        mounts::pivot_away(new)
    }
}

fn on_host(path: &Path) -> PathBuf {
    Path::new(HOST).join(path.strip_prefix("/").unwrap_or(path))
}

fn devices() -> Result<()> {
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let source = Path::new(HOST).join("dev").join(name);
        // A container's /dev may lack some; only /dev/null is sure to be missed.
        if name == "null" || source.exists() {
            let target = Path::new(DEVICES).join(name);
            make_file(&target, "")?;
            mounts::bind(&source, &target)?;
        }
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ] {
        make_link(&Path::new(DEVICES).join(name), target)?;
    }
    make_dir(&Path::new(DEVICES).join("shm"), 0o1777)
}

/// A `sleep`, where the host has none to show: pods are there for their network, and this is all that keeps them running.
fn give_sleep(new: &Path) -> Result<()> {
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let mut folders = launch::PATH.split(':').map(|dir| new.join(&dir[1..]));
    if folders.any(|dir| is_there(&dir.join(sleep::NAME))) {
        return Ok(());
    }
    // A folder that is there is the host's, and read-only.
    let mut free = ["bin", "sbin"].map(|dir| new.join(dir)).into_iter();
    let Some(dir) = free.find(|dir| !is_there(dir)) else {
        return Ok(());
    };
    make_dir(&dir, 0o755)?;
    let program = Path::new(PROGRAMS_DIR).join(sleep::NAME);
    make_link(&dir.join(sleep::NAME), program)
}

/// Copies busybox, so that a rebuilt or removed file does not break running pods, and links its applets.
fn applets(busybox: &Path) -> Result<()> {
    let copy = Path::new(APPLETS).join("busybox");
    std::fs::copy(on_host(busybox), &copy)
        .map_err(|e| Error::failed(format!("copy {}", busybox.display()), e))?;
    let unfit = |why: String| {
        Error::invalid(format!(
            "{} cannot be the pods' busybox: {why}; give a static one (Debian's busybox-static)",
            busybox.display()
        ))
    };
    // There is no C library in this root: what runs here runs in a pod.
    let list = Command::new(&copy).arg("--list").output();
    let list = list.map_err(|e| unfit(format!("it does not run in a root of its own ({e})")))?;
    let applets = String::from_utf8_lossy(&list.stdout);
    if !list.status.success() || !applets.lines().any(|applet| applet == "sh") {
        return Err(unfit("`--list` names no `sh`".to_owned()));
    }
    for applet in applets
        .lines()
        .filter(|name| *name != "busybox" && !name.contains('/'))
    {
        make_link(&Path::new(APPLETS).join(applet), "busybox")?;
    }
    Ok(())
}

/// A copy of this mount namespace; without the host where containers have busybox.
fn containers_namespace(with_busybox: bool) -> Result<OwnedFd> {
    crate::node_root::on_thread(|| {
        unshare(CloneFlags::CLONE_NEWNS)
            .map_err(|e| Error::failed("create a mount namespace", e))?;
        if with_busybox {
            mounts::detach(Path::new(HOST))?;
        }
        crate::node_root::own_namespace("mnt")
    })?
}

/// Directories that every root has, empty. Those that are there (a link to the host's) stay.
fn std_dirs(new: &Path) -> Result<()> {
    for (dir, mode) in [
        ("etc", 0o755),
        ("root", 0o700),
        ("run", 0o755),
        ("tmp", 0o1777),
        ("var", 0o755),
        ("opt", 0o755),
    ] {
        make_dir(&new.join(dir), mode)?;
    }
    Ok(())
}

/// The host's directories, read-only, except those that a node or container replaces.
fn host_programs(new: &Path) -> Result<()> {
    const OWN: [&str; 10] = [
        "proc",
        "sys",
        "dev",
        "etc",
        "var",
        "run",
        "tmp",
        "root",
        "opt",
        "lost+found",
    ];
    const NEEDED: [&str; 5] = ["usr", "bin", "sbin", "lib", "nix"];
    each_entry(Path::new(HOST), |name, entry| {
        if OWN.contains(&name) || name.starts_with('.') {
            return Ok(());
        }
        match bind_entry(entry, &new.join(name)) {
            Err(e) if NEEDED.iter().any(|needed| name.starts_with(needed)) => Err(e),
            // A mount that its owner keeps from us matters only where programs live.
            _ => Ok(()),
        }
    })?;
    make_dir(&new.join("opt"), 0o755)?;
    let opt = Path::new(HOST).join("opt");
    if opt.is_dir() {
        // /opt/cni is the node's own.
        each_entry(&opt, |name, entry| {
            if name != "cni" {
                // What cannot be shown there is not needed either.
                let _ = bind_entry(entry, &new.join("opt").join(name));
            }
            Ok(())
        })?;
    }
    make_dir(&new.join("etc"), 0o755)?;
    let host_etc = Path::new(HOST).join("etc");
    // An image with nothing but a program in it has none.
    if !host_etc.is_dir() {
        return Ok(());
    }
    let etc = new.join(HOST_ETC);
    make_dir(&etc, 0o755)?;
    mounts::bind_read_only(&host_etc, &etc)?;
    each_entry(&host_etc, |name, entry| {
        if ["cni", "hostname", "hosts", "resolv.conf"].contains(&name) {
            return Ok(());
        }
        // A link of the host's is relative to /etc or absolute: either way it means the same here.
        let target =
            std::fs::read_link(entry).unwrap_or_else(|_| Path::new("/").join(HOST_ETC).join(name));
        make_link(&new.join("etc").join(name), target)
    })
}

/// Shows a directory or link of the host at `target`; plain files are left out.
fn bind_entry(source: &Path, target: &Path) -> Result<()> {
    if let Ok(link) = std::fs::read_link(source) {
        make_link(target, link)
    } else if source.is_dir() {
        make_dir(target, 0o755)?;
        mounts::bind_read_only(source, target)
    } else {
        Ok(())
    }
}

fn each_entry(dir: &Path, mut act: impl FnMut(&str, &Path) -> Result<()>) -> Result<()> {
    let failed = |e| Error::failed(format!("list {}", dir.display()), e);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // A name that is not text does not belong to the system.
        if let Some(name) = entry.file_name().to_str() {
            act(name, &entry.path())?;
        }
    }
    Ok(())
}

fn names(new: &Path, identity: &Identity<'_>) -> Result<()> {
    make_file(
        &new.join("etc/hostname"),
        format!("{}\n", identity.hostname),
    )?;
    make_file(&new.join("etc/hosts"), identity.hosts)?;
    make_file(
        &new.join("etc/resolv.conf"),
        "# There is no DNS in the lab.\n",
    )
}

fn kernel_dirs(new: &Path, writable_sys: bool) -> Result<()> {
    for dir in ["proc", "sys", "dev"] {
        make_dir(&new.join(dir), 0o755)?;
    }
    mounts::bind(Path::new("/proc"), &new.join("proc"))?;
    mounts::sysfs(&new.join("sys"), writable_sys)?;
    mounts::bind(Path::new(DEVICES), &new.join("dev"))?;
    mounts::tmpfs(&new.join("dev/shm"), "mode=1777,size=64m")?;
    let programs = new.join(PROGRAMS_DIR.trim_start_matches('/'));
    make_dir(&programs, 0o755)?;
    mounts::bind_read_only(Path::new(PROGRAMS), &programs)
}
