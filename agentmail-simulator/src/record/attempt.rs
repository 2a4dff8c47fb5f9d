use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{fault::Fault, record::schema, time::Time};

/// One attempt of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct Attempt {
    /// The first attempt of the delivery is 1.
    pub(crate) number: u32,
    #[schema(schema_with = schema::time)]
    pub(crate) started_at: Time,
    pub(crate) duration_ms: u64,
    /// The fault that was chosen for this attempt.
    #[schema(schema_with = schema::optional_fault)]
    pub(crate) fault: Option<Fault>,
    pub(crate) signature: Signature,
    /// What was sent. The first exchange decides. Further ones are copies that a fault sent.
    pub(crate) exchanges: Vec<Exchange>,
}

/// How the signature was made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Signature)]
pub(crate) struct Signature {
    pub(crate) made: Made,
    /// The seconds since 1970 in the timestamp header.
    pub(crate) timestamp: Option<u64>,
    /// The number of bytes that were signed after `<timestamp>.`.
    pub(crate) signed_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SignatureMade)]
pub(crate) enum Made {
    /// With the agent's secret.
    CurrentSecret,
    /// With the secret before the last rotation.
    FormerSecret,
    /// With a secret that the agent has never had.
    ForeignSecret,
    /// By the first attempt, whose headers are repeated (`--keep-timestamp`).
    Kept,
    /// There is no signature.
    Unsigned,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Exchange)]
pub(crate) struct Exchange {
    pub(crate) purpose: Purpose,
    pub(crate) request: Request,
    pub(crate) response: Option<Response>,
    /// Why there is no response, or why it is not complete.
    pub(crate) error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Purpose)]
pub(crate) enum Purpose {
    /// The delivery itself.
    Delivery,
    /// The same request again, for the fault `duplicated`.
    Copy,
    /// An earlier request, for the fault `replayed`.
    Replay,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Request)]
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) headers: Vec<Header>,
    /// The first 16 KiB.
    pub(crate) body: String,
    /// The length that `Content-Length` declared.
    pub(crate) body_bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Response)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<Header>,
    /// The first 4 KiB. Bytes that are not UTF-8 are U+FFFD.
    pub(crate) body: String,
    /// Whether more bytes followed.
    pub(crate) truncated: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Header)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Attempt {
    /// Returns the status of the delivery itself.
    pub(crate) fn status(&self) -> Option<u16> {
        self.exchanges.first().and_then(|exchange| exchange.response.as_ref()).map(|it| it.status)
    }

    pub(crate) fn is_delivered(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
            && self.exchanges.first().is_some_and(|exchange| exchange.error.is_none())
    }

    /// Returns why the attempt failed, in one sentence.
    pub(crate) fn failure(&self) -> String {
        let exchange = self.exchanges.first();
        match (self.status(), exchange.and_then(|exchange| exchange.error.as_deref())) {
            (Some(status), None) => format!("the response had the status {status}"),
            (_, Some(error)) => error.to_owned(),
            (None, None) => "there was no response".to_owned(),
        }
    }
}
