use std::sync::Arc;

use agentmail_verify::Verifier;

use crate::{identity::Identity, refusal::Refusal};

/// The secrets that are accepted for a delivery, and the agent that they are valid for.
///
/// A clone is one or two reference counts.
#[derive(Debug, Clone)]
#[must_use]
pub struct Tenant {
    verifier: Arc<Verifier>,
    agent_id: Option<Arc<str>>,
}

impl Tenant {
    /// Accepts deliveries of one agent.
    ///
    /// A delivery whose signature matches must carry this `agent_id`: its body must be a JSON
    /// object that names it once. Any other delivery is refused (403, `other_agent`), whatever its
    /// type. With an empty id, every delivery is refused.
    pub fn new(verifier: impl Into<Arc<Verifier>>, agent_id: impl Into<Arc<str>>) -> Self {
        Self { verifier: verifier.into(), agent_id: Some(agent_id.into()) }
    }

    /// Accepts deliveries of any agent, or of none. For one secret that several agents share.
    pub fn any_agent(verifier: impl Into<Arc<Verifier>>) -> Self {
        Self { verifier: verifier.into(), agent_id: None }
    }

    /// Returns the secrets that are accepted.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Returns the one agent that the secrets are valid for, or `None` for any agent.
    #[must_use]
    pub fn agent_id(&self) -> Option<&str> {
        self.agent_id.as_deref()
    }

    /// Checks that an authentic body names the right agent.
    pub(crate) fn check_agent(&self, identity: Option<&Identity<'_>>) -> Result<(), Refusal> {
        let Some(agent_id) = self.agent_id() else { return Ok(()) };
        let named = identity.and_then(|identity| identity.agent_id.as_deref());
        if named == Some(agent_id) { Ok(()) } else { Err(Refusal::OtherAgent) }
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
            let outcome = Tenant::new(verifier(), "a").check_agent(Identity::read(body).as_ref());

            let expected = if allowed { Ok(()) } else { Err(Refusal::OtherAgent) };
            assert_eq!(outcome, expected, "{}", body.escape_ascii());
            assert_eq!(
                Tenant::any_agent(verifier()).check_agent(Identity::read(body).as_ref()),
                Ok(())
            );
        }
    }

    #[test]
    fn an_empty_id_is_valid_for_no_agent() {
        for body in [&br#"{"agent_id":""}"#[..], b"{}", br#"{"agent_id":"a"}"#] {
            assert_eq!(
                Tenant::new(verifier(), "").check_agent(Identity::read(body).as_ref()),
                Err(Refusal::OtherAgent)
            );
        }
    }
}
