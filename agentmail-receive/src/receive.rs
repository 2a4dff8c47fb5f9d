use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use agentmail_verify::{SignedHeaders, UnixTime, WebhookHeader};
use bytes::{Buf, Bytes};
use futures_core::Stream;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tracing::Span;

#[cfg(feature = "diagnose")]
use crate::diagnosis::{Diagnosing, Observed};
use crate::{
    body::{poll_collect, poll_timeout},
    buffer::Buffer,
    config::WebhookConfig,
    delivery::Delivery,
    discard::Rest,
    identity::Identity,
    observer::{Accepted, LookupOutcome, Observers},
    origin::Origin,
    refusal::Refusal,
    rejection::Rejection,
    source::{Failure, Found, LookupFuture, RequestHead, Tenant},
    telemetry,
};

impl WebhookConfig {
    /// Receives one delivery. The order of checks is the same in every adapter:
    ///
    /// 1. both headers
    /// 2. the secrets: the source has a verifier for the request, within the lookup timeout
    /// 3. freshness
    /// 4. the declared length
    /// 5. the body: its length, and the body timeout
    /// 6. the signature
    /// 7. the agent, if the secrets belong to one agent
    ///
    /// `head` is what a [`Lookup`](crate::Lookup) sees. `values` returns every value of a header.
    /// `declared_length` is the length that the request declares, in bytes. `body` is a stream of
    /// pieces. If one of the checks 1 to 4 fails, `body` is not polled. If the server then closes
    /// the connection, the adapter should call [`Receive::poll_discard`] first.
    ///
    /// The future needs a tokio runtime with its timer enabled.
    pub fn receive<'a, V, B>(
        &self,
        head: RequestHead<'_>,
        values: impl Fn(WebhookHeader) -> V,
        declared_length: Option<u64>,
        body: B,
    ) -> Receive<B>
    where
        V: IntoIterator<Item = &'a [u8]>,
    {
        let mut origin = Origin::new(head.path(), head.has_content_encoding());
        #[cfg(feature = "diagnose")]
        origin.set_observed(Observed::new(self, &head, &values, declared_length));
        let stage = SignedHeaders::parse(values)
            .map_err(Refusal::from)
            .and_then(|headers| Stage::new(self, &head, headers, declared_length, &mut origin));
        Receive {
            config: self.clone(),
            span: telemetry::delivery(),
            origin,
            stage: stage.unwrap_or_else(Stage::Refused),
            declared_length,
            body,
            buffer: Buffer::new(self.body_limit()),
            rest: Rest::Untouched { expect_continue: head.expects_continue() },
            deadline: None,
        }
    }
}

pin_project! {
    /// A delivery that is being received. [`WebhookConfig::receive`] returns it.
    #[must_use = "futures do nothing unless polled"]
    pub struct Receive<B> {
        config: WebhookConfig,
        span: Span,
        origin: Origin,
        stage: Stage,
        declared_length: Option<u64>,
        #[pin]
        body: B,
        buffer: Buffer,
        rest: Rest,
        // Set when the lookup, then the body, has to be waited for. Most are ready at once.
        #[pin]
        deadline: Option<Sleep>,
    }
}

enum Stage {
    LookingUp {
        lookup: LookupFuture,
        headers: SignedHeaders,
    },
    Reading(Checked),
    Refused(Refusal),
    #[cfg(feature = "diagnose")]
    Diagnosing {
        diagnosing: Diagnosing,
        refusal: Refusal,
    },
}

/// A delivery that has passed every check that does not need its body.
struct Checked {
    headers: SignedHeaders,
    tenant: Tenant,
    /// Whether the tenant was looked up.
    looked_up: bool,
    /// The one reading of the clock.
    now: UnixTime,
}

impl<B, D, E> Future for Receive<B>
where
    B: Stream<Item = Result<D, E>>,
    D: Buf,
{
    type Output = Result<Delivery, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let config = &*this.config;
        let received = loop {
            match this.stage {
                Stage::LookingUp { lookup, headers } => {
                    let deadline = this.deadline.as_mut();
                    let tenant =
                        ready!(this.span.in_scope(|| poll_lookup(config, lookup, deadline, cx)));
                    report_lookup(config.observers(), &tenant);
                    let tenant = tenant.map_err(|failure| this.origin.refuse(failure));
                    let checked = tenant.and_then(|tenant| {
                        this.origin.set_tenant(&tenant);
                        Checked::new(config, *headers, *this.declared_length, tenant, true)
                    });
                    *this.stage = checked.map_or_else(Stage::Refused, Stage::Reading);
                }
                Stage::Reading(checked) => {
                    let (buffer, timeout) = (&mut *this.buffer, config.body_timeout());
                    *this.rest = Rest::Begun;
                    let read = ready!(poll_collect(
                        this.body.as_mut(),
                        buffer,
                        timeout,
                        this.deadline.as_mut(),
                        cx
                    ));
                    if !matches!(read, Err(Refusal::BodyTooLarge { .. })) {
                        *this.rest = Rest::Done;
                    }
                    let body = this.buffer.take();
                    let origin = this.origin.clone();
                    #[cfg(feature = "diagnose")]
                    let origin = {
                        if let Some(observed) = this.origin.observed_mut() {
                            observed.set_body(&body);
                        }
                        origin.without_observed()
                    };
                    match read.and_then(|()| checked.verify(config, origin, body)) {
                        Ok(delivery) => break Ok(delivery),
                        Err(refusal) => *this.stage = Stage::Refused(refusal),
                    }
                }
                Stage::Refused(refusal) => {
                    let refusal = *refusal;
                    #[cfg(feature = "diagnose")]
                    if let Some(observed) = this.origin.take_observed()
                        && let Some(diagnosing) = observed.diagnose(refusal)
                    {
                        *this.stage = Stage::Diagnosing { diagnosing, refusal };
                        continue;
                    }
                    break Err(refusal);
                }
                #[cfg(feature = "diagnose")]
                Stage::Diagnosing { diagnosing, refusal } => {
                    if let Some(diagnosis) = ready!(Pin::new(diagnosing).poll(cx)) {
                        this.origin.set_diagnosis(diagnosis);
                    }
                    *this.stage = Stage::Refused(*refusal);
                }
            }
        };
        let end = received.as_ref().map_err(|refusal| (*refusal, &*this.origin));
        telemetry::received(this.span, end);
        Poll::Ready(received.map_err(|refusal| {
            Rejection::new(refusal, Arc::clone(config.style()), this.origin.clone())
        }))
    }
}

