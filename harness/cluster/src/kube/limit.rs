//! A time limit for every request to the API server: it distinguishes a server that hangs from a slow one.
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::UPGRADE;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ClientBuilder, DynBody};
use kube::{Client, Config};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;
use tower::{BoxError, Layer, Service};

/// How long the API server may take to answer, the answer's whole body included. Its own limit for a request is a minute
/// (kube-apiserver's --request-timeout); one that needs half of it for the lists of a test is not well.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// An API server that is busy for a moment (429, 503, 504) is asked again, as often, after pauses of 0.5, 1 and 2 s or as it says.
const RETRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Calls that wait for a connection.
const AT_ONCE: usize = 1024;

/// The API server said nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error(
    "the API server did not answer within {ANSWERS_WITHIN:?}; check that it is healthy and that no firewall drops its answers"
)]
pub(super) struct Silent;

/// A client whose every call ends: with an answer, or with [`Silent`]. Streams (watches, followed logs, exec) only have to
/// begin in time.
pub(super) fn client(mut config: Config) -> kube::Result<Client> {
    // kube itself retries for five minutes; the user should see why.
    config.default_retry = false;
    let again = RetryPolicy::new(FIRST_PAUSE, LONGEST_PAUSE, RETRIES, true);
    let again = again.map_err(|e| kube::Error::Service(e.into()))?;
    let builder = ClientBuilder::try_from(config)?;
    let builder = builder
        .with_layer(&BufferLayer::new(AT_ONCE))
        .with_layer(&RetryLayer::new(again))
        .with_layer(&InTime);
    Ok(builder.build())
}

struct InTime;

impl<S> Layer<S> for InTime {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner }
    }
}

struct Limited<S> {
    inner: S,
}

type Answer = Response<Box<DynBody>>;

impl<S> Service<Request<Body>> for Limited<S>
where
    S: Service<Request<Body>, Response = Answer, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let streamed = is_stream(&request);
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let started = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let whole = async {
                let answer = answer.await?;
                if streamed {
                    return Ok(answer);
                }
                let (head, body) = answer.into_parts();
                let bytes = body.collect().await?.to_bytes();
                let body =
                    Full::new(bytes).map_err(|never: Infallible| -> BoxError { match never {} });
                Ok(Response::from_parts(head, Box::new(body) as Box<DynBody>))
            };
            let answer = match tokio::time::timeout(ANSWERS_WITHIN, whole).await {
                Ok(answer) => answer,
                Err(_) => Err(Silent.into()),
            };
            let status = answer.as_ref().map(|answer| answer.status().as_u16()).ok();
            tracing::debug!(%method, path = uri.path(), status, took = ?started.elapsed(), "asked the API");
            answer
        })
    }
}

/// Whether the answer lasts as long as it likes.
fn is_stream<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let mut options = query.split('&');
    request.headers().contains_key(UPGRADE)
        || options.any(|option| ["watch=true", "watch=1", "follow=true"].contains(&option))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_distinguished_from_calls() {
        let request = |uri: &str| Request::get(uri).body(()).unwrap();
        assert!(is_stream(&request("/api/v1/pods?limit=1&watch=true")));
        assert!(is_stream(&request("/api/v1/pods/p/log?follow=true")));
        assert!(!is_stream(&request("/api/v1/pods?watchdog=true")));
        assert!(!is_stream(&request("/api/v1/pods")));
        let exec = Request::get("/exec").header(UPGRADE, "websocket");
        assert!(is_stream(&exec.body(()).unwrap()));
    }
}
