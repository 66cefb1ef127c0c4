//! A node's pod network: whether it is ready, in the kubelet's words, and how many operations run at once.
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use flatnet_model::cni::NetworkList;

use crate::cni::{Error, Runtime};

/// Sandboxes of one node that are set up at the same time: more only queue for the kernel's RTNL lock.
const AT_ONCE: usize = 8;

/// The pod network of one node.
pub(crate) struct Network {
    pub(crate) runtime: Runtime,
    /// The configuration whose plugins last said they are ready (STATUS).
    ready: Mutex<Option<NetworkList>>,
    slots: Slots,
}

impl Network {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Network {
            runtime,
            ready: Mutex::default(),
            slots: Slots {
                free: Mutex::new(AT_ONCE),
                freed: Condvar::new(),
            },
        }
    }

    /// Whether pods can be given a network now, by asking the plugins again.
    pub(crate) fn ready(&self) -> Result<(), String> {
        *self.known_ready() = None;
        self.usable().map(drop)
    }

    /// The network to use, once its plugins are ready.
    ///
    /// # Errors
    /// What the kubelet gives as the reason that a node is not ready.
    pub(crate) fn usable(&self) -> Result<NetworkList, String> {
        self.find().map_err(|e| {
            format!(
                "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
                 message:Network plugin returns error: {}",
                match &e {
                    Error::Config(_) => format!("{}: {e}", Error::NoConfig),
                    other => other.to_string(),
                }
            )
        })
    }

    fn find(&self) -> Result<NetworkList, Error> {
        let network = self.runtime.network()?;
        if self.known_ready().as_ref() == Some(&network) {
            return Ok(network);
        }
        match self.runtime.status(&network) {
            Ok(()) => *self.known_ready() = Some(network.clone()),
            // ADD says it better: at the pod, where a person looks first.
            Err(e) if matches!(e.root(), Error::NotFound { .. }) => {}
            Err(e) => return Err(e),
        }
        Ok(network)
    }

    fn known_ready(&self) -> MutexGuard<'_, Option<NetworkList>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn; it ends with the guard.
    pub(crate) fn turn(&self) -> Turn<'_> {
        let free = self
            .slots
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let free = self.slots.freed.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Turn(&self.slots)
    }
}

struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place among those that are at work.
pub(crate) struct Turn<'a>(&'a Slots);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
