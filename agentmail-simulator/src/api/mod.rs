//! The API: that of the guide, and that of the simulator itself.

mod about;
mod agents;
mod app;
mod attempts;
mod dead_letters;
mod deliveries;
mod document;
mod events;
mod faults;
mod inbound;
mod list;
mod messages;
mod notifications;
mod outbox;
mod overview;
mod ready;
mod wait;
mod webhook;

pub(crate) use app::App;
pub(crate) use document::router;
pub(crate) use notifications::check as check_rules;
pub(crate) use webhook::check_url;
