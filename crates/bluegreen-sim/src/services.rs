//! The services of the account. Each has what there is, what it answers, whom a call concerns, and what happens
//! by itself.

mod cloudwatch;
mod codedeploy;
mod dynamodb;
mod ecs;
mod events;
mod iam;
mod kinesis;
mod lambda;
mod rds;
mod scaling;
mod sns;
mod sqs;
mod ssm;
mod sts;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;

pub use self::{
    cloudwatch::*, codedeploy::*, dynamodb::*, ecs::*, events::*, iam::*, kinesis::*, lambda::*,
    rds::*, scaling::*, sns::*, sqs::*, ssm::*,
};
pub(crate) use self::{
    ecs::{hook_answered, sets},
    kinesis::put_record,
    lambda::{Answered, Origin, has_function, invoke_for, told, weigh_alias},
    sns::publish,
    sqs::send,
};
use crate::{Call, Change, Event, Refusal, World, call::Answer};

/// The resources that a call concerns, for whoever checks permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Concerns(pub(crate) Vec<Concern>);

/// A resource that a call concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Concern {
    /// The permission that is needed for it, where that is not the call's own: `dynamodb:PutItem`.
    pub(crate) action: Option<String>,
    /// Its ARN; `*` where AWS knows no resource.
    pub(crate) resource: String,
    /// The values of condition keys: `ecs:cluster`.
    pub(crate) conditions: BTreeMap<String, Vec<String>>,
}

impl Concerns {
    /// A call for which AWS knows no resource.
    pub(crate) fn everything() -> Self {
        Self::on(["*".to_owned()])
    }

    /// A call about these ARNs.
    pub(crate) fn on(resources: impl IntoIterator<Item = String>) -> Self {
        Self(resources.into_iter().map(Concern::on).collect())
    }

    /// Adds the value of a condition key, which it has for all of them.
    pub(crate) fn given(mut self, key: &str, value: &str) -> Self {
        self.0.iter_mut().for_each(|it| it.give(key, value));
        self
    }
}

impl Concern {
    /// Something with this ARN.
    pub(crate) fn on(resource: String) -> Self {
        Self { action: None, resource, conditions: BTreeMap::new() }
    }

    /// Adds the value of a condition key.
    pub(crate) fn give(&mut self, key: &str, value: &str) {
        self.conditions.entry(key.to_owned()).or_default().push(value.to_owned());
    }
}

/// Answers a call that is allowed.
pub(crate) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.service {
        "application-autoscaling" => scaling::answer(world, call),
        "cloudwatch" => cloudwatch::answer(world, call),
        "codedeploy" => codedeploy::answer(world, call),
        "dynamodb" => dynamodb::answer(world, call),
        "ecs" => ecs::answer(world, call),
        "events" => events::answer(world, call),
        "iam" => iam::answer(world, call),
        "kinesis" => kinesis::answer(world, call),
        "lambda" => lambda::answer(world, call),
        "rds" => rds::answer(world, call),
        "sns" => sns::answer(world, call),
        "sqs" => sqs::answer(world, call),
        "ssm" => ssm::answer(world, call),
        "sts" => sts::answer(world, call),
        _ => Err(unknown(call)),
    }
}

/// Returns what a call concerns.
pub(crate) fn concerns(world: &World, call: &Call) -> Concerns {
    match call.service {
        "application-autoscaling" => scaling::concerns(world, call),
        "cloudwatch" => cloudwatch::concerns(world, call),
        "codedeploy" => codedeploy::concerns(world, call),
        "dynamodb" => dynamodb::concerns(world, call),
        "ecs" => ecs::concerns(world, call),
        "events" => events::concerns(world, call),
        "iam" => iam::concerns(world, call),
        "kinesis" => kinesis::concerns(world, call),
        "lambda" => lambda::concerns(world, call),
        "rds" => rds::concerns(world, call),
        "sns" => sns::concerns(world, call),
        "sqs" => sqs::concerns(world, call),
        "ssm" => ssm::concerns(world, call),
        _ => Concerns::everything(),
    }
}

/// Lets something happen whose time has come.
pub(crate) fn happen(world: &mut World, event: Event) {
    match event {
        Event::Rds(event) => rds::happen(world, event),
        Event::Scaling(event) => scaling::happen(world, event),
        Event::Ecs(event) => ecs::happen(world, event),
        Event::Sqs(event) => sqs::happen(world, event),
        Event::Sns(event) => sns::happen(world, event),
        Event::Lambda(event) => lambda::happen(world, event),
        Event::Events(event) => events::happen(world, event),
        Event::Kinesis(event) => kinesis::happen(world, event),
        Event::DynamoDb(event) => dynamodb::happen(world, event),
        Event::CodeDeploy(event) => codedeploy::happen(world, event),
        Event::Producer(event) => crate::producers::happen(world, event),
        Event::Change(change) => change_by_itself(world, change),
    }
}

fn change_by_itself(world: &mut World, change: Change) {
    match change {
        Change::Failover(cluster) => rds::fail_over(world, &cluster),
        Change::Restart(cluster) => rds::restart(world, &cluster),
        Change::SwitchRule(bus, name, on) => events::switch(world, &bus, &name, on),
        Change::SwitchMapping(uuid, on) => lambda::switch(world, &uuid, on),
        Change::SetTasks(cluster, name, tasks) => ecs::set_tasks(world, &cluster, &name, tasks),
        Change::SwitchAlarm(name, on) => cloudwatch::switch(world, &name, on),
        Change::SetAlarmState(name, state) => world.set_alarm_state(&name, &state),
        Change::MoveTraffic(stack) => world.arrive(stack),
    }
}

/// Refuses an operation that the account does not know.
pub(crate) fn unknown(call: &Call) -> Refusal {
    Refusal::bad(
        "UnknownOperationException",
        format!("the simulated account does not know {}:{}", call.service, call.operation),
    )
}

/// Says that there are too many calls, in the words of each service.
pub(crate) fn throttled(service: &str) -> Refusal {
    match service {
        "lambda" => Refusal::new(429, "TooManyRequestsException", "Rate exceeded"),
        "rds" | "sns" => Refusal::bad("Throttling", "Rate exceeded"),
        "cloudwatch" => Refusal::bad("Throttling", "Rate exceeded"),
        "kinesis" => Refusal::bad("LimitExceededException", "Rate exceeded"),
        "sqs" => Refusal {
            query_code: Some("RequestThrottled".to_owned()),
            ..Refusal::new(403, "com.amazonaws.sqs#RequestThrottled", "Rate exceeded")
        },
        _ => Refusal::bad("ThrottlingException", "Rate exceeded"),
    }
}

/// Says that the principal may not do this, in the words of each service.
pub(crate) fn denied(call: &Call, action: &str, principal: &str, resource: &str) -> Refusal {
    let message = format!(
        "User: {principal} is not authorized to perform: {action} on resource: {resource} because no \
         identity-based policy allows the {action} action"
    );
    match call.service {
        "rds" | "cloudwatch" | "iam" | "sts" => Refusal::new(403, "AccessDenied", message),
        "sns" => Refusal::new(403, "AuthorizationError", message),
        "sqs" => Refusal {
            query_code: Some("AccessDenied".to_owned()),
            ..Refusal::new(403, "com.amazonaws.sqs#AccessDenied", message)
        },
        "lambda" => Refusal::new(403, "AccessDeniedException", message),
        _ => Refusal::bad("AccessDeniedException", message),
    }
}
