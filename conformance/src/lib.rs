//! What a receiver must answer to each delivery: `cases.json`, written by `cases.py`, and run by
//! `tests/table` against the core, the axum layer and extractor, and the actix-web middleware and
//! extractor.
#![forbid(unsafe_code)]
