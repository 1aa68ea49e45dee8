//! [`EcsConfig`], the services of a pair of stacks.

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
}
