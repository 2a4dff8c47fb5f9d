//! What one attempt was, for a person: how it was signed, why it was refused, and how to repeat it.

mod case;
mod curl;
mod literal;
mod refusal;
mod rust_test;
mod steps;

pub(crate) use case::{Case, ExplainedAttempt};
