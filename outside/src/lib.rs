//! A peer outside the cluster: a container on the network that the nodes of a kind cluster share.
//!
//! Kept apart from the harness because it needs a client of the container engine's API, which nothing else does.
use std::mem::ManuallyDrop;
use std::time::Duration;

use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt, TestcontainersError};

/// How long the container may take to start; its image is on the machine already.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// Why there is no peer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An image id that is none.
    #[error("{0:?} is not an image id (sha256:…)")]
    ImageId(String),
    /// The engine's API is not there, or refuses.
    #[error("{doing}: {}", causes(source))]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// The client's error.
        source: TestcontainersError,
    },
}

/// What is to be started.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Id of an image on this machine that has `sleep` and a shell: `sha256:` and hexadecimal digits.
    pub image_id: &'a str,
    /// A network that exists: a missing one would be created by the client.
    pub network: &'a str,
    /// The container's name.
    pub name: &'a str,
    /// Labels, to know it by.
    pub labels: &'a [(&'a str, &'a str)],
}

/// A container that does nothing but wait for commands. It stays when this is dropped, because dropping may happen where there
/// is no runtime (the client would panic there): the caller removes it with [`Peer::remove`] or by its name.
pub struct Peer(ManuallyDrop<ContainerAsync<GenericImage>>);

impl Peer {
    /// Starts it.
    ///
    /// # Errors
    /// [`Error`]: an image id that is none, or an engine that refuses.
    pub async fn start(wanted: Wanted<'_>) -> Result<Peer, Error> {
        let (algorithm, digest) = parts(wanted.image_id)?;
        let mut request = GenericImage::new(algorithm, digest)
            .with_entrypoint("sleep")
            .with_cmd(["infinity"])
            .with_network(wanted.network)
            .with_container_name(wanted.name)
            .with_startup_timeout(STARTS_WITHIN);
        for (key, value) in wanted.labels {
            request = request.with_label(*key, *value);
        }
        let started = request.start().await;
        match started {
            Ok(container) => Ok(Peer(ManuallyDrop::new(container))),
            Err(source) => Err(Error::Engine {
                doing: "start a container outside the cluster",
                source,
            }),
        }
    }

    /// Removes it, and waits for that.
    ///
    /// # Errors
    /// When the engine does not.
    pub async fn remove(self) -> Result<(), Error> {
        let container = ManuallyDrop::into_inner(self.0);
        container.rm().await.map_err(|source| Error::Engine {
            doing: "remove the container outside the cluster",
            source,
        })
    }
}

/// The client names an image NAME:TAG; an id has the same form.
fn parts(image_id: &str) -> Result<(&str, &str), Error> {
    let is_digest =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    image_id
        .split_once(':')
        .filter(|(algorithm, digest)| *algorithm == "sha256" && is_digest(digest))
        .ok_or_else(|| Error::ImageId(image_id.to_owned()))
}

/// An error with its causes, each once.
fn causes(error: &TestcontainersError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_image_id() {
        assert_eq!(parts("sha256:0abc").unwrap(), ("sha256", "0abc"));
        for image in ["kindest/node:v1.34.0", "sha256:", "sha256:nonsense", "node"] {
            let error = parts(image).unwrap_err().to_string();
            assert!(error.contains(image), "{error}");
        }
    }
}
