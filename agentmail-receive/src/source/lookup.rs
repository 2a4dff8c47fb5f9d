use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
};

use super::{RequestHead, Tenant};
use crate::Refusal;

/// A question on its way to an answer.
pub(crate) type Question = Pin<Box<dyn Future<Output = Result<Tenant, Refusal>> + Send>>;

/// A lookup of which only the two ends are left.
pub(super) type Ask = dyn Fn(&RequestHead<'_>) -> Result<Question, Refusal> + Send + Sync;

pub(super) type KeyOf<K> = dyn Fn(&RequestHead<'_>) -> Option<K> + Send + Sync;
pub(super) type AskFor<K> = dyn Fn(K) -> Question + Send + Sync;

/// Looks up whose secrets count, per delivery: a [`Source`](super::Source) for many agents.
///
/// It has two steps. The first tells from the request's head whose delivery this claims to be; it
/// must not block. The second asks for that tenant, and may take its time, up to
/// [`source_timeout`](crate::WebhookConfig::source_timeout). Neither runs for a request whose two
/// headers are missing, repeated or malformed.
///
/// ```
/// use std::{collections::HashMap, sync::Arc};
///
/// use agentmail_receive::{Lookup, Tenant, WebhookConfig};
/// use agentmail_verify::{Secret, SecretError, Verifier};
///
/// /// Stands for your database.
/// async fn secret_of(agent: &str) -> Result<Option<String>, SecretError> {
///     Ok((agent == "my-agent").then(|| "whsec_test_secret".to_owned()))
/// }
///
/// let lookup = Lookup::new(
///     |head| head.segment_between("/agents/", "/webhook"),
///     async |agent: String| -> Result<Option<Tenant>, SecretError> {
///         let Some(secret) = secret_of(&agent).await? else { return Ok(None) };
///         Ok(Some(Tenant::new(Verifier::new(Secret::new(secret)?), agent)))
///     },
/// );
/// let config = WebhookConfig::new(lookup);
/// ```
///
/// # Refuses
///
/// | what happened | status | code |
/// | --- | --- | --- |
/// | the first step or the second returns `None` | 403 | `unknown_tenant` |
/// | the second returns an error, which is logged; the first panics | 503 | `source_failed` |
/// | the second has not answered in time | 503 | `source_timeout` |
///
/// What the second step awaits is dropped when the client goes away, and a panic in it ends the request
/// as a handler's would; where answers are cached, it goes on, and a panic is `source_failed`.
///
#[cfg_attr(
    feature = "cache",
    doc = "Without [`cached`](Self::cached), every well-formed delivery asks, forged ones too."
)]
#[cfg_attr(
    not(feature = "cache"),
    doc = "Every well-formed delivery asks, forged ones too, unless answers are cached (feature `cache`)."
)]
#[must_use]
pub struct Lookup<K> {
    pub(super) key: Arc<KeyOf<K>>,
    pub(super) ask: Arc<AskFor<K>>,
}

impl<K: 'static> Lookup<K> {
    /// Takes the two steps. The error's text goes into the log.
    pub fn new<H, A, F, E>(key: H, ask: A) -> Self
    where
        H: Fn(&RequestHead<'_>) -> Option<K> + Send + Sync + 'static,
        A: Fn(K) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Tenant>, E>> + Send + 'static,
        E: fmt::Display,
    {
        let ask = move |key| -> Question {
            let answer = ask(key);
            Box::pin(async move { judge(answer.await) })
        };
        Self { key: Arc::new(key), ask: Arc::new(ask) }
    }

    pub(super) fn erase(self) -> Arc<Ask> {
        let Self { key, ask } = self;
        Arc::new(move |head| {
            // A panic here would strike where a request is accepted, not where it is answered: it
            // would end a `tower::buffer` with all its requests, which no handler's panic does.
            let question = catch_unwind(AssertUnwindSafe(|| Some(ask(key(head)?))));
            match question {
                Ok(question) => question.ok_or(Refusal::UnknownTenant),
                Err(_) => {
                    tracing::error!(target: "agentmail", "the lookup of a tenant panicked");
                    Err(Refusal::SourceFailed)
                }
            }
        })
    }
}

fn judge<E: fmt::Display>(answer: Result<Option<Tenant>, E>) -> Result<Tenant, Refusal> {
    match answer {
        Ok(tenant) => tenant.ok_or(Refusal::UnknownTenant),
        Err(error) => {
            // As text, which a subscriber escapes: a name out of the path may stand in it.
            let error = error.to_string();
            tracing::error!(target: "agentmail", error, "the lookup of a tenant failed");
            Err(Refusal::SourceFailed)
        }
    }
}

impl<K> Clone for Lookup<K> {
    fn clone(&self) -> Self {
        Self { key: Arc::clone(&self.key), ask: Arc::clone(&self.ask) }
    }
}

impl<K> fmt::Debug for Lookup<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").finish_non_exhaustive()
    }
}
