//! The built `bootstrap`, as AWS runs it: cargo-lambda's emulator is AWS Lambda, `bluegreen-sim serve` all the rest
//! of AWS, and nothing but their events drives a release.
//!
//! `cargo xtask test` starts these tests and says where the programs are. Each has an account, an emulator and a
//! function of its own ([`stage::Stage`]), so that they run side by side. Time is the real one: nothing here is waited
//! for longer than [`stage::PATIENCE`], and the account makes everything happen at once. In `emulated` most of AWS is
//! played by emulators of other people ([`places::Places`]).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod deployments;
mod emulator;
mod events;
mod messages;
mod places;
mod runtime;
mod shop;
mod stage;

mod check;
mod codedeploy;
mod databases;
mod ecs;
mod emulated;
mod joining;
mod reconciler;
