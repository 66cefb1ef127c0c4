//! Files in a root of a test's own.
use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

fn root(dir: &tempfile::TempDir) -> NodeRoot {
    let root = rustix::fs::open(
        dir.path(),
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .unwrap();
    NodeRoot {
        root,
        namespaces: Vec::new(),
    }
}

#[test]
fn files_are_written_whole_with_their_directories_and_mode() {
    let dir = tempfile::tempdir().unwrap();
    let root = root(&dir);
    let path = Path::new("/etc/cni/net.d/10-test.conflist");
    root.write(path, b"one", 0o640).unwrap();
    root.write(path, b"two", 0o750).unwrap();
    let real = dir.path().join("etc/cni/net.d/10-test.conflist");
    assert_eq!(std::fs::read(&real).unwrap(), b"two");
    assert_eq!(
        std::fs::metadata(&real).unwrap().permissions().mode() & 0o777,
        0o750
    );
    assert_eq!(
        root.list(Path::new("/etc/cni/net.d")).unwrap(),
        ["10-test.conflist"]
    );
    root.remove(path).unwrap();
    root.remove(path).unwrap();
    root.remove(Path::new("/no/such/dir/file")).unwrap();
    assert!(!real.exists());
}

#[test]
fn links_and_dots_stay_within_the_root() {
    let dir = tempfile::tempdir().unwrap();
    let root = root(&dir);
    std::fs::create_dir(dir.path().join("run")).unwrap();
    symlink("/run", dir.path().join("var-run")).unwrap();
    root.write(Path::new("/var-run/../../../../run/here"), b"x", 0o644)
        .unwrap();
    assert_eq!(std::fs::read(dir.path().join("run/here")).unwrap(), b"x");
    symlink("/etc/passwd", dir.path().join("escape")).unwrap();
    assert_eq!(
        root.read(Path::new("/escape"), 1).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}

#[test]
fn only_a_regular_file_of_limited_length_is_read_and_nothing_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let root = root(&dir);
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("/fifo", dir.path().join("link")).unwrap();
    for name in ["/fifo", "/link", "/"] {
        let path = Path::new(name);
        let refused = [
            root.read(path, 10).map(drop),
            root.read_end(path, 10).map(drop),
            root.append_to(path).map(drop),
        ];
        for error in refused.map(Result::unwrap_err) {
            assert_ne!(error.kind(), io::ErrorKind::NotFound, "{name}: {error}");
        }
    }
    std::fs::write(dir.path().join("file"), "0123456789").unwrap();
    let file = Path::new("/file");
    assert_eq!(root.read(file, 10).unwrap(), b"0123456789");
    assert_eq!(
        root.read(file, 9).unwrap_err().to_string(),
        "longer than 0 KiB (10 bytes)"
    );
    assert_eq!(root.read_end(file, 3).unwrap(), b"789");
    assert_eq!(root.read_end(file, 30).unwrap(), b"0123456789");
}

#[test]
fn a_device_that_never_ends_is_not_read() {
    let root = NodeRoot::here().unwrap();
    let error = root.read(Path::new("/dev/zero"), 10).unwrap_err();
    assert_eq!(error.to_string(), "not a regular file");
}
