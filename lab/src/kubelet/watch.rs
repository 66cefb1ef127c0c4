//! Watches a node's CNI configuration, so that pods that wait for one continue immediately.
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Weak};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::Kubelet;
use crate::{Error, Result};

/// Starts the thread that watches the directories of all nodes. A directory that is removed is watched no more; pods that
/// wait look again from time to time anyway.
pub(super) fn start(kubelet: &Arc<Kubelet>) -> Result<()> {
    let failed = |e: Errno| Error::failed("watch the CNI configuration", e.desc());
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC).map_err(failed)?;
    let mut watched: Vec<(WatchDescriptor, String)> = Vec::new();
    for node in kubelet.nodes() {
        let dir = &node.network.runtime.conf_dir;
        let (handle, path): (OwnedFd, _) = node
            .root
            .handle(dir)
            .map_err(|e| Error::failed(format!("open {} on {}", dir.display(), node.name), e))?;
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE;
        watched.push((
            inotify.add_watch::<Path>(&path, flags).map_err(failed)?,
            node.name.clone(),
        ));
        drop(handle);
    }
    let kubelet: Weak<Kubelet> = Arc::downgrade(kubelet);
    std::thread::spawn(move || {
        loop {
            let events = match inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            let Some(kubelet) = kubelet.upgrade() else {
                return;
            };
            for (_, node) in watched
                .iter()
                .filter(|(wd, _)| events.iter().any(|event| event.wd == *wd))
            {
                kubelet.network_changed(node);
            }
        }
    });
    Ok(())
}
