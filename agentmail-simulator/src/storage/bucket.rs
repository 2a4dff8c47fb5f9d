use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tokio::fs;

/// The folder that acts as the bucket: it contains each mail as `inbound/AGENT/MESSAGE.eml`.
///
/// The simulator makes the ids in these names itself, from letters and digits. No name comes from a
/// mail.
#[derive(Debug)]
pub(crate) struct Bucket {
    folder: PathBuf,
    /// Removes the folder at the end.
    _temporary: Option<TempDir>,
}

impl Bucket {
    /// The name in the field `s3_bucket`.
    pub(crate) const NAME: &str = "agentmail-simulator";

    /// Uses a folder, which is created if it does not exist, or without one, a temporary folder.
    pub(crate) fn open(folder: Option<&Path>) -> io::Result<Self> {
        if let Some(folder) = folder {
            create_private(folder)?;
            return Ok(Self { folder: folder.canonicalize()?, _temporary: None });
        }
        let temporary = TempDir::with_prefix("agentmail-simulator-")?;
        Ok(Self { folder: temporary.path().to_owned(), _temporary: Some(temporary) })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the key of a message.
    pub(crate) fn key(agent_id: &str, message_id: &str) -> String {
        format!("inbound/{agent_id}/{message_id}.eml")
    }

    /// Writes a mail. It has its name only when it is complete.
    pub(crate) async fn put(&self, key: &str, raw: &[u8]) -> io::Result<()> {
        let path = self.folder.join(key);
        let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
        fs::create_dir_all(folder).await?;
        let part = path.with_extension("part");
        fs::write(&part, raw).await?;
        fs::rename(&part, &path).await
    }

    pub(crate) async fn get(&self, key: &str) -> io::Result<Vec<u8>> {
        fs::read(self.folder.join(key)).await
    }

    /// Removes mails. A file that cannot be removed is logged.
    pub(crate) async fn remove(&self, keys: &[String]) {
        for key in keys {
            if let Err(error) = fs::remove_file(self.folder.join(key)).await
                && error.kind() != ErrorKind::NotFound
            {
                tracing::warn!(%error, "a mail could not be removed from the bucket");
            }
        }
    }
}

/// Creates a folder that only its owner may read, since mail is personal.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
