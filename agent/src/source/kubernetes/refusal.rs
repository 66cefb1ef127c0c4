//! Why the API provided no list, and what follows from that.
use std::fmt;
use std::time::Duration;

use crate::Error;

/// The RBAC verb of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    List,
    Watch,
}

/// A failed list, or the end of a watch.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The server answers with an error.
    Answer {
        verb: Verb,
        code: u16,
        message: String,
    },
    /// The server cannot be reached, or the connection breaks.
    Away { verb: Verb, cause: String },
    /// The server does not answer in time.
    Silence { verb: Verb, waited: Duration },
}

/// Unauthorized, Forbidden (RFC 9110 section 15.5).
const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;
/// Gone: the watch's resource version is older than the oldest change that the server keeps.
const GONE: u16 = 410;

impl Refusal {
    pub(super) fn new(verb: Verb, cause: kube::Error) -> Self {
        match cause {
            kube::Error::Api(status) => Refusal::Answer {
                verb,
                code: status.code,
                message: status.message,
            },
            other => Refusal::Away {
                verb,
                cause: innermost(&other),
            },
        }
    }

    /// Whether the nodes have to be listed again before the next watch. Any error answer may concern the resource version
    /// to begin at: 410 says that it is too old, and a server restored from a backup answers 504 because it lies in the
    /// future. A broken connection says nothing about it.
    pub(super) fn outdates_the_list(&self) -> bool {
        matches!(self, Refusal::Answer { .. })
    }

    /// Happens in every long watch and is not worth a log line.
    pub(super) fn is_routine(&self) -> bool {
        matches!(
            self,
            Refusal::Answer {
                verb: Verb::Watch,
                code: GONE,
                ..
            }
        )
    }

    pub(super) fn into_error(self, server: &str) -> Error {
        let server = server.to_owned();
        match self {
            Refusal::Answer {
                code: code @ (UNAUTHORIZED | FORBIDDEN),
                verb,
                message,
            } => Error::ApiDenied {
                server,
                request: verb.to_string(),
                message,
                remedy: if code == FORBIDDEN {
                    "grant its service account get, list and watch on nodes, as the ClusterRole in manifests/flatnet.yaml does"
                } else {
                    "its token is not (or no longer) one of this cluster"
                },
            },
            Refusal::Answer {
                verb,
                code,
                message,
            } => Error::ApiAway {
                server,
                cause: format!("it answers {verb} with {code}: {message}"),
            },
            Refusal::Away { verb, cause } => Error::ApiAway {
                server,
                cause: format!("{verb}: {cause}"),
            },
            Refusal::Silence { verb, waited } => Error::ApiAway {
                server,
                cause: format!("{verb}: no answer within {} s", waited.as_secs()),
            },
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::List => "list nodes",
            Verb::Watch => "watch nodes",
        })
    }
}

/// The last cause of the chain: the ones before it are layers of the client.
fn innermost(error: &kube::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
        // The causes below only say that a deadline has elapsed.
        let io = cause.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut) {
            return "the connection timed out".to_owned();
        }
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn answer(verb: Verb, code: u16, message: &str) -> Refusal {
        let mut status = Status::failure(message, "");
        status.code = code;
        Refusal::new(verb, kube::Error::Api(status.boxed()))
    }

    #[test]
    fn a_missing_permission_is_named_with_the_rule_that_grants_it() {
        let said = "nodes is forbidden: User \"system:serviceaccount:flatnet-system:flatnet\" cannot list resource \"nodes\" \
                    in API group \"\" at the cluster scope";
        let error = answer(Verb::List, 403, said).into_error("https://10.96.0.1");
        assert!(!error.is_waiting());
        assert_eq!(error.exit_code(), 3);
        assert_eq!(
            error.to_string(),
            format!(
                "the Kubernetes API at https://10.96.0.1 does not let this agent list nodes: {said}; grant its service \
                 account get, list and watch on nodes, as the ClusterRole in manifests/flatnet.yaml does"
            )
        );
        let error = answer(Verb::Watch, 401, "Unauthorized").into_error("https://10.96.0.1");
        assert!(
            error.to_string().ends_with(
                "watch nodes: Unauthorized; its token is not (or no longer) one of this cluster"
            ),
            "{error}"
        );
    }

    #[test]
    fn a_watch_that_fell_behind_begins_with_a_list_and_is_no_news() {
        let gone = answer(Verb::Watch, 410, "too old resource version: 1 (9)");
        assert!(gone.is_routine() && gone.outdates_the_list());
        let ahead = answer(
            Verb::Watch,
            504,
            "Too large resource version: 9, current: 1",
        );
        assert!(!ahead.is_routine() && ahead.outdates_the_list());
    }

    #[test]
    fn a_connection_that_cannot_be_established_is_called_that() {
        let clock = std::io::Error::new(std::io::ErrorKind::TimedOut, "deadline has elapsed");
        let away = Refusal::new(Verb::List, kube::Error::Service(Box::new(clock)));
        let text = away.into_error("https://10.96.0.1").to_string();
        assert!(
            text.contains("(list nodes: the connection timed out)"),
            "{text}"
        );
    }

    #[test]
    fn an_unavailable_api_is_waited_for_and_its_list_kept() {
        let broken = std::io::Error::new(
            std::io::ErrorKind::ConnectionReset,
            "connection reset by peer",
        );
        let away = Refusal::new(Verb::Watch, kube::Error::ReadEvents(broken));
        assert!(!away.outdates_the_list());
        let error = away.into_error("https://10.96.0.1");
        assert!(error.is_waiting());
        assert_eq!(
            error.to_string(),
            "the Kubernetes API at https://10.96.0.1 cannot be asked (watch nodes: connection reset by peer); the node stays \
             as it is meanwhile"
        );
    }
}
