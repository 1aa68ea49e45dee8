//! [`Faults`], what goes wrong: by plan, or by chance with a seed.

use std::{str::FromStr, time::Duration};

use serde_json::Value;

use crate::Call;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// AWS says that there are too many calls.
    Throttled,
    /// AWS answers with this status, 500 or 503, and does nothing.
    ServerError(u16),
    /// The connection breaks before the call has arrived.
    LostBefore,
    /// The call takes effect, and the connection breaks before the answer has arrived.
    LostAfter,
    /// The call does not arrive, and no answer ever comes.
    Timeout,
    /// The answer takes so much longer.
    Slow(Duration),
    /// The principal may not do this, whatever its policy says.
    Denied,
    /// What the call begins takes ten times as long.
    SlowState,
    /// A cluster that the call starts, stops or changes ends in a state that it never leaves.
    Broken,
    /// Whoever makes the call dies before it has arrived: see
    /// [`SimulatedAccount::caller_died`](crate::SimulatedAccount::caller_died).
    DiesBefore,
    /// Whoever makes the call dies right after it took effect.
    DiesAfter,
}

impl Fault {
    /// Every kind of fault, for whoever draws lots.
    pub const ALL: [Self; 12] = [
        Self::Throttled,
        Self::ServerError(500),
        Self::ServerError(503),
        Self::LostBefore,
        Self::LostAfter,
        Self::Timeout,
        Self::Slow(Duration::from_secs(5)),
        Self::Denied,
        Self::SlowState,
        Self::Broken,
        Self::DiesBefore,
        Self::DiesAfter,
    ];
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "throttle" => Self::Throttled,
            "500" => Self::ServerError(500),
            "503" => Self::ServerError(503),
            "reset" => Self::LostBefore,
            "reset-after" => Self::LostAfter,
            "timeout" => Self::Timeout,
            "slow" => Self::Slow(Duration::from_secs(5)),
            "deny" => Self::Denied,
            "slow-state" => Self::SlowState,
            "broken" => Self::Broken,
            _ => {
                return Err(format!(
                    "`{text}` is not a fault: expected throttle, 500, 503, reset, reset-after, timeout, \
                     slow, deny, slow-state or broken"
                ));
            }
        })
    }
}

/// A fault with the calls that it befalls.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultRule {
    /// Which calls: `sns.enable` is all of a step, `sns.enable catalogue on b` those of one resource,
    /// `rds:StartDBCluster` an operation, `rds:*` a service, `*` every call.
    pub target: String,
    /// What goes wrong.
    pub fault: Fault,
    /// How many of them, from the first on; `None` is all.
    pub times: Option<u32>,
}

impl FromStr for FaultRule {
    type Err = String;

    /// Reads `sns.enable: throttle*3`, `rds:StartDBCluster: reset-after`, `lambda:*: deny*always`; without a
    /// number it happens once.
    fn from_str(text: &str) -> Result<Self, String> {
        let (target, what) = text
            .rsplit_once(": ")
            .ok_or_else(|| format!("`{text}`: expected a step or operation, a colon and a space, and a fault, such as `sns.enable: throttle*3`"))?;
        let (fault, times) = match what.trim().split_once('*') {
            None => (what.trim(), Some(1)),
            Some((fault, "always")) => (fault, None),
            Some((fault, times)) => {
                let times = times.parse().map_err(|_| {
                    format!("`{times}` is not a number of times: expected one, or `always`")
                })?;
                (fault, Some(times))
            }
        };
        Ok(Self { target: target.trim().to_owned(), fault: fault.parse()?, times })
    }
}

impl FaultRule {
    fn befalls(&self, call: &Call, step: Option<&str>) -> bool {
        let target = self.target.as_str();
        if target == "*" {
            return true;
        }
        if let Some((service, operation)) = target.split_once(':') {
            return service == call.service && (operation == "*" || operation == call.operation);
        }
        // A step's id reads `sns.enable catalogue on b`.
        step.is_some_and(|step| {
            step == target || step.strip_prefix(target).is_some_and(|it| it.starts_with(' '))
        })
    }
}

/// What goes wrong in an account.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Each with whether it has befallen a call.
    rules: Vec<(FaultRule, bool)>,
    chance: f64,
    kinds: Vec<Fault>,
    nth: Option<Nth>,
    calls: usize,
}

/// The fault of one call that is chosen by its number.
#[derive(Clone, Debug)]
struct Nth {
    number: usize,
    rule: FaultRule,
    chosen: Option<(String, Value)>,
}

impl Faults {
    /// Makes none.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a rule. The first that fits a call befalls it.
    pub fn with(mut self, rule: FaultRule) -> Self {
        self.rules.push((rule, false));
        self
    }

    /// Lets one of `kinds` befall any call with the probability `chance`, from 0 to 1.
    pub fn by_chance(mut self, chance: f64, kinds: &[Fault]) -> Self {
        self.chance = chance;
        self.kinds = kinds.to_vec();
        self
    }

