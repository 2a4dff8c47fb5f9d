//! Deliveries to the path of an agent, each signed with the secret of an agent.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part of this, and a failed test panics"
)]

use std::convert::Infallible;

use agentmail_receive::{Delivery, Refusal, RequestHead, Tenant, WebhookConfig};
use agentmail_verify::{Label, Secret, SignedDelivery, Signer, UnixTime, Verifier};
use bytes::Bytes;
use futures_util::{Stream, stream};

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

pub(crate) fn secret(name: &str) -> Secret {
    Secret::new(format!("secret of {name}")).unwrap().with_label(Label::new(name).unwrap())
}

pub(crate) fn tenant(agent: &str) -> Tenant {
    Tenant::new(Verifier::new(secret(agent)), agent)
}

pub(crate) fn body_of(agent: &str) -> Bytes {
    let text = r#"{"type":"mail.received","agent_id":"AGENT","message_id":"m"}"#;
    text.replace("AGENT", agent).into()
}

pub(crate) fn in_one_piece(body: Bytes) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::iter([Ok(body)])
}

/// Receives a body at the path of an agent, signed with the secret that has this name.
pub(crate) async fn receive(
    config: &WebhookConfig,
    path_agent: &str,
    secret_name: &str,
    body: Bytes,
) -> Result<Delivery, Refusal> {
    let signed = Signer::new(secret(secret_name)).sign(NOW, &body);
    receive_signed(config, path_agent, &signed, in_one_piece(body)).await
}

pub(crate) async fn receive_signed(
    config: &WebhookConfig,
    path_agent: &str,
    signed: &SignedDelivery,
    body: impl Stream<Item = Result<Bytes, Infallible>>,
) -> Result<Delivery, Refusal> {
    let path = format!("/agents/{path_agent}/webhook");
    let head = RequestHead::new(&path, &());
    let received = config.receive(head, |header| signed.value(header), None, body).await;
    received.map_err(|rejection| rejection.refusal())
}
