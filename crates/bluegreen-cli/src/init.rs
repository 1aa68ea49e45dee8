//! `bluegreen init`: a commented stack file to begin with.

use std::{fs::File, io::Write};

use crate::{cli::Cli, exit::Exit, output::Failure};

/// What a new stack file says.
const TEMPLATE: &str = include_str!("template.toml");

/// Writes the template to where the stack file is looked for. One that is there stays as it is.
pub(crate) fn write(cli: &Cli) -> Result<Exit, Failure> {
    let path = cli.file.display();
    File::create_new(&cli.file)
        .and_then(|mut file| file.write_all(TEMPLATE.as_bytes()))
        .map_err(|err| Failure::Usage(format!("`{path}` cannot be written: {err}")))?;
    if cli.json {
        println!("{}", serde_json::json!({ "schema": 1, "command": "init", "outcome": "done" }));
    } else {
        println!("wrote `{path}`: fill it in, then run `bluegreen adopt --active a`");
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bluegreen_deploy::stack_file::StackFile;

    use super::*;

    #[test]
    fn the_template_is_a_stack_file() {
        let file = StackFile::parse(TEMPLATE, Path::new("bluegreen.toml"), &|_| None).unwrap();

        assert_eq!(file.name, "shop");
    }

    #[test]
    fn every_table_of_the_template_is_one_when_its_comment_sign_is_taken_away() {
        let uncommented: String = TEMPLATE
            .lines()
            .map(|line| line.strip_prefix("#~ ").unwrap_or(line))
            .fold(String::new(), |text, line| text + line + "\n");

        let file = StackFile::parse(&uncommented, Path::new("bluegreen.toml"), &|_| None).unwrap();

        assert_eq!((file.aurora.len(), file.ecs.len(), file.cloudwatch.len()), (1, 1, 1));
        assert_eq!((file.schemas.len(), file.tests.len()), (1, 4));
    }
}
