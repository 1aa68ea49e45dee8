//! [`CloudWatchConfig`], how the alarms of a pair of stacks are told apart.

use bluegreen_core::{ConfigProblem, Pair, StackReference, ToolkitConfig};
use serde::Deserialize;

/// How the alarms of a pair of stacks are told apart: by what their names begin or end with.
///
/// At least one of the two must differ between the stacks, so that no name belongs to both:
/// `shop-` and `shop-a-` alone do not tell `shop-a-errors` apart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CloudWatchConfig {
    /// What the names begin with: one for both stacks, or one for each.
    pub prefixes: OneOrPair,
    /// What the names end with: one for both stacks, or one for each. Anything when left out.
    pub suffixes: Option<OneOrPair>,
}

/// One value for both stacks, or one for each.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected one text for both stacks, or `{ a = .., b = .. }`")]
pub enum OneOrPair {
    /// The same for both.
    One(String),
    /// One for each.
    Pair(Pair<String>),
}

impl OneOrPair {
    /// Returns the value of `stack`.
    pub fn of(&self, stack: StackReference) -> &str {
        match self {
            Self::One(value) => value,
            Self::Pair(pair) => pair.of(stack),
        }
    }

    /// Returns each value with its key below `key`.
    fn entries(&self, key: &str) -> Vec<(String, &str)> {
        match self {
            Self::One(value) => vec![(key.to_owned(), value)],
            Self::Pair(pair) => {
                vec![(format!("{key}.a"), &pair.a), (format!("{key}.b"), &pair.b)]
            }
        }
    }
}

impl CloudWatchConfig {
    /// Returns whether `name` is an alarm of `stack`: it begins with the prefix, and what follows
    /// ends with the suffix.
    pub fn owns(&self, stack: StackReference, name: &str) -> bool {
        self.core(stack, name).is_some()
    }

    /// Returns the name that the alarm `name` of `stack` has on the partner: the same but for prefix and
    /// suffix. `None` when `name` is no alarm of `stack`.
    pub fn counterpart(&self, stack: StackReference, name: &str) -> Option<String> {
        let core = self.core(stack, name)?;
        let (prefix, suffix) = self.affixes(stack.partner());
        Some(format!("{prefix}{core}{suffix}"))
    }

    /// Returns prefix and suffix of the alarms of `stack`; the suffix may be empty.
    pub fn affixes(&self, stack: StackReference) -> (&str, &str) {
        (self.prefixes.of(stack), self.suffixes.as_ref().map_or("", |it| it.of(stack)))
    }

    /// The suffix is looked for behind the prefix, so that the two never overlap in a short name.
    fn core<'a>(&self, stack: StackReference, name: &'a str) -> Option<&'a str> {
        let (prefix, suffix) = self.affixes(stack);
        name.strip_prefix(prefix)?.strip_suffix(suffix)
    }

    /// Returns how the names begin and end (`shop-a-..`) that are alarms of `stack` and also those that `other` has
    /// of `others_stack`; `None` when no name can be both.
    ///
    /// A name can when one prefix begins with the other and one suffix ends with the other.
    pub fn shared_names(
        &self,
        stack: StackReference,
        other: &Self,
        others_stack: StackReference,
    ) -> Option<String> {
        let (prefix, suffix) = self.affixes(stack);
        let (other_prefix, other_suffix) = other.affixes(others_stack);
        let prefixes_meet = prefix.starts_with(other_prefix) || other_prefix.starts_with(prefix);
        let suffixes_meet = suffix.ends_with(other_suffix) || other_suffix.ends_with(suffix);
        if !(prefixes_meet && suffixes_meet) {
            return None;
        }
        let longer = |one, other| if str::len(one) < str::len(other) { other } else { one };
        Some(format!("{}..{}", longer(prefix, other_prefix), longer(suffix, other_suffix)))
    }

    /// Returns what is wrong when a name could belong to both stacks.
    fn ambiguity(&self) -> Option<ConfigProblem> {
        let name = self.shared_names(StackReference::A, self, StackReference::B)?;
        let key = match (&self.prefixes, &self.suffixes) {
            (OneOrPair::Pair(_), _) => "prefixes.b",
            (_, Some(OneOrPair::Pair(_))) => "suffixes.b",
            _ => "prefixes",
        };
        Some(ConfigProblem::new(
            key,
            format!(
                "an alarm named `{name}` would belong to both stacks: expected prefixes of which \
                 none begins with the other, or suffixes of which none ends with the other"
            ),
        ))
    }
}

