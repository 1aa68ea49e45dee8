//! What the guardrails ask of clusters: that they can be used, are alike, and that nobody is connected any more.

use std::collections::BTreeSet;

use bluegreen_aurora::{Cluster, ClusterState};
use bluegreen_core::StackReference;

use super::{Aurora, cluster};
use crate::{
    Asked, Context, Guardrail, Objection, Occasion, Permission, Result,
    stack_file::ConnectionsGuard, steps::drain::counted,
};

impl Aurora {
    pub(super) async fn object(
        &self,
        context: &Context<'_>,
        asked: &Asked<'_>,
    ) -> Result<Vec<String>> {
        match asked.guardrail {
            Guardrail::AuroraUsable => self.not_usable(context, asked).await,
            Guardrail::AuroraAlike => self.not_alike(context, asked.target).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn not_usable(&self, context: &Context<'_>, asked: &Asked<'_>) -> Result<Vec<String>> {
        let seen = self.cluster(context, asked.target).await?;
        let mut reasons = Vec::new();
        if !matches!(seen.state, ClusterState::Available | ClusterState::Usable(_)) {
            reasons.push(format!(
                "{} is `{}`, expected one that works: start or mend it, and repeat the command",
                cluster(&seen.name),
                seen.state
            ));
        }
        let (available, wanted) =
            (seen.available_readers(), self.readers_wanted(context, asked, &seen).await?);
        if available < wanted {
            reasons.push(format!(
                "{} has {} available, expected at least {wanted}: repeat the command when they are there",
                cluster(&seen.name),
                counted(available.into(), "reader")
            ));
        }
        Ok(reasons)
    }

    /// Returns how many readers must be available: before production moves there as many as on the active cluster or
    /// as it may have, where this release scales out; else its own minimum.
    async fn readers_wanted(
        &self,
        context: &Context<'_>,
        asked: &Asked<'_>,
        seen: &Cluster,
    ) -> Result<u32> {
        let own = seen.members.iter().filter(|it| !it.is_writer).count();
        let own = u32::try_from(own).unwrap_or(u32::MAX);
        let (minimum, maximum) = match seen.scaling {
            Some(it) => (it.minimum, it.maximum),
            None => (self.settings.config.minimum_readers.min(own), own),
        };
        let scales_out = !self.declaration.skip.contains("aurora.scale-out");
        if asked.occasion != Occasion::Promote || !scales_out {
            return Ok(minimum);
        }
        let active = self.cluster(context, asked.target.partner()).await?;
        Ok(active.available_readers().min(maximum))
    }

    async fn not_alike(
        &self,
        context: &Context<'_>,
        target: StackReference,
    ) -> Result<Vec<String>> {
        let (target, active) = tokio::try_join!(
            self.cluster(context, target),
            self.cluster(context, target.partner())
        )?;
        let known = |it: &Option<String>| it.clone().unwrap_or_else(|| "unknown".to_owned());
        let engine =
            |it: &Cluster| BTreeSet::from([format!("{} {}", it.engine, known(&it.engine_version))]);
        let classes = |it: &Cluster| it.members.iter().filter_map(|it| it.class.clone()).collect();
        let group = |it: &Cluster| BTreeSet::from([known(&it.parameter_group)]);
        let groups =
            |it: &Cluster| it.members.iter().filter_map(|it| it.parameter_group.clone()).collect();
        let compared: [(_, BTreeSet<String>, BTreeSet<String>); 4] = [
            ("engine", engine(&target), engine(&active)),
            ("instance class", classes(&target), classes(&active)),
            ("parameter group", group(&target), group(&active)),
            ("parameter group of the instances", groups(&target), groups(&active)),
        ];
        let told = |it: &BTreeSet<String>| match it.is_empty() {
            true => "unknown".to_owned(),
            false => it.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
        };
        // A group that is made for each cluster has the cluster's name in its own.
        let renamed = |names: &BTreeSet<String>| -> BTreeSet<String> {
            names.iter().map(|it| it.replace(&active.name, &target.name)).collect()
        };
        let differ =
            compared.into_iter().filter(|(_, own, its)| own != its && *own != renamed(its));
        Ok(differ
            .map(|(what, own, its)| {
                format!(
                    "the {what} of {} is {}, expected that of {}, {}: make them alike",
                    cluster(&target.name),
                    told(&own),
                    cluster(&active.name),
                    told(&its)
                )
            })
            .collect())
    }

    /// Returns that somebody may still be connected to the cluster of `stack`. Nobody is to one that is stopped, gone,
    /// or without instances.
    pub(super) async fn connected(
        &self,
        context: &Context<'_>,
        stack: StackReference,
    ) -> Result<Vec<Objection>> {
        if self.settings.connections == ConnectionsGuard::Ignore {
            return Ok(Vec::new());
        }
        let seen = match self.cluster(context, stack).await {
            Err(err) if err.is_absent() => return Ok(Vec::new()),
            looked => looked?,
        };
        if seen.state == ClusterState::Stopped || seen.members.is_empty() {
            return Ok(Vec::new());
        }
        let reason = match self.toolkit.connections(stack, context.now()).await? {
            Some(it) if it.most == 0 => return Ok(Vec::new()),
            Some(it) => format!(
                "{} had {} within the last five minutes, expected none: end what uses it, and repeat the command",
                cluster(&seen.name),
                counted(it.most, "connection")
            ),
            None => format!(
                "how many connections {} had is not known, expected none: CloudWatch has kept no figure of the \
                 last five minutes",
                cluster(&seen.name)
            ),
        };
        Ok(vec![Objection { guardrail: Guardrail::AuroraNoConnections, reason }])
    }

    /// Returns the permission to ask for connections, where they are asked for.
    pub(super) fn connections_permissions(&self) -> Vec<Permission> {
        match self.settings.connections {
            ConnectionsGuard::None => Permission::unlimited(&["cloudwatch:GetMetricData"]),
            ConnectionsGuard::Ignore => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
