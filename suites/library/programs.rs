//! Where a test program of another repository finds flatnet's programs, and what it says where it does not.
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{has, started};

/// Run by the tests below in a copy of this program, which has no flatnet beside it.
#[test]
#[ignore = "is run where programs are not beside it"]
fn boots() {
    let lab = super::lab();
    lab.pod("busybox-1").reaches(&lab.pod("busybox-2"));
}

fn flatnets_own() -> PathBuf {
    let flatnet = Path::new(env!("CARGO_BIN_EXE_flatnet"));
    flatnet.parent().expect("a directory").to_owned()
}

/// This program in a directory of its own.
struct Elsewhere(tempfile::TempDir);

impl Elsewhere {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let me = std::env::current_exe().expect("its path");
        std::fs::copy(&me, dir.path().join("tests")).expect("a copy");
        Elsewhere(dir)
    }

    fn boots(&self, set: impl FnOnce(&mut Command)) -> Output {
        let mut command = Command::new(self.0.path().join("tests"));
        started::unchosen(&mut command);
        // The reference plugins' own directories need none; sh and ip do.
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(["programs::boots", "--exact", "--ignored", "--nocapture"]);
        set(&mut command);
        command.output().expect("it starts")
    }
}

#[test]
fn they_are_found_on_path_and_where_the_variable_says() {
    let elsewhere = Elsewhere::new();
    let own = flatnets_own();
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", own.display());
    let found = elsewhere.boots(|command| {
        command.env("PATH", &path);
    });
    assert!(found.status.success(), "{}", started::words(&found));
    let named = elsewhere.boots(|command| {
        command.env("FLATNET_PROGRAMS", &own);
    });
    assert!(named.status.success(), "{}", started::words(&named));
}

#[test]
fn what_is_missing_or_of_another_version_is_said() {
    let elsewhere = Elsewhere::new();
    let none = elsewhere.boots(|_| ());
    assert!(!none.status.success());
    has(
        &started::words(&none),
        &[
            // The line of the test, and not one of the library.
            "library/main.rs:",
            "the cluster does not come up: the program flatnet is not in ",
            "install flatnet, so that flatnet is on PATH, or name the directory of its programs with FLATNET_PROGRAMS",
        ],
    );
    let dir = tempfile::tempdir().expect("a directory");
    let named = |command: &mut Command| {
        command.env("FLATNET_PROGRAMS", dir.path());
    };
    let empty = elsewhere.boots(named);
    has(
        &started::words(&empty),
        &[&format!(
            "the program flatnet is not in {}",
            dir.path().display()
        )],
    );
    started::install(dir.path(), &[("flatnet", "echo flatnet 9.9.9")]);
    let other = elsewhere.boots(named);
    has(
        &started::words(&other),
        &[
            "is of version \"9.9.9\"",
            "install flatnet in the version of the library",
        ],
    );
}
