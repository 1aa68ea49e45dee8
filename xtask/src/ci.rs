//! What continuous integration runs: the quick checks first, then all that `test` does, then the search.

use std::path::Path;

use anyhow::Result;

use crate::{
    cargo::{self, cargo},
    package::{self, Wanted},
    simulate,
    stages::Stages,
    test, tidy, tree,
};

/// Runs all stages, and sums them up.
///
/// # Errors
///
/// When a stage failed.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut stages = Stages::default();
    stages.make("tidy", || tidy::check(root));
    stages.make("tree", || tree::check(root));
    if let Some(programs) = test::add(&mut stages, root) {
        stages.make("documentation", || {
            let mut doc = cargo(root, ["doc", "--workspace", "--no-deps", "--quiet"]);
            cargo::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
        });
        simulate::add(&mut stages, root, &programs);
        stages.make("package", || package::run(root, &Wanted::FOR_THIS_MACHINE));
    } else {
        stages.skip("documentation", test::DOES_NOT_BUILD);
        simulate::skip(&mut stages, test::DOES_NOT_BUILD);
        stages.skip("package", test::DOES_NOT_BUILD);
    }
    // Advisories are left to `cargo deny check`: a new one must not stop an unrelated change.
    if cargo::succeeds(&mut cargo(root, ["deny", "--version"])) {
        let deny = ["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
        stages.make("licences", || cargo::run(&mut cargo(root, deny)));
    } else {
        stages.skip("licences", "cargo-deny is not installed");
    }
    stages.finish()
}
