use std::{
    ops::ControlFlow,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use futures_core::Stream;
use tokio::{task::unconstrained, time::Sleep};

use crate::{buffer::Buffer, refusal::Refusal};

/// Collects the body, under the limit and the timeout.
pub(crate) fn poll_collect<B, D, E>(
    body: Pin<&mut B>,
    buffer: &mut Buffer,
    timeout: Duration,
    mut deadline: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Refusal>>
where
    B: Stream<Item = Result<D, E>>,
    D: Buf,
{
    let collect = |piece| match piece {
        Some(Ok(piece)) => match buffer.push(piece) {
            Ok(()) => ControlFlow::Continue(()),
            Err(refusal) => ControlFlow::Break(Err(refusal)),
        },
        Some(Err(_)) => ControlFlow::Break(Err(Refusal::UnreadableBody)),
        None => ControlFlow::Break(Ok(())),
    };
    if let Poll::Ready(read) = poll_pieces(body, cx, collect) {
        return Poll::Ready(read);
    }
    ready!(poll_timeout(timeout, deadline.as_mut(), cx));
    Poll::Ready(Err(Refusal::BodyTimeout { timeout }))
}

/// Passes each piece that has arrived to `take`, until `take` breaks. After some pieces it returns
/// pending, so that the deadline and other tasks are polled.
pub(crate) fn poll_pieces<B: Stream, T>(
    mut body: Pin<&mut B>,
    cx: &mut Context<'_>,
    mut take: impl FnMut(Option<B::Item>) -> ControlFlow<T>,
) -> Poll<T> {
    const PIECES_PER_POLL: usize = 32;

    for _ in 0..PIECES_PER_POLL {
        if let ControlFlow::Break(taken) = take(ready!(body.as_mut().poll_next(cx))) {
            return Poll::Ready(taken);
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Is ready when `timeout` has passed since the first poll.
pub(crate) fn poll_timeout(
    timeout: Duration,
    mut deadline: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if deadline.is_none() {
        deadline.set(Some(tokio::time::sleep(timeout)));
    }
    poll_sleep(deadline.as_pin_mut().expect("the deadline was set above"), cx)
}

/// Unconstrained: a body that is always ready may have used up the task's budget.
pub(crate) fn poll_sleep(sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
    pin!(unconstrained(sleep)).poll(cx)
}
