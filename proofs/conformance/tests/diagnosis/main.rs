//! Deliveries with one or two known mistakes, which Python makes: a diagnosis names them.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a failed test panics")]

mod case;
mod wire;

use agentmail_receive::diagnosis::Certainty;
use case::Cases;

#[test]
fn each_mistake_is_named_first() {
    let cases = Cases::load();
    let singles: Vec<_> = cases.cases.iter().filter(|case| !case.is_pair()).collect();
    assert!(singles.len() > 100, "{} cases", singles.len());
    let mut failed = Vec::new();

    for case in &singles {
        let diagnosis = case.diagnosis(&cases);
        let causes = diagnosis.causes();
        let first = causes.first();
        let certainty = first.map(|first| serde_json::to_value(first.certainty()).unwrap());
        let expected = case.certainty.clone().map(serde_json::Value::from);
        let codes: Vec<_> = causes.iter().map(|cause| cause.code()).collect();
        let rest = codes.iter().skip(case.codes.len()).count();
        if codes.iter().zip(&case.codes).any(|(code, expected)| code != expected)
            || codes.len() < case.codes.len()
            || (case.codes.is_empty() && rest > 0)
            || certainty != expected
        {
            failed.push(format!("{}: {causes:#?}, not {:?}", case.name, case.codes));
        }
    }

    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), singles.len(), failed.join("\n"));
}

#[tokio::test]
async fn a_receiver_names_each_mistake_that_arrives_over_http() {
    let cases = Cases::load();
    let singles = cases.cases.iter().filter(|case| !case.is_pair() && !case.is_cut());
    let (mut sent, mut failed) = (0, Vec::new());

    for case in singles {
        // With such a secret, a receiver does not start.
        let Ok(secret) = case.secret().secret() else { continue };
        for (way, named) in wire::named(case, &cases, &secret).await {
            sent += 1;
            if named.as_deref() != case.codes.first().map(String::as_str) {
                failed.push(format!("{way}, {}: {named:?}, not {:?}", case.name, case.codes));
            }
        }
    }

    println!("{sent} requests were sent");
    assert!(sent > 200, "{sent} requests were sent");
    assert!(failed.is_empty(), "{} of {sent}:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn two_mistakes_are_both_named_or_none_is() {
    let cases = Cases::load();
    let pairs: Vec<_> = cases.cases.iter().filter(|case| case.is_pair()).collect();
    let mut named = 0;
    let mut failed = Vec::new();

    for case in &pairs {
        let diagnosis = case.diagnosis(&cases);
        let proven = diagnosis.causes().iter();
        let proven = proven.filter(|cause| cause.certainty() == Certainty::Proven);
        let mut proven: Vec<_> = proven.map(|cause| cause.code()).collect();
        proven.sort_unstable();
        named += usize::from(!proven.is_empty());
        if !proven.is_empty() && proven != case.codes {
            failed.push(format!("{}: {proven:?}, not {:?}", case.name, case.codes));
        }
    }

    println!("{} pairs: {named} named, {} unknown", pairs.len(), pairs.len() - named);
    assert!(named > 500, "{named} of {} pairs were named", pairs.len());
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), pairs.len(), failed.join("\n"));
}
