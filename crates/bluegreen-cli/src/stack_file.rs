//! Reading the stack file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bluegreen_deploy::stack_file::StackFile;

use crate::output::Failure;

/// Returns the folder that the stack file at `path` lies in.
pub(crate) fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => Path::new(".").to_owned(),
    }
}

/// Reads the stack file at `path`, with what it takes from the environment.
pub(crate) fn read(path: &Path) -> Result<StackFile, Failure> {
    let text = fs::read_to_string(path).map_err(|err| {
        Failure::Usage(format!(
            "the stack file `{}` cannot be read: {err}; name another with --file, or write one with \
             `bluegreen init`",
            path.display()
        ))
    })?;
    #[expect(clippy::disallowed_methods, reason = "only the command reads the environment")]
    let environment = |name: &str| std::env::var(name).ok();
    Ok(StackFile::parse(&text, path, &environment)?)
}
