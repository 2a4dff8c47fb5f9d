use std::sync::Arc;

use agentmail_verify::{MailReceived, Receipt, Verifier, from_json};

use super::file::Proof;
use crate::{
    identity::{Field, Identity},
    refusal::Refusal,
};

/// The secrets that are accepted for a delivery, and the agent that they are valid for.
///
/// A clone is cheap: it increments one or two reference counts.
#[derive(Debug, Clone)]
#[must_use]
pub struct Tenant {
    verifier: Arc<Verifier>,
    agent_id: Option<Arc<str>>,
    /// `None`, unless the secrets are those of a file.
    proofs: Option<Arc<[Proof]>>,
    /// It is a last known result, because its lookup did not succeed in time.
    #[cfg(feature = "cache")]
    stale: bool,
}

impl Tenant {
    /// Accepts deliveries of one agent.
    ///
    /// | a delivery with a valid signature whose payload | response |
    /// | --- | --- |
    /// | names this `agent_id` | that of the handler |
    /// | names another agent, or has an `agent_id` that is duplicated or not a string | 403, `other_agent` |
    /// | is not a JSON object | 422 |
    /// | names no agent, and is a `mail.received` | 422 |
    /// | names no agent, and has another type | that of the handler: the event belongs to this agent |
    ///
    /// With an empty id, every delivery is refused.
    pub fn new(verifier: impl Into<Arc<Verifier>>, agent_id: impl Into<Arc<str>>) -> Self {
        Self { agent_id: Some(agent_id.into()), ..Self::any_agent(verifier) }
    }

    /// Accepts deliveries of any agent. Use it for a secret that several agents share.
    pub fn any_agent(verifier: impl Into<Arc<Verifier>>) -> Self {
        Self {
            verifier: verifier.into(),
            agent_id: None,
            proofs: None,
            #[cfg(feature = "cache")]
            stale: false,
        }
    }

    /// Records which of the secrets have verified a delivery.
    pub(super) fn with_proofs(self, proofs: Arc<[Proof]>) -> Self {
        Self { proofs: Some(proofs), ..self }
    }

    /// Says that it is a last known result.
    #[cfg(feature = "cache")]
    pub(super) fn stale(self) -> Self {
        Self { stale: true, ..self }
    }

    pub(crate) const fn is_stale(&self) -> bool {
        #[cfg(feature = "cache")]
        return self.stale;
        #[cfg(not(feature = "cache"))]
        false
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

    pub(crate) fn shared_agent_id(&self) -> Option<Arc<str>> {
        self.agent_id.clone()
    }

    /// Records that a secret has verified a delivery.
    pub(crate) fn record(&self, receipt: &Receipt) {
        if let Some(proofs) = &self.proofs {
            Proof::record(proofs, receipt.label());
        }
    }

    /// Checks that an authentic body may come from this tenant.
    ///
    /// # Errors
    ///
    /// - 403: it names another agent, or names one in a way that can be read in two ways.
    /// - 422: it is a `mail.received` that names no agent.
    pub(crate) fn check_agent(&self, identity: &Identity, body: &[u8]) -> Result<(), Refusal> {
        match (&self.agent_id, &identity.agent_id) {
            (None, _) => Ok(()),
            (Some(agent_id), Field::Plain(named)) if **agent_id == **named => Ok(()),
            // An event of another type may be about no single agent.
            (Some(agent_id), Field::Absent) if !agent_id.is_empty() => {
                if identity.is_mail() {
                    missing_agent(body)
                } else {
                    Ok(())
                }
            }
            _ => Err(Refusal::OtherAgent),
        }
    }
}

/// Names what is wrong with a mail whose agent is absent, as the typed payload does.
fn missing_agent(body: &[u8]) -> Result<(), Refusal> {
    from_json::<MailReceived>(body).map(drop).map_err(Refusal::from)
}

#[cfg(test)]
mod tests {
    use agentmail_verify::Secret;

    use super::*;

    fn verifier() -> Verifier {
        Verifier::new(Secret::new("whsec_test_secret").unwrap())
    }

    fn check(tenant: &Tenant, body: &str) -> Result<(), &'static str> {
        let identity = Identity::read(body.as_bytes()).unwrap();
        tenant.check_agent(&identity, body.as_bytes()).map_err(|refusal| refusal.code())
    }

    #[test]
    fn a_body_must_not_name_another_agent() {
        for (body, expected) in [
            (r#"{"agent_id":"a"}"#, Ok(())),
            (r#"{"type":"mail.bounced","x":[],"agent_id":"\u0061"}"#, Ok(())),
            (r#"{"agent_id":"b"}"#, Err("other_agent")),
            (r#"{"agent_id":"A"}"#, Err("other_agent")),
            (r#"{"agent_id":"a "}"#, Err("other_agent")),
            (r#"{"agent_id":"a","agent_id":"a"}"#, Err("other_agent")),
            (r#"{"agent_id":"b","agent_id":"a"}"#, Err("other_agent")),
            (r#"{"agent_id":["a"]}"#, Err("other_agent")),
            (r#"{"agent_id":1}"#, Err("other_agent")),
        ] {
            assert_eq!(check(&Tenant::new(verifier(), "a"), body), expected, "{body}");
            assert_eq!(check(&Tenant::any_agent(verifier()), body), Ok(()), "{body}");
        }
    }

    #[test]
    fn an_event_that_names_no_agent_belongs_to_the_tenant_unless_it_is_a_mail() {
        for (agent, mail) in
            [("", true), (r#","agent_id":null"#, true), (r#","agent_id":"""#, true)]
        {
            let tenant = Tenant::new(verifier(), "a");
            let body = |kind| format!(r#"{{"type":"{kind}","message_id":"m"{agent}}}"#);

            assert_eq!(check(&tenant, &body("mail.bounced")), Ok(()), "{agent}");
            assert_eq!(check(&tenant, &body("mail.received")).is_err(), mail, "{agent}");
            assert_eq!(check(&tenant, &body("mail.received")), Err("unexpected_payload"));
        }
        assert_eq!(check(&Tenant::new(verifier(), "a"), r#"{"x":{"agent_id":"b"}}"#), Ok(()));
    }

    #[test]
    fn an_empty_id_is_valid_for_no_agent() {
        for body in [r#"{"agent_id":""}"#, "{}", r#"{"agent_id":"a"}"#] {
            assert_eq!(check(&Tenant::new(verifier(), ""), body), Err("other_agent"), "{body}");
        }
    }
}
