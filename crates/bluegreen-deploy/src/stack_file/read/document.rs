//! [`Document`], the text being read, the variables replaced in it and the problems found so far.

use std::{cell::RefCell, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::stack_file::Problem;

/// How much of a value a message quotes, in characters.
const LONGEST_QUOTE: usize = 60;

/// The text being read, and what was found wrong with it so far.
pub(super) struct Document<'t> {
    text: &'t str,
    syntax: Vec<Problem>,
    problems: RefCell<Vec<Problem>>,
    /// The strings whose variables could not be replaced: nothing else is said about them.
    unreplaced: Vec<Range<usize>>,
    /// Values that have replaced variables, each with what the file has in their place.
    replaced: Vec<(String, String)>,
}

impl<'t> Document<'t> {
    /// Parses `text` and replaces the variables in its strings.
    ///
    /// Of a text with syntax errors the tree holds what could be understood.
    pub(super) fn parse(
        text: &'t str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> (Self, DeTable<'t>) {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut syntax: Vec<Problem> = errors.iter().map(syntax_problem).collect();
        // What comes behind the first in a line mostly follows from it.
        syntax.dedup_by_key(|it| it.line(text));
        let mut document = Self {
            text,
            syntax,
            problems: RefCell::default(),
            unreplaced: Vec::new(),
            replaced: Vec::new(),
        };
        let mut root = root.into_inner();
        for (_, value) in &mut root {
            document.replace_variables(value, environment);
        }
        (document, root)
    }

    /// Returns whether parts of the text could not be understood, so that what is missing from the tree
    /// may be in the text all the same.
    pub(super) fn has_syntax_errors(&self) -> bool {
        !self.syntax.is_empty()
    }

    /// Returns whether the header of a table could not be understood, so that keys may be in the wrong table.
    pub(super) fn has_broken_headers(&self) -> bool {
        let line = |it: &Problem| self.text.lines().nth(it.line(self.text) - 1);
        self.syntax.iter().filter_map(line).any(|it| it.trim_start().starts_with('['))
    }

    /// Keeps a problem of the bytes in `span`.
    pub(super) fn note(&self, span: Range<usize>, message: String, help: Option<String>) {
        // What stands in for a value that could not be understood is nowhere in the text.
        let is_made_up = span.is_empty() && self.has_syntax_errors();
        if !is_made_up && !self.unreplaced.contains(&span) {
            self.problems.borrow_mut().push(Problem { span, message, help });
        }
    }

    /// Returns whether something is known to be wrong with exactly the bytes in `span`.
    pub(super) fn has_problem_at(&self, span: &Range<usize>) -> bool {
        self.unreplaced.contains(span) || self.problems.borrow().iter().any(|it| it.span == *span)
    }

    /// Returns the line of the byte at `offset`, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.text[..self.text.floor_char_boundary(offset)].matches('\n').count() + 1
    }

    /// Returns what the file has in `span`, without quotation marks and not too much of it.
    pub(super) fn written(&self, span: &Range<usize>) -> String {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let text = text.trim_matches(['"', '\'']).trim_matches(['\n', '\r']);
        let line = text.lines().next().unwrap_or_default();
        let mut quote: String = line.chars().take(LONGEST_QUOTE).collect();
        if quote.len() < text.len() {
            quote.push_str("..");
        }
        quote
    }

    /// Returns `message` with what the file has in the place of the values that it quotes.
    pub(super) fn as_written(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for (value, written) in &self.replaced {
            message = message.replace(&format!("`{value}`"), &format!("`{written}`"));
        }
        message
    }

    /// Returns all problems in the order of the text.
    ///
    /// What is wrong in a line with a syntax error follows from that error, and is left out.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let broken: Vec<usize> = self.syntax.iter().map(|it| it.line(self.text)).collect();
        let mut problems = self.problems.into_inner();
        problems.retain(|it| !broken.contains(&it.line(self.text)));
        problems.extend(self.syntax);
        problems.sort_by_key(|it| (it.span.start, it.span.end));
        problems
    }

    fn replace_variables(
        &mut self,
        value: &mut Spanned<DeValue<'t>>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(text) if text.contains('$') => {
                let failures = match replace(text, environment) {
                    Ok(new) => {
                        self.replaced.push((new.clone(), self.written(&span)));
                        *text = new.into();
                        return;
                    }
                    Err(failures) => failures,
                };
                for failure in failures {
                    let place = self.place_of(&failure.text, &span);
                    self.note(place, failure.message, Some(failure.help));
                }
                self.unreplaced.push(span);
            }
            DeValue::Array(values) => {
                for value in values.iter_mut() {
                    self.replace_variables(value, environment);
                }
            }
            DeValue::Table(entries) => {
                for (_, value) in entries {
                    self.replace_variables(value, environment);
                }
            }
            _ => {}
        }
    }

    /// Returns where `part` is in the string at `span`; all of the string when it is written otherwise there.
    fn place_of(&self, part: &str, span: &Range<usize>) -> Range<usize> {
        let text = self.text.get(span.clone()).unwrap_or_default();
        match text.find(part) {
            Some(at) => span.start + at..span.start + at + part.len(),
            None => span.clone(),
        }
    }
}

/// A `$` that could not be replaced.
struct Failure {
    /// From the `$` on, as far as it belongs to it.
    text: String,
    message: String,
    help: String,
}

/// Replaces every `${NAME}` in `text`, and `$$` by a dollar.
fn replace(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Vec<Failure>> {
    let mut replaced = String::new();
    let mut failures: Vec<Failure> = Vec::new();
    let mut fail = |text: &str, message: String, help: &str| {
        if failures.iter().all(|it| it.text != text) {
            failures.push(Failure { text: text.to_owned(), message, help: help.to_owned() });
        }
    };

    let mut rest = text;
    while let Some(at) = rest.find('$') {
        replaced.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            replaced.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let Some(end) = after.find('}') else {
                let help = "expected `}` behind the variable's name, or `$$` for a dollar";
                fail(rest, "`${` is never closed".to_owned(), help);
                break;
            };
            let (name, variable) = (&after[..end], &rest[..end + 3]);
            if !is_variable(name) {
                let help = "expected letters, digits and `_` between `${` and `}`";
                fail(variable, format!("`{variable}` does not name a variable"), help);
            } else if let Some(value) = environment(name) {
                replaced.push_str(&value);
            } else {
                let message = format!("the environment has no variable `{name}`");
                fail(variable, message, "expected it to be set, or `$$` for a dollar");
            }
            rest = &after[end + 1..];
        } else {
            let help = "expected `${NAME}` for a variable, or `$$` for a dollar";
            fail("$", "a `$` by itself means nothing".to_owned(), help);
            rest = &rest[1..];
        }
    }
    replaced.push_str(rest);
    if failures.is_empty() { Ok(replaced) } else { Err(failures) }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}

fn syntax_problem(err: &toml::de::Error) -> Problem {
    let (message, expected) = match err.message().split_once(", expected ") {
        Some((message, expected)) => (message, Some(format!("expected {expected}"))),
        None => (err.message(), None),
    };
    Problem { span: err.span().unwrap_or_default(), message: message.to_owned(), help: expected }
}
