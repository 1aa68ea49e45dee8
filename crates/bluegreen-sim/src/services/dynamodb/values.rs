//! The values of attributes: whether they are ones, how large they are, how they compare.

use std::cmp::Ordering;

use aws_smithy_types::base64;
use serde_json::{Map, Value, json};

use super::{Item, Key, Table, invalid, numbers::Number};
use crate::Refusal;

/// How large an item may be, in bytes.
pub(super) const MOST_BYTES: usize = 400 * 1024;

/// How deep values may lie in each other.
const MOST_LEVELS: usize = 32;

/// How large the values of a hash key and of a range key may be, in bytes.
const MOST_IN_KEYS: [(&str, usize); 2] = [("hashkey", 2048), ("rangekey", 1024)];

impl Table {
    /// Returns the names of its keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        [&self.hash].into_iter().chain(&self.range)
    }

    /// Returns the key of an item that somebody puts.
    pub(super) fn key_in(&self, item: &Item) -> Result<Key, Refusal> {
        for name in self.keys() {
            let problem = match item.get(name) {
                None => format!("Missing the key {name} in the item"),
                Some(it) if it.get("S").is_none() => {
                    format!("Type mismatch for key {name} expected: S actual: {}", kind(it))
                }
                Some(_) => continue,
            };
            return Err(invalid(format!("One or more parameter values were invalid: {problem}")));
        }
        self.key(item)
    }

    /// Returns the key that somebody names.
    pub(super) fn key_named(&self, key: &Item) -> Result<Key, Refusal> {
        let fits = key.len() == self.keys().count()
            && self.keys().all(|it| key.get(it).is_some_and(|it| it.get("S").is_some()));
        if !fits {
            return Err(invalid("The provided key element does not match the schema"));
        }
        self.key(key)
    }

    fn key(&self, item: &Item) -> Result<Key, Refusal> {
        for (name, (kind, most)) in self.keys().zip(MOST_IN_KEYS) {
            let length = text(item, name).map_or(0, |it| it.len());
            if length == 0 {
                return Err(invalid(format!(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot \
                     contain an empty string value. Key: {name}"
                )));
            }
            if length > most {
                return Err(invalid(format!(
                    "One or more parameter values were invalid: Size of {kind} has exceeded the maximum size \
                     limit of {most} bytes"
                )));
            }
        }
        let range = self.range.as_ref().and_then(|it| text(item, it));
        Ok((text(item, &self.hash).unwrap_or_default(), range))
    }

    /// Returns the attributes that an item with this key has by itself.
    pub(super) fn attributes(&self, key: &Key) -> Item {
        let values = [&key.0].into_iter().chain(&key.1);
        self.keys().cloned().zip(values.map(|it| json!({ "S": it }))).collect()
    }
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.get("S")?.as_str().map(str::to_owned)
}

/// Reads the attributes of an item, or of a key; the parameter is called `name`.
pub(super) fn item(value: Option<&Value>, name: &str) -> Result<Item, Refusal> {
    let members = value.and_then(Value::as_object);
    let members = members.ok_or_else(|| invalid(format!("{name} is required")))?;
    members.iter().map(|(name, it)| Ok((name.clone(), read(it)?))).collect()
}

/// Reads the value of an attribute: numbers are written in one way from then on.
pub(super) fn read(value: &Value) -> Result<Value, Refusal> {
    read_at(value, 0)
}

fn read_at(value: &Value, level: usize) -> Result<Value, Refusal> {
    if level > MOST_LEVELS {
        return Err(invalid(
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond \
             supported limit",
        ));
    }
    let members = value.as_object().filter(|it| it.len() == 1);
    let Some((kind, it)) = members.and_then(|it| it.iter().next()) else {
        return Err(invalid(
            "Supplied AttributeValue must contain exactly one of the supported datatypes",
        ));
    };
    let wrong = || invalid(format!("Supplied AttributeValue of type {kind} is not one"));
    Ok(match (kind.as_str(), it) {
        ("S", Value::String(_)) | ("BOOL", Value::Bool(_)) | ("NULL", Value::Bool(true)) => {
            value.clone()
        }
        ("B", Value::String(text)) if base64::decode(text).is_ok() => value.clone(),
        ("N", Value::String(text)) => json!({ "N": Number::parse(text)?.to_string() }),
        ("L", Value::Array(values)) => {
            let values = values.iter().map(|it| read_at(it, level + 1));
            json!({ "L": values.collect::<Result<Vec<_>, _>>()? })
        }
        ("M", Value::Object(members)) => {
            let members =
                members.iter().map(|(name, it)| Ok((name.clone(), read_at(it, level + 1)?)));
            json!({ "M": members.collect::<Result<Map<_, _>, Refusal>>()? })
        }
        ("SS" | "NS" | "BS", _) => {
            return Err(invalid(format!(
                "the simulated account does not know values of type {kind}"
            )));
        }
        _ => return Err(wrong()),
    })
}

