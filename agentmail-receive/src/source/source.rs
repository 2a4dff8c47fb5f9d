use std::{fmt, sync::Arc};

use agentmail_verify::Verifier;
use tokio::sync::watch;

use super::{
    failure::Failure,
    file::{Reloaded, SecretFile},
    head::RequestHead,
    lookup::{ErasedLookup, Lookup, LookupFuture},
    tenant::Tenant,
};

/// Where the verifier of a delivery comes from.
///
/// | converted from | for |
/// | --- | --- |
/// | [`Verifier`], `Arc<Verifier>` | secrets that stay the same until a restart |
/// | [`Tenant`] | the same, but the secrets belong to one agent |
/// | [`SecretFile`] | a secret in a file that is replaced while the receiver runs |
/// | `tokio::sync::watch::Receiver<Arc<Verifier>>` | secrets that your code replaces while the receiver runs |
/// | [`Lookup`] | a different secret for each agent, for example in a database |
///
/// The verifier is chosen once per delivery, when both headers have been parsed. A body that is
/// still arriving when a secret is replaced is verified with the verifier that was valid when its
/// headers arrived.
///
/// With a `watch` channel, your code sends a new verifier through the channel's `Sender`. The
/// replacement does not interrupt deliveries that are being received. If the `Sender` is dropped,
/// the last verifier remains in use.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// # use agentmail_receive::WebhookConfig;
/// # use agentmail_verify::{Label, Secret, UnixTime, Verifier};
/// use tokio::sync::watch;
///
/// let old = Secret::new("the secret so far")?.with_label(Label::new("2026-05")?);
/// let (verifiers, receiver) = watch::channel(Arc::new(Verifier::new(old.clone())));
/// let config = WebhookConfig::new(receiver);
///
/// // Later, when there is a new secret:
/// let new = Secret::new("the secret of the rotation")?.with_label(Label::new("2026-11")?);
/// let in_ten_minutes = UnixTime::now().saturating_add(Duration::from_secs(600));
/// let verifier = Verifier::new(new).with_secret_until(old, in_ten_minutes)?;
/// verifiers.send_replace(Arc::new(verifier));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Source(Kind);

#[derive(Clone)]
enum Kind {
    Fixed(Tenant),
    File(Reloaded),
    Watched(watch::Receiver<Arc<Verifier>>),
    LookedUp(Arc<ErasedLookup>),
}

/// The verifier of a source for a delivery, or the lookup that finds it.
pub(crate) enum Found {
    Tenant(Tenant),
    Lookup(LookupFuture),
}

impl Source {
    pub(crate) fn find(&self, head: &RequestHead<'_>) -> Result<Found, Failure> {
        Ok(match &self.0 {
            Kind::Fixed(tenant) => Found::Tenant(tenant.clone()),
            Kind::File(file) => Found::Tenant(file.tenant()),
            // Cloned, so that the lock is released here.
            Kind::Watched(verifiers) => {
                Found::Tenant(Tenant::any_agent(verifiers.borrow().clone()))
            }
            Kind::LookedUp(lookup) => Found::Lookup(lookup(head)?),
        })
    }
}

impl From<Verifier> for Source {
    fn from(verifier: Verifier) -> Self {
        Tenant::any_agent(verifier).into()
    }
}

impl From<Arc<Verifier>> for Source {
    fn from(verifier: Arc<Verifier>) -> Self {
        Tenant::any_agent(verifier).into()
    }
}

impl From<Tenant> for Source {
    fn from(tenant: Tenant) -> Self {
        Self(Kind::Fixed(tenant))
    }
}

impl From<SecretFile> for Source {
    fn from(file: SecretFile) -> Self {
        Self(Kind::File(file.start()))
    }
}

impl From<watch::Receiver<Arc<Verifier>>> for Source {
    fn from(verifiers: watch::Receiver<Arc<Verifier>>) -> Self {
        Self(Kind::Watched(verifiers))
    }
}

impl<K: 'static> From<Lookup<K>> for Source {
    fn from(lookup: Lookup<K>) -> Self {
        Self(Kind::LookedUp(lookup.erase()))
    }
}

/// Shows the labels of the accepted secrets, and nothing else of them.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Fixed(tenant) => f.debug_tuple("Fixed").field(tenant).finish(),
            Kind::File(file) => f.debug_tuple("File").field(file).finish(),
            Kind::Watched(verifiers) => {
                let verifier = Arc::clone(&verifiers.borrow());
                f.debug_tuple("Watched").field(&verifier).finish()
            }
            Kind::LookedUp(_) => f.debug_tuple("LookedUp").finish(),
        }
    }
}
