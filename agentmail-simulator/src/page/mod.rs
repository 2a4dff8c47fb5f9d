//! The page: one HTML, one CSS and one JS file. It uses nothing but the API.

mod assets;

pub(crate) use assets::{PATHS, asset};
