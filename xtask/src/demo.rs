//! Moves the whole shop to stack b and back, in emulators, with everything shown and checked.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};

use crate::{
    cargo::{self, Programs},
    emulators::Emulators,
    shop,
};

/// Runs the demo; with `keep` the emulators go on afterwards, also when it failed.
///
/// # Errors
///
/// When anything is not as it must be.
pub(crate) fn run(root: &Path, keep: bool) -> Result<()> {
    println!("building the workspace (some minutes the first time)");
    let programs = cargo::build(root, cargo::ALL)?;
    let emulators = Emulators::start(root, keep)?;
    let demo = Demo {
        programs: &programs,
        emulators: &emulators,
        file: shop::copy(root, &root.join("target/demo"))?,
    };

    let outcome = demo.there_and_back();
    if keep {
        println!("\nthe stack file is {}", demo.file.display());
        emulators.keep();
    }
    outcome?;
    println!("\nthe shop went to b and back to a, and everything was as it must be");
    Ok(())
}

#[derive(Debug)]
struct Demo<'a> {
    programs: &'a Programs,
    emulators: &'a Emulators,
    file: PathBuf,
}

impl Demo<'_> {
    fn there_and_back(&self) -> Result<()> {
        self.fixture(&["create"])?;
        self.bluegreen(&["adopt", "--active", "a", "--yes"])?;
        self.fixture(&["show"])?;

        self.bluegreen(&["deploy", "--to", "b", "--yes"])?;
        self.fixture(&["show"])?;
        self.fixture(&["check", "--active", "b", "--kept", "3"])?;

        // Production goes on, so that the way back finds messages too.
        self.fixture(&["work", "--stack", "b"])?;
        self.bluegreen(&["deploy", "--to", "a", "--yes"])?;
        self.fixture(&["show"])?;
        self.fixture(&["check", "--active", "a", "--kept", "3"])?;

        self.stays(&["deploy", "--to", "a", "--yes"])?;
        self.fixture(&["check", "--active", "a", "--kept", "3"])?;
        self.bluegreen(&["status"])
    }

    fn bluegreen(&self, arguments: &[&str]) -> Result<()> {
        cargo::run(&mut self.command("bluegreen", arguments)?)
    }

    fn fixture(&self, arguments: &[&str]) -> Result<()> {
        cargo::run(&mut self.command("shop-fixture", arguments)?)
    }

    /// Runs a deployment that must say that there is nothing to do.
    fn stays(&self, arguments: &[&str]) -> Result<()> {
        let said = cargo::output(&mut self.command("bluegreen", arguments)?)?;
        print!("{said}");
        ensure!(said.contains("already"), "the deployment did not say that it is there already");
        Ok(())
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Result<Command> {
        println!("\n== {program} {}", arguments.join(" "));
        let mut command = Command::new(self.programs.binary(program)?);
        if program == "bluegreen" {
            command.arg("--file").arg(&self.file);
        }
        command.args(arguments);
        self.emulators.point(&mut command);
        Ok(command)
    }
}
