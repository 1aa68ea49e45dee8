//! Filter policies: what AWS takes for one, and what passes.

mod matching;

pub use matching::matching;
use serde_json::{Map, Value};

/// §5: the limits of a policy.
const MOST_KEYS: usize = 5;
const MOST_COMBINATIONS: usize = 150;
const LONGEST: usize = 256 * 1024;
const GREATEST_NUMBER: f64 = 1e9;

/// Says why AWS refuses a policy, in its words.
pub(super) fn check(policy: &str, in_body: bool) -> Result<(), String> {
    if policy.len() > LONGEST {
        return Err("FilterPolicy: Filter policy is longer than 256 KB".to_owned());
    }
    let parsed = serde_json::from_str(policy);
    let Ok(Value::Object(keys)) = parsed else {
        return Err("FilterPolicy: failed to parse JSON.".to_owned());
    };
    if keys.len() > MOST_KEYS {
        return Err("FilterPolicy: Filter policy can not have more than 5 keys".to_owned());
    }
    let combinations = combinations(&keys, policy, in_body)?;
    if combinations > MOST_COMBINATIONS {
        return Err("FilterPolicy: Filter policy is too complex".to_owned());
    }
    Ok(())
}

fn combinations(keys: &Map<String, Value>, policy: &str, in_body: bool) -> Result<usize, String> {
    let mut product = 1_usize;
    for (key, value) in keys {
        product = product.saturating_mul(match value {
            Value::Array(values) if values.is_empty() => {
                return Err("FilterPolicy: Empty arrays are not allowed".to_owned());
            }
            Value::Array(values) => {
                let out_of_range =
                    |it: &Value| it.as_f64().is_some_and(|it| it.abs() > GREATEST_NUMBER);
                if values.iter().any(out_of_range) {
                    return Err("FilterPolicy: Value of number is out of range".to_owned());
                }
                values.len()
            }
            Value::Object(nested) if in_body => combinations(nested, policy, in_body)?,
            Value::Object(_) => {
                return Err(
                    "FilterPolicy: Filter policy scope MessageAttributes does not support \
                            nested filter policy"
                        .to_owned(),
                );
            }
            _ => {
                return Err(format!(
                    "FilterPolicy: \"{key}\" must be an object or an array\n at [Source: \
                     (String)\"{policy}\"; line: 1, column: {}]",
                    policy.find(key.as_str()).map_or(1, |it| it + key.len() + 3)
                ));
            }
        });
    }
    Ok(product)
}

/// Returns whether a message passes that has these values, of its attributes or in its text: every key must match,
/// by any of its rules.
pub(super) fn passes(policy: &str, message: &Value) -> bool {
    let Ok(Value::Object(keys)) = serde_json::from_str(policy) else { return true };
    all_match(&keys, message)
}

fn all_match(keys: &Map<String, Value>, message: &Value) -> bool {
    keys.iter().all(|(key, rules)| match rules {
        Value::Array(branches) if key == OR => {
            branches.iter().any(|it| it.as_object().is_some_and(|it| all_match(it, message)))
        }
        Value::Array(rules) => rules.iter().any(|rule| matches(rule, message.get(key))),
        Value::Object(nested) => all_match(nested, message.get(key).unwrap_or(&Value::Null)),
        _ => false,
    })
}

/// The key whose values are policies, of which one must match.
const OR: &str = "$or";

