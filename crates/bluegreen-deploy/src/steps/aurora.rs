//! The steps of Aurora clusters: started and scaled out before the move, scaled in and stopped or
//! deleted after it.

mod guardrails;
mod retire;
mod scale;
mod start;
#[cfg(test)]
mod testing;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use bluegreen_aurora::{AuroraToolkit, Cluster};
use bluegreen_core::{Pair, StackReference};

use crate::{
    Asked, Context, Declaration, Error, Permission, Resource, Result, Shared, Step, StepId,
    Wildcard,
    stack_file::{self, AuroraRetire, AuroraSettings, Writes},
};

use self::{
    retire::{Delete, Stop},
    scale::{ScaleIn, ScaleOut},
    start::Start,
};

/// A pair of Aurora clusters.
#[derive(Debug)]
pub struct Aurora {
    declaration: Declaration,
    toolkit: Arc<dyn AuroraToolkit>,
    settings: AuroraSettings,
    looks: Pair<Shared<Cluster>>,
}

impl Aurora {
    /// Makes the pair that the stack file declares, worked on through `toolkit`.
    pub fn new(
        resource: &stack_file::Resource<AuroraSettings>,
        toolkit: Arc<dyn AuroraToolkit>,
    ) -> Self {
        Self {
            declaration: Declaration::new("aurora", resource),
            toolkit,
            settings: resource.settings.clone(),
            looks: Pair::default(),
        }
    }

    async fn cluster(&self, context: &Context<'_>, stack: StackReference) -> Result<Cluster> {
        let look = async { Ok(self.toolkit.cluster(stack).await?) };
        self.looks.of(stack).get(context.round, look).await
    }

    fn name(&self, stack: StackReference) -> &str {
        self.settings.config.clusters.of(stack)
    }

    fn id(&self, step: &str, stack: StackReference) -> StepId {
        StepId::new(step, &self.declaration.name, stack)
    }

    /// Returns the key under which `aspect` of the cluster of `stack` is noted or remembered.
    fn key(&self, stack: StackReference, aspect: &str) -> String {
        format!("{}/{stack}/{aspect}", self.declaration.key())
    }

    /// Returns where it is remembered what of the reader scaling of `stack` was suspended before
    /// `aurora.delete` suspended all of it.
    fn flags_key(&self, stack: StackReference) -> String {
        self.key(stack, "flags")
    }

    fn wrong_state(
        &self,
        stack: StackReference,
        state: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        let resource = cluster(self.name(stack));
        let (state, expected) = (state.into(), expected.into());
        bluegreen_core::Error::WrongState { resource, state, expected }.into()
    }

    fn broken(&self, stack: StackReference, word: &str) -> Error {
        let expected = "a state that it can be used in: mend it, then repeat the command";
        self.wrong_state(stack, format!("`{word}`"), expected)
    }

    fn looks(&self) -> Vec<Permission> {
        let clusters = StackReference::BOTH.map(|it| self.arn(it));
        let mut permissions: Vec<_> = clusters
            .into_iter()
            .flat_map(|it| Permission::on(it, &["rds:DescribeDBClusters"]))
            .collect();
        let listing = Wildcard::because("a listing is evaluated against every instance");
        permissions.extend(Permission::across("db:*", listing, &["rds:DescribeDBInstances"]));
        permissions
            .extend(Permission::unlimited(&["application-autoscaling:DescribeScalableTargets"]));
        permissions
    }

    /// Returns the permission to change the scaling of readers.
    fn scaling() -> Vec<Permission> {
        let targets = Wildcard::because("AWS makes the ids of scaling targets")
            .given("application-autoscaling:service-namespace", &["rds"])
            .given("application-autoscaling:scalable-dimension", &["rds:cluster:ReadReplicaCount"]);
        let actions = ["application-autoscaling:RegisterScalableTarget"];
        Permission::across("scalable-target/*", targets, &actions)
    }

