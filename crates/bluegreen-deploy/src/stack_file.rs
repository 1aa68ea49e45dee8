//! The stack file: [`StackFile`] is what it says, [`StackFileError`] all that is wrong with it.

mod problem;
mod read;
mod settings;

pub use problem::{Problem, StackFileError};
pub use settings::*;
