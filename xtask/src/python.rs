//! Installs what is written in Python, the emulators and the AWS CLI, under `target/`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::cargo;

/// Packages that are installed together, apart from all others.
#[derive(Debug)]
pub(crate) struct Packages {
    /// The folder under `target/`, which also says what it is.
    pub(crate) name: &'static str,
    /// All packages, each with its version, as `pip freeze` writes them.
    requirements: &'static str,
    /// Those asked for, when a Python cannot install all of those versions.
    direct: &'static [&'static str],
    /// The modules that are there when it is installed.
    modules: &'static str,
}

/// The emulators of AWS.
pub(crate) const EMULATORS: Packages = Packages {
    name: "emulators",
    requirements: include_str!("../emulators.txt"),
    direct: &["moto[server]==5.2.5", "ministack==1.5.33", "cbor2"],
    modules: "cbor2, ministack, moto",
};

/// The AWS CLI, of which other versions of some packages are needed than of the emulators.
pub(crate) const AWS_CLI: Packages = Packages {
    name: "aws-cli",
    requirements: include_str!("../aws-cli.txt"),
    direct: &["awscli==1.46.3"],
    modules: "awscli",
};

/// What packs the hook, and plays AWS Lambda to it; brings the linker for the other processor.
pub(crate) const CARGO_LAMBDA: Packages = Packages {
    name: "cargo-lambda",
    requirements: include_str!("../cargo-lambda.txt"),
    direct: &["cargo-lambda==1.9.2"],
    modules: "ziglang",
};

/// What checks templates of CloudFormation.
pub(crate) const CFN_LINT: Packages = Packages {
    name: "cfn-lint",
    requirements: include_str!("../cfn-lint.txt"),
    direct: &["cfn-lint==1.58.0"],
    modules: "cfnlint",
};

/// Runs a module that ends when its standard input does, so that it outlives nobody who holds the other end.
const LEASHED: &str = "\
import os, runpy, sys, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)
";

/// A Python that has some packages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Python {
    program: PathBuf,
    packages: Option<PathBuf>,
}

impl Python {
    /// Returns the command that runs the module `name`; a leashed one ends with this process.
    pub(crate) fn module(&self, name: &str, leashed: bool) -> Command {
        let mut command = self.command();
        if leashed {
            command.args(["-c", LEASHED, name]).stdin(Stdio::piped());
        } else {
            command.args(["-m", name]).stdin(Stdio::null());
        }
        command
    }

    /// Returns the command that runs a program given as text.
    pub(crate) fn text(&self, text: &str) -> Command {
        let mut command = self.command();
        command.args(["-c", text]).stdin(Stdio::null());
        command
    }

    /// Returns where the program `name` is that the packages have brought.
    pub(crate) fn script(&self, name: &str) -> PathBuf {
        match &self.packages {
            Some(packages) => packages.join("bin").join(name),
            None => self.program.with_file_name(name),
        }
    }

    /// Returns the command that runs the program `name` of the packages, which finds their other programs.
    ///
    /// # Errors
    ///
    /// When the search path of this process cannot be extended.
    pub(crate) fn run(&self, name: &str) -> Result<Command> {
        let script = self.script(name);
        let folders = env::var_os("PATH").unwrap_or_default();
        let own = script.parent().map(Path::to_owned);
        let path = env::join_paths(own.into_iter().chain(env::split_paths(&folders)));
        let mut command = Command::new(&script);
        command.env("PATH", path.context("extending the search path")?);
        if let Some(packages) = &self.packages {
            command.env("PYTHONPATH", packages);
        }
        Ok(command)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(packages) = &self.packages {
            command.env("PYTHONPATH", packages);
        }
        command
    }

    fn has(&self, packages: &Packages) -> bool {
        let mut import = self.command();
        import.args(["-c", &format!("import {}", packages.modules)]);
        cargo::succeeds(&mut import)
    }
}

