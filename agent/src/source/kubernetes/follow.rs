//! Listing Nodes and watching them, for as long as the agent runs.
//!
//! kube's own `watcher` does nearly the same. It is not used for two reasons: it does not report that a watch is
//! established again after the API was unavailable, so the log would keep the error until some Node changes; and it waits
//! forever for a request that is accepted and never answered (a list, or the start of a watch).
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use futures::StreamExt as _;
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use tokio::time::timeout;

use super::backoff::{LONGEST, delays};
use super::latest::Latest;
use super::nodes::Known;
use super::refusal::{Refusal, Verb};
use crate::node::NodesFile;

/// Nodes per list request: the usual page size of API clients.
const PAGE: u32 = 500;

/// How long to wait for the API before asking again.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until an answer begins.
    pub answer: Duration,
    /// Between two events of a watch.
    pub silence: Duration,
}

impl Default for Timeouts {
    /// 30 s for an answer, 150 s of silence: the API server sends a bookmark about every minute, and with one that does
    /// not, a new watch costs one request.
    fn default() -> Self {
        Timeouts {
            answer: Duration::from_secs(30),
            silence: Duration::from_secs(150),
        }
    }
}

/// Follows the Nodes of one cluster.
pub(super) struct Follower {
    api: Api<NodeObject>,
    server: String,
    pod_network: Vec<IpNet>,
    timeouts: Timeouts,
    latest: Arc<Latest>,
    known: Known,
    /// Resource version of `known`; `None` if the nodes have to be listed.
    version: Option<String>,
    /// The list sent last.
    sent: Option<NodesFile>,
    /// An error has been sent since the last list.
    failing: bool,
}

impl Follower {
    pub(super) fn new(
        api: Api<NodeObject>,
        server: String,
        pod_network: Vec<IpNet>,
        timeouts: Timeouts,
        latest: Arc<Latest>,
    ) -> Self {
        Follower {
            api,
            server,
            pod_network,
            timeouts,
            latest,
            known: Known::default(),
            version: None,
            sent: None,
            failing: false,
        }
    }

    /// Never returns.
    pub(super) async fn run(mut self) {
        let mut backoff = delays();
        loop {
            if let Err(refusal) = self.follow(&mut backoff).await {
                if refusal.outdates_the_list() {
                    self.version = None;
                }
                if !refusal.is_routine() {
                    self.failing = true;
                    self.latest.send_error(refusal.into_error(&self.server));
                }
            }
            tokio::time::sleep(backoff.next().unwrap_or(LONGEST)).await;
        }
    }

    /// Lists if necessary, then watches until the watch ends.
    async fn follow(&mut self, backoff: &mut ExponentialBackoff) -> Result<(), Refusal> {
        let version = match &self.version {
            Some(version) => version.clone(),
            None => self.list().await?,
        };
        let params = WatchParams::default();
        let watch = self
            .answered(Verb::Watch, self.api.watch(&params, &version))
            .await?;
        let mut events = std::pin::pin!(watch);
        // Not before the watch is established: the agent may be allowed to list nodes but not to watch them.
        *backoff = delays();
        if std::mem::take(&mut self.failing) {
            self.sent = None;
        }
        self.send();
        while let Ok(event) = timeout(self.timeouts.silence, events.next()).await {
            let Some(event) = event else { break };
            self.handle(event.map_err(|cause| Refusal::new(Verb::Watch, cause))?)?;
        }
        Ok(())
    }

    /// Lists all nodes and returns the list's resource version. Keeps the known nodes until the last page has come.
    async fn list(&mut self) -> Result<String, Refusal> {
        let mut known = Known::default();
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = self.answered(Verb::List, self.api.list(&params)).await?;
            page.items.iter().for_each(|object| known.apply(object));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => {
                    let version = page.metadata.resource_version.unwrap_or_default();
                    self.known = known;
                    self.version = Some(version.clone());
                    // Without waiting for the watch, which may take a while to start.
                    self.send();
                    return Ok(version);
                }
            }
        }
    }

    fn handle(&mut self, event: WatchEvent<NodeObject>) -> Result<(), Refusal> {
        let version = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                self.known.apply(&object);
                object.metadata.resource_version
            }
            WatchEvent::Deleted(object) => {
                self.known.remove(&object);
                object.metadata.resource_version
            }
            WatchEvent::Bookmark(bookmark) => Some(bookmark.metadata.resource_version),
            WatchEvent::Error(status) => {
                return Err(Refusal::new(Verb::Watch, kube::Error::Api(status)));
            }
        };
        if version.is_some() {
            self.version = version;
        }
        self.send();
        Ok(())
    }

    /// Sends the list if it has changed: most events are heartbeats.
    fn send(&mut self) {
        let list = self.known.list(&self.pod_network);
        if self.sent.as_ref() != Some(&list) {
            self.sent = Some(list.clone());
            self.latest.send_list(list, self.known.unreadable());
        }
    }

    /// Awaits the beginning of an answer.
    async fn answered<T>(
        &self,
        verb: Verb,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Refusal> {
        let waited = self.timeouts.answer;
        match timeout(waited, request).await {
            Ok(answer) => answer.map_err(|cause| Refusal::new(verb, cause)),
            Err(_) => Err(Refusal::Silence { verb, waited }),
        }
    }
}
