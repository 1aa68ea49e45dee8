//! [`Problem`], one thing that is wrong with a stack file, and [`StackFileError`], all of them.

use std::{fmt, ops::Range, path::PathBuf};

/// One thing that is wrong with a stack file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which bytes of the file are wrong; the header of a table that lacks a key, the file's begin when
    /// the file itself lacks one.
    pub span: Range<usize>,
    /// What is wrong, as a fragment.
    ///
    /// Values are quoted as the file has them, before any variable was replaced.
    pub message: String,
    /// What was expected, as a fragment.
    pub help: Option<String>,
}

impl Problem {
    /// Returns the line where the problem begins in the file's `text`, from 1.
    pub fn line(&self, text: &str) -> usize {
        before(text, self.span.start).matches('\n').count() + 1
    }

    /// Returns the column where the problem begins in the file's `text`, in characters from 1.
    pub fn column(&self, text: &str) -> usize {
        let before = before(text, self.span.start);
        let line_start = before.rfind('\n').map_or(0, |it| it + 1);
        before[line_start..].chars().count() + 1
    }
}

/// Everything that is wrong with a stack file.
///
/// It is displayed as one line per problem: `path:line:column: message (what was expected)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackFileError {
    /// Where the file is.
    pub path: PathBuf,
    /// What the file says.
    pub text: String,
    /// What is wrong with it, in the order of the file; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for StackFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let (line, column) = (problem.line(&self.text), problem.column(&self.text));
            write!(f, "{}:{line}:{column}: {}", self.path.display(), one_line(&problem.message))?;
            if let Some(help) = &problem.help {
                write!(f, " ({})", one_line(help))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for StackFileError {}

/// Returns what comes before the byte at `offset`, or before the character that it is a part of.
fn before(text: &str, offset: usize) -> &str {
    &text[..text.floor_char_boundary(offset)]
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(span: Range<usize>) -> Problem {
        Problem { span, message: "is odd".to_owned(), help: None }
    }

    #[test]
    fn lines_and_columns_count_from_one_and_columns_count_characters() {
        let text = "first\r\ngr\u{fc}n = 1\n";
        let equals = text.find('=').unwrap();

        let place = |offset: usize| {
            let problem = problem(offset..offset);
            (problem.line(text), problem.column(text))
        };

        assert_eq!(place(0), (1, 1));
        assert_eq!(place(equals), (2, 6));
        assert_eq!(place(text.len()), (3, 1));
    }

    #[test]
    fn a_span_inside_a_character_or_behind_the_text_has_a_place_too() {
        let text = "\u{fc}";

        assert_eq!((problem(1..2).line(text), problem(1..2).column(text)), (1, 1));
        assert_eq!((problem(9..9).line(text), problem(9..9).column(text)), (1, 2));
    }

    #[test]
    fn an_error_is_one_line_per_problem() {
        let mut second = problem(3..4);
        second.message = "is\nodder".to_owned();
        second.help = Some("expected an even one".to_owned());

        let err = StackFileError {
            path: "shop.toml".into(),
            text: "1\n\n3".to_owned(),
            problems: vec![problem(0..1), second],
        };

        assert_eq!(
            err.to_string(),
            "shop.toml:1:1: is odd\nshop.toml:3:1: is odder (expected an even one)"
        );
    }
}
