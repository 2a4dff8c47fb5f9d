use std::{
    future::{Ready, ready},
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum_server::accept::Accept;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::{requests::Requests, service::CountingService};

/// Limits the time that each connection waits for a request, and for the head of one.
///
/// hyper has one timer for both. It starts with the wait and includes the head, so it cannot allow
/// a long wait and only a short time for the head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acceptor {
    pub(super) head_timeout: Duration,
    pub(super) idle_timeout: Duration,
}

impl<I, S> Accept<I, CountingService<S>> for Acceptor {
    type Stream = TimedStream<I>;
    type Service = CountingService<S>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: I, service: CountingService<S>) -> Self::Future {
        let stream = TimedStream {
            inner: stream,
            requests: service.requests().clone(),
            seen: 0,
            timeouts: *self,
            // A client connects in order to send a request.
            waiting_for: WaitingFor::EndOfHead,
            timer: Box::pin(sleep(self.head_timeout)),
        };
        ready(Ok((stream, service)))
    }
}

/// A stream whose reads fail when the client has exceeded a timeout.
#[derive(Debug)]
pub(super) struct TimedStream<I> {
    inner: I,
    requests: Requests,
    // How many requests had begun at the last read.
    seen: usize,
    timeouts: Acceptor,
    waiting_for: WaitingFor,
    timer: Pin<Box<Sleep>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum WaitingFor {
    /// The end of a response. The timer is off.
    Response,
    /// The first byte of a head.
    Head,
    /// The rest of a head.
    EndOfHead,
}

impl<I> TimedStream<I> {
    fn wait(&mut self, waiting_for: WaitingFor, timeout: Duration) {
        self.waiting_for = waiting_for;
        self.timer.as_mut().reset(Instant::now() + timeout);
    }

    /// Returns whether the client has exceeded a timeout, after a read that returned `bytes`, or
    /// none yet.
    fn poll_timeout(&mut self, bytes: Option<usize>, cx: &mut Context<'_>) -> Poll<()> {
        let begun = self.requests.begun();
        if begun != self.seen {
            self.seen = begun;
            self.waiting_for = WaitingFor::Response;
        }
        if self.requests.in_progress() {
            return Poll::Pending;
        }
        match (bytes, self.waiting_for) {
            (Some(1..), WaitingFor::Response | WaitingFor::Head) => {
                self.wait(WaitingFor::EndOfHead, self.timeouts.head_timeout);
            }
            (None, WaitingFor::Response) => {
                self.wait(WaitingFor::Head, self.timeouts.idle_timeout);
            }
            _ => {}
        }
        if bytes.is_some() { Poll::Pending } else { self.timer.as_mut().poll(cx) }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for TimedStream<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let free = buffer.remaining();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        let bytes = read.is_ready().then(|| free.saturating_sub(buffer.remaining()));
        match self.poll_timeout(bytes, cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => read,
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for TimedStream<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
