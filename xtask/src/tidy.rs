//! Checks what no lint checks: how files begin, what they are called, what they leave undone.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use crate::tree::TOOLKITS;

/// What may not stand in any source file, written so that it does not stand in this one.
const FORBIDDEN: [&str; 7] = [
    concat!("#[", "allow("),
    concat!("#![", "allow("),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("db", "g!("),
];

/// A text file of the workspace, by its path from there.
#[derive(Clone, Debug)]
struct File {
    path: String,
    text: String,
}

/// Reads all sources and manifests of the workspace.
///
/// # Errors
///
/// When one of them is not tidy.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut files = Vec::new();
    for folder in ["bench", "crates", "examples", "search", "xtask"] {
        read(&root.join(folder), folder, &mut files)?;
    }
    ensure!(!files.is_empty(), "there are no files to read");
    let complaints = complaints(&files);
    complaints.iter().for_each(|it| println!("{it}"));
    ensure!(complaints.is_empty(), "{} things are not tidy", complaints.len());
    println!("{} files are tidy", files.len());
    Ok(())
}

fn read(folder: &Path, path: &str, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {path}"))? {
        let entry = entry.with_context(|| format!("reading {path}"))?;
        let path = format!("{path}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().with_context(|| format!("reading {path}"))?.is_dir() {
            read(&entry.path(), &path, files)?;
        } else if path.ends_with(".rs") || path.ends_with("Cargo.toml") {
            let text = fs::read_to_string(entry.path());
            files.push(File { text: text.with_context(|| format!("reading {path}"))?, path });
        }
    }
    Ok(())
}

fn complaints(files: &[File]) -> Vec<String> {
    let sources = files.iter().filter(|it| it.path.ends_with(".rs")).flat_map(source);
    let manifests = files.iter().filter(|it| it.path.ends_with("Cargo.toml")).flat_map(manifest);
    let toolkits = TOOLKITS.iter().flat_map(|(name, _)| toolkit(name, files));
    let mut complaints: Vec<_> = sources.chain(manifests).chain(toolkits).collect();
    complaints.sort();
    complaints
}

fn source(file: &File) -> Vec<String> {
    let path = &file.path;
    let mut complaints = Vec::new();
    if !file.text.starts_with("//!") {
        complaints.push(format!("{path}:1: does not begin with `//!`"));
    }
    if path.ends_with("/utils.rs") {
        complaints.push(format!("{path}:1: is called `utils.rs`, which says nothing"));
    }
    for (number, line) in file.text.lines().enumerate() {
        let found = FORBIDDEN.iter().filter(|it| line.contains(*it));
        complaints.extend(found.map(|it| format!("{path}:{}: has `{it}`", number + 1)));
    }
    complaints
}

/// Checks that dependencies and shared fields of a member come from the root manifest, and that
/// they point one way.
fn manifest(file: &File) -> Vec<String> {
    let path = &file.path;
    let package = path.trim_end_matches("/Cargo.toml").rsplit('/').next().unwrap_or_default();
    let alone = package == "bluegreen-core" || TOOLKITS.iter().any(|it| it.0 == package);
    let mut complaints = Vec::new();
    let mut section = "";
    for (number, line) in file.text.lines().enumerate() {
        let mut complain = |what: &str| complaints.push(format!("{path}:{}: {what}", number + 1));
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            if section.contains("dependencies.") {
                complain("a dependency is a line, not a table");
            }
            continue;
        }
        if section == "package" && line.starts_with("version") && !line.contains("workspace") {
            complain("the version belongs to the root manifest");
        }
        if !section.ends_with("dependencies") || line.is_empty() {
            continue;
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
        if !line.contains("workspace = true") {
            complain(&format!("the version of `{name}` belongs to the root manifest"));
        }
        if alone && name.starts_with("bluegreen-") && name != "bluegreen-core" {
            complain(&format!("`{package}` must not know `{name}`"));
        }
        if package == "bluegreen-core" && name.starts_with("aws-sdk-") {
            complain(&format!("core must not know `{name}`"));
        }
    }
    complaints
}