impl ToolkitConfig for CloudWatchConfig {
    fn check(&self) -> Vec<ConfigProblem> {
        let suffixes = self.suffixes.as_ref().map(|it| it.entries("suffixes")).unwrap_or_default();
        let mut problems: Vec<_> = self
            .prefixes
            .entries("prefixes")
            .into_iter()
            .map(|entry| (entry, "begin"))
            .chain(suffixes.into_iter().map(|entry| (entry, "end")))
            .filter(|((_, value), _)| value.trim().is_empty())
            .map(|((key, _), does)| {
                ConfigProblem::new(
                    key,
                    format!("is empty: expected what the names of the alarms {does} with"),
                )
            })
            .collect();
        if problems.is_empty() {
            problems.extend(self.ambiguity());
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use StackReference::{A, B};

    use super::*;

    fn config(text: &str) -> CloudWatchConfig {
        toml::from_str(text).unwrap()
    }

    #[track_caller]
    fn check(text: &str) -> Vec<(String, String)> {
        config(text).check().into_iter().map(|it| (it.key, it.message)).collect()
    }

    #[test]
    fn prefixes_alone_or_suffixes_behind_a_shared_prefix_tell_alarms_apart() {
        let by_prefix = config("prefixes = { a = 'shop-a-', b = 'shop-b-' }");
        let by_suffix = config("prefixes = 'shop'\nsuffixes = { a = '- A', b = '- B' }");

        assert_eq!((by_prefix.check(), by_suffix.check()), (vec![], vec![]));
        assert_eq!(by_prefix.affixes(B), ("shop-b-", ""));
        assert_eq!(by_suffix.affixes(B), ("shop", "- B"));
    }

    #[test]
    fn a_value_that_is_neither_a_text_nor_a_pair_is_refused_with_what_was_expected() {
        for text in ["prefixes = 1", "prefixes = { a = 'x' }", "prefixes = { a = 'x', c = 'y' }"] {
            let err = toml::from_str::<CloudWatchConfig>(text).unwrap_err();
            assert!(err.to_string().contains("expected one text for both stacks"), "{err}");
        }
    }

    #[test]
    fn an_empty_prefix_or_suffix_is_a_problem_of_its_key() {
        let keys = |text| check(text).into_iter().map(|it| it.0).collect::<Vec<_>>();

        assert_eq!(keys("prefixes = ''\nsuffixes = { a = '-a', b = '-b' }"), ["prefixes"]);
        assert_eq!(keys("prefixes = { a = ' ', b = 'shop-b-' }"), ["prefixes.a"]);
        assert_eq!(keys("prefixes = 'shop'\nsuffixes = { a = '- A', b = '' }"), ["suffixes.b"]);
        assert_eq!(keys("prefixes = { a = 'x', b = 'y' }\nsuffixes = ''"), ["suffixes"]);
    }

    #[test]
    fn a_shared_prefix_needs_suffixes_that_tell_the_stacks_apart() {
        let problems = check("prefixes = 'shop'");

        assert_eq!(problems[0].0, "prefixes");
        assert!(problems[0].1.starts_with("an alarm named `shop..` would belong to both stacks"));
        assert_eq!(check("prefixes = 'shop'\nsuffixes = '-x'")[0].0, "prefixes");
        for pair in ["{ a = 'B', b = '-B' }", "{ a = '-B', b = 'B' }"] {
            let problems = check(&format!("prefixes = 'shop'\nsuffixes = {pair}"));
            assert_eq!(problems[0].0, "suffixes.b");
            assert!(problems[0].1.starts_with("an alarm named `shop..-B` would belong"));
        }
    }

    #[test]
    fn a_prefix_that_begins_with_the_other_is_a_problem_unless_the_suffixes_differ() {
        let pair = "prefixes = { a = 'shop-a-', b = 'shop-' }";

        let problems = check(pair);

        assert_eq!(problems[0].0, "prefixes.b");
        assert!(problems[0].1.starts_with("an alarm named `shop-a-..` would belong"));
        assert_eq!(check(&format!("{pair}\nsuffixes = {{ a = '-x', b = '-y' }}")), []);
        for pair in ["{ a = 'shop-', b = 'shop-a-' }", "{ a = 'shop-', b = 'shop-' }"] {
            assert_eq!(check(&format!("prefixes = {pair}"))[0].0, "prefixes.b");
        }
    }

    #[test]
    fn two_configurations_share_the_names_that_both_own() {
        let long = config("prefixes = { a = 'shop-a-', b = 'shop-b-' }");
        let short = config("prefixes = { a = 'shop-', b = 'web-' }\nsuffixes = '-lag'");

        assert_eq!(short.shared_names(A, &long, B).as_deref(), Some("shop-b-..-lag"));
        assert_eq!(long.shared_names(B, &short, A).as_deref(), Some("shop-b-..-lag"));
        assert_eq!(short.shared_names(B, &long, B), None);
        assert!(short.owns(A, "shop-b-x-lag") && long.owns(B, "shop-b-x-lag"));
    }

    #[test]
    fn alarms_correspond_when_alike_but_for_prefix_and_suffix() {
        let by_prefix = config("prefixes = { a = 'shop-a-', b = 'shop-b-' }");
        let by_suffix = config("prefixes = 'shop'\nsuffixes = { a = '- A', b = '- B' }");

        assert_eq!(by_prefix.counterpart(A, "shop-a-lag").as_deref(), Some("shop-b-lag"));
        assert_eq!(by_prefix.counterpart(B, "shop-b-lag").as_deref(), Some("shop-a-lag"));
        assert_eq!(by_suffix.counterpart(A, "shop lag - A").as_deref(), Some("shop lag - B"));
    }

    #[test]
    fn an_alarm_of_another_stack_has_no_counterpart() {
        let config = config("prefixes = 'shop'\nsuffixes = { a = '- A', b = '- B' }");

        assert_eq!(config.counterpart(A, "shop lag - B"), None);
        assert_eq!(config.counterpart(A, "other lag - A"), None);
    }

    #[test]
    fn prefix_and_suffix_never_overlap_in_a_short_name() {
        let config = config("prefixes = 'shop-'\nsuffixes = { a = 'op-', b = 'b' }");

        assert!(!config.owns(A, "shop-"));
        assert_eq!(config.counterpart(A, "shop-"), None);
        assert!(config.owns(A, "shop-op-"));
    }
}
