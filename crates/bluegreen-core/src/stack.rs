//! [`StackReference`], the name of one of the two stacks, and [`Pair`], one value for each.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One of the two copies of a system: stack a or stack b.
///
/// It is read from `a`, `b`, `blue` (a) and `green` (b) in any case, and written as `a` or `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StackReference {
    /// Stack a, also called blue.
    A,
    /// Stack b, also called green.
    B,
}

impl StackReference {
    /// Both stacks, a first.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// Returns the other stack.
    pub fn partner(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl fmt::Display for StackReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

impl FromStr for StackReference {
    type Err = ParseStackReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "a" | "blue" => Ok(Self::A),
            "b" | "green" => Ok(Self::B),
            _ => Err(ParseStackReferenceError { text: text.to_owned() }),
        }
    }
}

impl Serialize for StackReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StackReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A text is not the name of a stack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a stack: expected `a` or `b` (or `blue`, `green`)")]
pub struct ParseStackReferenceError {
    text: String,
}

/// A value for stack a and one for stack b.
///
/// In a file it is written `{ a = .., b = .. }`; both are needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair<T> {
    /// The value of stack a.
    pub a: T,
    /// The value of stack b.
    pub b: T,
}

impl<T> Pair<T> {
    /// Returns the value of `stack`.
    pub fn of(&self, stack: StackReference) -> &T {
        match stack {
            StackReference::A => &self.a,
            StackReference::B => &self.b,
        }
    }

    /// Makes both values with `make`, that of stack a first.
    pub fn from_fn(mut make: impl FnMut(StackReference) -> T) -> Self {
        let a = make(StackReference::A);
        let b = make(StackReference::B);
        Self { a, b }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stacks_are_read_by_letter_and_by_colour_in_any_case() {
        for text in ["a", "A", "blue", "Blue", "BLUE"] {
            assert_eq!(text.parse(), Ok(StackReference::A), "{text}");
        }
        for text in ["b", "B", "green", "gReen"] {
            assert_eq!(text.parse(), Ok(StackReference::B), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_other_text_is_refused_and_quoted(text in "[a-zA-Z]{0,6}") {
            let known = ["a", "b", "blue", "green"].contains(&text.to_ascii_lowercase().as_str());

            match text.parse::<StackReference>() {
                Ok(_) => prop_assert!(known),
                Err(err) => {
                    prop_assert!(!known);
                    let quoted = format!("`{text}`");
                    prop_assert!(err.to_string().contains(&quoted));
                }
            }
        }
    }

    #[test]
    fn partners_are_each_others() {
        assert_eq!(StackReference::A.partner(), StackReference::B);
        assert_eq!(StackReference::B.partner(), StackReference::A);
    }

    #[test]
    fn a_stack_survives_json() {
        let json = serde_json::to_string(&StackReference::BOTH).unwrap();

        assert_eq!(json, r#"["a","b"]"#);
        assert_eq!(
            serde_json::from_str::<[StackReference; 2]>(r#"["Blue","B"]"#).unwrap(),
            StackReference::BOTH
        );
    }

    #[test]
    fn a_pair_needs_both_sides_and_no_third() {
        let pair: Pair<u8> = toml::from_str("a = 1\nb = 2").unwrap();

        assert_eq!((*pair.of(StackReference::A), *pair.of(StackReference::B)), (1, 2));
        assert!(toml::from_str::<Pair<u8>>("a = 1").is_err());
        assert!(toml::from_str::<Pair<u8>>("a = 1\nb = 2\nc = 3").is_err());
    }

    #[test]
    fn a_pair_made_by_a_function_keeps_the_sides_apart() {
        let pair = Pair::from_fn(|stack| format!("orders-{stack}"));

        assert_eq!(pair, Pair { a: "orders-a".to_owned(), b: "orders-b".to_owned() });
    }
}
