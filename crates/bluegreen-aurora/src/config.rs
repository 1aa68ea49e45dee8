//! [`AuroraConfig`], the clusters of a pair of stacks.

use std::collections::BTreeMap;

use bluegreen_core::{ConfigProblem, Pair, ToolkitConfig, check_pair};
use serde::Deserialize;

/// The most readers that an Aurora cluster can have.
const MOST_READERS: u32 = 15;

/// The clusters of a pair of stacks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuroraConfig {
    /// The names (not ARNs) of the clusters.
    pub clusters: Pair<String>,
    /// The least number of readers that either cluster runs with when it is not active, 0 to 15.
    #[serde(default)]
    pub minimum_readers: u32,
    /// Which autoscaled readers `apply_tags` may touch besides those of `clusters`: those of clusters whose
    /// name begins with this and a hyphen; `*` is all.
    pub namespace: Option<String>,
    /// The tags of autoscaled readers; those of their cluster when empty.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl ToolkitConfig for AuroraConfig {
    fn check(&self) -> Vec<ConfigProblem> {
        let Pair { a, b } = &self.clusters;
        let mut problems = check_pair("clusters", CLUSTER_NAME, &self.clusters);
        for (side, name) in [("a", a), ("b", b)] {
            // An empty or padded name is a problem already.
            if !name.is_empty() && name.trim() == name && !is_name(name) {
                let message = if name.starts_with("arn:") {
                    format!("`{name}` is an ARN: expected {CLUSTER_NAME}")
                } else {
                    format!("`{name}` is no name of a cluster: expected {CLUSTER_NAME}")
                };
                problems.push(ConfigProblem::new(format!("clusters.{side}"), message));
            }
        }
        if a != b && a.eq_ignore_ascii_case(b) {
            problems.push(ConfigProblem::new(
                "clusters.b",
                format!("`{b}` is `{a}` to RDS, which ignores case: expected another cluster"),
            ));
        }
        if self.minimum_readers > MOST_READERS {
            problems.push(ConfigProblem::new(
                "minimum-readers",
                format!(
                    "{} is more than a cluster can have: expected 0 to {MOST_READERS}",
                    self.minimum_readers
                ),
            ));
        }
        if let Some(namespace) = &self.namespace
            && namespace != "*"
            && !is_name(namespace)
        {
            problems.push(ConfigProblem::new(
                "namespace",
                format!(
                    "`{namespace}` begins no name of a cluster: expected its first part or `*`"
                ),
            ));
        }
        for key in self.tags.keys() {
            if key.is_empty() {
                problems.push(ConfigProblem::new("tags", "a key is empty"));
            } else if is_reserved(key) {
                problems.push(ConfigProblem::new(
                    format!("tags.{key}"),
                    "keys that begin with `aws:` are reserved by AWS: expected another key",
                ));
            }
        }
        problems
    }
}

const CLUSTER_NAME: &str = "the name of an Aurora cluster (1 to 63 letters, digits and hyphens)";

fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
}

/// Returns whether AWS keeps tags of this key for itself.
pub(crate) fn is_reserved(key: &str) -> bool {
    key.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("aws:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> AuroraConfig {
        toml::from_str(text).unwrap()
    }

    fn problems(text: &str) -> Vec<String> {
        parse(text).check().into_iter().map(|it| it.key).collect()
    }

    #[test]
    fn a_whole_configuration_is_read_and_found_good() {
        let config = parse(
            r#"
            clusters = { a = "orders-a", b = "orders-b" }
            minimum-readers = 15
            namespace = "shop"
            tags = { team = "shop", note = "" }
            "#,
        );

        assert_eq!(config.check(), []);
        assert_eq!((config.clusters.b.as_str(), config.minimum_readers), ("orders-b", 15));
        assert_eq!(config.tags.len(), 2);
    }

    #[test]
    fn all_but_the_clusters_may_be_left_out() {
        let config = parse(r#"clusters = { a = "orders-a", b = "orders-b" }"#);

        assert_eq!(config.check(), []);
        assert_eq!((config.minimum_readers, config.namespace), (0, None));
        assert!(config.tags.is_empty());
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let text = r#"clusters = { a = "x", b = "y" }
            minimum-cluster-size = 1"#;

        assert!(toml::from_str::<AuroraConfig>(text).is_err());
    }

    #[test]
    fn an_empty_name_is_a_problem_of_its_side_alone() {
        assert_eq!(problems(r#"clusters = { a = "orders-a", b = "" }"#), ["clusters.b"]);
    }

    #[test]
    fn an_arn_is_no_name() {
        let arn = "arn:aws:rds:eu-west-1:123456789012:cluster:orders-a";
        let config = parse(&format!(r#"clusters = {{ a = "{arn}", b = "orders-b" }}"#));

        let problems = config.check();

        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].key, "clusters.a");
        assert!(problems[0].message.contains("is an ARN"), "{}", problems[0]);
    }

    #[test]
    fn a_name_holds_up_to_63_letters_digits_and_hyphens() {
        let long = "x".repeat(63);
        for (name, good) in [
            (long.as_str(), true),
            ("Orders-1", true),
            (&format!("{long}x"), false),
            ("orders_a", false),
            ("örders", false),
            ("cluster:orders", false),
        ] {
            let found = problems(&format!(r#"clusters = {{ a = "{name}", b = "orders-b" }}"#));
            assert_eq!(found.is_empty(), good, "{name}: {found:?}");
        }
    }

    #[test]
    fn names_that_differ_in_case_alone_are_one_cluster() {
        assert_eq!(problems(r#"clusters = { a = "Orders", b = "orders" }"#), ["clusters.b"]);
    }

    #[test]
    fn more_readers_than_aurora_has_are_a_problem() {
        let text = r#"clusters = { a = "x", b = "y" }
            minimum-readers = 16"#;

        assert_eq!(problems(text), ["minimum-readers"]);
    }

    #[test]
    fn a_namespace_is_the_first_part_of_a_name_or_a_star() {
        for (namespace, good) in [("shop", true), ("*", true), ("", false), ("shop*", false)] {
            let text = format!(
                r#"clusters = {{ a = "x", b = "y" }}
                namespace = "{namespace}""#
            );
            assert_eq!(problems(&text).is_empty(), good, "{namespace}");
        }
    }

    #[test]
    fn reserved_and_empty_tag_keys_are_problems() {
        let text = r#"clusters = { a = "x", b = "y" }
            tags = { "aws:cloudformation:stack-name" = "z", "AWS:x" = "z", "" = "z", ok = "z" }"#;

        let found = problems(text);

        assert_eq!(found, ["tags", "tags.AWS:x", "tags.aws:cloudformation:stack-name"]);
    }
}
