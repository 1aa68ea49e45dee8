//! Copies the example shop to where it can be tried without its waits.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// The waits of the stack file that are for AWS and for people, not for emulators.
const WAITS: [&str; 5] = ["hold", "settle", "drained-for", "caught-up-for", "watch"];

/// What the stack file says of connections, and what it says where nobody publishes metrics.
const CONNECTIONS: [&str; 2] = ["connections = \"none\"", "connections = \"ignore\""];

/// Copies `examples/shop` to the folder `to`, which is emptied before, with all waits `0s` and without what is asked of
/// metrics.
///
/// Returns where the stack file is.
///
/// # Errors
///
/// When a file cannot be copied, or the stack file has none of the waits.
pub(crate) fn copy(root: &Path, to: &Path) -> Result<PathBuf> {
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("removing {}", to.display()))?;
    }
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    let from = root.join("examples/shop");
    for entry in fs::read_dir(&from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry.context("reading the example")?;
        // What a run by hand has left there (its state) stays there.
        if entry.file_type().context("reading the example")?.is_file() {
            let to = to.join(entry.file_name());
            fs::copy(entry.path(), &to).with_context(|| format!("writing {}", to.display()))?;
        }
    }
    let file = to.join("bluegreen.toml");
    let text = fs::read_to_string(&file).context("reading the stack file")?;
    fs::write(&file, without_waits(&text)?).context("writing the stack file")?;
    Ok(file)
}

/// Sets all waits of a stack file to `0s`.
fn without_waits(text: &str) -> Result<String> {
    let mut seen = Vec::new();
    let lines = text.lines().map(|line| match wait(line) {
        Some((key, value)) => {
            seen.push(key);
            line.replacen(value, "\"0s\"", 1)
        }
        None => line.to_owned(),
    });
    let changed = lines.collect::<Vec<_>>().join("\n") + "\n";
    let [asked, ignored] = CONNECTIONS;
    for key in WAITS {
        ensure!(seen.contains(&key), "the stack file of the shop has no `{key}`");
    }
    Ok(changed.replace(asked, ignored))
}

/// Reads the name and the quoted value of a wait from a line; another line has none.
fn wait(line: &str) -> Option<(&'static str, &str)> {
    let (key, value) = line.split_once('=')?;
    let key = WAITS.into_iter().find(|it| *it == key.trim())?;
    let length = value.trim_start().strip_prefix('"')?.find('"')? + 2;
    Some((key, &value.trim_start()[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_become_nothing_and_the_rest_stays() {
        let text = "[release]\nhold = \"1h\"   # both are fed\n# hold = \"2h\"\n\
                    settle=\"15m\"\n  drained-for = \"3m\"\nlease = \"30s\"\ncaught-up-for = \"3m\"\nwatch = \"1m\"\n\
                    connections = \"none\"\n";

        let changed = without_waits(text).unwrap();

        assert_eq!(
            changed,
            "[release]\nhold = \"0s\"   # both are fed\n# hold = \"2h\"\n\
             settle=\"0s\"\n  drained-for = \"0s\"\nlease = \"30s\"\ncaught-up-for = \"0s\"\nwatch = \"0s\"\n\
             connections = \"ignore\"\n"
        );
    }

    #[test]
    fn a_stack_file_without_one_of_the_waits_is_an_error() {
        let err = without_waits("hold = \"1h\"\nsettle = \"1m\"\n").unwrap_err();

        assert_eq!(err.to_string(), "the stack file of the shop has no `drained-for`");
    }

    #[test]
    fn the_copy_of_the_shop_has_its_scripts_and_no_waits() {
        let root = crate::root();
        let folder = std::env::temp_dir().join(format!("xtask-shop-{}", std::process::id()));
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap());
            let files = entries.filter(|it| it.file_type().unwrap().is_file());
            let mut names: Vec<_> = files.map(|it| it.file_name()).collect();
            names.sort();
            names
        };

        let file = copy(&root, &folder).unwrap();

        let text = fs::read_to_string(file).unwrap();
        let waits: Vec<_> = text.lines().filter_map(wait).map(|it| it.1).collect();
        assert_eq!(names(&folder), names(&root.join("examples/shop")));
        assert!(waits.len() >= WAITS.len());
        assert!(waits.iter().all(|it| *it == "\"0s\""), "{waits:?}");
        assert!(text.contains("connections = \"ignore\""), "{text}");
        fs::remove_dir_all(folder).unwrap();
    }
}
