use agentmail_verify::WebhookHeader;

use super::{captured::CapturedRequest, signatures::Signatures};

/// Headers of other senders, and whose they are. The more specific come first.
const HEADERS: &[(&str, &str)] = &[
    ("svix-signature", "Svix, which agentmail.to and other services use"),
    ("svix-id", "Svix, which agentmail.to and other services use"),
    ("webhook-signature", "Standard Webhooks, which many services use"),
    ("webhook-id", "Standard Webhooks, which many services use"),
    ("stripe-signature", "Stripe"),
    ("x-hub-signature-256", "GitHub or Meta"),
    ("x-hub-signature", "GitHub or Meta"),
    ("x-slack-signature", "Slack"),
    ("x-shopify-hmac-sha256", "Shopify"),
    ("x-twilio-signature", "Twilio"),
    ("x-gitlab-token", "GitLab"),
    ("linear-signature", "Linear"),
    ("paddle-signature", "Paddle"),
    ("x-signature-ed25519", "Discord"),
];

/// Says whose request it is, if its headers are those of another sender.
pub(super) fn other_sender(
    request: &CapturedRequest,
    signatures: &Signatures,
    milliseconds: bool,
) -> Option<String> {
    let has = |header: WebhookHeader| request.has(header.name());
    let (sha256, bare_hex) = (signatures.is_sha256(), signatures.is_bare_hex());
    let has_event = request.has("x-agentmail-event") || request.has("x-agentmail-delivery");
    if has(WebhookHeader::Signature) && sha256 && has_event {
        return Some(of("Mail4AI, another service with `X-AgentMail-*` headers"));
    }
    if has(WebhookHeader::Signature) && bare_hex && milliseconds {
        return Some(of("theagentmail.net, another service with `X-AgentMail-*` headers"));
    }
    if request.has("x-agentmail-key") {
        return Some(of("another service with `X-AgentMail-*` headers"));
    }
    if has(WebhookHeader::Signature) {
        return None;
    }
    let whose = HEADERS.iter().find(|(name, _)| request.has(name)).map(|(_, whose)| of(whose));
    whose.filter(|_| !has(WebhookHeader::Timestamp))
}

fn of(whose: &str) -> String {
    format!("the headers are those of {whose}, not of AgentMail by Assmbl")
}
