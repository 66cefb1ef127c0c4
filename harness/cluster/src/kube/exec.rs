//! A command in a pod, through the API server's exec stream.
use std::pin::pin;

use futures::future::Either;
use futures::{SinkExt, Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess, TerminalSize};
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::oneshot;

use super::denied;
use crate::Process;
use crate::{Error, Result};

/// Buffers of the streams, bytes: the default of 1 KiB makes a line of facts take hundreds of turns.
const BUFFER: usize = 64 * 1024;

/// Size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Of a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// Starts `argv` in the first container of a pod. Dropping the process' standard input ends it over there; dropping the whole
/// process drops the stream.
pub(super) async fn start(pods: &Api<Pod>, pod: &str, argv: &[String]) -> Result<Process> {
    let doing = doing(pod, argv);
    let params = AttachParams::default().stdin(true);
    let attached = attach(pods, pod, argv, params, &doing).await?;
    Ok(process(attached, doing))
}

/// As [`start`], on a terminal of its own, which has these sizes in turn: its errors are part of its output.
pub(super) async fn start_on_terminal(
    pods: &Api<Pod>,
    pod: &str,
    argv: &[String],
    sizes: impl Stream<Item = WindowSize> + Send + 'static,
) -> Result<Process> {
    let doing = doing(pod, argv);
    let mut attached = attach(pods, pod, argv, AttachParams::interactive_tty(), &doing).await?;
    let follow = attached.terminal_size().map(|mut sink| async move {
        let mut sizes = pin!(sizes);
        while let Some(WindowSize { columns, rows }) = sizes.next().await {
            let size = TerminalSize {
                width: columns,
                height: rows,
            };
            // The command has ended.
            if sink.send(size).await.is_err() {
                break;
            }
        }
    });
    if let Some(follow) = follow {
        tokio::spawn(follow);
    }
    Ok(process(attached, doing))
}

/// For errors: with the program only, since it says what is missing, and scripts are long.
fn doing(pod: &str, argv: &[String]) -> String {
    let program = argv.first().map_or("", String::as_str);
    format!("exec {program} in pod {pod}")
}

async fn attach(
    pods: &Api<Pod>,
    pod: &str,
    argv: &[String],
    params: AttachParams,
    doing: &str,
) -> Result<AttachedProcess> {
    let params = params
        .max_stdin_buf_size(BUFFER)
        .max_stdout_buf_size(BUFFER)
        .max_stderr_buf_size(BUFFER);
    let attached = pods.exec(pod, argv, &params).await;
    attached.map_err(|e| denied(doing, e))
}

fn process(attached: AttachedProcess, doing: String) -> Process {
    let (stdin, their_stdin) = duplex(BUFFER);
    let (stdout, their_stdout) = duplex(BUFFER);
    let (stderr, their_stderr) = duplex(BUFFER);
    let (ended, exit) = oneshot::channel();
    tokio::spawn(drive(
        attached,
        their_stdin,
        [their_stdout, their_stderr],
        ended,
    ));
    Process {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
        exit: Box::pin(async move {
            match exit.await {
                Ok(Some(status)) => exit_code(&doing, &status),
                Ok(None) | Err(_) => Err(Error::Failed(format!(
                    "{doing}: the connection closed before the exit status came"
                ))),
            }
        }),
    }
}

/// Moves bytes between the caller's ends and the stream's. The stream's own pipes tell neither a dropped writer nor a broken
/// connection; the caller's see both as end of file.
async fn drive(
    mut attached: AttachedProcess,
    mut input: DuplexStream,
    [mut output, mut errors]: [DuplexStream; 2],
    mut ended: oneshot::Sender<Option<Status>>,
) {
    let (Some(mut stdin), Some(mut stdout), Some(status)) =
        (attached.stdin(), attached.stdout(), attached.take_status())
    else {
        return;
    };
    // A terminal has no standard error.
    let mut stderr: Box<dyn AsyncRead + Send + Unpin> = match attached.stderr() {
        Some(stderr) => Box::new(stderr),
        None => Box::new(tokio::io::empty()),
    };
    let feed = async {
        // A command that ended reads no more; its exit status says what there is to say.
        let _ = tokio::io::copy(&mut input, &mut stdin).await;
        let _ = stdin.shutdown().await;
        std::future::pending::<()>().await
    };
    let drain = async {
        let _ = tokio::join!(
            tokio::io::copy(&mut stdout, &mut output),
            tokio::io::copy(&mut stderr, &mut errors),
        );
    };
    let outcome = async {
        let drain = pin!(drain);
        let status = pin!(status);
        match futures::future::select(drain, status).await {
            Either::Left(((), status)) => status.await,
            // The status is the last message; what came before it is in the pipes already.
            Either::Right((Some(status), drain)) => {
                drain.await;
                Some(status)
            }
            Either::Right((None, _)) => None,
        }
    };
    let gone = tokio::select! {
        status = outcome => Some(status),
        () = feed => None,
        () = ended.closed() => None,
    };
    if let Some(status) = gone {
        // Nobody may be waiting for it.
        let _ = ended.send(status);
    }
}

/// The exit code in the `metav1.Status` of the error channel (remotecommand: `NonZeroExitCode` with one `ExitCode` cause).
fn exit_code(doing: &str, status: &Status) -> Result<i32> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status
        .details
        .iter()
        .flat_map(|d| d.causes.iter().flatten());
    let code = causes
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .find_map(|cause| cause.message.as_deref()?.parse().ok());
    code.ok_or_else(|| {
        let message = status.message.as_deref();
        let message = message.unwrap_or("the command did not start");
        Error::Failed(match unreached(message) {
            Some(why) => why,
            None => format!("{doing}: {message}"),
        })
    })
}

/// That the API server does not get through to a kubelet, in the same words for every pod there; nothing where the message says
/// something else.
fn unreached(message: &str) -> Option<String> {
    if !(message.contains("/exec/") || message.contains("error dialing backend")) {
        return None;
    }
    let (_, dialled) = message.rsplit_once("dial tcp ")?;
    let (kubelet, why) = dialled.split_once(": ")?;
    Some(format!(
        "the API server does not reach the kubelet at {kubelet}: {why}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_that_is_not_reached_is_told_alike_for_all_its_pods() {
        let told = "the API server does not reach the kubelet at 172.18.0.4:10250: i/o timeout";
        for message in [
            r#"Internal error occurred: error sending request: Post "https://172.18.0.4:10250/exec/flatnet-d03abd/busybox-2/busybox?command=sh&error=1": dial tcp 172.18.0.4:10250: i/o timeout"#,
            "error dialing backend: dial tcp 172.18.0.4:10250: i/o timeout",
        ] {
            assert_eq!(unreached(message).as_deref(), Some(told));
        }
        for other in [
            "container not found (\"busybox\")",
            "cannot exec into a container: dial tcp 10.0.0.1:80: i/o timeout",
        ] {
            assert_eq!(unreached(other), None);
        }
    }

    #[test]
    fn the_exit_code_is_in_the_causes() {
        let status = |text: &str| serde_json::from_str::<Status>(text).unwrap();
        let seven = status(
            r#"{"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with exit code 7","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#,
        );
        assert_eq!(exit_code("x", &seven).unwrap(), 7);
        assert_eq!(
            exit_code("x", &status(r#"{"status":"Success"}"#)).unwrap(),
            0
        );
        let gone =
            status(r#"{"status":"Failure","reason":"InternalError","message":"no such file"}"#);
        assert!(
            exit_code("exec x", &gone)
                .unwrap_err()
                .to_string()
                .contains("no such file")
        );
    }
}
