//! What is done about RDS events: tags and Performance Insights of new readers.

use aws_sdk_rds::types::{DbInstance, Tag};
use bluegreen_core::{Error, Result};

use super::{AwsAuroraToolkit, cluster::same_name};
use crate::{
    PerformanceInsights, PerformanceInsightsOptions, SnsRecord, Tagging,
    config::is_reserved,
    toolkit::event::{EventKind, InstanceEvent},
};

const DESCRIBE: &str = "rds:DescribeDBInstances";
const ADD_TAGS: &str = "rds:AddTagsToResource";
const MODIFY: &str = "rds:ModifyDBInstance";

/// The tag in which autoscaling writes for whom it made an instance.
const MADE_FOR: &str = "application-autoscaling:resourceId";

impl AwsAuroraToolkit {
    pub(super) async fn tag(&self, record: &SnsRecord) -> Result<Tagging> {
        let event = match InstanceEvent::read(record) {
            Ok(event) => event,
            Err(why) => return Ok(Tagging::NotOurs(why)),
        };
        if let EventKind::InsightsDisabled | EventKind::Other(_) = event.kind {
            return Ok(Tagging::NotOurs(other_event(&event)));
        }
        let instance = match self.instance_of(&event).await? {
            Ok(instance) => instance,
            Err(why) => return Ok(Tagging::NotOurs(why)),
        };
        if let Err(why) = self.ours(&event.instance, &instance) {
            return Ok(Tagging::NotOurs(why));
        }
        let arn = instance.db_instance_arn().ok_or(incomplete("the instance's ARN"))?;

        let tags = self.tags_for(&instance).await?;
        let to_send = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        tracing::debug!(instance = event.instance, "tagging");
        self.rds
            .add_tags_to_resource()
            .resource_name(arn)
            .set_tags(Some(to_send.collect()))
            .send()
            .await
            .map_err(|err| match err.as_service_error() {
                Some(it)
                    if it.is_invalid_db_instance_state_fault()
                        || it.is_invalid_db_cluster_state_fault() =>
                {
                    Error::Aws { operation: ADD_TAGS, transient: true, source: err.into() }
                }
                Some(it) if it.is_db_instance_not_found_fault() => {
                    Error::NotFound { resource: format!("instance `{}`", event.instance) }
                }
                _ => Error::aws(ADD_TAGS, err),
            })?;
        Ok(Tagging::Tagged { instance: event.instance, tags })
    }

