//! One event source mapping: reading, making and deleting it.

use std::error;

use aws_sdk_lambda::{
    error::{ProvideErrorMetadata, SdkError},
    primitives::DateTime,
    types::EventSourcePosition,
};
use bluegreen_core::{Change, Error, Result, StackReference};

use super::{AwsLambdaToolkit, failed, required};
use crate::{EventSourceMapping, NewMapping, StartingPosition};

const CREATE: &str = "lambda:CreateEventSourceMapping";
const GET: &str = "lambda:GetEventSourceMapping";
const DELETE: &str = "lambda:DeleteEventSourceMapping";

impl AwsLambdaToolkit {
    pub(super) async fn create_mapping(
        &self,
        stack: StackReference,
        new: NewMapping,
    ) -> Result<EventSourceMapping> {
        let function = self.known(stack).await?;
        let (position, timestamp) = match new.starting_position {
            None => (None, None),
            Some(StartingPosition::TrimHorizon) => (Some(EventSourcePosition::TrimHorizon), None),
            Some(StartingPosition::Latest) => (Some(EventSourcePosition::Latest), None),
            Some(StartingPosition::AtTimestamp(at)) => {
                (Some(EventSourcePosition::AtTimestamp), Some(DateTime::from(at)))
            }
        };

        let created = self
            .lambda
            .create_event_source_mapping()
            .function_name(function.alias_arn.as_ref().unwrap_or(&function.arn))
            .event_source_arn(new.event_source_arn)
            .set_starting_position(position)
            .set_starting_position_timestamp(timestamp)
            // More than AWS allows is refused by AWS.
            .set_batch_size(new.batch_size.map(|it| it.try_into().unwrap_or(i32::MAX)))
            .enabled(new.enabled)
            .send()
            .await;
        match created {
            Ok(it) => mapping(
                CREATE,
                it.uuid,
                it.event_source_arn,
                it.function_arn,
                it.batch_size,
                it.state,
            ),
            Err(err) => match existing(&err) {
                Some(uuid) => self.get_mapping(uuid).await,
                None => Err(refused(CREATE, self.label(stack), err)),
            },
        }
    }

    async fn get_mapping(&self, uuid: &str) -> Result<EventSourceMapping> {
        let it = self
            .lambda
            .get_event_source_mapping()
            .uuid(uuid)
            .send()
            .await
            .map_err(|err| failed(GET, format!("event source mapping `{uuid}`"), err))?;
        mapping(GET, it.uuid, it.event_source_arn, it.function_arn, it.batch_size, it.state)
    }

    pub(super) async fn delete_mapping(&self, uuid: &str) -> Result<Change> {
        match self.lambda.delete_event_source_mapping().uuid(uuid).send().await {
            Ok(_) => Ok(Change::Made),
            Err(err) if is_busy(&err) => Ok(Change::NotYet {
                reason: format!("AWS is at work on event source mapping `{uuid}`"),
            }),
            Err(err) if err.code() == Some("ResourceNotFoundException") => Ok(Change::AlreadySo),
            Err(err) => Err(Error::aws(DELETE, err)),
        }
    }
}

/// Reads a mapping, which five operations answer with in five types of their own.
pub(super) fn mapping(
    operation: &'static str,
    uuid: Option<String>,
    event_source_arn: Option<String>,
    function_arn: Option<String>,
    batch_size: Option<i32>,
    state: Option<String>,
) -> Result<EventSourceMapping> {
    let state = required(state, operation, "a mapping's state")?;
    Ok(EventSourceMapping {
        uuid: required(uuid, operation, "a mapping's UUID")?,
        event_source_arn,
        function_arn: required(function_arn, operation, "a mapping's function")?,
        batch_size: batch_size.and_then(|it| u32::try_from(it).ok()),
        state: state.as_str().into(),
    })
}

/// Returns whether AWS is still at work on an earlier change; the SDK does not retry this.
pub(super) fn is_busy(err: &impl ProvideErrorMetadata) -> bool {
    matches!(err.code(), Some("ResourceInUseException" | "ResourceConflictException"))
}

/// Reads the UUID of the mapping that is in the way of a new one: "an event source mapping with .. arn
/// (..) and function (..) already exists .. the existing mapping with UUID ..".
fn existing(err: &impl ProvideErrorMetadata) -> Option<&str> {
    if err.code() != Some("ResourceConflictException") {
        return None;
    }
    // From the end: the ARN before it may hold a UUID too.
    let words = err.message()?.rsplit(|it: char| !(it.is_ascii_hexdigit() || it == '-'));
    words.into_iter().find(|word| word.split('-').map(str::len).eq([8, 4, 4, 4, 12]))
}

