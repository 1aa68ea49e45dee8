//! Rehearses a release of a stack file in a simulated AWS account, under virtual time.
//!
//! [`account`] builds the account that a stack file describes, [`rehearse`] runs a release in it, and
//! [`Rehearsal`] says what happened: when each step ran, the longest chain of them, the calls, and where every
//! message went.

mod account;
mod outside;
mod rehearsal;
mod timeline;
mod traffic;

pub use account::account;
pub use outside::SimulatedOutside;
pub use rehearsal::{Options, Rehearsal, connect, rehearse};
pub use timeline::{MessageCounts, Timed, longest_chain, message_counts};
pub use traffic::SimulatedMover;
