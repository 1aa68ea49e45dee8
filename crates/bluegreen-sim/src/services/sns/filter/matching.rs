//! [`matching`], which makes messages that a filter policy lets pass.

use serde_json::{Map, Number, Value};

use super::{OR, matches};

/// Returns values that a filter policy lets pass, by name: for the attributes of a message, or for its text.
///
/// It is empty where the policy wants nothing, and lacks what it does not know how to make.
pub fn matching(policy: &Map<String, Value>) -> Map<String, Value> {
    let mut message = Map::new();
    for (key, rules) in policy {
        match rules {
            Value::Array(branches) if key == OR => {
                let first = branches.iter().find_map(Value::as_object);
                message.extend(first.map(matching).unwrap_or_default());
            }
            Value::Array(rules) => {
                let value = rules.iter().find_map(|rule| {
                    candidates(rule).into_iter().find(|it| matches(rule, Some(it)))
                });
                message.extend(value.map(|it| (key.clone(), it)));
            }
            Value::Object(nested) => {
                message.insert(key.clone(), matching(nested).into());
            }
            _ => {}
        }
    }
    message
}

/// Returns values of which one or the other matches a rule.
fn candidates(rule: &Value) -> Vec<Value> {
    let Value::Object(rule) = rule else { return vec![rule.clone()] };
    let Some((operator, operand)) = rule.iter().next() else { return Vec::new() };
    match operator.as_str() {
        "prefix" | "suffix" | "equals-ignore-case" => vec![operand.clone()],
        "numeric" => numbers(operand),
        // A text that neither begins nor ends like another in this list.
        _ => ('a'..='z').map(|it| it.to_string().into()).collect(),
    }
}

/// Returns the bounds of a numeric rule, what is beside them, and what is between them.
fn numbers(operand: &Value) -> Vec<Value> {
    let bounds: Vec<f64> =
        operand.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let beside = bounds.iter().flat_map(|it| [*it, it + 1.0, it - 1.0]);
    let between = bounds.iter().sum::<f64>() / bounds.len().max(1) as f64;
    let all = beside.chain([between]);
    all.filter_map(|it| whole(it).or_else(|| Number::from_f64(it)).map(Value::Number)).collect()
}

/// Writes a whole number without a point.
fn whole(number: f64) -> Option<Number> {
    (number.fract() == 0.0 && number.abs() <= 1e9).then(|| Number::from(number as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::passes, *};

    fn made(policy: &Value) -> Value {
        Value::Object(matching(policy.as_object().unwrap()))
    }

    #[test]
    fn what_is_made_passes_whatever_the_operator() {
        for rules in [
            json!(["order", "return"]),
            json!([5]),
            json!([true]),
            json!([null]),
            json!([{ "prefix": "eu-" }]),
            json!([{ "suffix": "-1" }]),
            json!([{ "equals-ignore-case": "Order" }]),
            json!([{ "exists": true }]),
            json!([{ "exists": false }]),
            json!([{ "anything-but": ["a", "b"] }]),
            json!([{ "anything-but": "a" }]),
            json!([{ "anything-but": [1, 2] }]),
            json!([{ "anything-but": { "prefix": "a" } }]),
            json!([{ "numeric": ["=", 2.5] }]),
            json!([{ "numeric": [">", 5] }]),
            json!([{ "numeric": ["<=", 0] }]),
            json!([{ "numeric": [">", 5, "<", 5.5] }]),
            json!([{ "cidr": "10.0.0.0/24" }]),
        ] {
            let policy = json!({ "key": rules });
            let made = made(&policy);
            assert!(passes(&policy.to_string(), &made), "{policy}: {made}");
        }
    }

    #[test]
    fn what_must_not_exist_is_not_made() {
        assert_eq!(made(&json!({ "test": [{ "exists": false }] })), json!({}));
    }

    #[test]
    fn what_is_made_for_a_nested_policy_is_nested_too_and_follows_the_first_branch() {
        let policy = json!({
            "order": { "shop": ["eu-1"], "total": [{ "numeric": [">=", 10, "<", 20] }] },
            "$or": [{ "type": ["order"] }, { "gift": [true] }],
        });

        let made = made(&policy);

        assert_eq!(made, json!({ "order": { "shop": "eu-1", "total": 10 }, "type": "order" }));
        assert!(passes(&policy.to_string(), &made));
    }
}