    /// Lets `fault` befall the call with this `number`, counted from 0, and those that repeat it: so many
    /// `times` in all, or always.
    pub fn at_call(mut self, number: usize, fault: Fault, times: Option<u32>) -> Self {
        let rule = FaultRule { target: String::new(), fault, times };
        self.nth = Some(Nth { number, rule, chosen: None });
        self
    }

    /// Returns the targets of the rules that have befallen no call: what is misspelt is among them.
    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self.rules.iter().filter(|(_, has_befallen)| !has_befallen);
        unused.map(|(rule, _)| rule.target.clone()).collect()
    }

    /// Decides what befalls a call, and counts it.
    pub(crate) fn next(
        &mut self,
        call: &Call,
        step: Option<&str>,
        random: &mut fastrand::Rng,
    ) -> Option<Fault> {
        let number = self.calls;
        self.calls += 1;
        for (rule, has_befallen) in &mut self.rules {
            if rule.befalls(call, step) && use_up(&mut rule.times) {
                *has_befallen = true;
                return Some(rule.fault);
            }
        }
        if let Some(Nth { number: nth, rule, chosen }) = &mut self.nth {
            if number == *nth {
                *chosen = Some((call.operation.clone(), call.parameters.clone()));
            }
            let is_it = chosen.as_ref().is_some_and(|(operation, parameters)| {
                *operation == call.operation && *parameters == call.parameters
            });
            if is_it && use_up(&mut rule.times) {
                return Some(rule.fault);
            }
        }
        if self.chance > 0.0 && random.f64() < self.chance {
            return random.choice(&self.kinds).copied();
        }
        None
    }
}

/// Takes one of so many times, if one is left.
fn use_up(times: &mut Option<u32>) -> bool {
    match times {
        None => true,
        Some(0) => false,
        Some(left) => {
            *left -= 1;
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(service: &'static str, operation: &str) -> Call {
        Call {
            service,
            operation: operation.to_owned(),
            parameters: json!({}),
            access_key: None,
            attempt: 1,
        }
    }

    fn befallen(faults: &mut Faults, call: &Call, step: Option<&str>) -> Option<Fault> {
        faults.next(call, step, &mut fastrand::Rng::with_seed(1))
    }

    #[test]
    fn a_rule_names_a_step_or_an_operation_and_how_often() {
        let step: FaultRule = "sns.enable: throttle*3".parse().unwrap();
        let operation: FaultRule = "rds:StartDBCluster: reset-after".parse().unwrap();
        let always: FaultRule = "lambda:*: deny*always".parse().unwrap();

        assert_eq!(
            (step.target.as_str(), step.fault, step.times),
            ("sns.enable", Fault::Throttled, Some(3))
        );
        assert_eq!(
            (operation.target.as_str(), operation.fault, operation.times),
            ("rds:StartDBCluster", Fault::LostAfter, Some(1))
        );
        assert_eq!((always.target.as_str(), always.times), ("lambda:*", None));
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_was_expected() {
        let no_fault = "sns.enable: explode".parse::<FaultRule>().unwrap_err();
        let no_target = "throttle".parse::<FaultRule>().unwrap_err();

        assert!(no_fault.contains("`explode`") && no_fault.contains("reset-after"), "{no_fault}");
        assert!(no_target.contains("sns.enable: throttle*3"), "{no_target}");
    }

    #[test]
    fn a_step_is_hit_as_often_as_the_rule_says_and_no_other_step_is() {
        let mut faults = Faults::none().with("sns.enable: throttle*2".parse().unwrap());
        let set = call("sns", "SetSubscriptionAttributes");
        let step = Some("sns.enable catalogue on b");

        let hits: Vec<_> = [step, Some("sns.enable-all x on b"), None, step, step]
            .iter()
            .map(|it| befallen(&mut faults, &set, *it).is_some())
            .collect();

        assert_eq!(hits, [true, false, false, true, false]);
    }

    #[test]
    fn a_rule_that_nothing_fits_is_told() {
        let [misspelt, good] = ["sns.enabel: throttle", "sns.enable: throttle"];
        let mut faults = Faults::none().with(misspelt.parse().unwrap()).with(good.parse().unwrap());

        befallen(&mut faults, &call("sns", "Publish"), Some("sns.enable catalogue on b"));

        assert_eq!(faults.unused(), ["sns.enabel"]);
    }

    #[test]
    fn a_call_chosen_by_its_number_fails_whenever_it_is_repeated() {
        let mut faults = Faults::none().at_call(1, Fault::ServerError(500), None);
        let [first, second] = [call("rds", "StartDBCluster"), call("rds", "StopDBCluster")];

        let hits: Vec<_> = [&first, &second, &first, &second]
            .iter()
            .map(|it| befallen(&mut faults, it, None).is_some())
            .collect();

        assert_eq!(hits, [false, true, false, true]);
    }
}
