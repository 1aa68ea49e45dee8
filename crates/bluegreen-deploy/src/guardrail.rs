//! [`Guardrail`], what must hold before a release goes on, each with a name and a sentence.

use std::fmt;

use bluegreen_core::StackReference;

use crate::stack_file::GuardrailSettings;

/// What must hold before a release goes on.
///
/// All that are asked on an [`Occasion`] are asked together, and what they object to is refused at once. A person lets
/// one through for the open release with `bluegreen override NAME --reason ..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guardrail {
    /// `pointer.agrees`
    PointerAgrees,
    /// `stack.not-active`
    StackNotActive,
    /// `target.exists`
    TargetExists,
    /// `aurora.usable`
    AuroraUsable,
    /// `aurora.alike`
    AuroraAlike,
    /// `aurora.no-connections`
    AuroraNoConnections,
    /// `consumers.on`
    ConsumersOn,
    /// `consumers.one-on`
    ConsumersOneOn,
    /// `alarms.quiet`
    AlarmsQuiet,
    /// `dead-letters.steady`
    DeadLettersSteady,
    /// `active.quiet`
    ActiveQuiet,
    /// `active.unchanged`
    ActiveUnchanged,
    /// `release.hold`
    ReleaseHold,
}

/// When guardrails are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Before production moves.
    Promote,
    /// Before the old stack is switched off.
    Retire,
    /// Before production goes back to the old stack: what they object to is advice then, but for `target.exists` and
    /// `consumers.one-on`.
    Rollback,
}

/// What a resource is asked in the name of a guardrail.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The guardrail.
    pub guardrail: Guardrail,
    /// What is about to happen.
    pub occasion: Occasion,
    /// The stack that production is to be on after it.
    pub target: StackReference,
    /// Whether it is the first of two looks, to which the second one is compared.
    pub first: bool,
    /// What the stack file says about guardrails.
    pub settings: &'a GuardrailSettings,
}

/// Why a release should not go on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Objection {
    /// Whose objection it is.
    pub guardrail: Guardrail,
    /// What is wrong, what was expected and what to do, as a fragment that names the resource.
    pub reason: String,
}

impl Guardrail {
    /// Every guardrail, in the order in which they are told.
    pub const ALL: [Self; 13] = [
        Self::PointerAgrees,
        Self::StackNotActive,
        Self::TargetExists,
        Self::AuroraUsable,
        Self::AuroraAlike,
        Self::AuroraNoConnections,
        Self::ConsumersOn,
        Self::ConsumersOneOn,
        Self::AlarmsQuiet,
        Self::DeadLettersSteady,
        Self::ActiveQuiet,
        Self::ActiveUnchanged,
        Self::ReleaseHold,
    ];

    /// Returns its name, `<subject>.<word>`.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// Returns what must hold, as a sentence without its end.
    pub fn sentence(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::PointerAgrees => ("pointer.agrees", "pointer and traffic are on the same stack"),
            Self::StackNotActive => {
                ("stack.not-active", "what is turned off or destroyed is not on the active stack")
            }
            Self::TargetExists => (
                "target.exists",
                "what the stack that production goes back to consisted of is still there",
            ),
            Self::AuroraUsable => (
                "aurora.usable",
                "the target's cluster works in two looks running, with as many available readers as it needs",
            ),
            Self::AuroraAlike => (
                "aurora.alike",
                "both clusters have the same engine version, instance classes and parameter groups",
            ),
            Self::AuroraNoConnections => (
                "aurora.no-connections",
                "the old cluster has had no connections for five minutes before it is stopped or deleted",
            ),
            Self::ConsumersOn => (
                "consumers.on",
                "every mapping, rule, service, subscription and stream consumer of the target that should be on is on",
            ),
            Self::ConsumersOneOn => (
                "consumers.one-on",
                "no mapping, rule, service or subscription is turned off while its counterpart is off",
            ),
            Self::AlarmsQuiet => {
                ("alarms.quiet", "no alarm fires on the target unless its counterpart fires too")
            }
            Self::DeadLettersSteady => (
                "dead-letters.steady",
                "the target's dead letters grow no faster than `dead-letters-per-minute`",
            ),
            Self::ActiveQuiet => (
                "active.quiet",
                "no alarm fires on the active stack, and it keeps up with its streams",
            ),
            Self::ActiveUnchanged => (
                "active.unchanged",
                "the active stack is what it was when the release was opened, and set up alike",
            ),
            Self::ReleaseHold => {
                ("release.hold", "both stacks were fed for `hold` since production has moved")
            }
        }
    }

    /// Returns whether a person can let it through; not where nobody would know where production is.
    pub fn can_be_overridden(self) -> bool {
        !matches!(self, Self::PointerAgrees | Self::StackNotActive | Self::TargetExists)
    }

    /// Returns whether resources are asked it on that occasion.
    pub(crate) fn is_asked(self, occasion: Occasion) -> bool {
        match self {
            Self::AuroraUsable => true,
            Self::AuroraAlike | Self::DeadLettersSteady | Self::ActiveQuiet => {
                occasion == Occasion::Promote
            }
            Self::AlarmsQuiet => occasion != Occasion::Retire,
            // Those of the whole are the engine's, those of a step are asked before it acts.
            _ => false,
        }
    }
}

impl fmt::Display for Guardrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.guardrail, self.reason)
    }
}

impl Objection {
    /// Says it with how to let it through.
    pub(crate) fn refusal(&self) -> String {
        if !self.guardrail.can_be_overridden() {
            return self.to_string();
        }
        format!("{self}; `bluegreen override {} --reason ..` lets it through", self.guardrail)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_guardrail_has_a_name_of_its_own_with_a_subject_and_a_sentence() {
        let names: BTreeSet<&str> = Guardrail::ALL.iter().map(|it| it.name()).collect();

        assert_eq!(names.len(), Guardrail::ALL.len());
        for it in Guardrail::ALL {
            assert_eq!(it.name().split('.').count(), 2, "{it}");
            assert!(it.sentence().len() > 20 && !it.sentence().ends_with('.'), "{it}");
        }
    }

    #[test]
    fn a_refusal_says_how_to_let_it_through_where_that_can_be() {
        let objection = |guardrail| Objection { guardrail, reason: "it is odd".to_owned() };

        assert_eq!(
            objection(Guardrail::AuroraAlike).refusal(),
            "`aurora.alike`: it is odd; `bluegreen override aurora.alike --reason ..` lets it through"
        );
        assert_eq!(objection(Guardrail::TargetExists).refusal(), "`target.exists`: it is odd");
    }

    #[test]
    fn the_documentation_lists_every_guardrail() {
        let documented = include_str!("../../../docs/steps.md");

        for it in Guardrail::ALL {
            assert!(documented.contains(&format!("| `{it}` |")), "docs/steps.md lacks `{it}`");
        }
    }
}