    pub(super) async fn switch_insights_on(
        &self,
        record: &SnsRecord,
        options: PerformanceInsightsOptions,
    ) -> Result<PerformanceInsights> {
        use PerformanceInsights::{AlreadyOn, Busy, Enabled, NotOurs};

        let event = match InstanceEvent::read(record) {
            Ok(event) => event,
            Err(why) => return Ok(NotOurs(why)),
        };
        match &event.kind {
            EventKind::Created => {}
            EventKind::InsightsDisabled if options.again_if_disabled => {}
            EventKind::InsightsDisabled => {
                return Ok(NotOurs("somebody has switched them off, and so they stay".to_owned()));
            }
            EventKind::Other(_) => return Ok(NotOurs(other_event(&event))),
        }
        let instance = match self.instance_of(&event).await? {
            Ok(instance) => instance,
            Err(why) => return Ok(NotOurs(why)),
        };
        if instance.performance_insights_enabled() == Some(true) {
            return Ok(AlreadyOn(event.instance));
        }
        let status = instance.db_instance_status().ok_or(incomplete("the instance's status"))?;
        let busy = || Busy { instance: event.instance.clone(), status: status.to_owned() };
        if status == "deleting" {
            return Ok(NotOurs(format!("instance `{}` is being deleted", event.instance)));
        }
        if status != "available" {
            return Ok(busy());
        }

        tracing::debug!(instance = event.instance, "switching Performance Insights on");
        let sent = self
            .rds
            .modify_db_instance()
            .db_instance_identifier(&event.instance)
            .enable_performance_insights(true)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Enabled(event.instance)),
            Err(err) => match err.as_service_error() {
                Some(it)
                    if it.is_invalid_db_instance_state_fault()
                        || it.is_invalid_db_cluster_state_fault() =>
                {
                    Ok(busy())
                }
                Some(it) if it.is_db_instance_not_found_fault() => Ok(NotOurs(gone(&event))),
                _ => Err(Error::aws(MODIFY, err)),
            },
        }
    }

    /// Looks at the instance of an event; the inner error says why there is nothing to do with it.
    async fn instance_of(&self, event: &InstanceEvent) -> Result<Result<DbInstance, String>> {
        let name = &event.instance;
        let output =
            match self.rds.describe_db_instances().db_instance_identifier(name).send().await {
                Ok(output) => output,
                Err(err) => {
                    return match err.as_service_error() {
                        Some(it) if it.is_db_instance_not_found_fault() => Ok(Err(gone(event))),
                        _ => Err(Error::aws(DESCRIBE, err)),
                    };
                }
            };
        let instances = output.db_instances.ok_or(incomplete("the instances"))?;
        let Some(instance) =
            instances.into_iter().find(|it| same_name(it.db_instance_identifier(), name))
        else {
            return Ok(Err(gone(event)));
        };
        let engine = instance.engine().ok_or(incomplete("the instance's engine"))?;
        if !engine.starts_with("aurora") {
            return Ok(Err(format!("instance `{name}` is one of `{engine}`, not of Aurora")));
        }
        Ok(Ok(instance))
    }

    /// Sees whether autoscaling made the instance for a cluster that is ours.
    fn ours(&self, name: &str, instance: &DbInstance) -> Result<(), String> {
        let made_for = instance.tag_list().iter().find(|it| it.key() == Some(MADE_FOR));
        let cluster = made_for
            .and_then(|it| it.value()?.strip_prefix("cluster:"))
            .ok_or_else(|| format!("instance `{name}` was not made by autoscaling"))?;

        let configured = &self.config.clusters;
        let is_configured =
            same_name(Some(cluster), &configured.a) || same_name(Some(cluster), &configured.b);
        let in_namespace = self.config.namespace.as_deref().is_some_and(|namespace| {
            let first = cluster.get(..namespace.len());
            namespace == "*"
                || same_name(first, namespace) && cluster[namespace.len()..].starts_with('-')
        });
        if is_configured || in_namespace {
            Ok(())
        } else {
            Err(format!("instance `{name}` was made for cluster `{cluster}`"))
        }
    }

    /// Returns the configured tags or else those of the instance's cluster, and its role.
    async fn tags_for(&self, instance: &DbInstance) -> Result<Vec<(String, String)>> {
        let mut tags: Vec<(String, String)> = if self.config.tags.is_empty() {
            let name = instance
                .db_cluster_identifier()
                .ok_or(incomplete("the name of the instance's cluster"))?;
            let cluster = self.describe_cluster(name).await?;
            let text = |it: Option<&str>| it.unwrap_or_default().to_owned();
            cluster.tag_list().iter().map(|it| (text(it.key()), text(it.value()))).collect()
        } else {
            self.config.tags.clone().into_iter().collect()
        };
        tags.retain(|(key, _)| !key.is_empty() && !is_reserved(key) && key != "Role");
        tags.push(("Role".to_owned(), "Reader".to_owned()));
        Ok(tags)
    }
}

fn other_event(event: &InstanceEvent) -> String {
    let what = match &event.kind {
        EventKind::Created => "DB instance created",
        EventKind::InsightsDisabled => "Performance Insights has been disabled",
        EventKind::Other(what) => what,
    };
    format!("the event of instance `{}` is another one: `{what}`", event.instance)
}

fn gone(event: &InstanceEvent) -> String {
    format!("instance `{}` does not exist", event.instance)
}

fn incomplete(missing: &'static str) -> Error {
    Error::Incomplete { operation: DESCRIBE, missing }
}

#[cfg(test)]
mod tests;