/// Returns the type of a value: `S`, `N`.
pub(super) fn kind(value: &Value) -> &str {
    value.as_object().and_then(|it| it.keys().next()).map_or("", String::as_str)
}

/// Returns the number that a value is.
pub(super) fn number(value: &Value) -> Option<Number> {
    Number::parse(value.get("N")?.as_str()?).ok()
}

/// Compares two values of the same type, if that type has an order.
pub(super) fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    let text = |it: &Value, kind: &str| it.get(kind).and_then(Value::as_str).map(str::to_owned);
    match kind(one) {
        "N" => Some(number(one)?.cmp(&number(other)?)),
        "S" => Some(text(one, "S")?.cmp(&text(other, "S")?)),
        "B" => {
            let bytes = |it: &Value| base64::decode(text(it, "B")?).ok();
            Some(bytes(one)?.cmp(&bytes(other)?))
        }
        _ => None,
    }
}

/// Returns how large an item is, in bytes, as AWS counts: names and values.
pub(super) fn size(item: &Item) -> usize {
    item.iter().map(|(name, it)| name.len() + size_of(it)).sum()
}

fn size_of(value: &Value) -> usize {
    let Some((kind, it)) = value.as_object().and_then(|it| it.iter().next()) else { return 0 };
    match (kind.as_str(), it) {
        ("S", Value::String(text)) => text.len(),
        // Two digits are a byte, and there is one more.
        ("N", Value::String(text)) => {
            text.bytes().filter(u8::is_ascii_digit).count().div_ceil(2) + 1
        }
        ("B", Value::String(text)) => base64::decode(text).map_or(0, |it| it.len()),
        ("L", Value::Array(values)) => 3 + values.iter().map(|it| 1 + size_of(it)).sum::<usize>(),
        ("M", Value::Object(members)) => {
            3 + members.iter().map(|(name, it)| 1 + name.len() + size_of(it)).sum::<usize>()
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_they_come_and_numbers_in_one_way() {
        let given = json!({
            "M": {
                "text": { "S": "" },
                "number": { "N": "1.50" },
                "truth": { "BOOL": false },
                "nothing": { "NULL": true },
                "bytes": { "B": "AAE=" },
                "list": { "L": [{ "N": "01" }] },
            },
        });

        let read = read(&given).unwrap();

        let mut expected = given;
        expected["M"]["number"] = json!({ "N": "1.5" });
        expected["M"]["list"] = json!({ "L": [{ "N": "1" }] });
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let mut deep = json!({ "S": "" });
        for _ in 0..33 {
            deep = json!({ "L": [deep] });
        }
        for value in [
            json!({}),
            json!("text"),
            json!({ "S": 1 }),
            json!({ "N": 1 }),
            json!({ "N": "one" }),
            json!({ "B": "?" }),
            json!({ "NULL": false }),
            json!({ "SS": ["a"] }),
            json!({ "S": "a", "N": "1" }),
            json!({ "X": "a" }),
            json!({ "L": [{ "S": 1 }] }),
            deep,
        ] {
            assert_eq!(read(&value).unwrap_err().code, "ValidationException", "{value}");
        }
    }

    #[test]
    fn values_compare_by_what_they_are_and_only_with_their_like() {
        let number = |it: &str| json!({ "N": it });

        assert_eq!(compare(&number("9"), &number("10")), Some(Ordering::Less));
        assert_eq!(compare(&json!({ "S": "9" }), &json!({ "S": "10" })), Some(Ordering::Greater));
        assert_eq!(
            compare(&json!({ "B": "/w==" }), &json!({ "B": "AA==" })),
            Some(Ordering::Greater)
        );
        assert_eq!(compare(&number("9"), &json!({ "S": "9" })), None);
        assert_eq!(compare(&json!({ "BOOL": true }), &json!({ "BOOL": true })), None);
    }

    #[test]
    fn names_and_values_count_into_the_size() {
        let item = json!({
            "pk": { "S": "four" },
            "n": { "N": "12345" },
            "m": { "M": { "a": { "BOOL": true } } },
            "b": { "B": "AAE=" },
        });

        assert_eq!(size(item.as_object().unwrap()), 2 + 4 + 1 + 4 + 1 + 3 + 1 + 1 + 1 + 1 + 2);
    }
}
