//! Packs the hook Lambda as AWS Lambda takes it: a zip with the program `bootstrap`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    cargo,
    python::{self, Python},
};

/// The profile of Cargo that it is built with.
const PROFILE: &str = "hook";

/// The program, as Lambda's runtime `provided.al2023` wants it to be called.
pub(crate) const PROGRAM: &str = "bootstrap";

/// The largest package that is let pass, in bytes, of those whose code is sorted to be packed. All others are a sixth
/// larger.
pub(crate) const LARGEST: u64 = 5_000_000;

/// What Rust calls the processor and the system on which it is: build.rs of the hook does it where LLD links.
const SORTED: &str = "x86_64-unknown-linux-gnu";

/// The version of glibc that `provided.al2023` has.
const GLIBC: u32 = 34;

/// What is packed: for whom, and with which services. Without a processor, for x86_64.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    /// For functions with the architecture `x86_64`, as the template of examples/hook says.
    #[arg(long)]
    x86_64: bool,
    /// For functions with the architecture `arm64`.
    #[arg(long)]
    arm64: bool,
    /// For this machine, whatever its processor: what continuous integration runs.
    #[arg(long)]
    host: bool,
    /// Only these services, with commas (`aurora,ecs,sqs`): a smaller package.
    #[arg(long)]
    features: Option<String>,
}

/// A processor that a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Processor {
    X86,
    Arm64,
    Host,
}

impl Processor {
    /// Returns the folder under `target/lambda`.
    fn folder(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86 => "x86_64",
            Self::Host => "host",
        }
    }

    /// Returns what Rust calls it; the machine's own needs no name.
    fn triple(self) -> Option<&'static str> {
        match self {
            Self::Arm64 => Some("aarch64-unknown-linux-gnu"),
            Self::X86 => Some("x86_64-unknown-linux-gnu"),
            Self::Host => None,
        }
    }
}

impl Wanted {
    /// What continuous integration packs.
    pub(crate) const FOR_THIS_MACHINE: Self =
        Self { x86_64: false, arm64: false, host: true, features: None };

    fn processors(&self) -> Vec<Processor> {
        let all = [
            (self.x86_64, Processor::X86),
            (self.arm64, Processor::Arm64),
            (self.host, Processor::Host),
        ];
        let asked: Vec<_> = all.into_iter().filter(|it| it.0).map(|it| it.1).collect();
        if asked.is_empty() { vec![Processor::X86] } else { asked }
    }
}

/// Builds the packages, and says how large they are.
///
/// # Errors
///
/// When the standard library of a processor is not there, the hook does not build, or a package is too large.
pub(crate) fn run(root: &Path, wanted: &Wanted) -> Result<()> {
    let sysroot = cargo::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let machine = cargo::output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    for processor in wanted.processors() {
        // cargo-lambda would install it without being asked.
        if let Some(triple) = processor.triple() {
            check_library(Path::new(sysroot.trim()), triple)?;
        }
    }
    let python = python::install(root, &python::CARGO_LAMBDA)?;
    for processor in wanted.processors() {
        // For others cargo-lambda links with Zig, which knows the libraries of other processors.
        let own = processor.triple().is_none_or(|it| it == machine.trim());
        let features = wanted.features.as_deref();
        let mut package = build(root, &python, processor, &arguments(processor, own, features))?;
        let mut sorted = own && machine.trim() == SORTED;
        let glibc = newest_glibc(&program(&python, &package)?);
        if own && processor.triple().is_some() && glibc > GLIBC {
            println!(
                "it would want glibc 2.{glibc}, and Lambda has 2.{GLIBC}: linking it with Zig"
            );
            package = build(root, &python, processor, &arguments(processor, false, features))?;
            sorted = false;
        }
        let shown = package.strip_prefix(root).unwrap_or(&package);
        let zipped = fs::metadata(&package).context("looking at the package")?.len();
        let listed = cargo::output(python.module("zipfile", false).arg("-l").arg(&package))?;
        let whole = size(&listed).with_context(|| {
            format!("{} does not have `{PROGRAM}`, and nothing else", shown.display())
        })?;
        println!(
            "{}: {} zipped, {} unpacked",
            shown.display(),
            megabytes(zipped),
            megabytes(whole)
        );
        if sorted {
            check_size(shown, zipped)?;
        }
    }
    Ok(())
}

/// Takes the program out of a package.
fn program(python: &Python, package: &Path) -> Result<Vec<u8>> {
    let folder = package.parent().context("a package is in a folder")?;
    cargo::run(python.module("zipfile", false).arg("-e").arg(package).arg(folder))?;
    fs::read(folder.join(PROGRAM)).context("reading the program")
}

fn check_library(sysroot: &Path, triple: &str) -> Result<()> {
    ensure!(
        sysroot.join("lib/rustlib").join(triple).join("lib").is_dir(),
        "Rust's standard library for {triple} is not installed: `rustup target add {triple}`"
    );
    Ok(())
}

/// Builds a package, and returns where it is.
fn build(
    root: &Path,
    python: &Python,
    processor: Processor,
    arguments: &[&str],
) -> Result<PathBuf> {
    let folder = root.join("target/lambda").join(processor.folder());
    let mut build = python.run("cargo-lambda")?;
    build.current_dir(root).args(arguments).arg("--lambda-dir").arg(&folder);
    cargo::forget_own(&mut build);
    cargo::run(&mut build)?;
    Ok(folder.join(format!("{PROGRAM}.zip")))
}