/// Checks that a toolkit has the files that every toolkit has.
fn toolkit(name: &str, files: &[File]) -> Vec<String> {
    let folder = format!("crates/{name}/src/");
    let own: Vec<_> = files.iter().filter_map(|it| it.path.strip_prefix(&folder)).collect();
    let mut complaints = Vec::new();
    for wanted in ["lib.rs", "toolkit.rs", "aws.rs"] {
        if !own.contains(&wanted) {
            complaints.push(format!("{folder}{wanted}:1: is missing"));
        }
    }
    for file in own {
        let part = file.starts_with("aws/")
            || file.starts_with("toolkit/")
            || file.ends_with("/tests.rs")
            || file == "tests.rs";
        if !part && !["lib.rs", "toolkit.rs", "aws.rs", "config.rs"].contains(&file) {
            complaints.push(format!("{folder}{file}:1: no other toolkit has such a file"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn toolkits() -> Vec<File> {
        let names = ["lib.rs", "toolkit.rs", "aws.rs", "aws/queue.rs", "aws/tests.rs", "config.rs"];
        let of = |name| names.map(|it| file(&format!("crates/{name}/src/{it}"), "//! Fine.\n"));
        TOOLKITS.iter().flat_map(|it| of(it.0)).collect()
    }

    fn with(path: &str, text: &str) -> Vec<String> {
        let mut files = toolkits();
        files.push(file(path, text));
        complaints(&files)
    }

    #[test]
    fn toolkits_with_the_same_files_are_tidy() {
        assert_eq!(complaints(&toolkits()), Vec::<String>::new());
    }

    #[test]
    fn a_file_begins_with_what_it_is_about() {
        let complaints = with("xtask/src/main.rs", "use std::fs;\n//! Late.\n");

        assert_eq!(complaints, ["xtask/src/main.rs:1: does not begin with `//!`"]);
    }

    #[test]
    fn what_may_not_stand_in_a_source_is_named_with_its_line() {
        for forbidden in FORBIDDEN {
            let complaints = with("xtask/src/main.rs", &format!("//! A.\n\n    {forbidden}x)]\n"));

            assert_eq!(complaints[0], format!("xtask/src/main.rs:3: has `{forbidden}`"));
        }
    }

    #[test]
    fn a_name_that_says_nothing_is_refused() {
        let complaints = with("crates/bluegreen-deploy/src/utils.rs", "//! Things.\n");

        assert_eq!(complaints.len(), 1, "{complaints:?}");
    }

    #[test]
    fn a_toolkit_has_no_file_of_its_own_and_misses_none() {
        let odd = with("crates/bluegreen-sqs/src/purge.rs", "//! Purges.\n");
        let mut files = toolkits();
        files.retain(|it| it.path != "crates/bluegreen-sns/src/toolkit.rs");
        let missing = complaints(&files);

        assert_eq!(odd, ["crates/bluegreen-sqs/src/purge.rs:1: no other toolkit has such a file"]);
        assert_eq!(missing, ["crates/bluegreen-sns/src/toolkit.rs:1: is missing"]);
    }

    #[test]
    fn versions_are_in_the_root_manifest_only() {
        let complaints = with(
            "examples/Cargo.toml",
            "[package]\nversion = \"1.0.0\"\nrust-version.workspace = true\n\n[dependencies]\n\
             anyhow.workspace = true\nclap = { workspace = true, features = [\"derive\"] }\n\
             serde = \"1\" # no\n\n[dev-dependencies.toml]\nversion = \"1\"\n",
        );

        assert_eq!(
            complaints,
            [
                "examples/Cargo.toml:10: a dependency is a line, not a table",
                "examples/Cargo.toml:2: the version belongs to the root manifest",
                "examples/Cargo.toml:8: the version of `serde` belongs to the root manifest",
            ]
        );
    }

    #[test]
    fn no_toolkit_knows_another_and_core_knows_no_sdk() {
        let dependencies = "[dependencies]\nbluegreen-core.workspace = true\n\
                            bluegreen-sns.workspace = true\naws-sdk-sqs.workspace = true\n";
        let toolkit = with("crates/bluegreen-sqs/Cargo.toml", dependencies);
        let engine = with("crates/bluegreen-deploy/Cargo.toml", dependencies);
        let core = with("crates/bluegreen-core/Cargo.toml", dependencies);

        assert_eq!(
            toolkit,
            ["crates/bluegreen-sqs/Cargo.toml:3: `bluegreen-sqs` must not know `bluegreen-sns`"]
        );
        assert_eq!(engine, Vec::<String>::new());
        assert_eq!(core.len(), 2, "{core:?}");
    }
}
