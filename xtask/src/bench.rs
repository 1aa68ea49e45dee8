//! Measures: how well the steps of the shop overlap, and how fast the hook Lambda starts.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{
    cargo,
    emulators::Emulators,
    package::{self, PROGRAM, Wanted},
    shop,
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// How well the steps of the shop overlap, in emulators that answer after 50 ms.
    Shop,
    /// How fast the hook Lambda starts and answers, and what it takes, beside one that is written by hand.
    Hook,
}

/// The benchmark of `bluegreen-cli`.
const BENCHMARK: &str = "shop";

/// Measures.
///
/// # Errors
///
/// When something cannot be built, and when what is measured is beyond its bounds.
pub(crate) fn run(root: &Path, what: What) -> Result<()> {
    match what {
        What::Shop => of_shop(root),
        What::Hook => of_hook(root),
    }
}

/// Builds the shop in the emulators, and runs the benchmark.
fn of_shop(root: &Path) -> Result<()> {
    println!("building the workspace (some minutes the first time)");
    let programs = cargo::build(root, cargo::ALL)?;
    let emulators = Emulators::start(root, false)?;
    let file = shop::copy(root, &root.join("target/bench"))?;
    let mut create = Command::new(programs.binary("shop-fixture")?);
    cargo::run(emulators.point(create.arg("create"))).context("building the shop")?;

    let mut bench = Command::new(programs.tests(BENCHMARK)?);
    emulators.point(&mut bench).env("BLUEGREEN_BENCH", file);
    cargo::run(&mut bench)
}

/// Packs the hook Lambda, builds what it is compared with, and starts all of them cold.
fn of_hook(root: &Path) -> Result<()> {
    println!("building for speed, twice (many minutes the first time)");
    package::run(root, &Wanted::FOR_THIS_MACHINE)?;
    let folder = root.join("target/lambda/host");
    let package = folder.join(format!("{PROGRAM}.zip"));
    // What is measured is what was packed: it was taken out of its package to be looked at.
    let bootstrap = folder.join(PROGRAM);
    // Python's archives forget who may run what they have.
    cargo::run(Command::new("chmod").arg("755").arg(&bootstrap))?;

    // By itself, so that nothing that it needs becomes a part of the hook.
    let programs = cargo::build(root, &["--release", "--package", "bluegreen-bench"])?;
    let mut bench = Command::new(programs.binary("bench-hook")?);
    cargo::run(bench.arg("--bootstrap").arg(bootstrap).arg("--package").arg(package))
}
