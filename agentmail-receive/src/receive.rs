use std::{
    fmt,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use agentmail_verify::{SignedHeaders, UnixTime, WebhookHeader};
use bytes::{Buf, Bytes};
use futures_core::Stream;
use pin_project_lite::pin_project;
use tokio::{task::unconstrained, time::Sleep};

use crate::{
    buffer::Buffer,
    config::WebhookConfig,
    delivery::Delivery,
    identity::Identity,
    refusal::Refusal,
    rejection::Rejection,
    source::{Found, LookupFuture, RequestHead, Tenant},
    telemetry,
};

impl WebhookConfig {
    /// Receives one delivery. The order of checks is the same in every adapter:
    ///
    /// 1. both headers
    /// 2. the source of the verifier, under its timeout
    /// 3. freshness
    /// 4. the declared length
    /// 5. the body, under limit and timeout
    /// 6. the MAC
    /// 7. the tenant's agent
    ///
    /// `head` is what a [`Lookup`](crate::Lookup) sees. `values` returns every value of a header.
    /// `declared_length` is the length that the request declares, in bytes. `body` is a stream of
    /// pieces; it is not polled for a delivery that its headers refuse.
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
        let stage = SignedHeaders::parse(values)
            .map_err(Refusal::from)
            .and_then(|headers| Stage::new(self, &head, headers, declared_length));
        Receive {
            config: self.clone(),
            stage: stage.unwrap_or_else(Stage::Refused),
            body,
            buffer: Buffer::new(self.body_limit()),
            deadline: None,
        }
    }
}

pin_project! {
    /// A delivery that is being received. [`WebhookConfig::receive`] returns it.
    #[must_use = "futures do nothing unless polled"]
    pub struct Receive<B> {
        config: WebhookConfig,
        stage: Stage,
        #[pin]
        body: B,
        buffer: Buffer,
        // Set when the lookup, then the body, has to be waited for. Most are ready at once.
        #[pin]
        deadline: Option<Sleep>,
    }
}

enum Stage {
    LookingUp { lookup: LookupFuture, headers: SignedHeaders, declared_length: Option<u64> },
    Reading(Checked),
    Refused(Refusal),
}

/// A delivery that has passed every check but that of its body.
struct Checked {
    headers: SignedHeaders,
    tenant: Tenant,
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
                Stage::LookingUp { lookup, headers, declared_length } => {
                    let deadline = this.deadline.as_mut();
                    let tenant = ready!(poll_lookup(config, lookup, deadline, cx));
                    let checked = tenant.and_then(|tenant| {
                        Checked::new(config, *headers, *declared_length, tenant)
                    });
                    *this.stage = checked.map_or_else(Stage::Refused, Stage::Reading);
                }
                Stage::Reading(checked) => {
                    let buffer = this.buffer;
                    let read = ready!(poll_body(config, this.body, buffer, this.deadline, cx));
                    break read.and_then(|()| checked.verify(config, buffer.take()));
                }
                Stage::Refused(refusal) => break Err(*refusal),
            }
        };
        Poll::Ready(match received {
            Ok(delivery) => {
                telemetry::verified(delivery.receipt());
                Ok(delivery)
            }
            Err(refusal) => Err(Rejection::new(refusal, config.style().clone())),
        })
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
    ) -> Result<Self, Refusal> {
        match config.source().find(head)? {
            Found::Tenant(tenant) => {
                Checked::new(config, headers, declared_length, tenant).map(Self::Reading)
            }
            Found::Lookup(lookup) => Ok(Self::LookingUp { lookup, headers, declared_length }),
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
    ) -> Result<Self, Refusal> {
        let now = config.now();
        tenant.verifier().tolerance().check(headers.signed_at(), now)?;

        let limit = config.body_limit();
        let fits = |length| usize::try_from(length).is_ok_and(|length| length <= limit);
        if !declared_length.is_none_or(fits) {
            return Err(Refusal::BodyTooLarge { limit });
        }
        Ok(Self { headers, tenant, now })
    }

    fn verify(&self, config: &WebhookConfig, body: Bytes) -> Result<Delivery, Refusal> {
        let delivery = Delivery::verify(self.tenant.verifier(), &self.headers, body, self.now)?;
        let delivery = delivery.accepted(config.style().clone(), config.body_timeout());
        if self.tenant.agent_id().is_none() {
            return Ok(delivery);
        }
        let identity = Identity::read(delivery.body())?;
        self.tenant.check_agent(&identity, delivery.body())?;
        delivery.identify(&identity);
        Ok(delivery.signed_for(self.tenant.clone()))
    }
}

/// Waits for the lookup, under its timeout. It leaves no deadline behind for the body.
fn poll_lookup(
    config: &WebhookConfig,
    lookup: &mut LookupFuture,
    mut deadline: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Tenant, Refusal>> {
    if let Poll::Ready(tenant) = lookup.as_mut().poll(cx) {
        deadline.set(None);
        return Poll::Ready(tenant);
    }
    let timeout = config.lookup_timeout();
    ready!(poll_deadline(timeout, deadline, cx));
    Poll::Ready(Err(Refusal::LookupTimeout { timeout }))
}

/// Collects the body, under the limit and the timeout.
fn poll_body<B, D, E>(
    config: &WebhookConfig,
    body: Pin<&mut B>,
    buffer: &mut Buffer,
    deadline: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Refusal>>
where
    B: Stream<Item = Result<D, E>>,
    D: Buf,
{
    if let Poll::Ready(read) = poll_pieces(body, buffer, cx) {
        return Poll::Ready(read);
    }
    let timeout = config.body_timeout();
    ready!(poll_deadline(timeout, deadline, cx));
    Poll::Ready(Err(Refusal::BodyTimeout { timeout }))
}

/// Reads what has arrived. After some pieces it yields to the deadline and to other tasks.
fn poll_pieces<B, D, E>(
    mut body: Pin<&mut B>,
    buffer: &mut Buffer,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Refusal>>
where
    B: Stream<Item = Result<D, E>>,
    D: Buf,
{
    const PIECES_PER_POLL: usize = 32;

    for _ in 0..PIECES_PER_POLL {
        match ready!(body.as_mut().poll_next(cx)) {
            Some(Ok(piece)) => buffer.push(piece)?,
            Some(Err(_)) => return Poll::Ready(Err(Refusal::UnreadableBody)),
            None => return Poll::Ready(Ok(())),
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Is ready when `timeout` has passed since the first poll.
fn poll_deadline(
    timeout: Duration,
    mut deadline: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if deadline.is_none() {
        deadline.set(Some(tokio::time::sleep(timeout)));
    }
    let sleep = deadline.as_pin_mut().expect("the deadline was set above");
    // Unconstrained: a body that is always ready may have used up the task's budget.
    pin!(unconstrained(sleep)).poll(cx)
}
