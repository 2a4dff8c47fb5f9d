use std::{io, sync::Arc};

use agentmail_verify::UnixTime;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Method, Response, StatusCode, header::ORIGIN},
};
use tokio::{net::TcpListener, sync::mpsc};

use super::{
    delivery::Arrived,
    receiver::{Receiver, status},
};

/// The longest body that is kept, in bytes.
const MAX_BODY: usize = 16 << 20;

#[derive(Clone)]
struct App {
    receiver: Arc<Receiver>,
    handled: mpsc::Sender<()>,
}

/// Serves until `count` deliveries have been handled.
pub(super) async fn serve(
    listener: TcpListener,
    receiver: Arc<Receiver>,
    count: Option<u64>,
) -> io::Result<()> {
    let (handled, mut handles) = mpsc::channel(1);
    let app = Router::new().fallback(handle).with_state(App { receiver, handled });
    let enough = async move {
        let mut left = count;
        while left != Some(0) && handles.recv().await.is_some() {
            left = left.map(|left| left.saturating_sub(1));
        }
    };
    axum::serve(listener, app).with_graceful_shutdown(enough).await
}

async fn handle(State(app): State<App>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    // A service sends POST without an origin. A web page cannot leave the origin out.
    if parts.headers.contains_key(ORIGIN) {
        return status(StatusCode::FORBIDDEN);
    }
    if parts.method != Method::POST {
        return status(StatusCode::METHOD_NOT_ALLOWED);
    }
    let received_at = UnixTime::now().as_secs();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let arrived =
        Arrived { received_at, method: parts.method, uri: parts.uri, headers: parts.headers, body };
    let receiver = Arc::clone(&app.receiver);
    let response = tokio::task::spawn_blocking(move || receiver.handle(&arrived)).await;
    _ = app.handled.send(()).await;
    response.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}
