use std::{env, error::Error, fmt, sync::Arc, time::Duration};

use agentmail_axum::MailReceived;
use object_store::{ObjectStore, ObjectStoreExt, parse_url_opts, path::Path};
use tokio::time::timeout;
use url::Url;

use crate::key::{KeyError, key_of};

/// The longest mail that is read, in bytes. A larger one would fill the memory.
const LARGEST: u64 = 32 * 1024 * 1024;
/// How long reading a mail may take. The sender of the event waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(8);
/// What the simulator's events have in `s3_bucket`.
const SIMULATOR: &str = "agentmail-simulator";

/// The bucket that contains the raw mails. A clone is a reference count.
#[derive(Debug, Clone)]
pub(crate) struct Mails {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    bucket: Arc<str>,
}

/// Why a mail was not read.
#[derive(Debug)]
pub(crate) enum FetchError {
    Key(KeyError),
    /// The bucket has no such mail.
    NotFound,
    TooLarge(u64),
    /// The bucket cannot be read now.
    Store(String),
}

impl Mails {
    /// Opens the bucket at this URL. Settings of the vendor are read from the environment.
    pub(crate) fn open(url: &str, bucket: Option<String>) -> Result<Self, Box<dyn Error>> {
        #[cfg(any(feature = "gcs", feature = "s3"))]
        choose_cryptography();
        let url = Url::parse(url).map_err(|error| format!("MAILS: {error}"))?;
        let variables = env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (store, folder) =
            parse_url_opts(&url, variables).map_err(|error| format!("MAILS: {error}"))?;
        let named = match url.host_str() {
            Some(bucket) if !bucket.is_empty() => bucket,
            _ => SIMULATOR,
        };
        let bucket = bucket.unwrap_or_else(|| named.to_owned());
        Ok(Self { store: store.into(), folder, bucket: bucket.into() })
    }

    /// Reads the raw mail of an event.
    pub(crate) async fn fetch(&self, mail: &MailReceived) -> Result<Vec<u8>, FetchError> {
        let key = key_of(mail, &self.bucket).map_err(FetchError::Key)?;
        let path = Path::from_iter(self.folder.parts().chain(key.parts()));
        let read = async {
            let object = self.store.get(&path).await?;
            if object.meta.size > LARGEST {
                return Ok(Err(FetchError::TooLarge(object.meta.size)));
            }
            object.bytes().await.map(Ok)
        };
        match timeout(PATIENCE, read).await {
            Ok(Ok(raw)) => raw.map(Vec::from),
            Ok(Err(object_store::Error::NotFound { .. })) => Err(FetchError::NotFound),
            Ok(Err(error)) => Err(FetchError::Store(error.to_string())),
            Err(_) => Err(FetchError::Store(format!("it took longer than {PATIENCE:?}"))),
        }
    }
}

/// Both features of this example use one library for cryptography.
#[cfg(any(feature = "gcs", feature = "s3"))]
fn choose_cryptography() {
    // If another one was chosen first, that one is used.
    _ = rustls::crypto::ring::default_provider().install_default();
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => error.fmt(f),
            Self::NotFound => f.write_str("the bucket has no such mail"),
            Self::TooLarge(bytes) => write!(f, "the mail has {bytes} bytes"),
            Self::Store(error) => f.write_str(error),
        }
    }
}
