//! [`Error`], why the engine or a step did not do what it should.

use std::{io, time::SystemTime};

use crate::Holder;

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
    #[error(
        "another `bluegreen` is at work here: {owner}, since {}: wait for it, or stop it (Ctrl-C once, or cancel its job), \
         and run this command again",
        humantime::format_rfc3339_seconds(*since)
    )]
    Locked {
        /// Who: process and host, or the request id of a function.
        owner: String,
        /// Since when, by its clock.
        since: SystemTime,
    },

    /// The lease is another's by now, or may be: nothing more is begun, and nothing written.
    #[error("the lease of this process is lost{}", lost_to(to.as_ref()))]
    LeaseLost {
        /// Who has it, as far as is known.
        to: Option<Holder>,
    },

    /// The state cannot be read or written.
    #[error("the state in `{place}` {what}")]
    Store {
        /// The file, or the name of the table.
        place: String,
        /// What is wrong with it, and what to do.
        what: String,
        /// What the operating system, the reader or AWS said.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },

    /// A command of the stack file could not be run, or did not end well.
    #[error("the command `{command}` of {owner} {what}")]
    Command {
        /// The program and its arguments.
        command: String,
        /// The table of the stack file: `traffic.web`, `test.smoke`.
        owner: String,
        /// What happened, with the end of what it wrote to its standard error.
        what: String,
        /// Why it could not be started.
        source: Option<io::Error>,
    },

    /// What a test asked by HTTP did not answer.
    #[error("`{url}` did not answer")]
    Unanswered {
        /// What was asked, without what could be secret.
        url: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A gate said no, or what the stack file lets run has failed.
    #[error("{what} {reason}")]
    Gate {
        /// What said no: ``function `smoke-b` ``, ``alarm `errors` ``.
        what: String,
        /// What it said.
        reason: String,
    },

    /// A gate cannot say yes or no: a person must.
    #[error("{reason}")]
    Inconclusive {
        /// What is asked of a person, and how to answer.
        reason: String,
    },
}

fn lost_to(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { owner, since, .. }) => format!(
            " to {owner}, since {}: whoever has it goes on with the release",
            humantime::format_rfc3339_seconds(*since)
        ),
        None => ": `bluegreen status` says whether another has it".to_owned(),
    }
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
