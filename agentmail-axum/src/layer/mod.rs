//! A tower layer that verifies each request, and refuses it if the signature is not valid.
//!
//! It does not depend on axum. Any server whose requests have an `http-body` body can use it.
//!
//! ```
//! use agentmail_axum::{Event, Secret, Verified, Verifier, VerifyLayer};
//! use axum::{Router, routing::post};
//!
//! async fn on_mail(Verified(event): Verified<Event>) {
//!     match event {
//!         Event::MailReceived(mail) if mail.sender_verified => {
//!             println!("{:?} has mail: {:?}", mail.agent_id, mail.message_id);
//!         }
//!         _ => println!("an unverified sender, or another type of event"),
//!     }
//! }
//!
//! let verifier = Verifier::new(Secret::new("whsec_test_secret")?);
//! let verify = VerifyLayer::new(verifier);
//! let app: Router =
//!     Router::new().route("/agentmail/webhook", post(on_mail).route_layer(verify));
//! # Ok::<(), agentmail_axum::SecretError>(())
//! ```
//!
//! A service without axum reads the delivery from the extensions:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use agentmail_axum::{Delivery, Event, Secret, Verifier, VerifyLayer, layer::RequestBody};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::ServiceBuilder;
//!
//! async fn on_event(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     let delivery = request.extensions().get::<Delivery>().map(Delivery::json::<Event>);
//!     Ok(match delivery {
//!         Some(Ok(event)) => Response::new(Full::from(format!("{event:?}"))),
//!         Some(Err(rejection)) => rejection.into_http_response(),
//!         None => unreachable!("the layer is outside of this service"),
//!     })
//! }
//!
//! let verifier = Verifier::new(Secret::new("whsec_test_secret")?);
//! let service = ServiceBuilder::new().layer(VerifyLayer::new(verifier)).service_fn(on_event);
//! # Ok::<(), agentmail_axum::SecretError>(())
//! ```
//!
//! # What the inner service sees
//!
//! The inner service gets the request with its original head, except that the extensions contain a
//! [`Delivery`](crate::Delivery). The body is a [`RequestBody`], which contains the bytes that were
//! signed. Trailers are dropped, because they are not signed.
//!
//! # Readiness
//!
//! The layer is always ready. It first verifies the signature, and then waits until the *inner*
//! service is ready. Therefore an unauthenticated client cannot hold a permit of a
//! `ConcurrencyLimit` that is inside the layer.
//!
//! # Order of layers
//!
//! Put a layer that changes the body, for example decompression, inside this layer. If it is
//! outside, it changes the bytes that were signed, and the delivery is refused (`mismatch`).
//!
//! This layer passes on a [`RequestBody`]. Some layers accept only `axum::body::Body`, for example
//! [`axum::middleware::from_fn`](https://docs.rs/axum/0.8/axum/middleware/fn.from_fn.html). If such
//! a layer follows in the same `ServiceBuilder`, convert the body between the two, as below. With
//! separate calls of `Router::layer`, axum converts it.
//!
//! ```
//! use agentmail_axum::{Secret, Verifier, VerifyLayer};
//! use axum::{
//!     Router,
//!     body::Body,
//!     extract::Request,
//!     middleware::{Next, from_fn},
//!     response::Response,
//!     routing::post,
//! };
//! use tower::ServiceBuilder;
//!
//! async fn count(request: Request, next: Next) -> Response {
//!     next.run(request).await
//! }
//!
//! let verifier = Verifier::new(Secret::new("whsec_test_secret")?);
//! let app: Router = Router::new().route("/agentmail/webhook", post(async || ())).layer(
//!     ServiceBuilder::new()
//!         .layer(VerifyLayer::new(verifier))
//!         .map_request(|request: http::Request<_>| request.map(Body::new))
//!         .layer(from_fn(count)),
//! );
//! # Ok::<(), agentmail_axum::SecretError>(())
//! ```

mod body;
mod future;
#[expect(clippy::module_inception, reason = "as in tower-http")]
mod layer;
mod service;

pub use body::{RequestBody, ResponseBody};
pub use future::ResponseFuture;
pub use layer::VerifyLayer;
pub use service::Verify;
