use agentmail_receive::diagnosis::CapturedRequest;
use agentmail_verify::{SignedHeaders, UnixTime, VerifyError, WebhookHeader};

/// A request that was read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct ParsedRequest {
    pub(in crate::cli) headers: Vec<(String, Vec<u8>)>,
    pub(in crate::cli) body: Vec<u8>,
    /// When it arrived, in Unix seconds.
    pub(in crate::cli) received_at: Option<u64>,
    /// What a reader must know about the input.
    pub(in crate::cli) notes: Vec<String>,
}

impl ParsedRequest {
    pub(in crate::cli) fn new(headers: Vec<(String, Vec<u8>)>, body: Vec<u8>) -> Self {
        Self { headers, body, received_at: None, notes: Vec::new() }
    }

    pub(super) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(super) fn signed_headers(&self) -> Result<SignedHeaders, VerifyError> {
        SignedHeaders::parse(|header: WebhookHeader| {
            let named = self.headers.iter();
            let named = named.filter(move |(name, _)| name.eq_ignore_ascii_case(header.name()));
            named.map(|(_, value)| &**value)
        })
    }

    pub(super) fn captured(&self) -> CapturedRequest {
        let headers = self.headers.iter().map(|(name, value)| (&**name, &**value));
        let request = CapturedRequest::new(headers).with_body(self.body.clone());
        match self.received_at {
            Some(at) => request.with_received_at(UnixTime::from_secs(at)),
            None => request,
        }
    }
}
