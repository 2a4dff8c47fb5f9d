use std::{
    env::{self, VarError},
    fmt::Display,
    str::FromStr,
};

/// Reads a number from a variable, if it is set.
///
/// # Errors
///
/// It is set, but not to a number.
pub(crate) fn number<T: FromStr<Err: Display>>(name: &str) -> Result<Option<T>, String> {
    match env::var(name) {
        Ok(text) => text.parse().map(Some).map_err(|error| format!("{name}: {error}")),
        Err(VarError::NotPresent) => Ok(None),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
