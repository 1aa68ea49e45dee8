//! Measures how well the steps of the shop overlap, in emulators that answer after 50 ms.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{cargo, emulators::Emulators, shop};

/// The benchmark of `bluegreen-cli`.
const BENCHMARK: &str = "shop";

/// Builds the shop in the emulators, and runs the benchmark.
///
/// # Errors
///
/// When something cannot be built, and when the steps overlap too little.
pub(crate) fn run(root: &Path) -> Result<()> {
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
