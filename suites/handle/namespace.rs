//! The namespace of a run: refused in every way, in use already, and a run that is killed while it is made.
use std::path::Path;
use std::process::Output;

use rstest::rstest;
use serde_json::Value;

use crate::api::{Answer, Api};
use crate::started::tells;
use crate::{flatnet, on_api, running};

const CREATE: &str = "POST /api/v1/namespaces";

fn run(api: &Api, options: &[&str]) -> Output {
    on_api(api, options).output().expect("flatnet starts")
}

/// Waits until a namespace is asked for; its name, and the object.
fn asked_for(api: &Api) -> (String, Value) {
    let object = api.wait_for(CREATE).body;
    let name = object["metadata"]["name"].as_str().expect("a name");
    (name.to_owned(), object)
}

#[rstest]
#[case::forbidden(403, "Forbidden", "namespaces is forbidden: User \"u\" cannot create", 3, &["--namespace"])]
#[case::invalid(422, "Invalid", "a webhook wants a label", 2, &["--namespace"])]
#[case::too_busy(429, "TooManyRequests", "too many requests, please try again later", 4, &["try again in a moment"])]
#[case::failing(500, "InternalError", "etcdserver: request timed out", 4, &["look at the log of kube-apiserver"])]
#[case::taken(409, "AlreadyExists", "namespaces already exists", 2, &["it belongs to another run", "--namespace"])]
fn a_namespace_that_cannot_be_created_is_reported_in_the_servers_words(
    #[case] status: u16,
    #[case] reason: &'static str,
    #[case] words: &'static str,
    #[case] code: i32,
    #[case] remedy: &[&str],
) {
    let api = Api::new(move |request| {
        (request.line == CREATE).then(|| Answer::status(status, reason, words))
    });

    let output = run(&api, &[]);

    let says = [&["create namespace flatnet-", words], remedy].concat();
    tells(&output, code, &says);
    // A server that is busy for a moment is asked again.
    let times = if status == 429 { 4 } else { 1 };
    assert_eq!(api.asked(CREATE).len(), times);
    assert!(api.asked("DELETE").is_empty());
}

#[test]
fn a_namespace_of_that_name_that_is_another_runs_stays() {
    // Somebody else makes it a moment earlier.
    let api = Api::new(|request| {
        (request.line == CREATE).then(|| Answer::status(409, "AlreadyExists", "it exists"))
    });
    let child = running(&mut on_api(&api, &[]));
    let (name, _) = asked_for(&api);
    api.put(&name, &serde_json::json!({ "metadata": { "name": name } }));

    let output = child.wait_with_output().expect("it ends");

    tells(
        &output,
        2,
        &["create namespace", "it belongs to another run"],
    );
    assert_eq!(api.namespaces(), [name]);
}

#[test]
fn a_run_that_is_killed_while_its_namespace_is_made_leaves_none() {
    // The server makes it, and its answer never arrives.
    let api = Api::new(|request| (request.line == CREATE).then_some(Answer::Silence));
    let mut child = running(&mut on_api(&api, &[]));
    let (name, object) = asked_for(&api);
    api.put(&name, &object);

    child.kill().expect("a signal");
    child.wait().expect("it ends");

    api.wait_for(&format!("DELETE /api/v1/namespaces/{name}"));
    assert!(api.namespaces().is_empty());
}

#[rstest]
#[case::absent(404, "NotFound", 2, "there is no such namespace")]
#[case::failing(500, "InternalError", 4, "get namespace mine")]
fn an_existing_namespace_is_looked_for(
    #[case] status: u16,
    #[case] reason: &'static str,
    #[case] code: i32,
    #[case] says: &str,
) {
    let api = Api::new(move |request| {
        (request.line == "GET /api/v1/namespaces/mine")
            .then(|| Answer::status(status, reason, "the server's words"))
    });

    let output = run(&api, &["--namespace", "mine"]);

    tells(&output, code, &[says]);
}

#[rstest]
#[case::there(Answer::Json(201, serde_json::json!({ "metadata": { "name": "p" } })), 4, "list nodes")]
#[case::not_there(
    Answer::status(404, "NotFound", "namespaces \"mine\" not found"),
    2,
    "there is no such namespace"
)]
#[case::forbidden(
    Answer::status(403, "Forbidden", "pods is forbidden"),
    3,
    "try to create a pod in namespace mine: not allowed: pods is forbidden"
)]
fn without_the_right_to_read_namespaces_a_pod_is_tried(
    #[case] pod: Answer,
    #[case] code: i32,
    #[case] says: &str,
) {
    let api = Api::new(move |request| match request.line.as_str() {
        "GET /api/v1/namespaces/mine" => Some(Answer::status(403, "Forbidden", "no")),
        "POST /api/v1/namespaces/mine/pods" => {
            assert!(request.query.contains("dryRun=All"), "{request:?}");
            Some(pod.clone())
        }
        "GET /api/v1/nodes" => Some(Answer::status(500, "InternalError", "no nodes today")),
        "GET /api/v1/namespaces/mine/pods" | "GET /api/v1/namespaces/mine/services" => Some(
            Answer::Json(200, serde_json::json!({ "metadata": {}, "items": [] })),
        ),
        _ => None,
    });

    let output = run(&api, &["--namespace", "mine"]);

    tells(&output, code, &[says]);
}

#[test]
fn a_tear_down_that_fails_comes_after_what_failed_first() {
    let api = Api::new(|request| match request.line.as_str() {
        "GET /api/v1/pods" => Some(Answer::status(500, "InternalError", "the first trouble")),
        line if line.starts_with("DELETE") => {
            Some(Answer::status(403, "Forbidden", "the second trouble"))
        }
        _ => None,
    });
    let kubeconfig = api.kubeconfig();

    let output = flatnet(
        Path::new("/nowhere"),
        &["diagnose", "--kubeconfig", &kubeconfig],
    )
    .output()
    .expect("flatnet starts");

    // The reaper tries once more, and tells too.
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{words}");
    let last = words.lines().last().expect("an error");
    let first = last.find("error: list pods: the API server failed: the first trouble");
    let second = last.find("while tearing down: delete namespace");
    assert!(first.is_some() && first < second, "{words}");
    assert!(last.contains("the second trouble"), "{words}");
}
