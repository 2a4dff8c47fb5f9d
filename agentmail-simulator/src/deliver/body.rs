use std::{
    io::{Error, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// The body of a request: whole, or half of it and then an error after a pause, which closes the
/// connection.
#[derive(Debug)]
pub(super) struct RequestBody {
    data: Option<Bytes>,
    declared: u64,
    then: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(super) fn whole(body: Bytes) -> Self {
        Self { declared: length(&body), data: Some(body), then: None }
    }

    /// Sends half of the body. The connection closes after the pause.
    pub(super) fn half(body: &Bytes, pause: Duration) -> Self {
        let half = body.slice(..body.len() / 2);
        Self { declared: length(body), data: Some(half), then: Some(Box::pin(sleep(pause))) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(data) = self.data.take().filter(|data| !data.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(pause) = &mut self.then {
            ready!(pause.as_mut().poll(cx));
            self.then = None;
            let error =
                Error::new(ErrorKind::ConnectionAborted, "the rest was not sent, on purpose");
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.then.is_none() && self.data.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.declared)
    }
}

fn length(body: &Bytes) -> u64 {
    u64::try_from(body.len()).unwrap_or(u64::MAX)
}
