//! Standard output and standard error that take no more: a full device, a reader that has gone away.
use super::clusters::{alone, stdout};
use super::flatnet;
use super::started::{tells, words};

#[test]
fn a_full_device_is_one_error_and_never_a_panic() {
    let commands = [
        "list",
        "list -o json",
        "inspect bridges",
        "inspect bridges -o json",
        "inspect --list",
        "inspect route --from busybox-1 --to busybox-2",
        "diagnose",
        "diagnose -o json",
        "checks",
        "checks -o json",
        "completions bash",
        "--help",
        "test --cluster one --only gateway --quiet",
        "test --cluster one --only gateway --quiet -o json",
    ];
    let quoted: Vec<String> = commands.iter().map(|c| format!("'{c}'")).collect();

    let output = alone(&format!(
        "$FLATNET up --name one --nodes 1 --pods-per-node 2 2>/dev/full; echo $? up
        for command in {}; do $FLATNET $command >/dev/full; echo $? $command; done
        $FLATNET --log debug list >/dev/null 2>/dev/full; echo $? log
        $FLATNET down 2>/dev/full; echo $? down",
        quoted.join(" ")
    ));

    let said = words(&output);
    let full: String = commands.iter().map(|c| format!("4 {c}\n")).collect();
    assert_eq!(
        stdout(&output),
        format!("0 up\n{full}0 log\n0 down\n"),
        "{said}"
    );
    let errors: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(
        errors,
        ["error: write to standard output: No space left on device (os error 28); free space there, or send the output elsewhere";
            14]
    );
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_reader_that_has_gone_away_does_not_change_the_exit_code() {
    let output = alone(
        "exec 3>&1
        { $FLATNET test --plant masquerade --quiet; echo red $? >&3; } | true
        { $FLATNET test --nodes 1 --quiet -o json; echo green $? >&3; } | true
        { $FLATNET checks; echo checks $? >&3; } | head -n 1 >/dev/null
        { $FLATNET test --plant masquerade --quiet; echo full $? >&3; } >/dev/full",
    );

    let said = words(&output);
    assert_eq!(
        stdout(&output),
        "red 1\ngreen 0\nchecks 0\nfull 1\n",
        "{said}"
    );
    let errors = said.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_boots() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("report.json")).expect("a folder in it");
    let blocked = dir.path().display().to_string();

    for (command, folder) in [("test", "/proc/x"), ("up", "/proc/x"), ("test", &blocked)] {
        let output = flatnet(&[command, "--report", folder]);
        tells(
            &output,
            2,
            &["write ", "name another directory with --report"],
        );
        assert_eq!(words(&output).lines().count(), 1, "{}", words(&output));
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("it").count(), 1);
}

#[test]
fn a_report_that_can_no_longer_be_written_does_not_hide_a_red_run() {
    // The folder becomes a file while the lab boots.
    let output = alone(
        "dir=$(mktemp -d)
        exec 3>&1
        run() {
            { $FLATNET test --report $dir/$1 --only no-nat $2 2>&1 >/dev/null; echo $1 $? >&3; } |
                while read -r line; do
                    case $line in *booted*) rmdir $dir/$1; touch $dir/$1;; esac
                    echo \"$line\" >&2
                done
        }
        run red '--plant masquerade'; run green
        ls -A $dir; rm -r $dir",
    );

    let said = words(&output);
    assert_eq!(stdout(&output), "red 1\ngreen 4\ngreen\nred\n", "{said}");
    assert_eq!(said.matches("error: write ").count(), 2, "{said}");
}
