//! [`EcsConfig`], the services of a pair of stacks, [`EcsTaskConfig`], tasks of theirs that run once, and
//! [`EcsTrafficConfig`], a service that ECS or CodeDeploy moves from one stack to the other.

use bluegreen_core::{ConfigProblem, Pair, ToolkitConfig, check_pair};
use serde::Deserialize;

/// The services of a pair of stacks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EcsConfig {
    /// The name of the cluster that runs both.
    pub cluster: String,
    /// The names (not ARNs) of the services.
    pub services: Pair<String>,
}

impl ToolkitConfig for EcsConfig {
    fn check(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        if self.cluster.is_empty() {
            problems.push(ConfigProblem::new(
                "cluster",
                "is empty: expected the name of an ECS cluster",
            ));
        } else if self.cluster.trim() != self.cluster {
            problems.push(ConfigProblem::new(
                "cluster",
                "begins or ends with a blank: expected the name of an ECS cluster",
            ));
        }
        problems.extend(check_pair("services", "the name of an ECS service", &self.services));

        let names = [
            ("cluster", &self.cluster),
            ("services.a", &self.services.a),
            ("services.b", &self.services.b),
        ];
        // The scaling target of a service is found by the two names, which an ARN would not match.
        problems.extend(names.into_iter().filter(|(_, name)| name.contains([':', '/'])).map(
            |(key, name)| {
                ConfigProblem::new(key, format!("`{name}` is not a name: expected one, not an ARN"))
            },
        ));
        problems
    }
}

/// The task definitions of a pair of stacks that are run as single tasks, and where they run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EcsTaskConfig {
    /// The name of the cluster that runs both.
    pub cluster: String,
    /// The task definitions, as `family:revision`; a family alone is its latest revision.
    pub definitions: Pair<String>,
    /// What provides the capacity; the cluster's default when left out.
    pub launch_type: Option<LaunchType>,
    /// The ids of the subnets, for task definitions with the network mode `awsvpc`.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// The ids of the security groups; the default one of the VPC when there are none.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Whether the task gets a public IP address; AWS's default when left out.
    pub assign_public_ip: Option<bool>,
}

/// A service whose deployments move traffic from one stack to the other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EcsTrafficConfig {
    /// The name of the cluster that runs it.
    pub cluster: String,
    /// The name (not the ARN) of the service.
    pub service: String,
}

impl ToolkitConfig for EcsTrafficConfig {
    fn check(&self) -> Vec<ConfigProblem> {
        let names = [("cluster", &self.cluster, "cluster"), ("service", &self.service, "service")];
        let is_name = |it: &str| !it.is_empty() && it.trim() == it && !it.contains([':', '/']);
        let wrong = names.into_iter().filter(|(_, name, _)| !is_name(name));
        wrong
            .map(|(key, name, what)| {
                let expected = format!("expected the name of an ECS {what}, not an ARN");
                ConfigProblem::new(key, format!("`{name}` is not a name: {expected}"))
            })
            .collect()
    }
}

/// What provides the capacity for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchType {
    /// Fargate.
    Fargate,
    /// The cluster's EC2 instances.
    Ec2,
}

impl ToolkitConfig for EcsTaskConfig {
    fn check(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        if self.cluster.is_empty()
            || self.cluster.trim() != self.cluster
            || self.cluster.contains([':', '/'])
        {
            problems.push(ConfigProblem::new(
                "cluster",
                format!(
                    "`{}` is not a name: expected the name of an ECS cluster, not an ARN",
                    self.cluster
                ),
            ));
        }
        let what = "a task definition, such as `migrate-a:7`";
        problems.extend(check_pair("definitions", what, &self.definitions));
        for (side, definition) in [("a", &self.definitions.a), ("b", &self.definitions.b)] {
            // What is empty or padded has been found above.
            if !definition.is_empty()
                && definition.trim() == definition
                && !is_definition(definition)
            {
                problems.push(ConfigProblem::new(
                    format!("definitions.{side}"),
                    format!("`{definition}` is not a task definition: expected `family:revision`"),
                ));
            }
        }
        let network = [
            ("security-groups", !self.security_groups.is_empty()),
            ("assign-public-ip", self.assign_public_ip.is_some()),
        ];
        for (key, _) in network.iter().filter(|(_, given)| *given && self.subnets.is_empty()) {
            problems.push(ConfigProblem::new(
                *key,
                "has no effect without `subnets`: expected the subnets of the task",
            ));
        }
        problems
    }
}

