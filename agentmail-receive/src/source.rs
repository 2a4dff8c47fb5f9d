use std::{fmt, sync::Arc};

use agentmail_verify::Verifier;
use tokio::sync::watch;

use self::lookup::Ask;
use crate::Refusal;

#[cfg(feature = "cache")]
mod cache;
mod head;
mod lookup;
mod tenant;

#[cfg(feature = "cache")]
pub use cache::CacheConfig;
pub use head::RequestHead;
pub use lookup::Lookup;
pub(crate) use lookup::Question;
pub use tenant::Tenant;

/// Where the verifier of a delivery comes from.
///
/// | made of | for |
/// | --- | --- |
/// | [`Verifier`], `Arc<Verifier>` | secrets that change with a restart |
/// | [`Tenant`] | the same, for one agent only |
/// | `tokio::sync::watch::Receiver<Arc<Verifier>>` | secrets that are replaced while the receiver runs, of any agent |
/// | [`Lookup`] | one secret per agent |
///
/// It is asked once per delivery, when both headers have been read, and the answer counts to the
/// delivery's end: a body that is still on its way when a secret is replaced is verified with what
/// was accepted when its headers came.
#[derive(Clone)]
pub struct Source(Kind);

#[derive(Clone)]
enum Kind {
    Fixed(Tenant),
    Watched(watch::Receiver<Arc<Verifier>>),
    LookedUp(Arc<Ask>),
}

/// What a source says when it is asked.
pub(crate) enum Answer {
    /// The tenant of a fixed source, which is not cloned per delivery.
    Fixed,
    Now(Tenant),
    Later(Question),
}

impl Source {
    /// Uses the same verifier for every delivery.
    #[must_use]
    pub fn fixed(verifier: impl Into<Arc<Verifier>>) -> Self {
        Tenant::any_agent(verifier).into()
    }

    /// Uses the verifier that was sent last.
    ///
    /// What the sender sends counts from the next delivery on. No delivery is dropped meanwhile, and
    /// when the sender is dropped, its last verifier stays.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use agentmail_receive::{Source, WebhookConfig};
    /// use agentmail_verify::{Clock, Secret, SystemClock, UnixTime, Verifier};
    /// use tokio::sync::watch;
    ///
    /// let old = Secret::new("the secret so far")?.with_label("2026-05")?;
    /// let (verifiers, receiver) = watch::channel(Arc::new(Verifier::new(old.clone())));
    /// let config = WebhookConfig::new(Source::watch(receiver));
    ///
    /// // Later, when there is a new secret:
    /// let new = Secret::new("the secret of the rotation")?.with_label("2026-11")?;
    /// let in_ten_minutes = UnixTime::from_secs(SystemClock.now().as_secs() + 600);
    /// verifiers.send_replace(Arc::new(Verifier::new(new).accept_until(old, in_ten_minutes)?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn watch(verifiers: watch::Receiver<Arc<Verifier>>) -> Self {
        Self(Kind::Watched(verifiers))
    }

    pub(crate) fn ask(&self, head: &RequestHead<'_>) -> Result<Answer, Refusal> {
        Ok(match &self.0 {
            Kind::Fixed(_) => Answer::Fixed,
            // Cloned, so that the lock ends here.
            Kind::Watched(verifiers) => Answer::Now(Tenant::any_agent(verifiers.borrow().clone())),
            Kind::LookedUp(ask) => Answer::Later(ask(head)?),
        })
    }

    /// Returns the tenant of a fixed source.
    pub(crate) const fn fixed_tenant(&self) -> Option<&Tenant> {
        match &self.0 {
            Kind::Fixed(tenant) => Some(tenant),
            Kind::Watched(_) | Kind::LookedUp(_) => None,
        }
    }
}

impl From<Verifier> for Source {
    fn from(verifier: Verifier) -> Self {
        Self::fixed(verifier)
    }
}

impl From<Arc<Verifier>> for Source {
    fn from(verifier: Arc<Verifier>) -> Self {
        Self::fixed(verifier)
    }
}

impl From<Tenant> for Source {
    fn from(tenant: Tenant) -> Self {
        Self(Kind::Fixed(tenant))
    }
}

impl From<watch::Receiver<Arc<Verifier>>> for Source {
    fn from(verifiers: watch::Receiver<Arc<Verifier>>) -> Self {
        Self::watch(verifiers)
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
            Kind::Watched(verifiers) => {
                let verifier = Arc::clone(&verifiers.borrow());
                f.debug_tuple("Watched").field(&verifier).finish()
            }
            Kind::LookedUp(_) => f.debug_tuple("LookedUp").finish(),
        }
    }
}
