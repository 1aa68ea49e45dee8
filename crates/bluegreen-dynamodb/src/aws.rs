//! [`AwsDynamoDbToolkit`], the DynamoDB calls made through the AWS SDK.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client, error::SdkError, operation::delete_table::DeleteTableError,
    types::TableStatus as Status,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use bluegreen_core::{Change, Error, LazyClient, Result, StackReference, ensure_valid};

use crate::{DynamoDbConfig, DynamoDbToolkit, Table, TableStatus};

/// Answers [`DynamoDbToolkit`] from AWS.
#[derive(Clone, Debug)]
pub struct AwsDynamoDbToolkit {
    client: LazyClient<Client>,
    config: DynamoDbConfig,
}

impl AwsDynamoDbToolkit {
    /// Makes a toolkit for the account and Region that `sdk` points at.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] when [`config.check()`](bluegreen_core::ToolkitConfig::check)
    /// finds anything wrong.
    pub fn new(sdk: &SdkConfig, config: DynamoDbConfig) -> Result<Self> {
        Self::from_client(LazyClient::new(sdk, Client::new), config)
    }

    /// Makes a toolkit over a client that the caller has built.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_client(
        client: impl Into<LazyClient<Client>>,
        config: DynamoDbConfig,
    ) -> Result<Self> {
        ensure_valid(&config)?;
        Ok(Self { client: client.into(), config })
    }

    async fn refused(
        &self,
        stack: StackReference,
        err: SdkError<DeleteTableError>,
    ) -> Result<Change> {
        let name = self.config.tables.of(stack);
        let message = err.message().unwrap_or_default().to_ascii_lowercase();
        match err.code() {
            Some("ResourceNotFoundException") => Ok(Change::AlreadySo),
            Some("ResourceInUseException") => match self.table(stack).await {
                Ok(Table { status: TableStatus::Deleting, .. }) => Ok(Change::AlreadySo),
                Ok(Table { status: TableStatus::Other(status), .. }) => {
                    Ok(Change::NotYet { reason: format!("table `{name}` is `{status}`") })
                }
                // It was in use a moment ago.
                Ok(Table { status: TableStatus::Active, .. }) => {
                    Ok(Change::NotYet { reason: format!("table `{name}` was in use") })
                }
                Err(err) if err.is_absent() => Ok(Change::AlreadySo),
                Err(err) => Err(err),
            },
            Some("LimitExceededException") => Ok(Change::NotYet {
                reason: format!(
                    "too many tables are being changed at once to delete table `{name}`"
                ),
            }),
            // The code is that of every bad parameter: only the text tells what is in the way.
            Some("ValidationException") if message.contains("protect") => Err(Error::WrongState {
                resource: format!("table `{name}`"),
                state: "protected against deletion".to_owned(),
                expected: "its deletion protection to be switched off first".to_owned(),
            }),
            Some("ValidationException") if message.contains("replica") => Err(Error::WrongState {
                resource: format!("table `{name}`"),
                state: "replicated".to_owned(),
                expected: "its replicas to be removed first".to_owned(),
            }),
            _ => Err(Error::aws("dynamodb:DeleteTable", err)),
        }
    }
}

#[async_trait]
impl DynamoDbToolkit for AwsDynamoDbToolkit {
    async fn table(&self, stack: StackReference) -> Result<Table> {
        const OPERATION: &str = "dynamodb:DescribeTable";
        let incomplete = |missing| Error::Incomplete { operation: OPERATION, missing };
        let name = self.config.tables.of(stack);

        let output = match self.client.describe_table().table_name(name).send().await {
            Ok(output) => output,
            Err(err) if err.code() == Some("ResourceNotFoundException") => {
                return Err(Error::NotFound { resource: format!("table `{name}`") });
            }
            Err(err) => return Err(Error::aws(OPERATION, err)),
        };

        let table = output.table.ok_or_else(|| incomplete("the table"))?;
        let status = match table.table_status.ok_or_else(|| incomplete("the table's status"))? {
            Status::Active => TableStatus::Active,
            Status::Deleting => TableStatus::Deleting,
            other => TableStatus::Other(other.as_str().to_owned()),
        };
        tracing::debug!(table = name, ?status, "looked");
        Ok(Table {
            arn: table.table_arn.ok_or_else(|| incomplete("the table's ARN"))?,
            status,
            // An answer without it loses nothing: DynamoDB itself does not delete a protected table.
            deletion_protection: table.deletion_protection_enabled.unwrap_or(false),
        })
    }

