//! Why the API gave no list, and what follows from that.
use std::fmt;
use std::time::Duration;

use crate::Error;

/// What was asked for: the verb of the right that it takes (RBAC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// All of them.
    List,
    /// What changes.
    Watch,
}

/// No list, or no more of a watch.
#[derive(Debug)]
pub(super) enum Refusal {
    /// An answer, and it is no.
    Answer {
        doing: Doing,
        code: u16,
        message: String,
    },
    /// None: it cannot be reached, or breaks off.
    Away { doing: Doing, cause: String },
    /// None in time.
    Silence { doing: Doing, waited: Duration },
}

/// Unauthorized, Forbidden (RFC 9110 section 15.5).
const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;
/// The watch cannot begin where it should: those changes are compacted away.
const GONE: u16 = 410;

impl Refusal {
    pub(super) fn new(doing: Doing, cause: kube::Error) -> Self {
        match cause {
            kube::Error::Api(status) => Refusal::Answer {
                doing,
                code: status.code,
                message: status.message,
            },
            other => Refusal::Away {
                doing,
                cause: innermost(&other),
            },
        }
    }

    /// Whether the nodes have to be listed again before they are watched. Whatever the server answers instead of a watch
    /// may concern the place it was to begin at: 410 says so, and a server that was restored from a backup answers that
    /// the place lies in the future (504). A connection that broke says nothing of the kind.
    pub(super) fn outdates_the_list(&self) -> bool {
        matches!(self, Refusal::Answer { .. })
    }

    /// Part of every long watch, and nothing a person should read of.
    pub(super) fn is_routine(&self) -> bool {
        matches!(
            self,
            Refusal::Answer {
                doing: Doing::Watch,
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
                doing,
                message,
            } => Error::ApiDenied {
                server,
                doing: doing.to_string(),
                message,
                remedy: if code == FORBIDDEN {
                    "grant its service account get, list and watch on nodes, as the ClusterRole in manifests/flatnet.yaml does"
                } else {
                    "its token is not (or no longer) one of this cluster"
                },
            },
            Refusal::Answer {
                doing,
                code,
                message,
            } => Error::ApiAway {
                server,
                cause: format!("it answers {doing} with {code}: {message}"),
            },
            Refusal::Away { doing, cause } => Error::ApiAway {
                server,
                cause: format!("{doing}: {cause}"),
            },
            Refusal::Silence { doing, waited } => Error::ApiAway {
                server,
                cause: format!("{doing}: no answer within {} s", waited.as_secs()),
            },
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Doing::List => "list nodes",
            Doing::Watch => "watch nodes",
        })
    }
}

/// The last of a chain of causes: the ones before it are layers of the client.
fn innermost(error: &kube::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
        // Below it is only the clock that ran down.
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

    fn answer(doing: Doing, code: u16, message: &str) -> Refusal {
        let mut status = Status::failure(message, "");
        status.code = code;
        Refusal::new(doing, kube::Error::Api(status.boxed()))
    }

    #[test]
    fn a_right_that_is_missing_is_named_with_the_rule_that_grants_it() {
        let said = "nodes is forbidden: User \"system:serviceaccount:flatnet-system:flatnet\" cannot list resource \"nodes\" \
                    in API group \"\" at the cluster scope";
        let error = answer(Doing::List, 403, said).into_error("https://10.96.0.1");
        assert!(!error.is_waiting());
        assert_eq!(error.exit_code(), 3);
        assert_eq!(
            error.to_string(),
            format!(
                "the Kubernetes API at https://10.96.0.1 does not let this agent list nodes: {said}; grant its service \
                 account get, list and watch on nodes, as the ClusterRole in manifests/flatnet.yaml does"
            )
        );
        let error = answer(Doing::Watch, 401, "Unauthorized").into_error("https://10.96.0.1");
        assert!(
            error.to_string().ends_with(
                "watch nodes: Unauthorized; its token is not (or no longer) one of this cluster"
            ),
            "{error}"
        );
    }

    #[test]
    fn a_watch_that_fell_behind_begins_with_a_list_and_is_no_news() {
        let gone = answer(Doing::Watch, 410, "too old resource version: 1 (9)");
        assert!(gone.is_routine() && gone.outdates_the_list());
        let ahead = answer(
            Doing::Watch,
            504,
            "Too large resource version: 9, current: 1",
        );
        assert!(!ahead.is_routine() && ahead.outdates_the_list());
    }

    #[test]
    fn a_connection_that_does_not_come_is_called_that() {
        let clock = std::io::Error::new(std::io::ErrorKind::TimedOut, "deadline has elapsed");
        let away = Refusal::new(Doing::List, kube::Error::Service(Box::new(clock)));
        let told = away.into_error("https://10.96.0.1").to_string();
        assert!(
            told.contains("(list nodes: the connection timed out)"),
            "{told}"
        );
    }

    #[test]
    fn an_api_that_is_away_is_waited_for_and_its_list_kept() {
        let broken = std::io::Error::new(
            std::io::ErrorKind::ConnectionReset,
            "connection reset by peer",
        );
        let away = Refusal::new(Doing::Watch, kube::Error::ReadEvents(broken));
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
