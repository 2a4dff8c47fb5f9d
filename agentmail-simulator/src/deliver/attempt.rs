use std::time::Instant;

use agentmail_verify::UnixTime;

use crate::{
    deliver::{client::Client, prepare::prepare},
    record::{Attempt, Exchange, Made, Purpose, Request, Signature},
    retry::Retry,
    state::{Finished, Plan},
    time::{now, unix_seconds},
};

/// Makes an attempt: one request, and the copies that a fault sends after it.
pub(super) async fn attempt(client: &Client, plan: Plan, retry: &Retry) -> Finished {
    let (started_at, clock) = (now(), Instant::now());
    let at = UnixTime::from_secs(unix_seconds(started_at));
    let mut exchanges = Vec::new();
    let (mut kept, mut sent) = (None, None);
    let signature = match prepare(&plan, retry.keep_timestamp(), at) {
        Ok(prepared) => {
            for (purpose, request, manner) in &prepared.requests {
                let exchange =
                    client.exchange(&plan.url, *purpose, request, *manner, retry.timeout());
                exchanges.push(exchange.await);
            }
            kept = prepared.kept;
            if plan.fault.is_none() {
                sent = prepared.requests.into_iter().next().map(|(_, request, _)| request);
            }
            prepared.signature
        }
        Err(error) => {
            exchanges.push(unsent(&plan, &error.to_string()));
            Signature { made: Made::Unsigned, timestamp: None, signed_bytes: None }
        }
    };
    let attempt = Attempt {
        number: plan.number,
        started_at,
        duration_ms: u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX),
        fault: plan.fault,
        signature,
        exchanges,
    };
    Finished { attempt, kept, sent }
}

fn unsent(plan: &Plan, error: &str) -> Exchange {
    let request =
        Request { url: plan.url.clone(), headers: Vec::new(), body: String::new(), body_bytes: 0 };
    let error = Some(format!("the delivery cannot be signed: {error}"));
    Exchange { purpose: Purpose::Delivery, request, response: None, error }
}