    /// Returns the end of the cluster's ARN; RDS writes names in lower case there.
    fn arn(&self, stack: StackReference) -> String {
        format!("cluster:{}", self.name(stack).to_lowercase())
    }

    /// Returns the permissions of the looks and, on the cluster of `stack` itself, `actions`.
    fn permissions(&self, stack: StackReference, actions: &[&'static str]) -> Vec<Permission> {
        let mut permissions = self.looks();
        permissions.extend(Permission::on(self.arn(stack), actions));
        permissions
    }
}

#[async_trait]
impl Resource for Aurora {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>> {
        let old = to.partner();
        let aurora = || Arc::clone(&self);
        let mut steps: Vec<Arc<dyn Step>> = vec![
            Arc::new(Start { aurora: aurora(), stack: to }),
            Arc::new(ScaleOut { aurora: aurora(), stack: to }),
            Arc::new(ScaleIn { aurora: aurora(), stack: to, takes_back: false }),
        ];
        match self.settings.retire {
            AuroraRetire::Stop => steps.push(Arc::new(Stop { aurora: aurora(), stack: old })),
            AuroraRetire::Delete => steps.push(Arc::new(Delete { aurora: aurora(), stack: old })),
            AuroraRetire::Keep => {}
        }
        steps
    }

    fn writes(&self) -> Option<Writes> {
        Some(self.settings.writes)
    }

    fn look_permissions(&self, _stack: StackReference) -> Vec<Permission> {
        self.looks()
    }

    async fn objections(&self, context: &Context<'_>, asked: &Asked<'_>) -> Result<Vec<String>> {
        self.object(context, asked).await
    }

    async fn summary(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let cluster = match self.cluster(context, stack).await {
            Err(err) if err.is_absent() => return Ok("missing".to_owned()),
            looked => looked?,
        };
        let summary = format!("{}, {}", cluster.state, readers(cluster.available_readers()));
        Ok(match cluster.scaling {
            Some(it) => {
                let suspended = if it.suspended.is_any() { ", scaling suspended" } else { "" };
                format!("{summary} (minimum {} of {}{suspended})", it.minimum, it.maximum)
            }
            None => summary,
        })
    }

