use std::fmt::Write;

/// Returns so many random bytes of the system, as hex digits.
///
/// # Panics
///
/// Panics if the system has no source of randomness.
pub(crate) fn hex<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).expect("every supported system has a source of randomness");
    bytes.iter().fold(String::with_capacity(BYTES * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}
