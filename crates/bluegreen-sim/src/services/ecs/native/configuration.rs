//! How ECS makes the deployments of a service: the strategy, its times and its hooks.

use std::time::Duration;

use serde_json::Value;

use super::super::invalid;
use crate::Refusal;

/// The stages that can have a hook.
const HOOKABLE: [&str; 8] = [
    "RECONCILE_SERVICE",
    "PRE_SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
];

/// How many hooks of functions a service may have.
const MOST_HOOKS: usize = 10;

/// §3.3: how long a hook may take, unless it says otherwise.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The longest that anything of a deployment may take, in minutes: fourteen days.
const LONGEST: f64 = 20_160.0;

/// How ECS makes the deployments of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct BlueGreen {
    /// How traffic moves.
    pub strategy: Strategy,
    /// How long the old revision is kept with no traffic.
    pub bake: Duration,
    /// The functions that are asked at its stages.
    pub hooks: Vec<LifecycleHook>,
}

/// How traffic moves from one revision to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strategy {
    /// All at once.
    AllAtOnce,
    /// So many percent first, and the rest when this time has passed.
    Canary(f64, Duration),
    /// So many percent at a time, with this time between them.
    Linear(f64, Duration),
}

/// A function that is asked at stages of a deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleHook {
    /// The function's ARN.
    pub function: String,
    /// The ARN of the role with which ECS invokes it.
    pub role: String,
    /// The stages: `POST_SCALE_UP`.
    pub stages: Vec<String>,
    /// What it is passed.
    pub details: Option<Value>,
    /// How long it may take at a stage.
    pub timeout: Duration,
    /// What becomes of the deployment then: `ROLLBACK`, `CONTINUE`.
    pub timeout_action: String,
}

impl LifecycleHook {
    /// Makes a hook that may take a day, after which the deployment is rolled back.
    pub fn new(function_arn: &str, stages: &[&str]) -> Self {
        Self {
            function: function_arn.to_owned(),
            role: "arn:aws:iam::123456789012:role/hooks".to_owned(),
            stages: stages.iter().map(|it| (*it).to_owned()).collect(),
            details: None,
            timeout: DAY,
            timeout_action: "ROLLBACK".to_owned(),
        }
    }
}

impl BlueGreen {
    /// Makes one that moves all traffic at once and keeps nothing.
    pub fn with_hooks(hooks: Vec<LifecycleHook>) -> Self {
        Self { strategy: Strategy::AllAtOnce, bake: Duration::ZERO, hooks }
    }

    /// Returns the weights that the target gets, in percent, each with how long it is kept.
    pub(super) fn weights(&self) -> Vec<(f64, Duration)> {
        let all = (100.0, Duration::ZERO);
        match self.strategy {
            Strategy::AllAtOnce => vec![all],
            Strategy::Canary(percent, bake) => vec![(percent, bake), all],
            Strategy::Linear(percent, bake) => {
                let reached = (1..).map(|it| percent * f64::from(it));
                let mut weights: Vec<_> =
                    reached.take_while(|it| *it < 100.0).map(|it| (it, bake)).collect();
                weights.push(all);
                weights
            }
        }
    }
}

/// Reads the `deploymentConfiguration` of a call; none where ECS rolls.
///
/// # Errors
///
/// A refusal that says what is not simulated, or not valid.
pub(in crate::services::ecs) fn read(given: &Value) -> Result<Option<BlueGreen>, Refusal> {
    let number = |pointer: &str, otherwise: f64| {
        given.pointer(pointer).and_then(Value::as_f64).unwrap_or(otherwise)
    };
    let time = |pointer: &str, otherwise: f64| minutes(number(pointer, otherwise));
    let percent = |pointer: &str, least: f64, otherwise: f64| {
        let percent = number(pointer, otherwise);
        let fits = (least..=100.0).contains(&percent);
        fits.then_some(percent).ok_or_else(|| invalid(format!("{pointer} must be {least} to 100")))
    };
    let strategy = match given.get("strategy").and_then(Value::as_str) {
        None | Some("ROLLING") => return Ok(None),
        Some("BLUE_GREEN") => Strategy::AllAtOnce,
        Some("CANARY") => Strategy::Canary(
            percent("/canaryConfiguration/canaryPercent", 0.1, 5.0)?,
            time("/canaryConfiguration/canaryBakeTimeInMinutes", 10.0),
        ),
        Some("LINEAR") => Strategy::Linear(
            percent("/linearConfiguration/stepPercent", 3.0, 10.0)?,
            time("/linearConfiguration/stepBakeTimeInMinutes", 6.0),
        ),
        Some(other) => return Err(invalid(format!("{other} is no deployment strategy"))),
    };
    let hooks = given.get("lifecycleHooks").and_then(Value::as_array);
    let hooks: Vec<_> = hooks.into_iter().flatten().map(hook).collect::<Result<_, _>>()?;
    if hooks.len() > MOST_HOOKS {
        return Err(invalid(format!("a service can have {MOST_HOOKS} lifecycle hooks at most")));
    }
    Ok(Some(BlueGreen { strategy, bake: time("/bakeTimeInMinutes", 0.0), hooks }))
}

fn minutes(minutes: f64) -> Duration {
    Duration::try_from_secs_f64(minutes.clamp(0.0, LONGEST) * 60.0).unwrap_or_default()
}

fn hook(given: &Value) -> Result<LifecycleHook, Refusal> {
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    if text("targetType").is_some_and(|it| it != "AWS_LAMBDA") {
        return Err(invalid("the simulated account knows lifecycle hooks of functions only"));
    }
    let function = text("hookTargetArn").ok_or_else(|| invalid("hookTargetArn is required"))?;
    let role = text("roleArn").ok_or_else(|| invalid("roleArn is required"))?;
    let stages = given.get("lifecycleStages").and_then(Value::as_array);
    let stages: Vec<_> = stages.into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(other) = stages.iter().find(|it| !HOOKABLE.contains(it)) {
        return Err(invalid(format!("{other} is no stage that can have a hook")));
    }
    if stages.is_empty() {
        return Err(invalid("lifecycleStages cannot be empty"));
    }
    let timeout = given.pointer("/timeoutConfiguration/timeoutInMinutes").and_then(Value::as_f64);
    let action = given.pointer("/timeoutConfiguration/action").and_then(Value::as_str);
    Ok(LifecycleHook {
        role: role.to_owned(),
        details: given.get("hookDetails").cloned(),
        timeout: timeout.map_or(DAY, minutes),
        timeout_action: action.unwrap_or("ROLLBACK").to_owned(),
        ..LifecycleHook::new(function, &stages)
    })
}
