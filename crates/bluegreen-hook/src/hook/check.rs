//! The check: looks at all that the hook will need, and changes nothing.

use std::time::{Duration, SystemTime};

use bluegreen_codedeploy::{HookExecution, HookStatus};
use bluegreen_core::StackReference;
use bluegreen_deploy::{Mover, Phase, StepState, Store, stack_file::CodeDeployServes};
use serde::Serialize;
use serde_json::Value;

use super::{
    Hook, HookError,
    reconcile::LAST_CALLED,
    session::{Session, told},
};
use crate::{event::Check, invocation::Invocation};

/// How long ago the reconciler may have been called last: it is called every five minutes.
const RECONCILED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// The id of a deployment that there cannot be: reporting to it shows whether that is allowed.
const NO_DEPLOYMENT: &str = "d-CHECKHOOK";

/// What the check has found: what `bluegreen check-hook` shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Checked {
    /// The ARN by which the function was called.
    function: String,
    /// The name in the stack file.
    name: String,
    /// Where the function has its stack file from.
    stack_file: String,
    /// The hash of the stack file.
    hash: String,
    /// What was looked at, in order.
    findings: Vec<Finding>,
    /// The deployment groups that must be able to call the function.
    deployment_groups: Vec<Group>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    /// What.
    what: &'static str,
    /// What is wrong, and what to do; nothing when it is as it should be.
    problems: Vec<String>,
}

/// A deployment group, and the role by which it calls the function.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Group {
    mover: String,
    application: String,
    deployment_group: String,
    role: String,
}

impl Hook {
    /// Looks at all that the hook will need.
    pub(super) async fn check(
        &self,
        check: &Check,
        invocation: &Invocation,
    ) -> Result<Value, HookError> {
        let loaded = self.configuration.current().await?;
        let session = Session::open(self, invocation).await?;
        let mut findings = Vec::new();
        let mut found = |what, problems| findings.push(Finding { what, problems });

        let other = check.stack_file.as_ref().filter(|it| **it != loaded.hash);
        found(
            "stack file",
            Vec::from_iter(other.map(|_| {
                format!(
                    "`{}` of the function is another than the one here: deploy it again",
                    loaded.name
                )
            })),
        );
        let store = session.read_store().await;
        let mut problems: Vec<String> = store.as_ref().err().map(told).unwrap_or_default();
        if let Err(err) = session.storage().may_write().await {
            problems.extend(told(&err));
        }
        found("store", problems);
        if !session.platforms.codedeploy.is_empty() {
            found("report", self.may_report().await);
            let could = self.successor().could_start(&invocation.function_arn).await;
            found("hand-over", could.err().map(|err| told(&err.into())).unwrap_or_default());
        }
        let (groups, problems) = session.groups().await;
        found("deployment groups", problems);
        let traffic = session.engine.traffic(StackReference::A).await;
        found("traffic", traffic.err().as_ref().map(told).unwrap_or_default());
        if let Ok(store) = &store {
            found("resources", session.looks(store).await);
            found("reconciler", not_called(store, invocation.clock.now()));
        }
        serde_json::to_value(Checked {
            function: invocation.function_arn.clone(),
            name: session.file.name.clone(),
            stack_file: loaded.name.clone(),
            hash: loaded.hash.clone(),
            findings,
            deployment_groups: groups,
        })
        .map_err(HookError::Unwritten)
    }

    /// Reports to a deployment that there cannot be: AWS says so only to those who may report.
    async fn may_report(&self) -> Vec<String> {
        let nobody = HookExecution {
            deployment_id: NO_DEPLOYMENT.to_owned(),
            lifecycle_event_hook_execution_id: "check".to_owned(),
        };
        match self.codedeploy().report(nobody, HookStatus::Failed).await {
            Ok(_) => Vec::new(),
            Err(err) if err.is_absent() => Vec::new(),
            Err(err @ bluegreen_core::Error::AccessDenied { .. }) => told(&err.into()),
            Err(err) => {
                let told = told(&err.into()).join("; ");
                vec![format!("whether the function may report is not known: {told}")]
            }
        }
    }
}

impl Session<'_> {
    /// Returns the deployment groups of the stack file, and what is wrong with them.
    async fn groups(&self) -> (Vec<Group>, Vec<String>) {
        let (mut groups, mut problems) = (Vec::new(), Vec::new());
        for traffic in &self.platforms.codedeploy {
            let settings = traffic.settings();
            let (application, name) = (&settings.application, &settings.deployment_group);
            let group = match traffic.toolkit().deployment_group(application, name).await {
                Ok(group) => group,
                Err(err) => {
                    problems.extend(told(&err.into()));
                    continue;
                }
            };
            if let CodeDeployServes::Service { cluster, service, .. } = &settings.serves
                && !group.services.iter().any(|it| it.0 == *cluster && it.1 == *service)
            {
                problems.push(format!(
                    "deployment group `{name}` of `{application}` does not deploy service `{service}` of cluster \
                     `{cluster}`"
                ));
            }
            groups.push(Group {
                mover: format!("traffic.{}", traffic.name()),
                application: application.clone(),
                deployment_group: name.clone(),
                role: group.service_role_arn,
            });
        }
        (groups, problems)
    }

    /// Looks at every step of the next release, as `bluegreen plan` does; returns what cannot be looked at.
    async fn looks(&self, store: &Store) -> Vec<String> {
        let to = store.release().map_or(store.pointer().active.partner(), |it| it.target);
        let looked = async {
            let plan = self.plan_for(store, to)?;
            Box::pin(self.engine.look(store, &plan, &Phase::ALL)).await
        };
        let report = match looked.await {
            Ok(report) => report,
            Err(err) => return told(&err),
        };
        let failed = report.steps.iter().filter(|it| it.state == StepState::Failed);
        let failed =
            failed.map(|it| format!("`{}`: {}", it.step, it.error.clone().unwrap_or_default()));
        report.missing.iter().cloned().chain(failed).collect()
    }
}

/// Says that the reconciler has not been called for longer than it should be.
fn not_called(store: &Store, now: SystemTime) -> Vec<String> {
    let schedule = "let EventBridge Scheduler call the function every five minutes with {\"bluegreen\": \"reconcile\"}";
    let last = store.kept_for_hook(LAST_CALLED);
    let Some(last) = last.as_ref().and_then(Value::as_str) else {
        return vec![format!(
            "nobody has called the reconciler yet: {schedule}, or wait that long"
        )];
    };
    let at = humantime::parse_rfc3339(last).ok();
    let ago = at.map(|it| now.duration_since(it).unwrap_or_default());
    match ago {
        Some(ago) if ago <= RECONCILED_WITHIN => Vec::new(),
        _ => vec![format!("nobody has called the reconciler since {last}: {schedule}")],
    }
}
