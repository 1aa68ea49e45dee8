//! The step of DynamoDB tables: `dynamodb.delete`, after the move and only where the stack file asks
//! for it.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::{Pair, StackReference};
use bluegreen_dynamodb::{DynamoDbToolkit, Table, TableStatus};

use crate::{
    Context, Declaration, Effect, Inspection, Permission, Resource, Result, Shared, Step, StepId,
    stack_file::{self, DynamoDbSettings},
};

/// A pair of DynamoDB tables.
#[derive(Debug)]
pub struct DynamoDb {
    declaration: Declaration,
    toolkit: Arc<dyn DynamoDbToolkit>,
    settings: DynamoDbSettings,
    looks: Pair<Shared<Option<Table>>>,
}

impl DynamoDb {
    /// Makes the pair that the stack file declares, worked on through `toolkit`.
    pub fn new(
        resource: &stack_file::Resource<DynamoDbSettings>,
        toolkit: Arc<dyn DynamoDbToolkit>,
    ) -> Self {
        Self {
            declaration: Declaration::new("dynamodb", resource),
            toolkit,
            settings: resource.settings.clone(),
            looks: Pair::default(),
        }
    }

    /// Returns the table of `stack`; `None` when there is none.
    async fn table(&self, context: &Context<'_>, stack: StackReference) -> Result<Option<Table>> {
        let look = async {
            match self.toolkit.table(stack).await {
                Ok(seen) => Ok(Some(seen)),
                Err(err) if err.is_absent() => Ok(None),
                Err(err) => Err(err.into()),
            }
        };
        self.looks.of(stack).get(context.round, look).await
    }

    /// Returns the table of `stack`; that there is none is an error.
    async fn existing(&self, context: &Context<'_>, stack: StackReference) -> Result<Table> {
        let resource = format!("table `{}`", self.name(stack));
        let missing = bluegreen_core::Error::NotFound { resource };
        self.table(context, stack).await?.ok_or_else(|| missing.into())
    }

    fn name(&self, stack: StackReference) -> &str {
        self.settings.config.tables.of(stack)
    }
}

#[async_trait]
impl Resource for DynamoDb {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn steps(self: Arc<Self>, to: StackReference) -> Vec<Arc<dyn Step>> {
        if !self.settings.delete {
            return Vec::new();
        }
        vec![Arc::new(Delete { dynamodb: self, stack: to.partner() })]
    }

    async fn look_for(&self, context: &Context<'_>, stack: StackReference) -> Result<()> {
        self.existing(context, stack).await?;
        Ok(())
    }

    fn look_permissions(&self, stack: StackReference) -> Vec<Permission> {
        Permission::on(format!("table/{}", self.name(stack)), &["dynamodb:DescribeTable"])
    }

    async fn summary(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        Ok(match self.table(context, stack).await? {
            Some(table) => word(&table.status).to_lowercase(),
            None => "missing".to_owned(),
        })
    }

    async fn identity(&self, context: &Context<'_>, stack: StackReference) -> Result<String> {
        Ok(self.existing(context, stack).await?.arn)
    }
}

/// Deletes the table of `stack`.
#[derive(Debug)]
struct Delete {
    dynamodb: Arc<DynamoDb>,
    stack: StackReference,
}

#[async_trait]
impl Step for Delete {
    fn id(&self) -> StepId {
        StepId::new("dynamodb.delete", &self.dynamodb.declaration.name, self.stack)
    }

    fn effect(&self) -> Effect {
        Effect::Destroys(self.stack)
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let Some(table) = self.dynamodb.table(context, self.stack).await? else {
            return Ok(Inspection::Done);
        };
        let resource = format!("table `{}`", self.dynamodb.name(self.stack));
        if table.status == TableStatus::Deleting {
            return Ok(Inspection::Underway { what: format!("{resource} is `DELETING`") });
        }
        if table.deletion_protection {
            return Err(bluegreen_core::Error::WrongState {
                resource,
                state: "protected against deletion".to_owned(),
                expected: "one without deletion protection: switch that off, or set \
                           `retire = \"keep\"`"
                    .to_owned(),
            }
            .into());
        }
        Ok(match table.status {
            TableStatus::Active => {
                Inspection::Needed { from: "active".to_owned(), to: "deleted".to_owned() }
            }
            status => Inspection::Underway { what: format!("{resource} is `{}`", word(&status)) },
        })
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        self.dynamodb.toolkit.delete_table(self.stack).await?;
        Ok(())
    }

    fn permissions(&self) -> Vec<Permission> {
        let resource = format!("table/{}", self.dynamodb.name(self.stack));
        Permission::on(resource, &["dynamodb:DescribeTable", "dynamodb:DeleteTable"])
    }
}

