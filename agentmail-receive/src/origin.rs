use std::sync::Arc;

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
}

/// The longest path, tenant or error in the log, in bytes.
const MAX_LEN: usize = 256;

impl Origin {
    pub(crate) fn new(path: &str, content_encoding: bool) -> Self {
        Self { path: Some(bounded(path).into()), tenant: None, content_encoding, error: None }
    }

    pub(crate) fn with_path(self, path: &str) -> Self {
        Self { path: Some(bounded(path).into()), ..self }
    }

    /// Notes the agent whose secrets are used for the request.
    pub(crate) fn set_tenant(&mut self, tenant: &Tenant) {
        self.tenant = tenant.shared_agent_id();
    }

    /// Notes the error behind a failed lookup, and returns its refusal.
    pub(crate) fn refuse(&mut self, failure: Failure) -> Refusal {
        self.error = failure.error;
        failure.refusal
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
