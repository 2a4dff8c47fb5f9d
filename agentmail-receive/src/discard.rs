use std::{
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::body::{poll_pieces, poll_sleep};

/// How many bytes are discarded at most. It is nginx's own default limit of a body.
const MAX_LEN: u64 = 1_048_576;
const TIMEOUT: Duration = Duration::from_millis(500);

/// What is left of the body of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rest {
    /// Nothing was read. With `expect_continue`, the client sends nothing before that.
    Untouched { expect_continue: bool },
    /// A part was read.
    Begun,
    /// At most `left` more bytes are read and discarded.
    Discarding { left: u64 },
    /// Nothing is read any more.
    Done,
}

impl Rest {
    /// Reads and discards the rest, until the body or the time ends. `deadline` is that of the
    /// body, if a part of the body was read.
    pub(crate) fn poll_discard<B, D, E>(
        &mut self,
        declared_length: Option<u64>,
        body_timeout: Duration,
        body: Pin<&mut B>,
        mut deadline: Pin<&mut Option<Sleep>>,
        cx: &mut Context<'_>,
    ) -> Poll<()>
    where
        B: Stream<Item = Result<D, E>>,
        D: Buf,
    {
        if declared_length.is_some_and(|length| length > MAX_LEN) {
            return Poll::Ready(());
        }
        let soon = || Instant::now() + TIMEOUT.min(body_timeout);
        let end = match (&self, deadline.as_ref().as_pin_ref()) {
            (Self::Untouched { expect_continue: true } | Self::Done, _) => return Poll::Ready(()),
            (Self::Begun, Some(body)) => Some(body.deadline().min(soon())),
            (Self::Untouched { .. } | Self::Begun, _) => Some(soon()),
            (Self::Discarding { .. }, _) => None,
        };
        if let Some(end) = end {
            deadline.set(Some(sleep_until(end)));
            *self = Self::Discarding { left: MAX_LEN };
        }
        if let Self::Discarding { left } = self
            && poll_pieces(body, cx, |piece| discard(left, piece)).is_pending()
            && let Some(deadline) = deadline.as_pin_mut()
        {
            ready!(poll_sleep(deadline, cx));
        }
        *self = Self::Done;
        Poll::Ready(())
    }
}

fn discard<D: Buf, E>(left: &mut u64, piece: Option<Result<D, E>>) -> ControlFlow<()> {
    let Some(Ok(piece)) = piece else { return ControlFlow::Break(()) };
    match u64::try_from(piece.remaining()).ok().and_then(|len| left.checked_sub(len)) {
        Some(rest) => {
            *left = rest;
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    }
}
