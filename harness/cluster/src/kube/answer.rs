//! What the API server answers instead of doing what it was asked, as errors of ours.
use std::fmt::Debug;

use kube::Api;
use kube::api::DeleteParams;
use kube::core::Status;
use serde::de::DeserializeOwned;

use super::connect;
use super::limit::Silent;
use crate::{Error, Result};

/// What may be done about a right that is missing.
const ASK_FOR_RIGHT: &str =
    "ask an administrator of the cluster for that permission, or choose another context";

/// An API error as ours: what was asked, the server's words, and what to do. By status (API conventions, HTTP status codes):
/// 401 is [`Error::Missing`], 403 [`Error::Denied`], 400 and 422 [`Error::Input`], everything else [`Error::Failed`].
pub fn denied(doing: &str, error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => refused(doing, &status),
        // Its own words are complete.
        kube::Error::Service(silent) if silent.is::<Silent>() => Error::failed(doing, silent),
        other => Error::failed(doing, connect::causes(&other)),
    }
}

fn refused(doing: &str, status: &Status) -> Error {
    let words = words(status);
    match status.code {
        401 => Error::Missing {
            what: format!("{doing}: the API server refuses the credentials: {words}"),
            remedy: "they may have expired: renew them, or choose another user in the kubeconfig"
                .to_owned(),
        },
        403 => Error::Denied {
            what: doing.to_owned(),
            rule: words,
            remedy: ASK_FOR_RIGHT.to_owned(),
        },
        400 | 422 => Error::Input(format!("{doing}: {words}")),
        429 => Error::Failed(format!(
            "{doing}: the API server is overloaded: {words}; try again in a moment"
        )),
        500.. => Error::Failed(format!(
            "{doing}: the API server failed: {words}; try again, and if it stays so look at the log of kube-apiserver"
        )),
        _ => Error::Failed(format!("{doing}: {words}")),
    }
}

/// The server's own words; its code and reason where it has none.
fn words(status: &Status) -> String {
    match (status.message.trim(), status.reason.as_str()) {
        ("", "") => format!("HTTP status {}", status.code),
        ("", reason) => format!("{} {reason}", status.code),
        (message, _) => message.to_owned(),
    }
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The object goes now.
    Begun,
    /// It was not there, which is what was wanted.
    WasGone,
}

/// Deletes an object; that it is not there is fine.
///
/// # Errors
/// What the API server says instead, as [`denied`] has it.
pub async fn delete<K>(
    api: &Api<K>,
    name: &str,
    params: &DeleteParams,
    doing: &str,
) -> Result<Deletion>
where
    K: Clone + DeserializeOwned + Debug,
{
    match api.delete(name, params).await {
        Ok(_) => Ok(Deletion::Begun),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Deletion::WasGone),
        Err(e) => Err(denied(doing, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, reason: &str, message: &str) -> Error {
        let status = Status::failure(message, reason).with_code(code);
        denied("create pod p", kube::Error::Api(status.boxed()))
    }

    #[test]
    fn each_refusal_has_its_exit_code_and_the_servers_words() {
        for (code, reason, exit_code) in [
            (400, "BadRequest", 2),
            (401, "Unauthorized", 3),
            (403, "Forbidden", 3),
            (404, "NotFound", 4),
            (409, "Conflict", 4),
            (422, "Invalid", 2),
            (429, "TooManyRequests", 4),
            (500, "InternalError", 4),
            (503, "ServiceUnavailable", 4),
        ] {
            let error = answer(code, reason, "the server's words");
            let text = error.to_string();
            assert_eq!(error.exit_code(), exit_code, "{text}");
            assert!(text.starts_with("create pod p: "), "{text}");
            assert!(text.contains("the server's words"), "{text}");
        }
    }

    #[test]
    fn a_server_without_a_message_is_judged_by_its_code() {
        assert!(
            answer(500, "InternalError", "")
                .to_string()
                .contains("500 InternalError")
        );
        assert!(answer(502, "", "").to_string().contains("HTTP status 502"));
    }
}
