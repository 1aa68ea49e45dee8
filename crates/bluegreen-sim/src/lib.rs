//! A simulated AWS account that the real AWS SDK talks to, under virtual time.
//!
//! [`SimulatedAccount`] is an HTTP client for the SDK: [`sdk_config`](SimulatedAccount::sdk_config) hands out a
//! configuration whose calls end here, in the process, with the states, delays, limits and refusals of AWS. Under
//! a paused tokio clock an hour of AWS passes in milliseconds, and one seed makes one run, to the last call.
//!
//! [`World`] is what there is in the account; [`Faults`] say what goes wrong; [`Audit`] holds every call.

mod account;
mod audit;
mod call;
mod faults;
mod history;
mod lagging;
mod ledger;
mod policy;
mod producers;
mod rates;
mod services;
mod times;
mod wire;
mod world;

pub use account::{ConnectionBroken, Settings, SimulatedAccount};
pub use audit::{Audit, Outcome, Record};
pub use call::{Call, Refusal};
pub use faults::{Fault, FaultRule, Faults};
pub use lagging::Lagging;
pub use ledger::{Copy, Fate, Ledger, Message};
pub use policy::{Decision, Policy, PolicyError, Question};
pub use producers::{Producer, ProducerEvent, Traffic, What};
pub use services::*;
pub use times::{Range, Times};
pub use wire::{Request, Response};
pub use world::{Change, Event, World};
