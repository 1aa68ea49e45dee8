//! The stack file: [`StackFile`] is what it says, [`StackFileError`] all that is wrong with it.

mod problem;
mod read;
mod runs;
mod settings;
mod traffic;

pub use problem::{Problem, StackFileError};
pub use runs::*;
pub use settings::*;
pub use traffic::*;
