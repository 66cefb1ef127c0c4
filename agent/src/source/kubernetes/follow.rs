//! Listing Nodes and watching them, for as long as the agent runs.
//!
//! kube's own `watcher` does nearly this. It is not used for two reasons: it does not say when a watch stands again
//! after the API was away, so the log would go on complaining until some Node changes; and a request that is accepted
//! and then never answered (a list, or the start of a watch) would be waited for without end.
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use tokio::time::timeout;

use super::board::Board;
use super::nodes::Known;
use super::pauses::Pauses;
use super::refusal::{Doing, Refusal};
use crate::node::NodesFile;

/// Nodes a list request: what clients of the API use by default.
const PAGE: u32 = 500;
/// How long the API is waited for before it is asked again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest an answer may take to begin.
    pub answer: Duration,
    /// The longest a watch may be silent.
    pub silence: Duration,
}

impl Default for Patience {
    /// 30 s for an answer. 150 s of silence: the API server sends a bookmark about every minute, and one that does not
    /// costs a request more.
    fn default() -> Self {
        Patience {
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
    patience: Patience,
    board: Arc<Board>,
    known: Known,
    /// Up to which change `known` goes; `None`: it has to be listed.
    version: Option<String>,
    /// What was posted last.
    posted: Option<NodesFile>,
    /// The daemon was told that the API is away or refuses.
    in_trouble: bool,
}

impl Follower {
    pub(super) fn new(
        api: Api<NodeObject>,
        server: String,
        pod_network: Vec<IpNet>,
        patience: Patience,
        board: Arc<Board>,
    ) -> Self {
        Follower {
            api,
            server,
            pod_network,
            patience,
            board,
            known: Known::default(),
            version: None,
            posted: None,
            in_trouble: false,
        }
    }

    /// Never returns.
    pub(super) async fn run(mut self) {
        let mut pauses = Pauses::new();
        loop {
            if let Err(refusal) = self.follow(&mut pauses).await {
                if refusal.outdates_the_list() {
                    self.version = None;
                }
                if !refusal.is_routine() {
                    self.in_trouble = true;
                    self.board.trouble(refusal.into_error(&self.server));
                }
            }
            tokio::time::sleep(pauses.next()).await;
        }
    }

    /// Lists if need be, then watches until the watch ends.
    async fn follow(&mut self, pauses: &mut Pauses) -> Result<(), Refusal> {
        let version = match &self.version {
            Some(version) => version.clone(),
            None => self.list().await?,
        };
        let params = WatchParams::default();
        let watch = self
            .answered(Doing::Watch, self.api.watch(&params, &version))
            .await?;
        let mut events = std::pin::pin!(watch);
        // Only now: a cluster in which nodes may be listed but not watched is in trouble all the while.
        pauses.start_over();
        if std::mem::take(&mut self.in_trouble) {
            self.posted = None;
        }
        self.post();
        while let Ok(event) = timeout(self.patience.silence, events.next()).await {
            let Some(event) = event else { break };
            self.hear(event.map_err(|cause| Refusal::new(Doing::Watch, cause))?)?;
        }
        Ok(())
    }

    /// The whole list; where it stands. Nothing is forgotten before the last page has come.
    async fn list(&mut self) -> Result<String, Refusal> {
        let mut known = Known::default();
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = self.answered(Doing::List, self.api.list(&params)).await?;
            page.items.iter().for_each(|object| known.apply(object));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => {
                    let version = page.metadata.resource_version.unwrap_or_default();
                    self.known = known;
                    self.version = Some(version.clone());
                    // Before the watch stands, which may take its time.
                    self.post();
                    return Ok(version);
                }
            }
        }
    }

    fn hear(&mut self, event: WatchEvent<NodeObject>) -> Result<(), Refusal> {
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
                return Err(Refusal::new(Doing::Watch, kube::Error::Api(status)));
            }
        };
        if version.is_some() {
            self.version = version;
        }
        self.post();
        Ok(())
    }

    /// Tells the daemon, if it is anything new: most events are heartbeats.
    fn post(&mut self) {
        let list = self.known.list(&self.pod_network);
        if self.posted.as_ref() != Some(&list) {
            self.posted = Some(list.clone());
            self.board.list(list, self.known.unreadable());
        }
    }

    /// The beginning of an answer, in time.
    async fn answered<T>(
        &self,
        doing: Doing,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Refusal> {
        let waited = self.patience.answer;
        match timeout(waited, request).await {
            Ok(answer) => answer.map_err(|cause| Refusal::new(doing, cause)),
            Err(_) => Err(Refusal::Silence { doing, waited }),
        }
    }
}
