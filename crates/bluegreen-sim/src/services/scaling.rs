//! Application Auto Scaling: the limits of readers and of tasks, and what keeps them.

mod keeping;
mod registering;

use std::{collections::BTreeMap, time::Duration};

pub(crate) use keeping::changed;
use serde_json::{Value, json};

use super::{Concerns, unknown};
use crate::{
    Call, Lagging, Refusal, World,
    call::{Answer, time},
};

/// What there is of Application Auto Scaling.
#[derive(Debug, Default)]
pub struct Scaling {
    targets: BTreeMap<String, ScalingTarget>,
}

/// A resource whose capacity is kept within limits.
#[derive(Clone, Debug)]
pub struct ScalingTarget {
    /// `rds` or `ecs`.
    pub namespace: String,
    /// `cluster:orders-a`, `service/shop/worker-a`.
    pub resource: String,
    /// Its ARN, whose last part AWS makes up.
    pub arn: String,
    limits: Lagging<ScalingLimits>,
    seen_from: Duration,
    busy_until: Duration,
    check_at: Option<Duration>,
    created: f64,
}

/// The limits of a capacity, and what is suspended of the scaling between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalingLimits {
    /// The least.
    pub least: u32,
    /// The greatest.
    pub most: u32,
    /// Whether nothing is taken away.
    pub in_suspended: bool,
    /// Whether nothing is added.
    pub out_suspended: bool,
    /// Whether scheduled actions do nothing.
    pub scheduled_suspended: bool,
}

impl Scaling {
    /// Returns the target of a resource: `cluster:orders-a`, `service/shop/worker-a`.
    pub fn target(&self, resource: &str) -> Option<&ScalingTarget> {
        self.targets.get(resource)
    }

    /// Returns all targets, by resource.
    pub fn targets(&self) -> impl Iterator<Item = &ScalingTarget> {
        self.targets.values()
    }
}

impl ScalingTarget {
    /// Returns the limits as they really are.
    pub fn limits(&self) -> ScalingLimits {
        *self.limits.real()
    }

    fn new(world: &mut World, namespace: &str, resource: &str, limits: ScalingLimits) -> Self {
        let id = world.uuid().replace('-', "");
        Self {
            namespace: namespace.to_owned(),
            resource: resource.to_owned(),
            arn: world.arn("application-autoscaling", &format!("scalable-target/{id}")),
            limits: Lagging::new(limits),
            seen_from: Duration::ZERO,
            busy_until: Duration::ZERO,
            check_at: None,
            created: world.seconds(),
        }
    }

    fn told(&self, world: &World) -> Value {
        let limits = self.limits.seen(world.now());
        let role = match self.namespace.as_str() {
            "rds" => "RDSCluster",
            _ => "ECSService",
        };
        json!({
            "ServiceNamespace": self.namespace,
            "ResourceId": self.resource,
            "ScalableDimension": dimension(&self.namespace),
            "MinCapacity": limits.least,
            "MaxCapacity": limits.most,
            "RoleARN": format!(
                "arn:{}:iam::{}:role/aws-service-role/AWSServiceRoleForApplicationAutoScaling_{role}",
                world.partition, world.account
            ),
            "CreationTime": time(self.created),
            "SuspendedState": {
                "DynamicScalingInSuspended": limits.in_suspended,
                "DynamicScalingOutSuspended": limits.out_suspended,
                "ScheduledScalingSuspended": limits.scheduled_suspended,
            },
            "ScalableTargetARN": self.arn,
        })
    }
}

impl World {
    /// Adds a scaling target of the namespace `rds` or `ecs`, with nothing suspended; one of that resource is
    /// replaced. The capacity is left as it is.
    pub fn add_scaling_target(&mut self, namespace: &str, resource: &str, least: u32, most: u32) {
        let limits = ScalingLimits {
            least,
            most: most.max(least),
            in_suspended: false,
            out_suspended: false,
            scheduled_suspended: false,
        };
        let target = ScalingTarget::new(self, namespace, resource, limits);
        self.scaling.targets.insert(resource.to_owned(), target);
    }