/// Wraps a refusal; one that comes from a role which AWS has not spread everywhere yet is transient.
pub(super) fn refused<E>(operation: &'static str, resource: String, err: SdkError<E>) -> Error
where
    E: error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let about_role = err.code() == Some("InvalidParameterValueException")
        && err.message().is_some_and(|it| ROLE_NOT_READY.iter().any(|part| it.contains(part)));
    match failed(operation, resource, err) {
        Error::Aws { source, .. } if about_role => {
            Error::Aws { operation, transient: true, source }
        }
        err => err,
    }
}

/// What AWS says while a new role or its policies are not known everywhere.
const ROLE_NOT_READY: [&str; 3] = [
    "cannot be assumed by Lambda",
    "execution role does not have permissions",
    "ensure the role can perform",
];

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use aws_sdk_lambda::{
        Client,
        operation::{
            create_event_source_mapping::{
                CreateEventSourceMappingInput, CreateEventSourceMappingOutput,
            },
            delete_event_source_mapping::DeleteEventSourceMappingOutput,
            get_event_source_mapping::GetEventSourceMappingOutput,
        },
    };
    use aws_smithy_mocks::mock;
    use bluegreen_core::StackReference::{A, B};

    use super::{
        super::fixture::{aliases, arn, functions, refusal, toolkit},
        *,
    };
    use crate::{LambdaToolkit, MappingState};

    const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:ingest-b";

    fn created(function: &str) -> CreateEventSourceMappingOutput {
        CreateEventSourceMappingOutput::builder()
            .uuid("1")
            .event_source_arn(QUEUE)
            .function_arn(function)
            .batch_size(10)
            .state("Creating")
            .build()
    }

    fn new_mapping() -> NewMapping {
        NewMapping {
            event_source_arn: QUEUE.to_owned(),
            starting_position: None,
            batch_size: None,
            enabled: true,
        }
    }

    #[tokio::test]
    async fn a_mapping_is_made_on_the_bare_function_with_no_more_than_was_given() {
        let functions = functions("aws");
        let create = mock!(Client::create_event_source_mapping)
            .match_requests(|it| {
                *it == CreateEventSourceMappingInput::builder()
                    .function_name(arn("aws", "ingest-b"))
                    .event_source_arn(QUEUE)
                    .enabled(true)
                    .build()
                    .unwrap()
            })
            .then_output(|| created(&arn("aws", "ingest-b")));

        let made = toolkit(None, &[&functions, &create])
            .create_event_source_mapping(B, new_mapping())
            .await
            .unwrap();

        let expected = EventSourceMapping {
            uuid: "1".to_owned(),
            event_source_arn: Some(QUEUE.to_owned()),
            function_arn: arn("aws", "ingest-b"),
            batch_size: Some(10),
            state: MappingState::Moving("Creating".to_owned()),
        };
        assert_eq!(made, expected);
    }

    #[tokio::test]
    async fn a_mapping_is_made_on_the_alias_with_all_that_was_given() {
        let (functions, aliases) = (functions("aws"), aliases("aws"));
        let create = mock!(Client::create_event_source_mapping)
            .match_requests(|it| {
                *it == CreateEventSourceMappingInput::builder()
                    .function_name(arn("aws", "ingest-a:live"))
                    .event_source_arn(QUEUE)
                    .starting_position(EventSourcePosition::AtTimestamp)
                    .starting_position_timestamp(DateTime::from_secs(1_800_000_000))
                    .batch_size(25)
                    .enabled(false)
                    .build()
                    .unwrap()
            })
            .then_output(|| created(&arn("aws", "ingest-a:live")));
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let new = NewMapping {
            starting_position: Some(StartingPosition::AtTimestamp(at)),
            batch_size: Some(25),
            enabled: false,
            ..new_mapping()
        };

        let made = toolkit(Some("live"), &[&functions, &aliases, &create])
            .create_event_source_mapping(A, new)
            .await
            .unwrap();

        assert_eq!(made.function_arn, arn("aws", "ingest-a:live"));
    }

    #[tokio::test]
    async fn the_beginning_or_the_end_of_a_stream_is_passed_on() {
        for (given, sent) in [
            (StartingPosition::TrimHorizon, EventSourcePosition::TrimHorizon),
            (StartingPosition::Latest, EventSourcePosition::Latest),
        ] {
            let functions = functions("aws");
            let create = mock!(Client::create_event_source_mapping)
                .match_requests(move |it| {
                    it.starting_position() == Some(&sent)
                        && it.starting_position_timestamp().is_none()
                })
                .then_output(|| created(&arn("aws", "ingest-b")));
            let new = NewMapping { starting_position: Some(given), ..new_mapping() };

            toolkit(None, &[&functions, &create])
                .create_event_source_mapping(B, new)
                .await
                .unwrap();

            assert_eq!(create.num_calls(), 1);
        }
    }

    #[tokio::test]
    async fn a_mapping_that_exists_already_is_returned_as_it_is() {
        let functions = functions("aws");
        let create = mock!(Client::create_event_source_mapping).then_http_response(|| {
            refusal(
                409,
                "ResourceConflictException",
                "An event source mapping with SQS arn (\" arn:aws:sqs:eu-west-1:123456789012:\
                 0a0a0a0a-1111-2222-3333-444444444444 \") and function (\" ingest-b \") already exists. \
                 Please update or delete the existing mapping with UUID \
                 9f8e7d6c-5b4a-4c3d-8e2f-1a0b9c8d7e6f",
            )
        });
        let get = mock!(Client::get_event_source_mapping)
            .match_requests(|it| it.uuid() == Some("9f8e7d6c-5b4a-4c3d-8e2f-1a0b9c8d7e6f"))
            .then_output(|| {
                GetEventSourceMappingOutput::builder()
                    .uuid("9f8e7d6c-5b4a-4c3d-8e2f-1a0b9c8d7e6f")
                    .event_source_arn(QUEUE)
                    .function_arn(arn("aws", "ingest-b"))
                    .state("Disabled")
                    .build()
            });

        let found = toolkit(None, &[&functions, &create, &get])
            .create_event_source_mapping(B, new_mapping())
            .await
            .unwrap();

        assert_eq!(found.uuid, "9f8e7d6c-5b4a-4c3d-8e2f-1a0b9c8d7e6f");
        assert_eq!(found.state, MappingState::Disabled);
    }

    #[tokio::test]
    async fn a_conflict_that_names_no_mapping_is_a_failure() {
        let functions = functions("aws");
        let create = mock!(Client::create_event_source_mapping)
            .then_http_response(|| refusal(409, "ResourceConflictException", "add-dead-beef"));

        let err = toolkit(None, &[&functions, &create])
            .create_event_source_mapping(B, new_mapping())
            .await
            .unwrap_err();

        assert!(matches!(err, Error::Aws { operation: CREATE, transient: false, .. }), "{err:?}");
    }

    #[tokio::test]
    async fn a_role_that_aws_has_not_spread_yet_is_transient_and_a_wrong_value_is_not() {
        for (message, expected) in [
            ("The role defined for the function cannot be assumed by Lambda.", true),
            ("The function execution role does not have permissions to call ReceiveMessage", true),
            ("Unrecognized event source.", false),
        ] {
            let functions = functions("aws");
            let create = mock!(Client::create_event_source_mapping).then_http_response(move || {
                refusal(400, "InvalidParameterValueException", message)
            });

            let err = toolkit(None, &[&functions, &create])
                .create_event_source_mapping(B, new_mapping())
                .await
                .unwrap_err();

            assert_eq!(err.is_transient(), expected, "{message}");
        }
    }

    #[tokio::test]
    async fn a_mapping_is_deleted_by_its_uuid() {
        let delete = mock!(Client::delete_event_source_mapping)
            .match_requests(|it| it.uuid() == Some("1"))
            .then_output(|| DeleteEventSourceMappingOutput::builder().build());

        let change = toolkit(None, &[&delete]).delete_event_mapping("1").await.unwrap();

        assert_eq!(change, Change::Made);
    }

    #[tokio::test]
    async fn deleting_a_missing_mapping_is_done_and_a_busy_one_comes_later() {
        let answer = async |status, code| {
            let delete = mock!(Client::delete_event_source_mapping)
                .then_http_response(move || refusal(status, code, "no"));
            toolkit(None, &[&delete]).delete_event_mapping("1").await
        };

        let missing = answer(404, "ResourceNotFoundException").await.unwrap();
        let busy = answer(400, "ResourceInUseException").await.unwrap();
        let denied = answer(403, "AccessDeniedException").await.unwrap_err();

        assert_eq!(missing, Change::AlreadySo);
        let reason = "AWS is at work on event source mapping `1`".to_owned();
        assert_eq!(busy, Change::NotYet { reason });
        assert!(matches!(denied, Error::AccessDenied { operation: DELETE, .. }), "{denied:?}");
    }
}
