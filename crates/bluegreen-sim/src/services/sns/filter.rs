//! Filter policies: what AWS takes for one, and what passes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// §5: the limits of a policy.
const MOST_KEYS: usize = 5;
const MOST_COMBINATIONS: usize = 150;

/// Says why AWS refuses a policy, in its words.
pub(super) fn check(policy: &str, in_body: bool) -> Result<(), String> {
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
    let mut product = 1;
    for (key, value) in keys {
        product *= match value {
            Value::Array(values) if values.is_empty() => {
                return Err("FilterPolicy: Empty arrays are not allowed".to_owned());
            }
            Value::Array(values) => values.len(),
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
        };
    }
    Ok(product)
}

/// Returns whether a message with these attributes passes: every key must match, by any of its values.
pub(super) fn passes(policy: &str, attributes: &BTreeMap<String, String>) -> bool {
    let Ok(Value::Object(keys)) = serde_json::from_str(policy) else { return true };
    keys.iter().all(|(key, values)| {
        let attribute = attributes.get(key).map(String::as_str);
        values.as_array().is_some_and(|it| it.iter().any(|rule| matches(rule, attribute)))
    })
}

fn matches(rule: &Value, attribute: Option<&str>) -> bool {
    match (rule, attribute) {
        (Value::Object(rule), attribute) => {
            if let Some(Value::Bool(exists)) = rule.get("exists") {
                return attribute.is_some() == *exists;
            }
            attribute.is_some_and(|it| operator(rule, it))
        }
        (Value::String(expected), Some(it)) => expected == it,
        (Value::Number(expected), Some(it)) => {
            it.parse::<f64>().is_ok_and(|it| expected.as_f64() == Some(it))
        }
        (Value::Bool(expected), Some(it)) => it == expected.to_string(),
        _ => false,
    }
}

fn operator(rule: &Map<String, Value>, attribute: &str) -> bool {
    rule.iter().any(|(operator, operand)| match operator.as_str() {
        "prefix" => operand.as_str().is_some_and(|it| attribute.starts_with(it)),
        "suffix" => operand.as_str().is_some_and(|it| attribute.ends_with(it)),
        "equals-ignore-case" => {
            operand.as_str().is_some_and(|it| attribute.eq_ignore_ascii_case(it))
        }
        "anything-but" => match operand {
            Value::Array(values) => !values.iter().any(|it| matches(it, Some(attribute))),
            value => !matches(value, Some(attribute)),
        },
        "numeric" => attribute.parse().is_ok_and(|it| numeric(operand, it)),
        _ => false,
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
    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, it)| ((*name).to_owned(), (*it).to_owned())).collect()
    }

    #[test]
    fn a_message_without_the_key_never_passes_and_that_is_how_all_are_blocked() {
        let blocking = r#"{"__bluegreen_blocked__":["never"]}"#;

        assert!(check(blocking, false).is_ok());
        assert!(!passes(blocking, &attributes(&[])));
        assert!(!passes(blocking, &attributes(&[("type", "order")])));
    }

    #[test]
    fn a_key_that_must_not_exist_lets_all_pass_that_lack_it() {
        assert!(passes(r#"{"k":[{"exists":false}]}"#, &attributes(&[])));
        assert!(!passes(r#"{"k":[{"exists":false}]}"#, &attributes(&[("k", "1")])));
    }

    #[test]
    fn all_keys_must_match_and_any_of_their_values() {
        let policy = r#"{"type":["order","return"],"price":[{"numeric":[">=",10,"<",20]}],"shop":[{"prefix":"eu-"},{"anything-but":["test","us-1"]}]}"#;
        let message =
            |price, shop| attributes(&[("type", "return"), ("price", price), ("shop", shop)]);

        assert!(passes(policy, &message("19.5", "eu-1")));
        assert!(!passes(policy, &message("20", "eu-1")));
        assert!(!passes(policy, &message("10", "us-1")));
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
        let complex = serde_json::json!({ "k": many }).to_string();
        assert!(check(&complex, false).unwrap_err().contains("too complex"));
        assert!(check(r#"{"k":{"nested":["x"]}}"#, true).is_ok());
    }
}
