//! The words, errors and waiting that every bluegreen crate shares.
//!
//! Begin with [`StackReference`] (which of the two copies is meant), [`Pair`] (one value for each),
//! [`Error`] (why a call did not do what it should) and [`wait::until`] (the one polling loop).
//!
//! ```
//! use bluegreen_core::{Pair, StackReference};
//!
//! let queues = Pair { a: "orders-a", b: "orders-b" };
//! let active: StackReference = "blue".parse().unwrap();
//!
//! assert_eq!(*queues.of(active), "orders-a");
//! assert_eq!(*queues.of(active.partner()), "orders-b");
//! ```

mod arn;
mod change;
mod client;
mod clock;
mod config;
mod error;
mod scaling;
mod stack;
mod under_way;
pub mod wait;

pub use arn::Arn;
pub use change::{Change, Selection, Switched};
pub use client::LazyClient;
pub use clock::Clock;
pub use config::{ConfigProblem, ToolkitConfig, check_pair, ensure_valid};
pub use error::{BoxError, Error, Result};
pub use scaling::Suspended;
pub use stack::{Pair, ParseStackReferenceError, StackReference};
pub use under_way::{current_step, during};