/// Installs packages into their folder under `target/`, unless they are there.
///
/// They go into a virtual environment, or where Python cannot make one into a folder of packages.
///
/// # Errors
///
/// When there is no Python 3, or neither of the two ways works.
pub(crate) fn install(root: &Path, wanted: &Packages) -> Result<Python> {
    let folder = root.join("target").join(wanted.name);
    let environment = folder.join("venv");
    let packages = folder.join("packages");
    let installed = folder.join("installed.txt");
    let isolated = Python { program: environment.join("bin/python"), packages: None };
    let beside = Python { program: "python3".into(), packages: Some(packages.clone()) };

    if fs::read_to_string(&installed).is_ok_and(|it| it == wanted.requirements) {
        for python in [&isolated, &beside] {
            if python.has(wanted) {
                return Ok(Python {
                    program: python.program.clone(),
                    packages: python.packages.clone(),
                });
            }
        }
    }

    println!("installing the {} under {}", wanted.name, folder.display());
    for old in [&environment, &packages] {
        if old.exists() {
            fs::remove_dir_all(old).with_context(|| format!("removing {}", old.display()))?;
        }
    }
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let list = folder.join("requirements.txt");
    fs::write(&list, wanted.requirements).context("writing what is to be installed")?;

    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&environment);
    let python = if cargo::succeeds(&mut make) {
        pip_install(&isolated.program, None, wanted, &list)?;
        isolated
    } else if cargo::succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
        pip_install(&beside.program, Some(&packages), wanted, &list)?;
        beside
    } else if cargo::succeeds(Command::new("python3").arg("--version")) {
        bail!(
            "this Python has neither venv nor pip; on Debian and Ubuntu: apt-get install python3-venv"
        );
    } else {
        bail!("`python3` is needed for the {}, and is not there", wanted.name);
    };
    fs::write(&installed, wanted.requirements).context("noting what is installed")?;
    Ok(python)
}

fn pip_install(python: &Path, target: Option<&Path>, wanted: &Packages, list: &Path) -> Result<()> {
    let pip = || {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        if let Some(target) = target {
            pip.arg("--target").arg(target);
        }
        pip
    };
    let pinned = cargo::run(pip().arg("--requirement").arg(list));
    let Err(err) = pinned else { return Ok(()) };

    eprintln!("warning: not all versions of {} can be installed here: {err:#}", list.display());
    cargo::run(pip().args(wanted.direct)).with_context(|| format!("installing the {}", wanted.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Packages; 4] = [EMULATORS, AWS_CLI, CARGO_LAMBDA, CFN_LINT];

    #[test]
    fn every_requirement_has_one_version() {
        let lines = ALL.map(|it| it.requirements.lines()).into_iter().flatten();
        let lines = lines.filter(|it| !it.starts_with('#'));

        let loose: Vec<_> = lines.filter(|it| it.split("==").count() != 2).collect();

        assert_eq!(loose, Vec::<&str>::new());
    }

    #[test]
    fn the_packages_asked_for_are_among_all_packages() {
        let missing: Vec<_> = ALL
            .into_iter()
            .flat_map(|it| it.direct.iter().map(move |direct| (it.requirements, direct)))
            .filter(|(all, direct)| !all.lines().any(|it| it.starts_with(*direct)))
            .collect();

        assert_eq!(missing, []);
    }

    #[test]
    fn a_program_of_the_packages_finds_those_beside_it_first() {
        let python = Python { program: "/t/venv/bin/python".into(), packages: None };

        let command = python.run("cargo-lambda").unwrap();

        let path = command.get_envs().find(|it| it.0 == "PATH").unwrap().1.unwrap();
        assert_eq!(command.get_program(), "/t/venv/bin/cargo-lambda");
        assert_eq!(env::split_paths(path).next(), Some(PathBuf::from("/t/venv/bin")));
    }

    #[test]
    fn packages_beside_a_python_are_found_through_its_path() {
        let python = Python { program: "python3".into(), packages: Some("/t/packages".into()) };

        let command = python.module("moto.server", false);

        let path = command.get_envs().find(|it| it.0 == "PYTHONPATH").unwrap();
        assert_eq!(path.1.unwrap(), "/t/packages");
        assert!(command.get_args().eq(["-m", "moto.server"]));
    }

    #[test]
    fn a_leashed_module_ends_when_its_input_does() {
        let python = Python { program: "python3".into(), packages: None };
        let mut command = python.module("http.server", true);
        command.args(["--bind", "127.0.0.1", "0"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        assert!(child.try_wait().unwrap().is_none());

        drop(child.stdin.take());

        assert!(child.wait().unwrap().success());
    }
}
