#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod agent;
mod api;
mod builder;
mod deliver;
mod delivery;
mod error;
mod explain;
mod fault;
mod inbound;
mod mail;
mod page;
mod random;
mod record;
mod retry;
mod routing;
mod rule;
mod server;
mod service;
mod settings;
mod simulator;
mod smtp;
mod state;
mod storage;
mod time;

pub use agent::Agent;
pub use builder::SimulatorBuilder;
pub use delivery::{Attempt, Delivery, DeliveryState};
pub use error::{ApiError, StartError};
pub use fault::{Fault, FaultPlan, UnknownFault};
pub use mail::{Mail, ReceivedMail};
pub use retry::Retry;
pub use rule::Rule;
pub use simulator::Simulator;
