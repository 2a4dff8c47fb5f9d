/// Joins the chunks of a body. Returns `None` if they are not complete.
pub(super) fn decode(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, len))) = httparse::parse_chunk_size(body) else {
            return None;
        };
        let len = usize::try_from(len).ok()?;
        if len == 0 {
            return Some(decoded);
        }
        let rest = body.get(start..)?;
        decoded.extend_from_slice(rest.get(..len)?);
        body = rest.get(len..)?.strip_prefix(b"\r\n")?;
    }
}
