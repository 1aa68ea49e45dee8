//! [`Trigger`], what gives a function work, and what its steps and actions are called.

use crate::stack_file::ConsumerKind;

/// What gives a function work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trigger {
    Mappings,
    Rules,
}

/// The kinds of consumers that a function's mappings and rules are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kinds {
    pub(super) mappings: ConsumerKind,
    pub(super) rules: ConsumerKind,
}

impl Trigger {
    pub(super) const BOTH: [Self; 2] = [Self::Mappings, Self::Rules];

    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Mappings => "event source mapping",
            Self::Rules => "rule",
        }
    }

    /// Its key in the stack file, and the last part of that under which is remembered what stays off.
    pub(super) fn aspect(self) -> &'static str {
        match self {
            Self::Mappings => "mappings",
            Self::Rules => "rules",
        }
    }

    /// The last part of the key of the note when it was switched off.
    pub(super) fn off_note(self) -> &'static str {
        match self {
            Self::Mappings => "mappings-off",
            Self::Rules => "rules-off",
        }
    }

    pub(super) fn enable_step(self) -> &'static str {
        match self {
            Self::Mappings => "lambda.enable-mappings",
            Self::Rules => "lambda.enable-rules",
        }
    }

    pub(super) fn disable_step(self) -> &'static str {
        match self {
            Self::Mappings => "lambda.disable-mappings",
            Self::Rules => "lambda.disable-rules",
        }
    }

    pub(super) fn enable_action(self) -> &'static str {
        match self {
            Self::Mappings => "lambda:UpdateEventSourceMapping",
            Self::Rules => "events:EnableRule",
        }
    }

    pub(super) fn disable_action(self) -> &'static str {
        match self {
            Self::Mappings => "lambda:UpdateEventSourceMapping",
            Self::Rules => "events:DisableRule",
        }
    }
}

impl Kinds {
    pub(super) fn of(self, trigger: Trigger) -> ConsumerKind {
        match trigger {
            Trigger::Mappings => self.mappings,
            Trigger::Rules => self.rules,
        }
    }

    /// Returns what is to be handed over.
    pub(super) fn exclusive(self) -> Vec<Trigger> {
        let is_exclusive = |it: &Trigger| self.of(*it) == ConsumerKind::Exclusive;
        Trigger::BOTH.into_iter().filter(is_exclusive).collect()
    }
}
