//! [`Source`], where the stack file of the function comes from.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::ConfigurationError;

const FILE: &str = "BLUEGREEN_STACK_FILE";
const PARAMETER: &str = "BLUEGREEN_STACK_PARAMETER";
const TEXT: &str = "BLUEGREEN_STACK_TEXT";

/// The folder into which Lambda unpacks the function's package.
const PACKAGE: &str = "LAMBDA_TASK_ROOT";

/// The stack file of a function that does not say which.
const DEFAULT: &str = "bluegreen.toml";

/// Where the stack file of the function comes from. Displays as what errors call it.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A file of the function's package, which may be of any size.
    Package(PathBuf),
    /// A parameter of Parameter Store of AWS Systems Manager, by its name or ARN. It holds 4 KB as a standard
    /// parameter, and 8 KB as an advanced one, which costs a little.
    Parameter(String),
    /// The text itself. All variables of a function have 4 KB together, names included.
    Text(String),
}

impl Source {
    /// Reads from the variables of the environment where the stack file is:
    ///
    /// - `BLUEGREEN_STACK_FILE`: a file; a path that is not absolute begins in the package (`LAMBDA_TASK_ROOT`);
    /// - `BLUEGREEN_STACK_PARAMETER`: the name of a parameter;
    /// - `BLUEGREEN_STACK_TEXT`: the text.
    ///
    /// Without any of them it is `bluegreen.toml` in the package. A variable that is empty or blank counts
    /// as none, since templates leave them so.
    ///
    /// AWS refuses to store a text that is larger than a parameter or the variables may hold, so a stack file that
    /// is too large for one place is never cut off; it is put into the package.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError::Several`] when more than one is set.
    pub fn from_variables(
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigurationError> {
        let given = |name| variable(name).filter(|it| !it.trim().is_empty());
        let package = |file: &str| Path::new(&given(PACKAGE).unwrap_or_default()).join(file);
        let mut set: Vec<_> = [FILE, PARAMETER, TEXT]
            .into_iter()
            .filter_map(|name| Some((name, given(name)?)))
            .collect();
        match (set.pop(), set.is_empty()) {
            (None, _) => Ok(Self::Package(package(DEFAULT))),
            (Some((FILE, path)), true) => Ok(Self::Package(package(path.trim()))),
            (Some((PARAMETER, name)), true) => Ok(Self::Parameter(name.trim().to_owned())),
            (Some((_, text)), true) => Ok(Self::Text(text)),
            (Some((last, _)), false) => {
                let names = set.into_iter().map(|it| it.0).chain([last]);
                Err(ConfigurationError::Several(names.collect()))
            }
        }
    }

    /// Returns whether it may say something else while the function lives.
    pub(super) fn changes(&self) -> bool {
        matches!(self, Self::Parameter(_))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(path) => path.display().fmt(f),
            Self::Parameter(name) => write!(f, "parameter {name}"),
            Self::Text(_) => write!(f, "variable {TEXT}"),
        }
    }
}

impl fmt::Debug for Source {
    /// Leaves out the text, in which there may be what is nobody else's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(variables: &[(&str, &str)]) -> Result<Source, ConfigurationError> {
        Source::from_variables(&|name| {
            variables.iter().find(|it| it.0 == name).map(|it| it.1.to_owned())
        })
    }

    #[test]
    fn without_a_word_it_is_the_file_of_the_package() {
        for (variables, path) in [
            (&[(PACKAGE, "/var/task"), (TEXT, " "), (FILE, "")][..], "/var/task/bluegreen.toml"),
            (&[], "bluegreen.toml"),
            (&[(PACKAGE, "/var/task"), (FILE, "stacks/shop.toml")], "/var/task/stacks/shop.toml"),
            (&[(PACKAGE, "/var/task"), (FILE, "/opt/shop.toml")], "/opt/shop.toml"),
        ] {
            assert_eq!(source(variables).unwrap(), Source::Package(path.into()));
        }
    }

    #[test]
    fn a_parameter_and_a_text_are_taken_from_their_variables() {
        let parameter = source(&[(PARAMETER, "/bluegreen/shop")]).unwrap();
        let text = source(&[(TEXT, "[sqs]\n")]).unwrap();

        assert_eq!(parameter, Source::Parameter("/bluegreen/shop".to_owned()));
        assert_eq!(text, Source::Text("[sqs]\n".to_owned()));
    }

    #[test]
    fn what_is_set_twice_is_refused_with_the_names_of_the_variables() {
        let two = source(&[(TEXT, "swordfish"), (FILE, "shop.toml")]).unwrap_err().to_string();
        let three = source(&[(TEXT, "x"), (FILE, "y"), (PARAMETER, "z")]).unwrap_err().to_string();

        assert_eq!(
            two,
            "the stack file is set by `BLUEGREEN_STACK_FILE` and `BLUEGREEN_STACK_TEXT`: expected one of \
             them"
        );
        assert!(three.contains(PARAMETER), "{three}");
    }

    #[test]
    fn errors_call_it_what_it_is_and_show_no_text() {
        let text = Source::Text("password = \"swordfish\"".to_owned());

        assert_eq!(text.to_string(), "variable BLUEGREEN_STACK_TEXT");
        assert_eq!(Source::Parameter("/x".to_owned()).to_string(), "parameter /x");
        assert_eq!(Source::Package("x.toml".into()).to_string(), "x.toml");
        assert!(!format!("{text:?}").contains("swordfish"));
    }
}