    /// Which instances there are is left out: scaling, and a release, change that.
    async fn identity(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        let cluster = self.cluster(context, stack).await?;
        let known = |it: &Option<String>| it.clone().unwrap_or_else(|| "unknown".to_owned());
        let instances: BTreeSet<String> = cluster
            .members
            .iter()
            .filter_map(|it| {
                let class = it.class.as_ref()?;
                Some(format!("{class} with parameter group {}", known(&it.parameter_group)))
            })
            .collect();
        let parts = [
            cluster.arn.clone(),
            format!("{} {}", cluster.engine, known(&cluster.engine_version)),
            cluster.engine_mode.clone(),
            format!("parameter group {}", known(&cluster.parameter_group)),
        ];
        Ok(parts.into_iter().chain(instances).collect::<Vec<_>>().join(", "))
    }
}

fn cluster(name: &str) -> String {
    format!("cluster `{name}`")
}

fn readers(count: u32) -> String {
    match count {
        1 => "1 reader".to_owned(),
        _ => format!("{count} readers"),
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_aurora::{Member, Suspended};
    use bluegreen_core::StackReference::{A, B};

    use super::{testing::*, *};
    use crate::steps::testing::{World, allowed};

    fn names(steps: &[Arc<dyn Step>]) -> Vec<String> {
        steps.iter().map(|it| it.id().to_string()).collect()
    }

    #[test]
    fn the_old_cluster_is_stopped_deleted_or_kept_as_the_file_says() {
        let prepare = ["aurora.start orders on b", "aurora.scale-out orders on b"];
        for (retire, last) in [
            (AuroraRetire::Stop, Some("aurora.stop orders on a")),
            (AuroraRetire::Delete, Some("aurora.delete orders on a")),
            (AuroraRetire::Keep, None),
        ] {
            let aurora = account().aurora(|it| it.settings.retire = retire);

            let names = names(&aurora.steps(B));

            assert_eq!(names[..2], prepare);
            assert_eq!(names[2], "aurora.scale-in orders on b");
            assert_eq!(names.get(3).map(String::as_str), last);
        }
    }

    #[test]
    fn a_step_names_the_one_that_takes_it_back() {
        let steps = account().aurora(|_| {}).steps(B);

        let undo: Vec<_> = steps.iter().map(|it| crate::steps::testing::undo(&**it)).collect();

        let expected = [Some("aurora.stop"), Some("aurora.scale-in"), None, Some("aurora.start")];
        assert_eq!(undo.iter().map(|it| it.as_deref()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn permissions_name_the_cluster_in_lower_case_as_rds_does() {
        let aurora = account().aurora(|it| it.settings.config.clusters.b = "Orders-B".to_owned());
        let step = step_of(&aurora, B, "aurora.start");

        let permissions = step.permissions();

        assert!(allowed(&permissions).contains(&("rds:StartDBCluster", "cluster:orders-b")));
        assert!(permissions.iter().any(|it| it.action == "rds:DescribeDBClusters"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_summary_tells_state_readers_and_scaling() {
        let (world, account) = (World::new(A), account());
        account.change(B, |it| it.scaling = None);
        let aurora = account.aurora(|_| {});

        let summary = async |stack| aurora.summary(&world.context(), stack).await.unwrap();

        assert_eq!(summary(A).await, "available, 2 readers (minimum 1 of 5)");
        assert_eq!(summary(B).await, "stopped, 0 readers");
        suspend(&account, A, Suspended { dynamic_out: true, ..Suspended::default() });
        let suspended = "available, 2 readers (minimum 1 of 5, scaling suspended)";
        assert_eq!(summary(A).await, suspended);
        account.remove(B);
        assert_eq!(summary(B).await, "missing");
    }

    #[tokio::test(start_paused = true)]
    async fn the_identity_is_how_the_cluster_is_set_up_however_it_is_scaled() {
        let (world, account) = (World::new(A), account());
        let aurora = account.aurora(|_| {});
        let identity = async |stack| aurora.identity(&world.context(), stack).await;
        let before = identity(A).await.unwrap();

        account.change(A, |it| {
            it.state = "backing-up".into();
            it.members = vec![writer("available")];
            it.scaling = scaling(4, 5);
        });
        let scaled = identity(A).await.unwrap();
        account.change(A, |it| it.members.push(Member { class: None, ..reader(1, "creating") }));
        let growing = identity(A).await.unwrap();
        account.change(A, |it| it.engine_version = None);
        let unknown = identity(A).await.unwrap();
        account.remove(B);

        let expected = "arn:aws:rds:eu-west-1:123456789012:cluster:orders-a, \
                        aurora-postgresql 16.4, provisioned, parameter group orders, \
                        db.r6g.large with parameter group instances";
        assert_eq!(before, expected);
        assert_eq!((&scaled, &growing), (&before, &before));
        assert_eq!(unknown, expected.replace("16.4", "unknown"));
        assert!(identity(B).await.unwrap_err().is_absent());
    }

    #[tokio::test(start_paused = true)]
    async fn all_steps_share_one_look_at_each_cluster_in_a_round() {
        let (world, account) = (World::new(A), account());
        account.change(B, |it| it.state = "available".into());
        let aurora = account.aurora(|_| {});

        let context = world.context();
        for step in Arc::clone(&aurora).steps(B) {
            // Some of them say that the other cluster is not ready: only the looks count here.
            drop(step.inspect(&context).await);
        }
        aurora.summary(&context, A).await.unwrap();

        let mut calls = account.calls();
        calls.sort();
        assert_eq!(calls, ["cluster a", "cluster b"]);
    }
}