fn matches(rule: &Value, value: Option<&Value>) -> bool {
    if let Some(Value::Bool(exists)) = rule.get("exists") {
        return value.is_some() == *exists;
    }
    match (rule, value) {
        // Of a list any will do.
        (rule, Some(Value::Array(values))) => values.iter().any(|it| matches(rule, Some(it))),
        (Value::Object(rule), Some(it)) => operator(rule, it),
        // Attributes are texts, whatever is in them.
        (Value::Number(expected), Some(it)) => {
            number(it).is_some_and(|it| expected.as_f64() == Some(it))
        }
        (Value::Bool(expected), Some(Value::String(it))) => *it == expected.to_string(),
        (expected, Some(it)) => expected == it,
        (_, None) => false,
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn operator(rule: &Map<String, Value>, value: &Value) -> bool {
    let text = |holds: fn(&str, &str) -> bool, operand: &Value| {
        operand.as_str().zip(value.as_str()).is_some_and(|(operand, it)| holds(it, operand))
    };
    rule.iter().any(|(operator, operand)| match operator.as_str() {
        "prefix" => text(|it, prefix| it.starts_with(prefix), operand),
        "suffix" => text(|it, suffix| it.ends_with(suffix), operand),
        "equals-ignore-case" => text(str::eq_ignore_ascii_case, operand),
        "anything-but" => match operand {
            Value::Array(values) => !values.iter().any(|it| matches(it, Some(value))),
            one => !matches(one, Some(value)),
        },
        "numeric" => number(value).is_some_and(|it| numeric(operand, it)),
        // What is not simulated keeps nothing back.
        _ => true,
    })
}

/// Reads `[">=", 1, "<", 5]`.
fn numeric(operand: &Value, value: f64) -> bool {
    let parts = operand.as_array().map(Vec::as_slice).unwrap_or_default();
    parts.chunks(2).all(|pair| {
        let [Value::String(operator), Value::Number(bound)] = pair else { return false };
        let bound = bound.as_f64().unwrap_or(f64::NAN);
        match operator.as_str() {
            "=" => value == bound,
            "<" => value < bound,
            "<=" => value <= bound,
            ">" => value > bound,
            ">=" => value >= bound,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BLOCKING: &str = r#"{"__bluegreen_blocked__":["never"]}"#;

    #[test]
    fn a_message_without_the_key_never_passes_and_that_is_how_all_are_blocked() {
        assert!(check(BLOCKING, false).is_ok());
        assert!(!passes(BLOCKING, &json!({})));
        assert!(!passes(BLOCKING, &json!({ "type": "order" })));
    }

    #[test]
    fn a_key_that_must_not_exist_lets_all_pass_that_lack_it() {
        assert!(passes(r#"{"k":[{"exists":false}]}"#, &json!({})));
        assert!(!passes(r#"{"k":[{"exists":false}]}"#, &json!({ "k": "1" })));
    }

    #[test]
    fn all_keys_must_match_and_any_of_their_values() {
        let policy = r#"{"type":["order","return"],"price":[{"numeric":[">=",10,"<",20]}],"shop":[{"prefix":"eu-"},{"anything-but":["test","us-1"]}]}"#;
        let message = |price, shop| json!({ "type": "return", "price": price, "shop": shop });

        assert!(passes(policy, &message("19.5", "eu-1")));
        assert!(!passes(policy, &message("20", "eu-1")));
        assert!(!passes(policy, &message("10", "us-1")));
    }

    #[test]
    fn a_nested_policy_looks_into_the_message_at_numbers_truth_and_lists_too() {
        let policy =
            r#"{"order":{"total":[{"numeric":[">",10]}],"gift":[true],"shop":{"tags":["new"]}}}"#;
        let message = |total: u32, gift: bool, tag: &str| json!({ "order": { "total": total, "gift": gift, "shop": { "tags": ["old", tag] } } });

        assert!(passes(policy, &message(11, true, "new")));
        assert!(!passes(policy, &message(10, true, "new")));
        assert!(!passes(policy, &message(11, false, "new")));
        assert!(!passes(policy, &message(11, true, "old")));
        assert!(!passes(policy, &json!({ "order": "11" })));
    }

    #[test]
    fn one_of_several_policies_will_do_where_the_policy_says_or() {
        let policy = r#"{"type":["order"],"$or":[{"shop":["eu-1"]},{"price":[5]}]}"#;

        assert!(check(policy, false).is_ok());
        assert!(passes(policy, &json!({ "type": "order", "shop": "eu-1" })));
        assert!(passes(policy, &json!({ "type": "order", "price": "5" })));
        assert!(!passes(policy, &json!({ "type": "order", "shop": "us-1" })));
        assert!(!passes(policy, &json!({ "price": "5" })));
    }

    #[test]
    fn an_operator_that_is_not_simulated_keeps_back_only_what_lacks_the_key() {
        let policy = r#"{"from":[{"cidr":"10.0.0.0/24"}]}"#;

        assert!(passes(policy, &json!({ "from": "10.0.0.1" })));
        assert!(!passes(policy, &json!({})));
    }

    #[test]
    fn what_aws_refuses_is_refused_in_its_words() {
        let refusals = [
            (r#"{"bypassBlacklist": true}"#, "\"bypassBlacklist\" must be an object or an array"),
            (r#"{"k":[]}"#, "Empty arrays are not allowed"),
            (r#"{"k":{"nested":["x"]}}"#, "does not support nested filter policy"),
            ("[1]", "failed to parse JSON."),
            (r#"{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}"#, "more than 5 keys"),
        ];

        for (policy, expected) in refusals {
            let refusal = check(policy, false).unwrap_err();
            assert!(refusal.contains(expected), "{policy}: {refusal}");
        }
        let many: Vec<_> = (0..151).collect();
        let complex = json!({ "k": many }).to_string();
        assert!(check(&complex, false).unwrap_err().contains("too complex"));
        assert!(check(r#"{"k":{"nested":["x"]}}"#, true).is_ok());
        let nested: Map<_, _> = (0..70).map(|it| (it.to_string(), json!([1, 2]))).collect();
        let overflowing = json!({ "k": nested }).to_string();
        assert!(check(&overflowing, true).unwrap_err().contains("too complex"));
    }
}