impl<B, D, E> Receive<B>
where
    B: Stream<Item = Result<D, E>>,
    D: Buf,
{
    /// Reads and discards the rest of the body of a refused delivery: at most 1 MiB, and for at
    /// most 500 milliseconds or what is left of the body timeout.
    ///
    /// If a request was not read completely, hyper closes the connection. A proxy may then see the
    /// reset before the response, and report 502 instead of the status. An adapter for such a
    /// server polls this function after the future is ready, and responds afterwards. Log the
    /// rejection first, because the client may disconnect in the meantime. actix-web discards the
    /// rest by itself, so its adapter does not need this function.
    ///
    /// It is ready at once, and reads nothing, in these cases:
    ///
    /// - the body has ended, is broken, or has timed out
    /// - the declared length is above 1 MiB
    /// - the client waits for `100 Continue` before it sends the body
    pub fn poll_discard(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let (length, timeout) = (*this.declared_length, this.config.body_timeout());
        this.rest.poll_discard(length, timeout, this.body, this.deadline, cx)
    }
}

impl<B> fmt::Debug for Receive<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receive").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Stage {
    /// Decides what can be decided without waiting.
    #[inline]
    fn new(
        config: &WebhookConfig,
        head: &RequestHead<'_>,
        headers: SignedHeaders,
        declared_length: Option<u64>,
        origin: &mut Origin,
    ) -> Result<Self, Refusal> {
        let found = config.source().find(head).map_err(|failure| origin.refuse(failure))?;
        match found {
            Found::Tenant(tenant) => {
                origin.set_tenant(&tenant);
                Checked::new(config, headers, declared_length, tenant, false).map(Self::Reading)
            }
            Found::Lookup(lookup) => Ok(Self::LookingUp { lookup, headers }),
        }
    }
}

impl Checked {
    /// Decides what can be decided before the body is read.
    #[inline]
    fn new(
        config: &WebhookConfig,
        headers: SignedHeaders,
        declared_length: Option<u64>,
        tenant: Tenant,
        looked_up: bool,
    ) -> Result<Self, Refusal> {
        let now = config.now();
        tenant.verifier().tolerance().check(headers.signed_at(), now)?;

        let limit = config.body_limit();
        let fits = |length| usize::try_from(length).is_ok_and(|length| length <= limit);
        if !declared_length.is_none_or(fits) {
            return Err(Refusal::BodyTooLarge { limit });
        }
        Ok(Self { headers, tenant, looked_up, now })
    }

    fn verify(
        &self,
        config: &WebhookConfig,
        origin: Origin,
        body: Bytes,
    ) -> Result<Delivery, Refusal> {
        let started = config.observers().is_on().then(Instant::now);
        let delivery = Delivery::verify(self.tenant.verifier(), &self.headers, body, self.now)?;
        self.tenant.record(delivery.receipt());
        let style = Arc::clone(config.style());
        let delivery = delivery.accepted(style, origin, config.body_timeout());
        if self.tenant.agent_id().is_some() {
            let identity = Identity::read(delivery.body())?;
            self.tenant.check_agent(&identity, delivery.body())?;
            delivery.identify(&identity);
        }
        if let Some(started) = started {
            config.observers().accepted(&Accepted {
                receipt: *delivery.receipt(),
                received_at: self.now,
                body_bytes: delivery.body().len(),
                verify_time: started.elapsed(),
                looked_up: self.looked_up,
            });
        }
        delivery.log();
        Ok(delivery)
    }
}

fn report_lookup(observers: &Observers, found: &Result<Tenant, Failure>) {
    observers.looked_up(match found.as_ref().map_err(|failure| failure.refusal) {
        Ok(tenant) if tenant.is_stale() => LookupOutcome::Stale,
        Ok(_) => LookupOutcome::Found,
        Err(Refusal::UnknownTenant) => LookupOutcome::Unknown,
        Err(Refusal::LookupTimeout { .. }) => LookupOutcome::Timeout,
        Err(Refusal::LookupBusy) => LookupOutcome::Busy,
        Err(_) => LookupOutcome::Failed,
    });
}

/// Waits for the lookup, under its timeout. It leaves no deadline behind for the body.
fn poll_lookup(
    config: &WebhookConfig,
    lookup: &mut LookupFuture,
    mut deadline: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Tenant, Failure>> {
    if let Poll::Ready(tenant) = lookup.as_mut().poll(cx) {
        deadline.set(None);
        return Poll::Ready(tenant);
    }
    let timeout = config.lookup_timeout();
    ready!(poll_timeout(timeout, deadline, cx));
    Poll::Ready(Err(Refusal::LookupTimeout { timeout }.into()))
}
