use std::{
    fmt,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use agentmail_verify::{Header, SignedHeaders, UnixTime};
use bytes::Buf;
use futures_core::Stream;
use pin_project_lite::pin_project;
use tokio::{task::unconstrained, time::Sleep};

use crate::{Delivery, Refusal, Rejection, WebhookConfig, buffer::Buffer};

pin_project! {
    /// A delivery on its way in; made by [`WebhookConfig::receive`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Receive<B> {
        config: WebhookConfig,
        head: Result<Head, Refusal>,
        #[pin]
        body: B,
        buffer: Buffer,
        // Made when the body first has to be waited for: most arrive together with their head.
        #[pin]
        deadline: Option<Sleep>,
    }
}

/// What the headers told, and the one reading of the clock.
#[derive(Clone, Copy)]
struct Head {
    headers: SignedHeaders,
    now: UnixTime,
}

impl<B> Receive<B> {
    pub(crate) fn new<'a, L>(
        config: &WebhookConfig,
        lines: impl Fn(Header) -> L,
        declared_length: Option<u64>,
        body: B,
    ) -> Self
    where
        L: IntoIterator<Item = &'a [u8]>,
    {
        Self {
            config: config.clone(),
            head: check_head(config, lines, declared_length),
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
        let this = self.project();
        let received = match this.head {
            Ok(head) => {
                let body =
                    ready!(poll_body(this.config, this.body, this.buffer, this.deadline, cx));
                body.and_then(|()| {
                    let verifier = this.config.verifier();
                    Delivery::verify(verifier, &head.headers, this.buffer.take(), head.now)
                        .map_err(Refusal::from)
                })
            }
            Err(refusal) => Err(*refusal),
        };
        Poll::Ready(match received {
            Ok(delivery) => {
                tracing::debug!(
                    target: "agentmail",
                    secret = delivery.receipt().label().as_str(),
                    "delivery verified"
                );
                Ok(delivery.under(this.config))
            }
            Err(refusal) => Err(Rejection::new(refusal, this.config.explains_refusals())),
        })
    }
}

impl<B> fmt::Debug for Receive<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receive").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Decides all that can be decided before the body is read.
fn check_head<'a, L>(
    config: &WebhookConfig,
    lines: impl Fn(Header) -> L,
    declared_length: Option<u64>,
) -> Result<Head, Refusal>
where
    L: IntoIterator<Item = &'a [u8]>,
{
    let headers = SignedHeaders::read(lines)?;
    let now = config.now();
    config.verifier().tolerance().check(headers.timestamp().time(), now)?;

    let limit = config.limit();
    let fits = |length| usize::try_from(length).is_ok_and(|length| length <= limit);
    if !declared_length.is_none_or(fits) {
        return Err(Refusal::BodyTooLarge { limit });
    }
    Ok(Head { headers, now })
}

const PIECES_PER_POLL: usize = 32;

/// Collects the body, under the limit and the timeout.
fn poll_body<B, D, E>(
    config: &WebhookConfig,
    mut body: Pin<&mut B>,
    buffer: &mut Buffer,
    mut deadline: Pin<&mut Option<Sleep>>,
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
    if deadline.is_none() {
        deadline.set(Some(tokio::time::sleep(timeout)));
    }
    if let Some(deadline) = deadline.as_pin_mut() {
        // Not on the task's budget, which such a body may have used up.
        ready!(pin!(unconstrained(deadline)).poll(cx));
    }
    Poll::Ready(Err(Refusal::BodyTimeout { timeout }))
}
