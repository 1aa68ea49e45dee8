//! [`parse`], which reads YAML as the JSON that it stands for.

use serde_json::{Map, Value};
use yaml_rust2::{
    Event,
    parser::{EventReceiver, Parser},
    scanner::TScalarStyle,
};

/// Reads the first document of a text; `None` when that is no YAML, has an alias, or keys that are no text or there twice.
///
/// Aliases are refused, since few of them can stand for more than a memory holds. Every value is a text, but for those
/// that are left out.
pub(super) fn parse(text: &str) -> Option<Value> {
    let mut tree = Tree::default();
    Parser::new_from_str(text).load(&mut tree, false).ok()?;
    tree.root.filter(|_| !tree.is_refused)
}

/// What has been read so far.
#[derive(Default)]
struct Tree {
    /// The mappings and sequences that have begun and not ended, the innermost last.
    open: Vec<Open>,
    root: Option<Value>,
    is_refused: bool,
}

enum Open {
    /// With the key whose value is to come.
    Mapping(Map<String, Value>, Option<String>),
    Sequence(Vec<Value>),
}

impl Tree {
    fn add(&mut self, value: Value) {
        match self.open.last_mut() {
            Some(Open::Sequence(values)) => values.push(value),
            Some(Open::Mapping(values, key)) => match (key.take(), value) {
                // CodeDeploy may take the other of two values.
                (Some(key), value) => self.is_refused |= values.insert(key, value).is_some(),
                (None, Value::String(text)) => *key = Some(text),
                (None, _) => self.is_refused = true,
            },
            None => self.root = Some(value),
        }
    }
}

impl EventReceiver for Tree {
    fn on_event(&mut self, event: Event) {
        if self.is_refused {
            return;
        }
        match event {
            Event::Scalar(text, style, ..) => {
                let left_out = style == TScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                self.add(if left_out { Value::Null } else { Value::String(text) });
            }
            Event::MappingStart(..) => self.open.push(Open::Mapping(Map::new(), None)),
            Event::SequenceStart(..) => self.open.push(Open::Sequence(Vec::new())),
            Event::MappingEnd | Event::SequenceEnd => match self.open.pop() {
                Some(Open::Mapping(values, _)) => self.add(Value::Object(values)),
                Some(Open::Sequence(values)) => self.add(Value::Array(values)),
                None => {}
            },
            Event::Alias(_) => self.is_refused = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mappings_and_sequences_are_read_in_either_style_with_texts_for_values() {
        let block = "a:\n  - b: 1\n    c: \"null\"\n  - [x, { y: 0.0 }]\nd:\ne: ~\n";

        let expected = json!({ "a": [{ "b": "1", "c": "null" }, ["x", { "y": "0.0" }]], "d": null, "e": null });
        assert_eq!(parse(block), Some(expected));
        assert_eq!(parse(r#"{"a": [true, null]}"#), Some(json!({ "a": ["true", null] })));
    }

    #[test]
    fn aliases_keys_that_are_no_text_and_what_is_no_yaml_are_refused() {
        for text in ["a: &x 1\nb: *x\n", "[1]: 2", "password: [", "a: b: c", "a: 1\na: 2\n", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
