//! A program on its way to where it will run: a node, a pod, a container beside the cluster.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::OnceCell;

use super::Process;
use crate::{Error, Result};

/// What is sent, and where it is to be.
pub struct Upload {
    bytes: Arc<Vec<u8>>,
    gzip: bool,
    path: String,
}

impl Upload {
    /// Reads the program at `from`, which is to become `path` over there.
    pub async fn read(from: &Path, path: &str) -> Result<Self> {
        Ok(Upload {
            bytes: Arc::new(read(from).await?),
            gzip: false,
            path: path.to_owned(),
        })
    }

    /// The command that takes it in. `head -c` ends by count, so it needs no end of file, which the exec protocol before
    /// version 5 cannot tell. A truncated stream is not a complete gzip file, so `gunzip` fails then.
    pub fn argv(&self) -> [String; 3] {
        let (path, len) = (&self.path, self.bytes.len());
        let unpack = if self.gzip { " | gunzip" } else { "" };
        let script = format!(
            "head -c {len}{unpack} > {path}.new && chmod 755 {path}.new && mv {path}.new {path}"
        );
        ["sh".to_owned(), "-c".to_owned(), script]
    }

    /// Sends it to the command of [`Upload::argv`], running at `place`; returns the path there.
    pub async fn through(self, process: Process, place: &str) -> Result<String> {
        let doing = format!("put {} into {place}", self.path);
        let done = process.finish(&doing, &self.bytes).await?;
        if done.code == 0 {
            return Ok(self.path);
        }
        Err(Error::Failed(format!(
            "{doing}: sh ended with exit code {}: {}",
            done.code,
            done.stderr.trim()
        )))
    }
}

/// A program that goes to many places through one API server, whose work is counted in bytes: packed once, for all of them.
pub struct Packed {
    from: PathBuf,
    gzip: OnceCell<Arc<Vec<u8>>>,
}

impl Packed {
    /// The program at `from`, read when it is first needed.
    pub fn new(from: PathBuf) -> Self {
        Packed {
            from,
            gzip: OnceCell::new(),
        }
    }

    /// On its way to `path`.
    pub async fn upload(&self, path: &str) -> Result<Upload> {
        let bytes = self.gzip.get_or_try_init(|| self.pack()).await?;
        Ok(Upload {
            bytes: Arc::clone(bytes),
            gzip: true,
            path: path.to_owned(),
        })
    }

    async fn pack(&self) -> Result<Arc<Vec<u8>>> {
        let bytes = read(&self.from).await?;
        let packing = tokio::task::spawn_blocking(move || -> std::io::Result<Vec<u8>> {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(&bytes)?;
            gzip.finish()
        });
        let packed = packing.await.map_err(std::io::Error::other).flatten();
        packed
            .map(Arc::new)
            .map_err(|e| Error::failed(format!("pack {}", self.from.display()), e))
    }
}

async fn read(from: &Path) -> Result<Vec<u8>> {
    tokio::fs::read(from)
        .await
        .map_err(|e| Error::failed(format!("read {}", from.display()), e))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// What `sh` makes of an upload's first `sent` bytes (all, where `None`): whether it succeeded, and the file that is there.
    async fn taken_in(upload: Upload, sent: Option<usize>) -> (bool, Option<Vec<u8>>) {
        let [shell, option, script] = upload.argv();
        let mut child = Command::new(shell)
            .args([option, script])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bytes = &upload.bytes[..sent.unwrap_or(upload.bytes.len())];
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let status = child.wait().unwrap();
        (status.success(), std::fs::read(&upload.path).ok())
    }

    #[tokio::test]
    async fn a_packed_program_arrives_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let program: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&from, &program).unwrap();
        let packed = Packed::new(from);
        let path = to.to_str().unwrap();

        let broken = packed.upload(path).await.unwrap();
        let half = broken.bytes.len() / 2;
        assert!(2 * half < program.len());
        assert_eq!(taken_in(broken, Some(half)).await, (false, None));

        let whole = packed.upload(path).await.unwrap();
        assert_eq!(taken_in(whole, None).await, (true, Some(program)));
    }
}
