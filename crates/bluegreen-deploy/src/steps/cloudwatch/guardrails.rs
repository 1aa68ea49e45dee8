//! What the guardrails ask of alarms: that none fires, on the target more than on the active stack.

use std::collections::BTreeSet;

use bluegreen_cloudwatch::{Alarm, AlarmState};
use bluegreen_core::StackReference;

use super::CloudWatch;
use crate::{Asked, Context, Guardrail, Result};

impl CloudWatch {
    pub(super) async fn object(
        &self,
        context: &Context<'_>,
        asked: &Asked<'_>,
    ) -> Result<Vec<String>> {
        let (target, ignored) = (asked.target, &asked.settings.ignore_alarms);
        match asked.guardrail {
            Guardrail::AlarmsQuiet => {
                let (own, its) = tokio::try_join!(
                    self.firing(context, target, ignored),
                    self.firing(context, target.partner(), ignored)
                )?;
                let fires_too = |it: &Alarm| {
                    let counterpart = self.config.counterpart(target, &it.name);
                    its.iter().any(|it| Some(&it.name) == counterpart.as_ref())
                };
                let told = own.iter().filter(|it| !fires_too(it));
                Ok(told.map(|it| fires(it, "and its counterpart does not")).collect())
            }
            Guardrail::ActiveQuiet => {
                let firing = self.firing(context, target.partner(), ignored).await?;
                let told = firing.iter();
                Ok(told.map(|it| fires(it, "on the active stack")).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the alarms of `stack` that fire. Those that scale something do so all the time.
    async fn firing(
        &self,
        context: &Context<'_>,
        stack: StackReference,
        ignored: &BTreeSet<String>,
    ) -> Result<Vec<Alarm>> {
        let listed = self.listed(context, stack).await?;
        let firing = listed.iter().filter(|it| {
            it.state == AlarmState::Alarm && !it.scales && !ignored.contains(&it.name)
        });
        Ok(firing.cloned().collect())
    }
}

fn fires(alarm: &Alarm, where_: &str) -> String {
    let since = alarm
        .since
        .map_or_else(String::new, |it| format!(" since {}", humantime::format_rfc3339_seconds(it)));
    let reason = alarm.reason.as_ref().map_or_else(String::new, |it| format!(" ({it})"));
    format!(
        "alarm `{}` fires{since}{reason}, {where_}: see what is wrong, or name it in `ignore-alarms` if it always does",
        alarm.name
    )
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use bluegreen_cloudwatch::{AlarmKind, CloudWatchConfig, MockCloudWatchToolkit, OneOrPair};
    use bluegreen_core::{
        Pair,
        StackReference::{A, B},
    };

    use super::*;
    use crate::{
        Occasion, Resource,
        stack_file::{self, GuardrailSettings},
        steps::testing::World,
    };

    fn alarm(name: &str) -> Alarm {
        Alarm {
            name: name.to_owned(),
            kind: AlarmKind::Metric,
            state: AlarmState::Alarm,
            since: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60)),
            reason: None,
            actions_enabled: true,
            scales: false,
        }
    }

    async fn objections(
        guardrail: Guardrail,
        a: Vec<Alarm>,
        b: Vec<Alarm>,
        ignored: &[&str],
    ) -> Vec<String> {
        let mut toolkit = MockCloudWatchToolkit::new();
        toolkit
            .expect_alarms()
            .returning(move |it| Ok(if it == A { a.clone() } else { b.clone() }));
        let prefixes = OneOrPair::Pair(Pair::from_fn(|stack| format!("shop-{stack}-")));
        let resource = stack_file::Resource {
            name: "pages".to_owned(),
            line: 1,
            skip: Default::default(),
            after: None,
            optional: false,
            written: Default::default(),
            settings: CloudWatchConfig { prefixes, suffixes: None },
        };
        let settings = GuardrailSettings {
            ignore_alarms: ignored.iter().map(|&it| it.to_owned()).collect(),
            ..GuardrailSettings::default()
        };
        let asked = Asked {
            guardrail,
            occasion: Occasion::Promote,
            target: B,
            first: false,
            settings: &settings,
        };
        let world = World::new(A);
        let alarms = CloudWatch::new(&resource, Arc::new(toolkit));
        alarms.objections(&world.context(), &asked).await.unwrap()
    }

    #[tokio::test]
    async fn an_alarm_that_fires_on_the_target_alone_is_objected_to() {
        let quiet = Alarm { state: AlarmState::Ok, ..alarm("shop-a-lag") };
        let own = vec![alarm("shop-b-lag"), alarm("shop-b-errors")];

        let found =
            objections(Guardrail::AlarmsQuiet, vec![quiet, alarm("shop-a-errors")], own, &[]).await;

        assert_eq!(
            found,
            [
                "alarm `shop-b-lag` fires since 1970-01-01T00:01:00Z, and its counterpart does not: see what is wrong, \
              or name it in `ignore-alarms` if it always does"
            ]
        );
    }

    #[tokio::test]
    async fn an_alarm_that_fires_on_the_active_stack_is_objected_to_whatever_the_target_says() {
        let both = async |ignored: &[&str]| {
            let (a, b) = (vec![alarm("shop-a-lag")], vec![alarm("shop-b-lag")]);
            objections(Guardrail::ActiveQuiet, a, b, ignored).await
        };

        let found = both(&[]).await;

        assert!(found.len() == 1 && found[0].contains("`shop-a-lag` fires"), "{found:?}");
        assert_eq!(both(&["shop-a-lag"]).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn alarms_that_scale_that_are_ignored_and_that_lack_data_are_not_objected_to() {
        let scales = Alarm { scales: true, ..alarm("shop-b-scaling") };
        let silent = Alarm { state: AlarmState::InsufficientData, ..alarm("shop-b-silent") };
        let own = vec![scales, silent, alarm("shop-b-always")];

        let found = objections(Guardrail::AlarmsQuiet, Vec::new(), own, &["shop-b-always"]).await;

        assert_eq!(found, Vec::<String>::new());
    }
}
