//! Everything against emulators of AWS that nobody here wrote: every toolkit's methods, and the whole
//! command.
//!
//! `cargo xtask test` starts the emulators, builds the example shop in them, and points these tests there.
//! Each test works on resources of its own, so that they run side by side; only [`calls`] uses the shop.
//! No emulator knows the calls of CodeDeploy that its toolkit makes: that one is not here.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a test that fails tells which lots it has drawn")]

mod account;
mod alarms;
mod clusters;
mod create;
mod functions;
mod proxy;
mod queues;
mod services;
mod shop;
mod store;
mod streams;
mod subscriptions;
mod tables;
mod wire;
mod world;

mod calls;
mod deploy;
mod documents;
mod guards;
mod interrupt;
mod processes;
mod refusals;
mod single_steps;
