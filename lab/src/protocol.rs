//! What client and lab say to each other: one request per connection; the lab says that it has it, and then answers it.
//!
//! A frame is two little-endian 32-bit lengths, that many bytes of JSON, and that many bytes of raw body (a file's content).
//! File descriptors travel with the first byte (SCM_RIGHTS).
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Pod;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Change, Error, LabSpec};

/// A pod by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct PodName {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl PodName {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        PodName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl std::fmt::Display for PodName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Where a command runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabTarget {
    /// In a node's namespaces.
    Node(String),
    /// In a pod's (namespace, name).
    Pod(String, String),
    /// In the namespace that joins the nodes: bridge or router, and the outside address.
    Wire,
}

/// What a client may ask; the replies are those of the functions of the same name of [`crate::Lab`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    Info,
    Nodes,
    ApplyPod(Box<Pod>),
    Pod(PodName),
    WaitPod {
        pod: PodName,
        limit: Duration,
    },
    Pods,
    Events(PodName),
    DeletePod(PodName),
    Exec {
        target: LabTarget,
        argv: Vec<String>,
        env: Vec<(String, String)>,
    },
    StartDaemon {
        node: String,
        name: String,
        argv: Vec<String>,
    },
    StopDaemon {
        node: String,
        name: String,
    },
    DaemonLog {
        node: String,
        name: String,
    },
    StoppedDaemon {
        node: String,
        name: String,
    },
    WriteFile {
        node: String,
        path: String,
        mode: u32,
    },
    RemoveFile {
        node: String,
        path: String,
    },
    Change {
        target: LabTarget,
        changes: Vec<Change>,
    },
    Record {
        labels: BTreeMap<String, String>,
        pod_cidrs: BTreeMap<String, Vec<IpNet>>,
    },
    Gc {
        node: String,
    },
    CheckPod(PodName),
    Shutdown,
}

/// The lab's acknowledgement of a request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Received;

/// What a new lab reads from its standard input, one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BootRequest {
    pub(crate) spec: LabSpec,
    /// Keeps none of its parent's streams, since it may outlive it.
    pub(crate) detached: bool,
}

/// What releases a lab, on its standard input after the boot request: from then on it outlives its parent. Without it the end
/// of that input, which comes with the parent's however that ends, is the lab's.
pub(crate) const RELEASE: &[u8] = b"release\n";

/// What a new lab writes to its standard output, one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BootReply {
    /// Nodes are up.
    Ready,
    Failed(Error),
}

/// A frame as it was received.
#[derive(Debug)]
pub(crate) struct Frame<T> {
    pub(crate) message: T,
    pub(crate) body: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

/// Larger messages are a mistake, or not ours.
const MAX_JSON: u32 = 64 << 20;
/// The largest file that can be written.
const MAX_BODY: u32 = 1 << 30;
/// Standard streams are all that ever travels.
const MAX_FDS: usize = 3;

pub(crate) fn send<T: Serialize>(
    mut stream: &UnixStream,
    message: &T,
    body: &[u8],
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    let length = |bytes: usize, most: u32| match u32::try_from(bytes) {
        Ok(length) if length <= most => Ok(length),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{bytes} bytes are too many for one message"),
        )),
    };
    let mut head = [0; 8];
    head[..4].copy_from_slice(&length(json.len(), MAX_JSON)?.to_le_bytes());
    head[4..].copy_from_slice(&length(body.len(), MAX_BODY)?.to_le_bytes());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many file descriptors for one message",
        ));
    }
    let sent = rustix::net::sendmsg(
        stream,
        &[IoSlice::new(&head)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    stream.write_all(&head[sent..])?;
    stream.write_all(&json)?;
    stream.write_all(body)
}

pub(crate) fn receive<T: DeserializeOwned>(mut stream: &UnixStream) -> io::Result<Frame<T>> {
    let mut head = [0; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::net::recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut head)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?
    .bytes;
    if got == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    stream.read_exact(&mut head[got..])?;
    let length = |bytes: &[u8], most: u32| {
        let length = bytes
            .iter()
            .rev()
            .fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        if length <= most {
            Ok(length as usize)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "message too long",
            ))
        }
    };
    let mut json = vec![0; length(&head[..4], MAX_JSON)?];
    let mut body = vec![0; length(&head[4..], MAX_BODY)?];
    stream.read_exact(&mut json)?;
    stream.read_exact(&mut body)?;
    Ok(Frame {
        message: serde_json::from_slice(&json)?,
        body,
        fds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek;
    use std::os::fd::AsFd;

    #[test]
    fn a_frame_carries_message_body_and_descriptors() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"seen through the descriptor").unwrap();
        let body = vec![7; 300_000];
        let sender = std::thread::spawn({
            let (body, file) = (body.clone(), file.try_clone().unwrap());
            move || {
                let request = Request::RemoveFile {
                    node: "node1".into(),
                    path: "/x".into(),
                };
                send(&here, &request, &body, &[file.as_fd()]).unwrap();
            }
        });
        let mut frame: Frame<Request> = receive(&there).unwrap();
        sender.join().unwrap();
        assert!(
            matches!(frame.message, Request::RemoveFile { ref node, ref path } if node == "node1" && path == "/x")
        );
        assert_eq!(frame.body, body);
        let mut copy = std::fs::File::from(frame.fds.remove(0));
        let mut text = String::new();
        copy.rewind().unwrap();
        copy.read_to_string(&mut text).unwrap();
        assert_eq!(text, "seen through the descriptor");
    }

    #[test]
    fn a_length_out_of_bounds_is_refused_before_it_is_believed() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&[0xff; 8]).unwrap();
        assert_eq!(
            receive::<Request>(&there).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn a_closed_connection_is_an_end_of_file() {
        let (here, there) = UnixStream::pair().unwrap();
        drop(here);
        assert_eq!(
            receive::<Request>(&there).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}