    /// Suspends the scaling of a resource, all three kinds of it, or resumes it.
    pub fn suspend_scaling(&mut self, resource: &str, suspended: bool) {
        if let Some(target) = self.scaling.targets.get_mut(resource) {
            target.limits = Lagging::new(ScalingLimits {
                in_suspended: suspended,
                out_suspended: suspended,
                scheduled_suspended: suspended,
                ..target.limits()
            });
        }
    }
}

/// What happens by itself.
#[derive(Clone, Debug)]
pub enum ScalingEvent {
    /// The capacity of a resource is compared with its limits.
    Check {
        /// The resource.
        resource: String,
    },
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.operation.as_str() {
        "DescribeScalableTargets" => describe(world, call),
        "RegisterScalableTarget" => registering::register(world, call),
        "DeregisterScalableTarget" => registering::deregister(world, call),
        _ => Err(unknown(call)),
    }
}

pub(super) fn concerns(world: &World, call: &Call) -> Concerns {
    if !["RegisterScalableTarget", "DeregisterScalableTarget"].contains(&call.operation.as_str()) {
        return Concerns::everything();
    }
    // §2: the id is AWS's, so that policies name what they allow by conditions.
    let target = call.text("ResourceId").and_then(|it| world.scaling.target(it));
    let arn = target.map(|it| it.arn.clone());
    let arn = arn.unwrap_or_else(|| world.arn("application-autoscaling", "scalable-target/*"));
    let text = |name: &str| call.text(name).unwrap_or_default();
    Concerns::on([arn])
        .given("application-autoscaling:service-namespace", text("ServiceNamespace"))
        .given("application-autoscaling:scalable-dimension", text("ScalableDimension"))
}

pub(super) fn happen(world: &mut World, event: ScalingEvent) {
    match event {
        ScalingEvent::Check { resource } => keeping::check(world, &resource),
    }
}

fn describe(world: &World, call: &Call) -> Answer {
    let namespace = call.required("ServiceNamespace")?;
    let resources = call.texts("ResourceIds");
    // §2: 50 at most, by name and by page.
    if resources.len() > 50 {
        return Err(invalid(
            "resourceIds failed to satisfy constraint: Member must have length less than or equal to 50",
        ));
    }
    let wanted = call.text("ScalableDimension");
    if wanted.is_some() && resources.is_empty() {
        return Err(invalid(
            "If you specify a scalable dimension, you must also specify a resource ID",
        ));
    }
    let size = match call.number("MaxResults") {
        None => 50,
        Some(it) => usize::try_from(it)
            .ok()
            .filter(|it| (1..=50).contains(it))
            .ok_or_else(|| invalid("maxResults must be between 1 and 50"))?,
    };
    let after = call.text("NextToken").unwrap_or_default();
    if !after.is_empty() && !after.contains([':', '/']) {
        return Err(Refusal::bad("InvalidNextTokenException", "Invalid next token"));
    }
    // §2: what is not known is left out, and so is for a while what was registered just now.
    let mut found = world.scaling.targets().filter(|it| {
        it.namespace == namespace
            && (resources.is_empty() || resources.contains(&it.resource.as_str()))
            && wanted.is_none_or(|wanted| wanted == dimension(&it.namespace))
            && it.seen_from <= world.now()
            && it.resource.as_str() > after
    });
    let page: Vec<_> = found.by_ref().take(size).collect();
    let next = found.next().and(page.last()).map(|it| it.resource.clone());
    let page: Vec<_> = page.into_iter().map(|it| it.told(world)).collect();
    Ok(json!({ "ScalableTargets": page, "NextToken": next }))
}

fn dimension(namespace: &str) -> &'static str {
    match namespace {
        "rds" => "rds:cluster:ReadReplicaCount",
        _ => "ecs:service:DesiredCount",
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::bad("ValidationException", message)
}

#[cfg(test)]
mod tests;
