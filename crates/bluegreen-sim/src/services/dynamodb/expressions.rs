//! [`Reader`], what the expressions of DynamoDB have in common: their words, and what stands for names and values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{invalid, values};
use crate::Refusal;

/// How long an expression may be, in bytes.
const MOST_BYTES: usize = 4096;

/// How deep parentheses and `NOT` may lie in each other: far deeper than anybody writes.
const MOST_LEVELS: usize = 100;

/// Of the words that AWS reserves (more than 500, in any case), those that a table of releases comes near: an
/// attribute of such a name needs a placeholder.
const RESERVED: &str = " action add all and any as at attribute begin between by cluster comment commit \
    condition connection context count counter create current data database date day delete describe duration \
    end error exists exit first from function get group hash host hour in index item items key keys last level \
    limit local location lock log minute mode month name names next no none not null number object of on open \
    operation option or order owner path percent permission plan position primary range read region release \
    remove replace request reset resource response return role rollback row rule scan second sequence session \
    set size source start state status stream string system table text time timeout timestamp to token total \
    transaction ttl type update user users uuid value values view wait where write year zone ";

/// What the placeholders of a request stand for, and which of them its expressions have used.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
    used: BTreeSet<String>,
}

impl Placeholders {
    /// Reads `ExpressionAttributeNames` and `ExpressionAttributeValues`.
    pub(super) fn of(parameters: &Value) -> Result<Self, Refusal> {
        let mut placeholders = Self::default();
        for (key, mark) in [("ExpressionAttributeNames", '#'), ("ExpressionAttributeValues", ':')] {
            let Some(given) = parameters.get(key).filter(|it| !it.is_null()) else { continue };
            let given = given.as_object().filter(|it| !it.is_empty());
            let given = given.ok_or_else(|| invalid(format!("{key} must not be empty")))?;
            for (placeholder, it) in given {
                if placeholder.len() < 2 || !placeholder.starts_with(mark) {
                    return Err(invalid(format!("{key} contains invalid key: {placeholder}")));
                }
                if mark == ':' {
                    placeholders.values.insert(placeholder.clone(), values::read(it)?);
                } else {
                    let name = it.as_str().filter(|it| !it.is_empty());
                    let name =
                        name.ok_or_else(|| invalid(format!("{key} contains invalid value")))?;
                    placeholders.names.insert(placeholder.clone(), name.to_owned());
                }
            }
        }
        Ok(placeholders)
    }

    /// Refuses those that no expression has used, as AWS does.
    pub(super) fn check_used(&self) -> Result<(), Refusal> {
        for (key, mut placeholders) in [
            ("ExpressionAttributeNames", self.names.keys().collect::<Vec<_>>()),
            ("ExpressionAttributeValues", self.values.keys().collect()),
        ] {
            placeholders.retain(|it| !self.used.contains(*it));
            if let Some(unused) = placeholders.first() {
                return Err(invalid(format!(
                    "Value provided in {key} unused in expressions: keys: {{{unused}}}"
                )));
            }
        }
        Ok(())
    }
}

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A keyword, the name of a function or of an attribute.
    Word(String),
    /// `#name` or `:value`.
    Placeholder(String),
    /// `<=`, `(`, `,`.
    Symbol(&'static str),
}

const SYMBOLS: [&str; 11] = ["<>", "<=", ">=", "=", "<", ">", "(", ")", ",", "+", "-"];

/// Reads an expression from its beginning to its end.
#[derive(Debug)]
pub(super) struct Reader<'p> {
    /// The parameter that the expression is: `ConditionExpression`.
    parameter: &'static str,
    tokens: Vec<Token>,
    at: usize,
    level: usize,
    placeholders: &'p mut Placeholders,
}

