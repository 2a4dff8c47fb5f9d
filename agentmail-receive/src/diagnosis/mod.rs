//! Names the cause of a refusal, for development and for a captured request.
//!
//! A diagnosis tries the mistakes that are known to break a signature, one after another. It never
//! takes part in the decision about a delivery.
//!
//! - A *proven* cause is exact: with this mistake undone, the signature matches.
//! - *Evidence* is what the headers or the body look like. It may be a coincidence.
//! - If nothing is found, the cause is `unknown`. That says nothing about what was not tried.
//!
//! While you develop, [`WebhookConfig::with_diagnosis`](crate::WebhookConfig::with_diagnosis)
//! diagnoses each refusal. For one captured request, use [`Diagnosis::of`]:
//!
//! ```
//! use agentmail_receive::diagnosis::{
//!     CapturedRequest, Diagnosis, DiagnosisBudget, DiagnosisSecrets, SecretText,
//! };
//! use agentmail_verify::{Secret, Signer, UnixTime};
//!
//! // The service signs with the secret. The receiver has it in quotes.
//! let now = UnixTime::from_secs(1_700_000_000);
//! let signed = Signer::new(Secret::new("whsec_test_secret")?).sign(now, b"{}");
//! let headers = signed.headers().map(|(name, value)| (name, value.as_bytes()));
//! let request = CapturedRequest::new(headers).with_received_at(now).with_body("{}");
//! let secrets = DiagnosisSecrets::new().with_text(SecretText::new("\"whsec_test_secret\""));
//!
//! let diagnosis = Diagnosis::of(&request, &secrets, DiagnosisBudget::EXPLAIN);
//!
//! assert_eq!(diagnosis.causes()[0].code(), "secret_quotes");
//! # Ok::<(), agentmail_verify::SecretError>(())
//! ```

mod body_forms;
mod budget;
mod captured;
mod cause;
mod config;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod diagnosis;
mod evidence;
mod json;
mod json_forms;
mod key;
mod kind;
mod observed;
mod search;
mod secret_forms;
mod secret_text;
mod secrets;
mod signatures;
mod signed_text;
mod tried;
mod vendor;

pub use budget::DiagnosisBudget;
pub use captured::CapturedRequest;
pub use cause::{Cause, Certainty};
pub use config::DiagnosisConfig;
pub(crate) use config::Switch;
pub use diagnosis::Diagnosis;
pub(crate) use observed::{Diagnosing, Observed};
pub use secret_text::{SecretText, SecretTextError};
pub use secrets::DiagnosisSecrets;