/// Returns whether `text` is a family, or a family and a revision.
fn is_definition(text: &str) -> bool {
    let (family, revision) = match text.split_once(':') {
        Some((family, revision)) => (family, Some(revision)),
        None => (text, None),
    };
    (1..=255).contains(&family.len())
        && family.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
        && revision.is_none_or(|it| it.parse::<u32>().is_ok_and(|it| it > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cluster: &str, a: &str, b: &str) -> Vec<String> {
        let services = Pair { a: a.to_owned(), b: b.to_owned() };
        let config = EcsConfig { cluster: cluster.to_owned(), services };
        config.check().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_cluster_and_two_services_are_read_from_a_table() {
        let config: EcsConfig =
            toml::from_str("cluster = 'shop'\nservices = { a = 'worker-a', b = 'worker-b' }")
                .unwrap();

        assert_eq!((config.cluster.as_str(), config.services.b.as_str()), ("shop", "worker-b"));
        assert_eq!(config.check(), []);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = "cluster = 'shop'\nservices = { a = 'x', b = 'y' }\nregion = 'eu-west-1'";

        assert!(toml::from_str::<EcsConfig>(text).is_err());
    }

    #[test]
    fn an_empty_or_padded_name_is_a_problem() {
        assert_eq!(
            check("", "worker-a", ""),
            [
                "`cluster`: is empty: expected the name of an ECS cluster",
                "`services.b`: is empty: expected the name of an ECS service",
            ]
        );
        assert_eq!(check(" shop", "worker-a", "worker-b").len(), 1);
    }

    #[test]
    fn an_arn_is_not_a_name() {
        let arn = "arn:aws:ecs:eu-west-1:123456789012:service/shop/worker-a";

        assert_eq!(
            check("shop", arn, "worker-b"),
            [format!("`services.a`: `{arn}` is not a name: expected one, not an ARN")]
        );
        assert_eq!(check("cluster/shop", "worker-a", "worker-b").len(), 1);
    }

    #[test]
    fn one_service_for_both_stacks_is_a_problem() {
        assert_eq!(check("shop", "worker", "worker").len(), 1);
    }

    #[test]
    fn the_service_that_traffic_goes_through_is_named_and_no_arn() {
        let config = |cluster: &str, service: &str| EcsTrafficConfig {
            cluster: cluster.to_owned(),
            service: service.to_owned(),
        };
        let keys = |it: &EcsTrafficConfig| -> Vec<String> {
            it.check().into_iter().map(|it| it.key).collect()
        };

        assert_eq!(config("shop", "web").check(), []);
        assert_eq!(keys(&config("", " web")), ["cluster", "service"]);
        assert_eq!(keys(&config("shop", "service/shop/web")), ["service"]);
    }

    fn tasks(more: &str) -> EcsTaskConfig {
        let text = format!(
            "cluster = 'shop'\ndefinitions = {{ a = 'migrate-a:7', b = 'migrate-b' }}\n{more}"
        );
        toml::from_str(&text).unwrap()
    }

    fn keys(config: &EcsTaskConfig) -> Vec<String> {
        config.check().into_iter().map(|it| it.key).collect()
    }

    #[test]
    fn a_cluster_and_two_definitions_suffice() {
        let config = tasks("");

        assert_eq!((config.launch_type, config.subnets.len()), (None, 0));
        assert_eq!(config.check(), []);
    }

    #[test]
    fn the_network_of_a_task_is_read() {
        let config = tasks(
            "launch-type = 'fargate'\nsubnets = ['subnet-1']\nsecurity-groups = ['sg-1']\n\
             assign-public-ip = true",
        );

        assert_eq!(config.launch_type, Some(LaunchType::Fargate));
        assert_eq!(config.assign_public_ip, Some(true));
        assert_eq!(config.check(), []);
    }

    #[test]
    fn a_network_without_subnets_is_a_problem() {
        let config = tasks("security-groups = ['sg-1']\nassign-public-ip = false");

        assert_eq!(keys(&config), ["security-groups", "assign-public-ip"]);
    }

    #[test]
    fn what_is_no_definition_and_no_cluster_is_a_problem() {
        for definition in ["", "migrate:", "migrate:0", "migrate:x", "mi grate", "a:1:2"] {
            let mut config = tasks("");
            config.definitions.a = definition.to_owned();
            assert_eq!(keys(&config), ["definitions.a"], "{definition}");
        }
        for cluster in ["", " shop", "arn:aws:ecs:eu-west-1:1:cluster/shop"] {
            let mut config = tasks("");
            config.cluster = cluster.to_owned();
            assert_eq!(keys(&config), ["cluster"], "{cluster}");
        }
    }

    #[test]
    fn one_definition_for_both_stacks_is_a_problem() {
        let mut config = tasks("");
        config.definitions.b = config.definitions.a.clone();

        assert_eq!(keys(&config), ["definitions.b"]);
    }
}
