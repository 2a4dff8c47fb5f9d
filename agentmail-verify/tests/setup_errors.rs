//! `Debug` of each setup error prints the sentence of `Display`, for a `main` that returns the
//! error.

use std::{error::Error, time::Duration};

use agentmail_verify::{Label, Secret, Tolerance, Verifier};

#[test]
fn debug_is_the_sentence_of_display() {
    let secret = || Secret::new("whsec_test_secret").unwrap();
    let errors: [Box<dyn Error>; 6] = [
        Label::new("").unwrap_err().into(),
        Secret::new("").unwrap_err().into(),
        Secret::from_env("AGENTMAIL_NO_SUCH_VARIABLE").unwrap_err().into(),
        Secret::from_file("/no/such/file").unwrap_err().into(),
        Tolerance::new(Duration::MAX, Duration::ZERO).unwrap_err().into(),
        Verifier::new(secret()).with_secret(secret()).unwrap_err().into(),
    ];

    for error in errors {
        let sentence = error.to_string();

        assert_eq!(format!("{error:?}"), sentence);
        assert!(sentence.contains(' ') && !sentence.ends_with('.'), "{sentence}");
    }
}
