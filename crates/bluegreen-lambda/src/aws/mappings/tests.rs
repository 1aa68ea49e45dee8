//! Tests of listing and switching mappings.

use aws_sdk_lambda::{
    Client,
    operation::{
        list_event_source_mappings::{ListEventSourceMappingsInput, ListEventSourceMappingsOutput},
        update_event_source_mapping::{
            UpdateEventSourceMappingInput, UpdateEventSourceMappingOutput,
        },
    },
    types::EventSourceMappingConfiguration,
};
use aws_smithy_mocks::{Rule, mock};
use bluegreen_core::StackReference::{A, B};

use super::{
    super::fixture::{aliases, arn, functions, refusal, toolkit},
    *,
};
use crate::LambdaToolkit;

const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:ingest-b";

/// A mapping as AWS lists it, on the function of stack b unless `function` is a whole ARN.
fn listed(uuid: &str, function: &str, state: &str) -> EventSourceMappingConfiguration {
    EventSourceMappingConfiguration::builder()
        .uuid(uuid)
        .event_source_arn(QUEUE)
        .function_arn(function)
        .batch_size(25)
        .state(state)
        .build()
}

/// A mapping as the toolkit shows it.
fn shown(uuid: &str, state: MappingState) -> EventSourceMapping {
    EventSourceMapping {
        uuid: uuid.to_owned(),
        event_source_arn: Some(QUEUE.to_owned()),
        function_arn: arn("aws", "ingest-b"),
        batch_size: Some(25),
        state,
    }
}

/// The one page of what is listed for `function`.
fn page(function: String, mappings: Vec<EventSourceMappingConfiguration>) -> Rule {
    mock!(Client::list_event_source_mappings)
        .match_requests(move |it| {
            let whole = ListEventSourceMappingsInput::builder().function_name(&function);
            *it == whole.build().unwrap()
        })
        .then_output(move || {
            ListEventSourceMappingsOutput::builder()
                .set_event_source_mappings(Some(mappings.clone()))
                .build()
        })
}

/// 150 mappings of `function`, a hundred to a page, as AWS does.
fn two_pages(function: String) -> [Rule; 2] {
    let some = |range: std::ops::Range<u32>, function: &str| -> Vec<_> {
        range.map(|n| listed(&format!("{n:03}"), function, "Enabled")).collect()
    };
    let (first, second) = (some(0..100, &function), some(100..150, &function));
    let other = function.clone();
    [
        mock!(Client::list_event_source_mappings)
            .match_requests(move |it| {
                it.function_name() == Some(&function) && it.marker().is_none()
            })
            .then_output(move || {
                ListEventSourceMappingsOutput::builder()
                    .set_event_source_mappings(Some(first.clone()))
                    .next_marker("100")
                    .build()
            }),
        mock!(Client::list_event_source_mappings)
            .match_requests(move |it| {
                it.function_name() == Some(&other) && it.marker() == Some("100")
            })
            .then_output(move || {
                ListEventSourceMappingsOutput::builder()
                    .set_event_source_mappings(Some(second.clone()))
                    .build()
            }),
    ]
}

/// Takes the update of just this mapping.
fn update(uuid: &'static str, enabled: bool) -> Rule {
    mock!(Client::update_event_source_mapping)
        .match_requests(move |it| {
            *it == UpdateEventSourceMappingInput::builder()
                .uuid(uuid)
                .enabled(enabled)
                .build()
                .unwrap()
        })
        .then_output(|| UpdateEventSourceMappingOutput::builder().build())
}

/// Refuses the update of this mapping.
fn refuse(uuid: &'static str, status: u16, code: &'static str) -> Rule {
    mock!(Client::update_event_source_mapping)
        .match_requests(move |it| it.uuid() == Some(uuid))
        .then_http_response(move || refusal(status, code, "no"))
}

fn uuids(mappings: &[EventSourceMapping]) -> Vec<&str> {
    mappings.iter().map(|it| it.uuid.as_str()).collect()
}

#[tokio::test]
async fn more_than_a_hundred_mappings_are_listed_to_the_last_page_and_the_listing_ends() {
    let functions = functions("aws");
    let [first, second] = two_pages(arn("aws", "ingest-b"));

    let found =
        toolkit(None, &[&functions, &first, &second]).list_event_source_mappings(B).await.unwrap();

    let expected: Vec<_> = (0..150).map(|n| format!("{n:03}")).collect();
    assert_eq!(uuids(&found), expected);
    assert_eq!((first.num_calls(), second.num_calls()), (1, 1));
}

#[tokio::test]
async fn an_answer_without_its_list_is_not_an_empty_one() {
    let functions = functions("aws");
    let nothing = mock!(Client::list_event_source_mappings)
        .then_output(|| ListEventSourceMappingsOutput::builder().build());

    let err =
        toolkit(None, &[&functions, &nothing]).list_event_source_mappings(B).await.unwrap_err();

    assert!(matches!(err, Error::Incomplete { operation: LIST, .. }), "{err:?}");
}

