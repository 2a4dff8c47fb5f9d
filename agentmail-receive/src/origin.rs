use std::sync::Arc;

use serde_json::Value;

#[cfg(feature = "diagnose")]
use crate::diagnosis::{Diagnosis, Observed};
use crate::{
    refusal::Refusal,
    source::{Failure, Tenant},
};

/// What the log says about the request behind a refusal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    path: Option<Arc<str>>,
    tenant: Option<Arc<str>>,
    content_encoding: bool,
    error: Option<Arc<str>>,
    /// The request, until it is diagnosed.
    #[cfg(feature = "diagnose")]
    observed: Option<Box<Observed>>,
    #[cfg(feature = "diagnose")]
    diagnosis: Option<Arc<Diagnosis>>,
}

/// The longest path, tenant or error in the log, in bytes.
const MAX_LEN: usize = 256;

impl Origin {
    pub(crate) fn new(path: &str, content_encoding: bool) -> Self {
        Self { path: Some(bounded(path).into()), content_encoding, ..Self::default() }
    }

    pub(crate) fn with_path(self, path: &str) -> Self {
        Self { path: Some(bounded(path).into()), ..self }
    }

    /// Notes the agent whose secrets are used for the request.
    pub(crate) fn set_tenant(&mut self, tenant: &Tenant) {
        self.tenant = tenant.shared_agent_id();
        #[cfg(feature = "diagnose")]
        if let Some(observed) = self.observed_mut() {
            observed.set_verifier(tenant.verifier());
        }
    }

    /// Notes the error behind a failed lookup, and returns its refusal.
    pub(crate) fn refuse(&mut self, failure: Failure) -> Refusal {
        self.error = failure.error;
        failure.refusal
    }

    /// Returns what the response says about the causes of the refusal.
    pub(crate) fn diagnosis_as_json(&self) -> Option<Value> {
        #[cfg(feature = "diagnose")]
        return serde_json::to_value(self.diagnosis()?).ok();
        #[cfg(not(feature = "diagnose"))]
        None
    }

    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref().map(bounded)
    }

    pub(crate) fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Returns the whole id of the agent whose secrets are used.
    pub(crate) fn agent_id(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Returns that id for the log.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.agent_id().map(bounded)
    }

    pub(crate) const fn has_content_encoding(&self) -> bool {
        self.content_encoding
    }
}

#[cfg(feature = "diagnose")]
impl Origin {
    pub(crate) fn set_observed(&mut self, observed: Option<Box<Observed>>) {
        self.observed = observed;
    }

    pub(crate) fn observed_mut(&mut self) -> Option<&mut Observed> {
        self.observed.as_deref_mut()
    }

    pub(crate) fn without_observed(self) -> Self {
        Self { observed: None, ..self }
    }

    pub(crate) fn take_observed(&mut self) -> Option<Box<Observed>> {
        self.observed.take()
    }

    pub(crate) fn set_diagnosis(&mut self, diagnosis: Diagnosis) {
        self.diagnosis = Some(Arc::new(diagnosis));
    }

    pub(crate) fn diagnosis(&self) -> Option<&Diagnosis> {
        self.diagnosis.as_deref()
    }
}

/// Returns the beginning of a text of a client.
fn bounded(text: &str) -> &str {
    if text.len() <= MAX_LEN {
        return text;
    }
    (0..=MAX_LEN).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_cut_between_characters() {
        let path = format!("/{}", "é".repeat(200));

        let origin = Origin::new(&path, false);

        assert_eq!(origin.path(), Some(&*format!("/{}", "é".repeat(127))));
        assert_eq!(Origin::new("/short", false).path(), Some("/short"));
    }
}
