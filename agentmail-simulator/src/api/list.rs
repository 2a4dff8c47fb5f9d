use crate::error::Problem;

/// How many entries a list has at most.
pub(super) fn limit(asked: Option<u64>) -> Result<usize, Problem> {
    match asked.unwrap_or(100) {
        limit @ 1..=1000 => Ok(usize::try_from(limit).unwrap_or(1000)),
        _ => Err(Problem::field("limit", "is not a number from 1 to 1000")),
    }
}
