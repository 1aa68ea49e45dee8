//! The exit codes. They are never changed.

use std::process::ExitCode;

use bluegreen_deploy::{Error, Outcome};

use crate::output::Failure;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// A step or a gate failed, a resource that is not there included; paused, inconclusive and incomplete too.
    Failed = 1,
    /// The command line or the stack file cannot be used (clap's own code for the former).
    Usage = 2,
    /// A guard or a check said no.
    Refused = 3,
    /// Somebody else is at work on this stack file.
    Locked = 4,
    /// A step could not be taken back.
    Stuck = 5,
    /// It was told to stop.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done | Outcome::AlreadyThere | Outcome::Planned => Self::Done,
            Outcome::Failed
            | Outcome::Paused
            | Outcome::Inconclusive
            | Outcome::RetireIncomplete
            | Outcome::TakenBack
            | Outcome::Reversed => Self::Failed,
            Outcome::Stuck => Self::Stuck,
            Outcome::Refused => Self::Refused,
            Outcome::Interrupted => Self::Interrupted,
        }
    }
}

impl From<&Failure> for Exit {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Usage(_) | Failure::StackFile(_) => Self::Usage,
            Failure::Engine(Error::Refused { .. }) => Self::Refused,
            Failure::Engine(Error::Locked { .. } | Error::LeaseLost { .. }) => Self::Locked,
            Failure::Engine(Error::Toolkit(
                bluegreen_core::Error::Interrupted { .. }
                | bluegreen_core::Error::Credentials { .. },
            )) => Self::Interrupted,
            Failure::Engine(_) => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_that_waits_for_somebody_is_neither_done_nor_refused() {
        for outcome in [Outcome::Paused, Outcome::Inconclusive, Outcome::RetireIncomplete] {
            assert_eq!(Exit::from(outcome), Exit::Failed, "{outcome:?}");
        }
    }
}