/// Returns AWS's word for a status.
fn word(status: &TableStatus) -> &str {
    match status {
        TableStatus::Active => "ACTIVE",
        TableStatus::Deleting => "DELETING",
        TableStatus::Other(word) => word,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bluegreen_core::{
        Change,
        Error::{NotFound, WrongState},
        StackReference::{A, B},
    };
    use bluegreen_dynamodb::{DynamoDbConfig, MockDynamoDbToolkit};

    use super::*;
    use crate::{Error, steps::testing::World};

    /// The one table that the tests look at, and what was asked of it.
    struct Account {
        table: Option<Table>,
        calls: Vec<String>,
    }

    fn account(status: TableStatus) -> Arc<Mutex<Account>> {
        let table = Table { arn: "arn".to_owned(), status, deletion_protection: false };
        Arc::new(Mutex::new(Account { table: Some(table), calls: Vec::new() }))
    }

    fn dynamodb(account: &Arc<Mutex<Account>>, delete: bool) -> Arc<DynamoDb> {
        let mut toolkit = MockDynamoDbToolkit::new();
        let it = Arc::clone(account);
        toolkit.expect_table().returning(move |stack| {
            let mut account = it.lock().unwrap();
            account.calls.push(format!("table {stack}"));
            let missing = NotFound { resource: format!("table `sessions-{stack}`") };
            account.table.clone().ok_or(missing)
        });
        let it = Arc::clone(account);
        toolkit.expect_delete_table().returning(move |stack| {
            let mut account = it.lock().unwrap();
            account.calls.push(format!("delete {stack}"));
            account.table.as_mut().unwrap().status = TableStatus::Deleting;
            Ok(Change::Made)
        });
        let resource = stack_file::Resource {
            name: "sessions".to_owned(),
            line: 1,
            skip: Default::default(),
            after: None,
            optional: false,
            written: Default::default(),
            settings: DynamoDbSettings {
                config: DynamoDbConfig {
                    tables: Pair { a: "sessions-a".to_owned(), b: "sessions-b".to_owned() },
                },
                delete,
            },
        };
        Arc::new(DynamoDb::new(&resource, Arc::new(toolkit)))
    }

    fn step(account: &Arc<Mutex<Account>>) -> Arc<dyn Step> {
        dynamodb(account, true).steps(B).remove(0)
    }

    #[tokio::test(start_paused = true)]
    async fn the_old_table_is_deleted_once_and_waited_for() {
        let (world, account) = (World::new(A), account(TableStatus::Active));
        let step = step(&account);

        let first = world.inspect(&*step).await.unwrap();
        world.apply(&*step).await.unwrap();
        let second = world.inspect(&*step).await.unwrap();
        account.lock().unwrap().table = None;
        let third = world.inspect(&*step).await.unwrap();

        let needed = Inspection::Needed { from: "active".to_owned(), to: "deleted".to_owned() };
        assert_eq!(first, needed);
        let what = "table `sessions-a` is `DELETING`".to_owned();
        assert_eq!(second, Inspection::Underway { what });
        assert_eq!(third, Inspection::Done);
        assert_eq!(account.lock().unwrap().calls, ["table a", "delete a", "table a", "table a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_protected_table_is_found_at_the_first_look() {
        let (world, account) = (World::new(A), account(TableStatus::Active));
        account.lock().unwrap().table.as_mut().unwrap().deletion_protection = true;
        let step = step(&account);

        let err = world.inspect(&*step).await.unwrap_err();

        assert!(matches!(err, Error::Toolkit(WrongState { .. })));
        let expected = "table `sessions-a` is protected against deletion: ";
        assert!(err.to_string().starts_with(expected), "{err}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_that_is_being_changed_is_waited_for() {
        let (world, account) = (World::new(A), account(TableStatus::Other("UPDATING".to_owned())));
        let step = step(&account);

        let seen = world.inspect(&*step).await.unwrap();

        let what = "table `sessions-a` is `UPDATING`".to_owned();
        assert_eq!(seen, Inspection::Underway { what });
    }

    #[test]
    fn deleting_is_destructive_on_the_old_stack() {
        let step = step(&account(TableStatus::Active));

        assert_eq!(step.id().to_string(), "dynamodb.delete sessions on a");
        assert_eq!(step.effect(), Effect::Destroys(A));
    }

    #[test]
    fn a_table_that_is_kept_has_no_steps() {
        assert!(dynamodb(&account(TableStatus::Active), false).steps(B).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_looks_once_even_where_the_table_is_missing() {
        let (world, account) = (World::new(A), account(TableStatus::Active));
        account.lock().unwrap().table = None;
        let dynamodb = dynamodb(&account, true);
        let step = Arc::clone(&dynamodb).steps(B).remove(0);

        let context = world.context();
        let seen = step.inspect(&context).await.unwrap();
        let summary = dynamodb.summary(&context, A).await.unwrap();

        assert_eq!(seen, Inspection::Done);
        assert_eq!(summary, "missing");
        assert_eq!(account.lock().unwrap().calls, ["table a"]);
    }

    #[tokio::test]
    async fn the_identity_is_the_tables_arn_whatever_its_status() {
        let account = account(TableStatus::Other("UPDATING".to_owned()));
        let (world, dynamodb) = (World::new(A), dynamodb(&account, false));

        let there = dynamodb.identity(&world.context(), A).await.unwrap();
        account.lock().unwrap().table = None;
        let err = dynamodb.identity(&world.context(), A).await.unwrap_err();

        assert_eq!(there, "arn");
        assert_eq!(err.to_string(), "table `sessions-a` does not exist");
    }

    #[tokio::test]
    async fn a_table_that_is_kept_is_looked_for_all_the_same() {
        let account = account(TableStatus::Active);
        let (world, dynamodb) = (World::new(A), dynamodb(&account, false));
        dynamodb.look_for(&world.context(), B).await.unwrap();

        account.lock().unwrap().table = None;
        let err = dynamodb.look_for(&world.context(), B).await.unwrap_err();

        assert_eq!(err.to_string(), "table `sessions-b` does not exist");
    }
}