#[tokio::test]
async fn the_mappings_of_an_alias_are_listed_to_the_last_page_too() {
    let (functions, aliases) = (functions("aws"), aliases("aws"));
    let [first, second] = two_pages(arn("aws", "ingest-b:live"));
    let bare = page(arn("aws", "ingest-b"), vec![]);

    let found = toolkit(Some("live"), &[&functions, &aliases, &first, &second, &bare])
        .list_event_source_mappings(B)
        .await
        .unwrap();

    assert_eq!(found.len(), 150);
    assert_eq!((first.num_calls(), second.num_calls(), bare.num_calls()), (1, 1, 1));
}

#[tokio::test]
async fn without_an_alias_only_the_bare_functions_mappings_count() {
    let functions = functions("aws");
    let bare = arn("aws", "ingest-a");
    let listing = page(
        bare.clone(),
        vec![
            listed("2", &bare, "Disabled"),
            listed("3", &format!("{bare}:live"), "Enabled"),
            listed("1", &format!("{bare}:$LATEST"), "Enabled"),
            listed("4", &arn("aws", "ingest-a-two"), "Enabled"),
        ],
    );

    let found = toolkit(None, &[&functions, &listing]).list_event_source_mappings(A).await.unwrap();

    assert_eq!(uuids(&found), ["1", "2"]);
}

#[tokio::test]
async fn with_an_alias_its_mappings_and_the_bare_functions_are_listed_once_each() {
    let (functions, aliases) = (functions("aws"), aliases("aws"));
    let (bare, live) = (arn("aws", "ingest-b"), arn("aws", "ingest-b:live"));
    let on_function = page(
        bare.clone(),
        vec![
            listed("3", &bare, "Enabled"),
            listed("1", &live, "Enabled"),
            listed("4", &arn("aws", "ingest-b:canary"), "Enabled"),
        ],
    );
    let on_alias =
        page(live.clone(), vec![listed("1", &live, "Enabled"), listed("2", &live, "Disabling")]);

    let found = toolkit(Some("live"), &[&functions, &aliases, &on_function, &on_alias])
        .list_event_source_mappings(B)
        .await
        .unwrap();

    assert_eq!(uuids(&found), ["1", "2", "3"]);
    assert_eq!(found[1].function_arn, live);
    assert_eq!(found[1].event_source_arn.as_deref(), Some(QUEUE));
    assert_eq!(found[1].state, MappingState::Disabling);
}

#[tokio::test]
async fn mappings_are_found_in_every_partition() {
    for partition in ["aws-cn", "aws-us-gov"] {
        let functions = functions(partition);
        let bare = arn(partition, "ingest-b");
        let listing = page(bare.clone(), vec![listed("1", &bare, "Disabled")]);
        let update = update("1", true);

        let switched = toolkit(None, &[&functions, &listing, &update])
            .enable_event_mapping(B, Selection::All)
            .await
            .unwrap();

        assert_eq!(switched.changed, ["1"], "{partition}");
    }
}

#[tokio::test]
async fn a_mapping_without_state_or_function_is_an_incomplete_answer() {
    let bare = arn("aws", "ingest-b");
    let full = || {
        EventSourceMappingConfiguration::builder()
            .uuid("1")
            .function_arn(arn("aws", "ingest-b"))
            .state("Enabled")
    };
    let incomplete = [full().set_state(None), full().set_function_arn(None), full().set_uuid(None)];

    for mapping in incomplete.map(|it| it.build()) {
        let (functions, listing) = (functions("aws"), page(bare.clone(), vec![mapping]));

        let err =
            toolkit(None, &[&functions, &listing]).list_event_source_mappings(B).await.unwrap_err();

        assert!(matches!(err, Error::Incomplete { operation: LIST, .. }), "{err:?}");
    }
}

#[test]
fn every_word_for_a_state_is_understood_and_an_unknown_one_is_moving() {
    let read = |word| MappingState::from(word);

    assert_eq!(read("Enabled"), MappingState::Enabled);
    assert_eq!(read("Disabled"), MappingState::Disabled);
    assert_eq!(read("Enabling"), MappingState::Enabling);
    assert_eq!(read("Disabling"), MappingState::Disabling);
    for word in ["Creating", "Updating", "Deleting", "Pondering"] {
        assert_eq!(read(word), MappingState::Moving(word.to_owned()));
    }
}