    async fn delete_table(&self, stack: StackReference) -> Result<Change> {
        let name = self.config.tables.of(stack);

        let change = match self.client.delete_table().table_name(name).send().await {
            Ok(_) => Change::Made,
            Err(err) => self.refused(stack, err).await?,
        };

        tracing::debug!(table = name, ?change, "deleted");
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_sdk_dynamodb::operation::{
        delete_table::{DeleteTableInput, DeleteTableOutput},
        describe_table::DescribeTableInput,
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
    use aws_smithy_types::body::SdkBody;
    use bluegreen_core::{
        Pair,
        StackReference::{A, B},
    };

    use super::*;

    const ARN: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/sessions-b";

    fn client(rules: &[&Rule]) -> Client {
        mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, rules)
    }

    fn toolkit(rules: &[&Rule]) -> AwsDynamoDbToolkit {
        let tables = Pair::from_fn(|stack| format!("sessions-{stack}"));
        AwsDynamoDbToolkit::from_client(client(rules), DynamoDbConfig { tables }).unwrap()
    }

    fn answer(status: u16, body: String) -> HttpResponse {
        HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))
    }

    fn refusal(code: &str, message: &str) -> HttpResponse {
        let namespace = "com.amazonaws.dynamodb.v20120810";
        answer(400, format!(r#"{{"__type":"{namespace}#{code}","message":"{message}"}}"#))
    }

    fn refused(code: &'static str, message: &'static str) -> Rule {
        mock!(Client::delete_table).then_http_response(move || refusal(code, message))
    }

    fn described(body: &str) -> Rule {
        let body = body.to_owned();
        mock!(Client::describe_table).then_http_response(move || answer(200, body.clone()))
    }

    fn with_status(status: &str) -> Rule {
        described(&format!(r#"{{"Table":{{"TableArn":"{ARN}","TableStatus":"{status}"}}}}"#))
    }

    #[tokio::test]
    async fn the_table_of_the_named_stack_is_deleted_by_the_first_and_only_call() {
        let input = DeleteTableInput::builder().table_name("sessions-b").build().unwrap();
        let deleted = mock!(Client::delete_table)
            .match_requests(move |it| *it == input)
            .then_output(|| DeleteTableOutput::builder().build());

        let change = toolkit(&[&deleted]).delete_table(B).await.unwrap();

        assert_eq!(change, Change::Made);
        assert_eq!(deleted.num_calls(), 1);
    }

    #[tokio::test]
    async fn a_missing_table_is_deleted_already() {
        let gone = refused("ResourceNotFoundException", "Requested resource not found");

        let change = toolkit(&[&gone]).delete_table(A).await.unwrap();

        assert_eq!(change, Change::AlreadySo);
    }

    #[tokio::test]
    async fn a_table_on_its_way_out_is_deleted_already() {
        let in_use = refused("ResourceInUseException", "Table is being deleted: sessions-a");

        let change = toolkit(&[&in_use, &with_status("DELETING")]).delete_table(A).await.unwrap();

        assert_eq!(change, Change::AlreadySo);
    }

    #[tokio::test]
    async fn a_table_that_was_in_use_and_is_now_gone_is_deleted_already() {
        let in_use = refused("ResourceInUseException", "in use");
        let gone = mock!(Client::describe_table)
            .then_http_response(|| refusal("ResourceNotFoundException", "not found"));

        let change = toolkit(&[&in_use, &gone]).delete_table(A).await.unwrap();

        assert_eq!(change, Change::AlreadySo);
    }

    #[tokio::test]
    async fn a_table_in_use_is_deleted_later() {
        for (status, reason) in [
            ("CREATING", "table `sessions-a` is `CREATING`"),
            ("UPDATING", "table `sessions-a` is `UPDATING`"),
            ("ACTIVE", "table `sessions-a` was in use"),
        ] {
            let in_use = refused("ResourceInUseException", "in use");

            let change = toolkit(&[&in_use, &with_status(status)]).delete_table(A).await.unwrap();

            assert_eq!(change, Change::NotYet { reason: reason.to_owned() });
        }
    }

    #[tokio::test]
    async fn a_look_that_fails_fails_the_deletion() {
        let in_use = refused("ResourceInUseException", "in use");
        let denied = mock!(Client::describe_table)
            .then_http_response(|| refusal("AccessDeniedException", "not yours"));

        let err = toolkit(&[&in_use, &denied]).delete_table(A).await.unwrap_err();

        assert!(matches!(err, Error::AccessDenied { operation: "dynamodb:DescribeTable", .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn one_table_operation_too_many_is_repeated_later() {
        let limit = refused("LimitExceededException", "Only 500 tables at once");

        let change = toolkit(&[&limit]).delete_table(A).await.unwrap();

        assert!(matches!(change, Change::NotYet { .. }), "{change:?}");
    }

    #[tokio::test]
    async fn a_protected_table_is_an_error_that_says_so() {
        for message in [
            "Resource cannot be deleted as it is currently protected against deletion. Disable \
             deletion protection first.",
            "Table 'x' can't be deleted while DeletionProtectionEnabled is set to True",
        ] {
            let protected = refused("ValidationException", message);

            let err = toolkit(&[&protected]).delete_table(A).await.unwrap_err();

            assert!(matches!(err, Error::WrongState { .. }), "{err:?}");
            assert_eq!(
                err.to_string(),
                "table `sessions-a` is protected against deletion: expected its deletion protection \
                 to be switched off first"
            );
        }
    }

    #[tokio::test]
    async fn a_table_with_replicas_is_an_error_that_says_so() {
        let replicated = refused(
            "ValidationException",
            "Replica cannot be deleted because it has acted as a source region for new replica(s)",
        );

        let err = toolkit(&[&replicated]).delete_table(A).await.unwrap_err();

        assert!(err.to_string().contains("its replicas to be removed first"), "{err}");
    }

    #[tokio::test]
    async fn any_other_refusal_is_final() {
        let invalid = refused("ValidationException", "TableName is too short");

        let err = toolkit(&[&invalid]).delete_table(A).await.unwrap_err();

        assert!(matches!(
            err,
            Error::Aws { operation: "dynamodb:DeleteTable", transient: false, .. }
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_of_dynamodb_is_transient() {
        let fault = mock!(Client::delete_table).then_http_response(|| {
            let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}"#;
            answer(500, body.to_owned())
        });

        let err = toolkit(&[&fault]).delete_table(A).await.unwrap_err();

        assert!(err.is_transient());
    }

    #[tokio::test]
    async fn the_table_of_the_named_stack_is_described() {
        let input = DescribeTableInput::builder().table_name("sessions-b").build().unwrap();
        let described = mock!(Client::describe_table)
            .match_requests(move |it| *it == input)
            .then_http_response(|| {
                let body = format!(
                    r#"{{"Table":{{"TableArn":"{ARN}","TableStatus":"ACTIVE",
                        "DeletionProtectionEnabled":true}}}}"#
                );
                answer(200, body)
            });

        let table = toolkit(&[&described]).table(B).await.unwrap();

        assert_eq!(
            table,
            Table { arn: ARN.to_owned(), status: TableStatus::Active, deletion_protection: true }
        );
    }

    #[tokio::test]
    async fn every_status_is_understood() {
        for (text, status) in [
            ("ACTIVE", TableStatus::Active),
            ("DELETING", TableStatus::Deleting),
            ("ARCHIVED", TableStatus::Other("ARCHIVED".to_owned())),
            ("BRAND_NEW", TableStatus::Other("BRAND_NEW".to_owned())),
        ] {
            let table = toolkit(&[&with_status(text)]).table(A).await.unwrap();

            assert_eq!(table.status, status);
            assert!(!table.deletion_protection);
        }
    }

    #[tokio::test]
    async fn a_missing_table_is_not_found() {
        let gone = mock!(Client::describe_table)
            .then_http_response(|| refusal("ResourceNotFoundException", "not found"));

        let err = toolkit(&[&gone]).table(A).await.unwrap_err();

        assert!(matches!(err, Error::NotFound { .. }));
        assert_eq!(err.to_string(), "table `sessions-a` does not exist");
    }

    #[tokio::test]
    async fn an_answer_without_table_status_or_arn_is_incomplete() {
        for (body, missing) in [
            ("{}", "the table"),
            (r#"{"Table":{"TableArn":"arn"}}"#, "the table's status"),
            (r#"{"Table":{"TableStatus":"ACTIVE"}}"#, "the table's ARN"),
        ] {
            let err = toolkit(&[&described(body)]).table(A).await.unwrap_err();

            assert_eq!(
                err.to_string(),
                format!("dynamodb:DescribeTable answered without {missing}")
            );
        }
    }

    #[test]
    fn an_empty_name_is_refused_before_any_call() {
        let tables = Pair { a: String::new(), b: "sessions-b".to_owned() };

        let err =
            AwsDynamoDbToolkit::from_client(client(&[]), DynamoDbConfig { tables }).unwrap_err();

        assert!(matches!(err, Error::Configuration { .. }));
    }

    #[tokio::test]
    async fn the_toolkit_can_stand_behind_its_trait() {
        let toolkit: Arc<dyn DynamoDbToolkit> = Arc::new(toolkit(&[&with_status("ACTIVE")]));

        let table = toolkit.table(B).await.unwrap();

        assert_eq!(table.arn, ARN);
    }
}