impl<'p> Reader<'p> {
    /// Begins to read the expression that a parameter is, if the request has it.
    pub(super) fn of(
        parameters: &Value,
        parameter: &'static str,
        placeholders: &'p mut Placeholders,
    ) -> Result<Option<Self>, Refusal> {
        let Some(text) = parameters.get(parameter).filter(|it| !it.is_null()) else {
            return Ok(None);
        };
        let mut reader = Self { parameter, tokens: Vec::new(), at: 0, level: 0, placeholders };
        let text = text.as_str().unwrap_or_default();
        if text.trim().is_empty() {
            return Err(reader.wrong("The expression can not be empty;"));
        }
        if text.len() > MOST_BYTES {
            return Err(reader.wrong("Expression size has exceeded the maximum allowed size;"));
        }
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (token, length) = token(rest)
                .ok_or_else(|| reader.wrong(&format!("Syntax error; near: \"{rest}\"")))?;
            reader.tokens.push(token);
            rest = rest[length..].trim_start();
        }
        Ok(Some(reader))
    }

    /// Says what is wrong with the expression.
    pub(super) fn wrong(&self, what: &str) -> Refusal {
        invalid(format!("Invalid {}: {what}", self.parameter))
    }

    /// Says that the next word is not one that can stand there.
    pub(super) fn unexpected(&self) -> Refusal {
        let token = match self.tokens.get(self.at) {
            Some(Token::Word(it) | Token::Placeholder(it)) => it,
            Some(Token::Symbol(it)) => *it,
            None => "<EOF>",
        };
        self.wrong(&format!("Syntax error; token: \"{token}\""))
    }

    /// Refuses anything that is left.
    pub(super) fn end(&self) -> Result<(), Refusal> {
        if self.at < self.tokens.len() { Err(self.unexpected()) } else { Ok(()) }
    }

    /// Returns whether the next word is this keyword, in any case, and passes it.
    pub(super) fn passes(&mut self, keyword: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Word(it)) if it.eq_ignore_ascii_case(keyword));
        self.at += usize::from(is);
        is
    }

    /// Returns whether the next word is this symbol, and passes it.
    pub(super) fn passes_symbol(&mut self, symbol: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Symbol(it)) if *it == symbol);
        self.at += usize::from(is);
        is
    }

    /// Passes a symbol that must stand there.
    pub(super) fn pass(&mut self, symbol: &str) -> Result<(), Refusal> {
        if self.passes_symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Passes the first of these symbols that is the next word.
    pub(super) fn passes_any(&mut self, symbols: &[&'static str]) -> Option<&'static str> {
        symbols.iter().find(|it| self.passes_symbol(it)).copied()
    }

    /// Passes the name of a function with its opening parenthesis, and returns the name.
    pub(super) fn passes_function(&mut self) -> Option<String> {
        match self.tokens.get(self.at..self.at + 2)? {
            [Token::Word(name), Token::Symbol("(")] if !is_operator(name) => {
                let name = name.clone();
                self.at += 2;
                Some(name)
            }
            _ => None,
        }
    }

    /// Passes an attribute, and returns its name; what lies within an attribute cannot be named.
    pub(super) fn attribute(&mut self) -> Result<String, Refusal> {
        let name = match self.tokens.get(self.at) {
            Some(Token::Word(name))
                if RESERVED.contains(&format!(" {} ", name.to_ascii_lowercase())) =>
            {
                return Err(self.wrong(&format!(
                    "Attribute name is a reserved keyword; reserved keyword: {name}"
                )));
            }
            Some(Token::Word(name)) => name.clone(),
            Some(Token::Placeholder(it)) if it.starts_with('#') => {
                self.placeholders.used.insert(it.clone());
                let name = self.placeholders.names.get(it);
                name.cloned().ok_or_else(|| {
                    self.wrong(&format!(
                        "An expression attribute name used in the document path is not defined; attribute \
                         name: {it}"
                    ))
                })?
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(name)
    }

    /// Passes a value if there is one, and returns it.
    pub(super) fn passes_value(&mut self) -> Result<Option<Value>, Refusal> {
        let Some(Token::Placeholder(it)) = self.tokens.get(self.at) else { return Ok(None) };
        if !it.starts_with(':') {
            return Ok(None);
        }
        self.placeholders.used.insert(it.clone());
        let value = self.placeholders.values.get(it).cloned().ok_or_else(|| {
            self.wrong(&format!(
                "An expression attribute value used in expression is not defined; attribute value: {it}"
            ))
        })?;
        self.at += 1;
        Ok(Some(value))
    }

    /// Reads something that lies one level deeper.
    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if self.level >= MOST_LEVELS {
            return Err(self.wrong("The expression is nested too deep"));
        }
        self.level += 1;
        let answer = read(self);
        self.level -= 1;
        answer
    }
}

fn is_operator(word: &str) -> bool {
    ["AND", "OR", "NOT"].iter().any(|it| word.eq_ignore_ascii_case(it))
}

/// Returns the word that a text begins with, and its length.
fn token(text: &str) -> Option<(Token, usize)> {
    if let Some(symbol) = SYMBOLS.iter().find(|it| text.starts_with(**it)) {
        return Some((Token::Symbol(symbol), symbol.len()));
    }
    let marks = usize::from(text.starts_with(['#', ':']));
    let rest = &text[marks..];
    let length =
        rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(rest.len());
    let word = &text[..marks + length];
    let is_word = marks == 0 && !rest.starts_with(|it: char| it.is_ascii_digit());
    match length {
        0 => None,
        _ if marks == 1 => Some((Token::Placeholder(word.to_owned()), word.len())),
        _ if is_word => Some((Token::Word(word.to_owned()), word.len())),
        _ => None,
    }
}