#[tokio::test]
async fn no_mapping_to_switch_is_an_error_that_names_the_function() {
    let (functions, listing) = (functions("aws"), page(arn("aws", "ingest-b"), vec![]));
    let lambda = toolkit(None, &[&functions, &listing]);

    for switched in [
        lambda.enable_event_mapping(B, Selection::All).await,
        lambda.disable_event_mapping(B, Selection::All).await,
    ] {
        let err = switched.unwrap_err();
        assert!(err.is_absent());
        assert_eq!(err.to_string(), "found no event source mapping of function `ingest-b`");
    }
}

#[tokio::test]
async fn only_mappings_that_are_not_yet_off_are_switched_off() {
    let functions = functions("aws");
    let bare = arn("aws", "ingest-a");
    let listing = page(
        bare.clone(),
        vec![
            listed("1", &bare, "Disabled"),
            listed("2", &bare, "Enabled"),
            listed("3", &bare, "Disabling"),
            listed("4", &bare, "Enabling"),
            listed("5", &bare, "Updating"),
        ],
    );
    let update = update("2", false);

    let switched = toolkit(None, &[&functions, &listing, &update])
        .disable_event_mapping(A, Selection::All)
        .await
        .unwrap();

    assert_eq!(switched.changed, ["2"]);
    assert_eq!(switched.already_so, ["1", "3"]);
    assert_eq!(switched.busy, ["4", "5"]);
    assert_eq!(update.num_calls(), 1);
}

#[tokio::test]
async fn only_mappings_that_are_not_yet_on_are_switched_on() {
    let update = update("2", true);
    let mappings = vec![
        shown("1", MappingState::Enabled),
        shown("2", MappingState::Disabled),
        shown("3", MappingState::Enabling),
        shown("4", MappingState::Disabling),
        shown("5", MappingState::Moving("Creating".to_owned())),
    ];

    // No listing is known here: it would panic.
    let switched =
        toolkit(None, &[&update]).enable_event_mapping(B, Selection::Only(mappings)).await.unwrap();

    assert_eq!(switched.changed, ["2"]);
    assert_eq!(switched.already_so, ["1", "3"]);
    assert_eq!(switched.busy, ["4", "5"]);
}

#[tokio::test]
async fn with_an_alias_its_mappings_are_switched_on_and_off() {
    for enabled in [true, false] {
        let (functions, aliases) = (functions("aws"), aliases("aws"));
        let (bare, live) = (arn("aws", "ingest-b"), arn("aws", "ingest-b:live"));
        let state = if enabled { "Disabled" } else { "Enabled" };
        let on_function = page(bare, vec![]);
        let on_alias = page(live.clone(), vec![listed("1", &live, state)]);
        let update = update("1", enabled);

        let rules = [&functions, &aliases, &on_function, &on_alias, &update];
        let lambda = toolkit(Some("live"), &rules);
        let switched = if enabled {
            lambda.enable_event_mapping(B, Selection::All).await
        } else {
            lambda.disable_event_mapping(B, Selection::All).await
        };

        assert_eq!(switched.unwrap().changed, ["1"]);
    }
}

#[tokio::test]
async fn nothing_chosen_is_nothing_done() {
    let lambda = toolkit(None, &[]);

    let switched = lambda.enable_event_mapping(B, Selection::Only(vec![])).await.unwrap();

    assert_eq!(switched, Switched::default());
}

#[tokio::test]
async fn one_busy_mapping_does_not_keep_the_others_from_being_switched() {
    for (status, code) in [(400, "ResourceInUseException"), (409, "ResourceConflictException")] {
        let (busy, second, third) =
            (refuse("1", status, code), update("2", true), update("3", true));
        let mappings = ["1", "2", "3"].map(|it| shown(it, MappingState::Disabled)).into();

        let switched = toolkit(None, &[&busy, &second, &third])
            .enable_event_mapping(B, Selection::Only(mappings))
            .await
            .unwrap();

        assert_eq!(switched.busy, ["1"], "{code}");
        assert_eq!(switched.changed, ["2", "3"], "{code}");
        assert_eq!(busy.num_calls(), 1, "the toolkit does not wait");
    }
}

#[tokio::test]
async fn a_failing_mapping_is_an_error_after_all_the_others_were_tried() {
    let missing = refuse("1", 404, "ResourceNotFoundException");
    let denied = refuse("2", 403, "AccessDeniedException");
    let others = mock!(Client::update_event_source_mapping)
        .then_output(|| UpdateEventSourceMappingOutput::builder().build());
    let uuids = ["1", "2", "3", "4", "5", "6", "7", "8"];
    let mappings = uuids.map(|it| shown(it, MappingState::Enabled)).into();

    let err = toolkit(None, &[&missing, &denied, &others])
        .disable_event_mapping(B, Selection::Only(mappings))
        .await
        .unwrap_err();

    assert_eq!(err.to_string(), "event source mapping `1` does not exist");
    assert_eq!(others.num_calls(), 6);
}
