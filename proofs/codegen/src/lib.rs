//! Empty: the tests are those of the core.
