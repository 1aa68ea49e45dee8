//! [`Error`], why the engine or a step did not do what it should.

use std::{io, path::PathBuf};

/// The result of what the engine does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the engine or a step did not do what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A call to a toolkit failed, or a wait.
    #[error(transparent)]
    Toolkit(#[from] bluegreen_core::Error),

    /// A guard or a check said no. Nothing was changed.
    #[error("refused: {}", reasons.join("; "))]
    Refused {
        /// Every reason, as a sentence fragment that says what to do about it.
        reasons: Vec<String>,
    },

    /// Somebody else is at work on this stack file's state.
    #[error("another `bluegreen` is at work here: {holder}")]
    Locked {
        /// Who, as far as is known.
        holder: String,
    },

    /// The state cannot be read or written.
    #[error("the state in `{}` {what}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        what: String,
        /// What the operating system or the reader said.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },

    /// A command of the stack file could not be run, or did not end well.
    #[error("the command `{command}` of {owner} {what}")]
    Command {
        /// The program and its arguments.
        command: String,
        /// The table of the stack file: `traffic.web`.
        owner: String,
        /// What happened, with the end of what it wrote to its standard error.
        what: String,
        /// Why it could not be started.
        source: Option<io::Error>,
    },
}

impl Error {
    /// Refuses for one reason.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reasons: vec![reason.into()] }
    }

    /// Returns whether what was looked for is not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Toolkit(err) if err.is_absent())
    }
}
