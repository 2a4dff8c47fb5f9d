use std::{
    fmt,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use agentmail_verify::{Header, SignedHeaders, UnixTime, VerifyError};
use bytes::{Buf, Bytes};
use futures_core::Stream;
use pin_project_lite::pin_project;
use tokio::{task::unconstrained, time::Sleep};

use crate::{
    Delivery, Refusal, Rejection, RequestHead, Tenant, WebhookConfig,
    buffer::Buffer,
    source::{Answer, Question},
};

pin_project! {
    /// A delivery on its way in; made by [`WebhookConfig::receive`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Receive<B> {
        config: WebhookConfig,
        headers: Result<SignedHeaders, VerifyError>,
        stage: Stage,
        #[pin]
        body: B,
        buffer: Buffer,
        // Made when the source, then the body, first has to be waited for: most are there at once.
        #[pin]
        deadline: Option<Sleep>,
    }
}

enum Stage {
    /// The source has been asked. Freshness and length are judged when it has answered.
    Asking(Question, Option<u64>),
    Reading(Judged),
    Refused(Refusal),
}

/// All but the body has been judged: by this one reading of the clock, and for this tenant.
struct Judged {
    now: UnixTime,
    /// `None` stands for the one of a fixed source.
    tenant: Option<Tenant>,
}

impl<B> Receive<B> {
    pub(crate) fn new<'a, L>(
        config: &WebhookConfig,
        head: &RequestHead<'_>,
        lines: impl Fn(Header) -> L,
        declared_length: Option<u64>,
        body: B,
    ) -> Self
    where
        L: IntoIterator<Item = &'a [u8]>,
    {
        let headers = SignedHeaders::read(lines);
        let stage = match &headers {
            Ok(headers) => Stage::begin(config, head, headers, declared_length),
            Err(error) => Err(Refusal::from(*error)),
        };
        Self {
            config: config.clone(),
            headers,
            stage: stage.unwrap_or_else(Stage::Refused),
            body,
            buffer: Buffer::new(config.limit()),
            deadline: None,
        }
    }
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
            let headers = match this.headers {
                Ok(headers) => headers,
                Err(error) => break Err(Refusal::from(*error)),
            };
            match this.stage {
                Stage::Asking(question, declared_length) => {
                    let deadline = this.deadline.as_mut();
                    let answer = ready!(poll_question(config, question, deadline, cx));
                    let judged = answer.and_then(|tenant| {
                        Judged::new(config, headers, *declared_length, Some(tenant))
                    });
                    *this.stage = judged.map_or_else(Stage::Refused, Stage::Reading);
                }
                Stage::Reading(judged) => {
                    let buffer = this.buffer;
                    let body = ready!(poll_body(config, this.body, buffer, this.deadline, cx));
                    break body.and_then(|()| judged.verify(config, headers, buffer.take()));
                }
                Stage::Refused(refusal) => break Err(*refusal),
            }
        };
        Poll::Ready(match received {
            Ok(delivery) => {
                tracing::debug!(
                    target: "agentmail",
                    secret = delivery.receipt().label().as_str(),
                    "delivery verified"
                );
                Ok(delivery)
            }
            Err(refusal) => Err(Rejection::new(refusal, config.explains_refusals())),
        })
    }
}

impl<B> fmt::Debug for Receive<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receive").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Stage {
    /// Decides all that can be decided before anything is waited for.
    #[inline]
    fn begin(
        config: &WebhookConfig,
        head: &RequestHead<'_>,
        headers: &SignedHeaders,
        declared_length: Option<u64>,
    ) -> Result<Self, Refusal> {
        let tenant = match config.source().ask(head)? {
            Answer::Fixed => None,
            Answer::Now(tenant) => Some(tenant),
            Answer::Later(question) => return Ok(Self::Asking(question, declared_length)),
        };
        Judged::new(config, headers, declared_length, tenant).map(Self::Reading)
    }
}

impl Judged {
    /// Decides all that can be decided before the body is read.
    #[inline]
    fn new(
        config: &WebhookConfig,
        headers: &SignedHeaders,
        declared_length: Option<u64>,
        tenant: Option<Tenant>,
    ) -> Result<Self, Refusal> {
        let judged = Self { now: config.now(), tenant };
        let tolerance = judged.tenant(config)?.verifier().tolerance();
        tolerance.check(headers.timestamp().time(), judged.now)?;

        let limit = config.limit();
        let fits = |length| usize::try_from(length).is_ok_and(|length| length <= limit);
        if !declared_length.is_none_or(fits) {
            return Err(Refusal::BodyTooLarge { limit });
        }
        Ok(judged)
    }

    #[inline]
    fn verify(
        &self,
        config: &WebhookConfig,
        headers: &SignedHeaders,
        body: Bytes,
    ) -> Result<Delivery, Refusal> {
        let tenant = self.tenant(config)?;
        let delivery = Delivery::verify(tenant.verifier(), headers, body, self.now)?;
        tenant.may_say(delivery.body())?;
        Ok(delivery.under(config))
    }

    fn tenant<'a>(&'a self, config: &'a WebhookConfig) -> Result<&'a Tenant, Refusal> {
        let tenant = self.tenant.as_ref().or(config.source().fixed_tenant());
        tenant.ok_or(Refusal::SourceFailed)
    }
}

/// Waits for the source, under its timeout, and leaves no deadline behind for the body.
fn poll_question(
    config: &WebhookConfig,
    question: &mut Question,
    mut deadline: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Tenant, Refusal>> {
    if let Poll::Ready(answer) = question.as_mut().poll(cx) {
        deadline.set(None);
        return Poll::Ready(answer);
    }
    let timeout = config.source_wait();
    ready!(poll_deadline(timeout, deadline, cx));
    Poll::Ready(Err(Refusal::SourceTimeout { timeout }))
}

const PIECES_PER_POLL: usize = 32;

/// Collects the body, under the limit and the timeout.
fn poll_body<B, D, E>(
    config: &WebhookConfig,
    mut body: Pin<&mut B>,
    buffer: &mut Buffer,
    deadline: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Refusal>>
where
    B: Stream<Item = Result<D, E>>,
    D: Buf,
{
    // A body that is always ready gives way to the deadline, and to other tasks, now and then.
    for piece in 0..=PIECES_PER_POLL {
        if piece == PIECES_PER_POLL {
            cx.waker().wake_by_ref();
            break;
        }
        match body.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(piece))) => buffer.push(piece)?,
            Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Refusal::UnreadableBody)),
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending => break,
        }
    }

    let timeout = config.timeout();
    ready!(poll_deadline(timeout, deadline, cx));
    Poll::Ready(Err(Refusal::BodyTimeout { timeout }))
}

/// Is ready when as much time has passed since it was first polled.
fn poll_deadline(
    timeout: Duration,
    mut deadline: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if deadline.is_none() {
        deadline.set(Some(tokio::time::sleep(timeout)));
    }
    match deadline.as_pin_mut() {
        // Not on the task's budget, which a body that is always ready may have used up.
        Some(deadline) => pin!(unconstrained(deadline)).poll(cx),
        None => Poll::Ready(()),
    }
}
