//! What keeps a step from harming the active stack.

use crate::{Effect, Error, Guardrail, Result, StepId, TrafficSeen};
use bluegreen_core::StackReference;

/// Refuses a step that would turn something off or destroy something on the active stack, or while pointer
/// and traffic disagree about which that is.
pub(crate) fn allow(
    step: &StepId,
    effect: Effect,
    active: StackReference,
    traffic: &TrafficSeen,
) -> Result<()> {
    let (stack, does) = match effect {
        Effect::Harmless => return Ok(()),
        Effect::Disables(stack) => (stack, "turns off what is"),
        Effect::Destroys(stack) => (stack, "destroys what is"),
    };
    if !traffic.agrees_with(active) {
        return Err(Error::refused(format!(
            "`{step}` {does} on {stack}, and the pointer says that {active} is active, while traffic is \
             {traffic}: move the traffic to {active}, or set the pointer right with `bluegreen adopt --active {} --reason ..`, and \
             run the same command again (`{}`)",
            active.partner(),
            Guardrail::PointerAgrees
        )));
    }
    if stack == active {
        return Err(Error::refused(format!(
            "`{step}` {does} on {stack}, which is the active stack (`{}`)",
            Guardrail::StackNotActive
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bluegreen_core::StackReference::{A, B};

    use super::*;

    fn refused(effect: Effect, active: StackReference, traffic: TrafficSeen) -> bool {
        let step = StepId::new("sqs.purge", "ingest", A);
        allow(&step, effect, active, &traffic).is_err()
    }

    #[test]
    fn nothing_is_turned_off_or_destroyed_on_the_active_stack() {
        for traffic in [TrafficSeen::None, TrafficSeen::Undeclared, TrafficSeen::On(A)] {
            assert!(refused(Effect::Destroys(A), A, traffic.clone()));
            assert!(refused(Effect::Disables(A), A, traffic.clone()));
            assert!(!refused(Effect::Destroys(B), A, traffic.clone()));
            assert!(!refused(Effect::Disables(B), A, traffic));
        }
    }

    #[test]
    fn nothing_is_turned_off_or_destroyed_while_pointer_and_traffic_disagree() {
        for traffic in [TrafficSeen::On(B), TrafficSeen::Mixed("web mixed".to_owned())] {
            for stack in [A, B] {
                assert!(refused(Effect::Destroys(stack), A, traffic.clone()));
                assert!(refused(Effect::Disables(stack), A, traffic.clone()));
            }
        }
    }

    #[test]
    fn while_they_disagree_it_is_said_how_to_bring_them_together() {
        let step = StepId::new("sqs.purge", "ingest", B);

        let err =
            allow(&step, Effect::Destroys(B), A, &TrafficSeen::On(B)).unwrap_err().to_string();

        assert!(err.contains("move the traffic to a, or"), "{err}");
        assert!(err.contains("`bluegreen adopt --active b --reason ..`"), "{err}");
    }

    #[test]
    fn a_harmless_step_is_never_refused() {
        assert!(!refused(Effect::Harmless, A, TrafficSeen::On(B)));
    }
}
