//! What a run takes from variables, and how errors call them.
use std::process::Output;

use rstest::rstest;

use super::started::{smallest_lab, tells, unchosen, words};

/// flatnet with these variables.
fn with(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flatnet"));
    unchosen(&mut command);
    let command = command.envs(variables.iter().copied()).args(arguments);
    command.output().expect("flatnet starts")
}

#[test]
fn a_typed_name_is_for_a_new_cluster_whatever_the_environment_chooses() {
    let name = format!("typed-{}", std::process::id());
    let run = |arguments: &[&str]| with(&[("FLATNET_CLUSTER", &name)], arguments);

    let nobody = run(&["test"]);
    let up = run(&smallest_lab(&name));
    let found = run(&["exec", "node1", "--", "true"]);
    let both = run(&["test", "--name", "x", "--cluster", &name]);
    let kubeconfig = [
        "test",
        "--provider",
        "kubeconfig",
        "--kubeconfig",
        "/nowhere",
    ];
    let elsewhere = run(&kubeconfig);
    let down = run(&["down"]);

    tells(
        &nobody,
        2,
        &[
            "no cluster of that name is running",
            "to boot it: flatnet up --name",
        ],
    );
    assert!(up.status.success(), "{}", words(&up));
    assert_eq!((found.status.code(), words(&found).as_str()), (Some(0), ""));
    tells(&both, 2, &["--name: cannot be combined with --cluster"]);
    tells(&elsewhere, 2, &["kubeconfig /nowhere"]);
    assert!(down.status.success(), "{}", words(&down));
}

#[test]
fn a_variable_that_is_empty_chooses_nothing() {
    let command = flatnet::cli::command();
    let all = std::iter::once(&command).chain(command.get_subcommands());
    let mut variables: Vec<(&str, &str)> = all
        .flat_map(|command| command.get_arguments())
        .filter_map(|arg| Some((arg.get_env()?.to_str()?, "")))
        .collect();
    variables.sort_unstable();
    variables.dedup();
    assert!(variables.len() > 20, "{variables:?}");

    let run = with(
        &variables,
        &["test", "--quiet", "--nodes", "1", "--only", "gateway"],
    );
    let list = with(&variables, &["list"]);

    assert_eq!((run.status.code(), words(&run).as_str()), (Some(0), ""));
    assert_eq!(list.status.code(), Some(0), "{}", words(&list));
}

#[rstest]
#[case::unknown(&["exec", "node1", "--", "true"], "error: FLATNET_CLUSTER=nobody-zz: no cluster of that name is running")]
#[case::unknown_here(&["down"], "error: FLATNET_CLUSTER=nobody-zz: no cluster of that name is running")]
#[case::traced(&["inspect", "route", "--from", "a", "--to", "b"], "error: FLATNET_CLUSTER=nobody-zz: no cluster")]
#[case::combined(&["test", "--provider", "lab", "--nodes", "2"], "error: --nodes: cannot be combined with FLATNET_CLUSTER, which already determines this")]
#[case::another(&["down", "nobody-yy"], "error: --cluster nobody-yy: no cluster of that name is running")]
#[case::typed(&["exec", "--cluster", "nobody-yy", "node1", "--", "true"], "error: --cluster nobody-yy: no cluster")]
fn an_error_about_a_value_from_a_variable_names_the_variable(
    #[case] arguments: &[&str],
    #[case] says: &str,
) {
    let output = with(&[("FLATNET_CLUSTER", "nobody-zz")], arguments);

    tells(&output, 2, &[says]);
}
