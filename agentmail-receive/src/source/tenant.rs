use std::sync::Arc;

use agentmail_verify::Verifier;

use crate::{Refusal, identity::Identity};

/// Whose secrets count, and the agent that they may speak for.
///
/// A clone is a reference count or two.
#[derive(Debug, Clone)]
#[must_use]
pub struct Tenant {
    verifier: Arc<Verifier>,
    agent_id: Option<Arc<str>>,
}

impl Tenant {
    /// Accepts deliveries of one agent.
    ///
    /// A delivery whose signature matches is refused (403, `other_agent`) unless its body is a JSON
    /// object that names exactly this `agent_id`, once: agent A's secret must not speak for agent B.
    /// That holds for events of every type. With an empty id, everything is refused.
    pub fn new(verifier: impl Into<Arc<Verifier>>, agent_id: impl Into<Arc<str>>) -> Self {
        Self { verifier: verifier.into(), agent_id: Some(agent_id.into()) }
    }

    /// Accepts deliveries of whatever agent, or of none: whoever holds one of these secrets speaks
    /// for all of them. For one secret that several agents share.
    pub fn any_agent(verifier: impl Into<Arc<Verifier>>) -> Self {
        Self { verifier: verifier.into(), agent_id: None }
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Decides whether an authentic body speaks for the right agent.
    pub(crate) fn may_say(&self, body: &[u8]) -> Result<(), Refusal> {
        let Some(agent_id) = &self.agent_id else { return Ok(()) };
        let named = Identity::read(body).and_then(|identity| identity.agent_id);
        if named.as_deref() == Some(&**agent_id) { Ok(()) } else { Err(Refusal::OtherAgent) }
    }
}

#[cfg(test)]
mod tests {
    use agentmail_verify::Secret;

    use super::*;

    fn verifier() -> Verifier {
        Verifier::new(Secret::new("whsec_test_secret").unwrap())
    }

    #[test]
    fn a_body_must_name_exactly_the_tenants_agent() {
        for (body, allowed) in [
            (&br#"{"agent_id":"a"}"#[..], true),
            (br#"{"type":"mail.bounced","x":[],"agent_id":"\u0061"}"#, true),
            (br#"{"agent_id":"b"}"#, false),
            (br#"{"agent_id":"A"}"#, false),
            (br#"{"agent_id":"a "}"#, false),
            (br#"{"agent_id":"a","agent_id":"a"}"#, false),
            (br#"{"agent_id":"b","agent_id":"a"}"#, false),
            (br#"{"agent_id":["a"]}"#, false),
            (br#"{"agent_id":null}"#, false),
            (br#"{"x":{"agent_id":"a"}}"#, false),
            (br#"["mail.received","a","m"]"#, false),
            (b"{}", false),
            (b"a", false),
            (b"\xff", false),
            (b"", false),
        ] {
            let outcome = Tenant::new(verifier(), "a").may_say(body);

            let expected = if allowed { Ok(()) } else { Err(Refusal::OtherAgent) };
            assert_eq!(outcome, expected, "{}", body.escape_ascii());
            assert_eq!(Tenant::any_agent(verifier()).may_say(body), Ok(()));
        }
    }

    #[test]
    fn an_empty_id_speaks_for_nobody() {
        for body in [&br#"{"agent_id":""}"#[..], b"{}", br#"{"agent_id":"a"}"#] {
            assert_eq!(Tenant::new(verifier(), "").may_say(body), Err(Refusal::OtherAgent));
        }
    }
}
