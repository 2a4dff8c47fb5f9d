use std::fmt::Write;

use agentmail_verify::WebhookHeader;
use http::Uri;

use crate::{
    deliver::Content,
    explain::{
        Case,
        literal::{grouped, literal},
    },
    fault::Fault,
    record::Made,
    time::unix_seconds,
};

/// How old or early a delivery may be, in seconds: the default of the receiving crates.
const TOLERANCE: u64 = 300;
/// The longest body by default, in bytes.
const LONGEST_BODY: usize = 256 * 1024;

/// Returns the delivery as a test of a receiver in axum. The agent's secret is not in it: the test
/// signs with a secret of its own.
pub(super) fn rust_test(case: &Case, content: &Content) -> String {
    let test = RustTest { case, content };
    // Writing to a String cannot fail.
    let mut code = String::new();
    _ = test.write(&mut code);
    code
}

struct RustTest<'a> {
    case: &'a Case,
    content: &'a Content,
}

impl RustTest<'_> {
    fn write(&self, code: &mut String) -> std::fmt::Result {
        let (id, number) = (&self.case.delivery_id, self.case.attempt.number);
        writeln!(code, "//! Attempt {number} of the delivery {id}, from agentmail-simulator.")?;
        writeln!(code, "//!")?;
        writeln!(
            code,
            "//! Dev-dependencies: `agentmail-axum`, `axum`, `tower` with `util`, and `tokio` with"
        )?;
        writeln!(code, "//! `macros` and `rt`.")?;
        if let Some(fault) = self.case.attempt.fault {
            writeln!(code, "//!")?;
            writeln!(code, "//! The attempt had the fault `{fault}`: {}.", fault.description())?;
            if matches!(fault, Fault::SlowBody | Fault::ConnectionCut) {
                writeln!(code, "//! This test sends the whole body.")?;
            }
        }
        writeln!(code)?;
        self.write_imports(code)?;
        self.write_constants(code)?;
        self.write_app(code)?;
        self.write_test(code)
    }

    fn write_imports(&self, code: &mut String) -> std::fmt::Result {
        let names = "Secret, Signer, UnixTime, Verified, Verifier, VerifyLayer, WebhookConfig";
        if self.is_signed() {
            writeln!(code, "use agentmail_axum::{{\n    Event, {names},\n}};")?;
        } else {
            let names = names.replace("Signer, ", "");
            writeln!(code, "use agentmail_axum::{{Event, {names}}};")?;
        }
        code.push_str(
            "use axum::{Router, body::Body, http::Request, routing::post};\n\
             use tower::ServiceExt; // for `oneshot`\n\n",
        );
        Ok(())
    }

    fn write_constants(&self, code: &mut String) -> std::fmt::Result {
        writeln!(code, "const PATH: &str = {};", literal(&self.path()))?;
        writeln!(code, "/// When the attempt was made, in seconds since 1970.")?;
        writeln!(code, "const NOW: u64 = {};", grouped(self.now()))?;
        if let (true, Some(at)) = (self.is_signed(), self.case.attempt.signature.timestamp) {
            writeln!(code, "/// The time in the header.")?;
            writeln!(code, "const SIGNED_AT: u64 = {};", grouped(at))?;
        }
        if self.is_signed() && self.is_changed() {
            writeln!(code, "/// The body that was signed.")?;
            writeln!(code, "const SIGNED: &str = {};", literal(&self.content.signed))?;
            writeln!(code, "/// The body that was sent.")?;
        } else {
            writeln!(code, "/// The body.")?;
        }
        writeln!(code, "const BODY: &str = {};", literal(self.body()))
    }

    fn write_app(&self, code: &mut String) -> std::fmt::Result {
        writeln!(code)?;
        writeln!(code, "/// Replace it by your own function that builds the app.")?;
        writeln!(code, "fn app(webhooks: WebhookConfig) -> Router {{")?;
        writeln!(code, "    let on_event = async |_: Verified<Event>| \"received\";")?;
        writeln!(code, "    let verify = VerifyLayer::new(webhooks);")?;
        writeln!(code, "    Router::new().route(PATH, post(on_event).route_layer(verify))")?;
        writeln!(code, "}}")
    }

    fn write_test(&self, code: &mut String) -> std::fmt::Result {
        let name = self.case.delivery_id.replace('-', "_");
        let (number, status) = (self.case.attempt.number, self.status());
        writeln!(code)?;
        writeln!(code, "#[tokio::test]")?;
        let result = "Result<(), Box<dyn std::error::Error>>";
        writeln!(code, "async fn attempt_{number}_of_{name}_gets_{status}() -> {result} {{")?;
        writeln!(code, "    // The agent's secret is not here. The test signs with its own.")?;
        writeln!(code, "    let secret = \"whsec_test_secret\";")?;
        writeln!(code, "    let verifier = Verifier::new(Secret::new(secret)?);")?;
        writeln!(code, "    let now = UnixTime::from_secs(NOW);")?;
        writeln!(code, "    let app = app(WebhookConfig::new(verifier).with_clock(now));")?;
        let spaces = self.spaces();
        if spaces > 0 {
            writeln!(
                code,
                "    let body = format!(\"{{BODY}}{{}}\", \" \".repeat({}));",
                grouped(spaces)
            )?;
        }
        let body = if spaces > 0 { "body" } else { "BODY" };
        if self.is_signed() {
            let secret = match self.case.attempt.signature.made {
                Made::FormerSecret => "\"an old secret\"",
                Made::ForeignSecret => "\"a secret of somebody else\"",
                _ => "secret",
            };
            let signed = if self.is_changed() { "SIGNED" } else { body };
            writeln!(code, "    let signer = Signer::new(Secret::new({secret})?);")?;
            writeln!(
                code,
                "    let signed = signer.sign(UnixTime::from_secs(SIGNED_AT), {signed}.as_bytes());"
            )?;
            writeln!(code, "    let mut request = Request::post(PATH);")?;
            writeln!(code, "    for (header, value) in signed.headers() {{")?;
            writeln!(code, "        request = request.header(header, value);")?;
            writeln!(code, "    }}")?;
        } else {
            let header = WebhookHeader::Unsigned.name();
            writeln!(code, "    let request = Request::post(PATH).header(\"{header}\", \"1\");")?;
        }
        writeln!(code)?;
        writeln!(
            code,
            "    let response = app.oneshot(request.body(Body::from({body}))?).await?;"
        )?;
        writeln!(code)?;
        writeln!(code, "    assert_eq!(response.status(), {status});")?;
        writeln!(code, "    Ok(())")?;
        writeln!(code, "}}")
    }

    /// Returns what a receiver responds that has one secret and the default limits.
    fn status(&self) -> u16 {
        let signature = &self.case.attempt.signature;
        let is_fresh = signature.timestamp.is_some_and(|at| at.abs_diff(self.now()) <= TOLERANCE);
        let is_right = matches!(signature.made, Made::CurrentSecret | Made::Kept);
        if !is_right || !is_fresh {
            403
        } else if self.content.sent.len() > LONGEST_BODY {
            413
        } else if self.is_changed() {
            403
        } else {
            200
        }
    }

    fn now(&self) -> u64 {
        unix_seconds(self.case.attempt.started_at)
    }

    fn is_signed(&self) -> bool {
        self.case.attempt.signature.made != Made::Unsigned
    }

    fn is_changed(&self) -> bool {
        self.content.signed != self.content.sent
    }

    /// Returns the body without the spaces at its end.
    fn body(&self) -> &str {
        self.content.sent.trim_end_matches(' ')
    }

    fn spaces(&self) -> u64 {
        let spaces = self.content.sent.len().saturating_sub(self.body().len());
        u64::try_from(spaces).unwrap_or(u64::MAX)
    }

    fn path(&self) -> String {
        let url = self.case.attempt.exchanges.first().map(|it| it.request.url.parse::<Uri>());
        let path = url.and_then(Result::ok).map(|url| url.path().to_owned());
        // In a path of axum, these characters have a meaning.
        path.filter(|path| !path.is_empty())
            .unwrap_or_else(|| "/".to_owned())
            .replace(['{', '}', ':', '*'], "_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::case::tests::{PAYLOAD, case};

    /// tests/copied.rs compiles these files and runs them.
    #[test]
    fn a_copied_test_is_the_one_that_is_compiled_and_run() {
        for (name, fault, file) in [
            ("genuine", None, include_str!("../../tests/copied/genuine.rs")),
            ("forged", Some(Fault::Forged), include_str!("../../tests/copied/forged.rs")),
            ("stale", Some(Fault::Stale), include_str!("../../tests/copied/stale.rs")),
            ("unsigned", Some(Fault::Unsigned), include_str!("../../tests/copied/unsigned.rs")),
            ("truncated", Some(Fault::Truncated), include_str!("../../tests/copied/truncated.rs")),
            ("oversized", Some(Fault::Oversized), include_str!("../../tests/copied/oversized.rs")),
            (
                "recoded_body",
                Some(Fault::RecodedBody),
                include_str!("../../tests/copied/recoded_body.rs"),
            ),
        ] {
            let code = rust_test(&case(fault, 200), &Content::of(PAYLOAD, fault));

            if let Some(folder) = std::env::var_os("WRITE_COPIED") {
                std::fs::write(std::path::Path::new(&folder).join(format!("{name}.rs")), &code)
                    .unwrap();
                continue;
            }
            assert_eq!(code, file, "{name}");
        }
    }
}