fn arguments(processor: Processor, own: bool, features: Option<&str>) -> Vec<&str> {
    let mut arguments = vec!["lambda", "build", "--locked", "--skip-target-check"];
    arguments.extend(["--profile", PROFILE, "--package", "bluegreen-hook", "--bin", PROGRAM]);
    arguments.extend(["--output-format", "zip", "--flatten", PROGRAM]);
    if let Some(triple) = processor.triple() {
        arguments.extend(["--target", triple]);
    }
    if own {
        arguments.extend(["--compiler", "cargo"]);
    }
    if let Some(features) = features {
        // The binary itself, and the stack file from Parameter Store, which every package has.
        arguments.extend(["--no-default-features", "--features", "lambda-runtime,ssm"]);
        arguments.extend(["--features", features]);
    }
    arguments
}

/// Reads the size of the program from Python's list of an archive, which ends each line with it; an archive
/// with anything else has none.
fn size(list: &str) -> Option<u64> {
    let mut files = list.lines().skip(1).filter(|it| !it.trim().is_empty());
    let words: Vec<_> = files.next()?.split_whitespace().collect();
    let alone = files.next().is_none() && words.first() == Some(&PROGRAM);
    if alone { words.last()?.parse().ok() } else { None }
}

fn check_size(package: &Path, zipped: u64) -> Result<()> {
    ensure!(
        zipped <= LARGEST,
        "{} has {}, more than {}",
        package.display(),
        megabytes(zipped),
        megabytes(LARGEST)
    );
    Ok(())
}

/// Returns the version 2.x of glibc that a program wants at least. On a later system than Lambda's it may be a later one
/// than Lambda has.
fn newest_glibc(program: &[u8]) -> u32 {
    const VERSION: &[u8] = b"GLIBC_2.";
    let versions = program.windows(VERSION.len() + 2).filter_map(|it| {
        let (name, minor) = it.split_at(VERSION.len());
        if name == VERSION { std::str::from_utf8(minor).ok()?.parse().ok() } else { None }
    });
    versions.max().unwrap_or_default()
}

/// Writes bytes as megabytes, as AWS counts them in a package.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{}.{:02} MB", bytes / 1_000_000, bytes % 1_000_000 / 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Wanted = Wanted { x86_64: false, arm64: false, host: false, features: None };

    #[test]
    fn without_a_processor_the_package_is_what_the_template_asks_for() {
        assert_eq!(NOTHING.processors(), [Processor::X86]);
        assert_eq!(Wanted::FOR_THIS_MACHINE.processors(), [Processor::Host]);
        let both = Wanted { x86_64: true, arm64: true, ..NOTHING };
        assert_eq!(both.processors(), [Processor::X86, Processor::Arm64]);
    }

    #[test]
    fn a_missing_standard_library_is_told_with_what_installs_it() {
        let empty = std::env::temp_dir().join(format!("xtask-sysroot-{}", std::process::id()));
        let there = empty.join("lib/rustlib/x86_64-unknown-linux-gnu/lib");
        fs::create_dir_all(there).unwrap();

        let missing = check_library(&empty, "aarch64-unknown-linux-gnu").unwrap_err();
        let found = check_library(&empty, "x86_64-unknown-linux-gnu");

        fs::remove_dir_all(&empty).unwrap();
        assert!(missing.to_string().ends_with("`rustup target add aarch64-unknown-linux-gnu`"));
        assert!(found.is_ok());
    }

    #[test]
    fn a_package_for_another_processor_is_never_built_with_the_linker_of_this_one() {
        let here = arguments(Processor::Host, true, None);
        let named = arguments(Processor::X86, true, None);
        let there = arguments(Processor::Arm64, false, Some("sqs"));

        assert!(here.windows(2).any(|it| it == ["--compiler", "cargo"]), "{here:?}");
        assert!(!here.contains(&"--no-default-features"), "{here:?}");
        assert!(named.ends_with(&["--target", "x86_64-unknown-linux-gnu", "--compiler", "cargo"]));
        assert!(there.windows(2).any(|it| it == ["--target", "aarch64-unknown-linux-gnu"]));
        let features = ["--features", "lambda-runtime,ssm", "--features", "sqs"];
        assert!(
            there.contains(&"--no-default-features") && there.ends_with(&features),
            "{there:?}"
        );
        assert!(!there.contains(&"--compiler"), "{there:?}");
    }

    #[test]
    fn the_size_of_the_program_is_read_and_a_package_with_more_has_none() {
        let head = "File Name                                       Modified             Size";
        let program = "bootstrap                                2026-11-26 17:14:00     11162024";
        let other = "bluegreen.toml                           2026-11-26 17:14:00          512";

        assert_eq!(size(&format!("{head}\n{program}\n")), Some(11_162_024));
        assert_eq!(size(&format!("{head}\n{program}\n{other}\n")), None);
        assert_eq!(size(&format!("{head}\n{other}\n")), None);
        assert_eq!(size(head), None);
    }

    #[test]
    fn a_package_that_is_too_large_fails_with_both_sizes() {
        let package = Path::new("target/lambda/arm64/bootstrap.zip");

        let err = check_size(package, LARGEST + 10_000).unwrap_err();

        assert_eq!(
            err.to_string(),
            "target/lambda/arm64/bootstrap.zip has 5.01 MB, more than 5.00 MB"
        );
        assert!(check_size(package, LARGEST).is_ok());
    }

    #[test]
    fn the_newest_glibc_that_a_program_wants_is_read() {
        let program = b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.17\0GLIBC_2.";

        assert_eq!(newest_glibc(program), 34);
        assert_eq!(newest_glibc(b"static"), 0);
    }
}
