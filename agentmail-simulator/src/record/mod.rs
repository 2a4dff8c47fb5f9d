//! What the simulator keeps, in the shape that the API shows and `--data` stores.

mod account;
mod attempt;
mod delivery;
mod event;
mod message;
mod object;
mod outbox;
mod rule;
pub(crate) mod schema;

pub(crate) use account::{Account, Webhook};
pub(crate) use attempt::{Attempt, Exchange, Header, Made, Purpose, Request, Response, Signature};
pub(crate) use delivery::{Delivery, KeptSignature, State};
pub(crate) use event::{Event, Kind};
pub(crate) use message::{FailedFilter, Message, Route};
pub(crate) use object::Object;
pub(crate) use outbox::OutboxMail;
pub(crate) use rule::{Channels, EmailChannel, Filters, Rule, WebhookChannel};
