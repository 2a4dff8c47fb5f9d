use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
};

use crate::store::{BoxError, Call};

/// Makes a call, and returns a panic as an error.
///
/// After a panic, the call is dropped, and not polled again. A store must itself keep its state
/// usable, as with any panic that a task catches.
pub(crate) async fn caught<T>(mut call: Call<T>) -> Result<T, BoxError> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Err(error(panic.as_ref()))),
    })
    .await
}

fn error(panic: &(dyn Any + Send)) -> BoxError {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the store has panicked: {}", message.unwrap_or("no message")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_message() {
        let call: Call<()> = Box::pin(async { panic!("no connection") });
        let error = caught(call).await.unwrap_err();
        assert_eq!(error.to_string(), "the store has panicked: no connection");

        let number = 7;
        let call: Call<()> = Box::pin(async move { panic!("{number} connections") });
        let error = caught(call).await.unwrap_err();
        assert_eq!(error.to_string(), "the store has panicked: 7 connections");
    }

    #[tokio::test]
    async fn a_result_is_returned_as_it_is() {
        assert_eq!(caught(Box::pin(async { Ok(7) })).await.unwrap(), 7);
        let call: Call<()> = Box::pin(async { Err("failed".into()) });
        assert_eq!(caught(call).await.unwrap_err().to_string(), "failed");
    }
}
