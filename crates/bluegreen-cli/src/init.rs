//! `bluegreen init`: a commented stack file to begin with, and the table of its store.

use std::{fs::File, io::Write};

use bluegreen_core::wait::{self, Look, Pace};
use bluegreen_deploy::{DynamoDbStorage, Error, stack_file::StoreSettings};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    aws,
    cli::Cli,
    exit::Exit,
    live,
    output::{self, Failure},
    stack_file,
};

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

/// Makes the table that the stack file's store is to be kept in, and waits until it can be used. One that is there
/// is fine.
///
/// Calls `dynamodb:CreateTable` and `dynamodb:DescribeTable`, which no other command does.
pub(crate) async fn create_table(cli: &Cli) -> Result<Exit, Failure> {
    let file = stack_file::read(&cli.file)?;
    let StoreSettings::DynamoDb(table) = &file.state.store else {
        return Err(Failure::Usage(
            "the stack file keeps its store in a folder: there is a table to make with `[state] store = \"dynamodb\"` \
             and `table = \"..\"`"
                .to_owned(),
        ));
    };
    let sdk = aws::configuration(&file).await;
    let account = aws::account(&sdk, &file).await?;
    let cancel = CancellationToken::new();
    live::cancel_on_signal(cancel.clone());
    let storage = DynamoDbStorage::new(&sdk, table, &file.name, file.state.lease);
    let was_missing = made(&storage, table, &cancel).await?;
    if cli.json {
        let body = json!({
            "outcome": "done",
            "account": account,
            "table": table,
            "created": was_missing,
        });
        output::document("init", body);
    } else if was_missing {
        println!("made table {table}: run `bluegreen adopt --active a`");
    } else {
        println!("table {table} is there already");
    }
    Ok(Exit::Done)
}

/// Makes the table if there is none, and waits until it can be used. Returns whether it was missing.
async fn made(
    storage: &DynamoDbStorage,
    table: &str,
    cancel: &CancellationToken,
) -> Result<bool, Error> {
    let was_missing = storage.create_table().await?;
    let what = format!("table {table}");
    let ready = wait::until(
        &what,
        Pace::default(),
        cancel,
        |_| {},
        async || match storage.look_at_table().await {
            Ok(Look::Ready(())) => Ok(Look::Ready(Ok(()))),
            Ok(Look::Waiting(what) | Look::Due(what, _) | Look::Acted(what)) => {
                Ok(Look::Waiting(what))
            }
            Err(Error::Toolkit(err)) if err.is_transient() => Err(err),
            Err(err) => Ok(Look::Ready(Err(err))),
        },
    );
    ready.await.map_err(Error::from).flatten()?;
    Ok(was_missing)
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use bluegreen_deploy::stack_file::StackFile;
    use bluegreen_sim::{Settings, SimulatedAccount};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_table_is_made_once_and_waited_for() {
        let account = SimulatedAccount::new(Settings::default());
        let lease = Duration::from_secs(30);
        let storage = DynamoDbStorage::new(&account.sdk_config(), "releases", "shop", lease);
        let (cancel, began) = (CancellationToken::new(), tokio::time::Instant::now());

        let first = made(&storage, "releases", &cancel).await.unwrap();
        let took = began.elapsed();
        let second = made(&storage, "releases", &cancel).await.unwrap();

        assert_eq!((first, second), (true, false));
        assert!(took > Duration::ZERO, "AWS takes its time to make a table");
    }

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
