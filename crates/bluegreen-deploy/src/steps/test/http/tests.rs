//! What is asked by HTTP, how often, and which answers are good.

use bluegreen_core::{
    Pair,
    StackReference::{A, B},
};

use super::*;
use crate::{
    MemoryStorage,
    stack_file::{Headers, OneOrPair},
    steps::testing::{Script, World},
};

fn settings() -> HttpTest {
    HttpTest {
        url: OneOrPair::One("https://shop.example/health?token=7f3a".to_owned()),
        headers: Headers(vec![("authorization".to_owned(), "Bearer 7f3a".to_owned())]),
        expect_status: None,
        expect_body: None,
        expect_headers: Vec::new(),
        timeout: Duration::from_secs(10),
        tries: 3,
    }
}

fn step(test: &HttpTest) -> Http {
    Http::new(StepId::new("test.http", "smoke", B), test, Duration::from_secs(60))
}

/// Returns what one try with this answer comes to.
async fn once(test: &HttpTest, status: u16, body: &str) -> Result<Inspection> {
    let world = World::new(A).outside(&Script::default().answers(status, body));
    world.inspect(&step(&HttpTest { tries: 1, ..test.clone() })).await
}

#[tokio::test(start_paused = true)]
async fn the_url_of_the_stack_is_asked_with_the_headers() {
    let script = Script::default().answers(200, "ok");
    let world = World::new(A).outside(&script);
    let url = OneOrPair::Pair(Pair::from_fn(|it| format!("https://{it}.shop.example/")));

    let seen = world.inspect(&step(&HttpTest { url, ..settings() })).await.unwrap();

    assert_eq!(seen, Inspection::Done);
    let request = &script.requests()[0];
    assert_eq!(request.url, "https://b.shop.example/");
    assert_eq!(request.headers, settings().headers.0);
    assert_eq!(request.timeout, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn any_2xx_passes_and_a_redirect_does_not_unless_it_is_expected() {
    for status in [200, 204, 299] {
        assert_eq!(once(&settings(), status, "").await.unwrap(), Inspection::Done);
    }
    for status in [199, 302, 500] {
        assert!(once(&settings(), status, "").await.is_err(), "{status}");
    }
    let redirects = HttpTest { expect_status: Some(302), ..settings() };
    assert_eq!(once(&redirects, 302, "").await.unwrap(), Inspection::Done);
    let err = once(&redirects, 200, "").await.unwrap_err().to_string();
    assert!(err.contains("answered 200 instead of 302"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_body_and_headers_are_expected_too() {
    let body = HttpTest { expect_body: Some("\"db\":\"ok\"".to_owned()), ..settings() };
    let header = |value: &str| HttpTest {
        expect_headers: vec![("X-Version".to_owned(), value.to_owned())],
        ..settings()
    };

    assert_eq!(once(&body, 200, r#"{"db":"ok"}"#).await.unwrap(), Inspection::Done);
    let err = once(&body, 200, r#"{"db":"down"}"#).await.unwrap_err().to_string();
    assert!(err.contains("is not in the body") && err.contains(r#"{"db":"down"}"#), "{err}");
    assert_eq!(once(&header("7"), 200, "").await.unwrap(), Inspection::Done);
    let err = once(&header("8"), 200, "").await.unwrap_err().to_string();
    assert!(err.contains("without the header `X-Version: 8`"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_failing_answer_is_quoted_with_its_status_and_without_secrets() {
    let err = once(&settings(), 503, &"y".repeat(900)).await.unwrap_err();

    let text = chain(&err);
    assert!(text.starts_with("`https://shop.example/health` answered 503: yyy"), "{text}");
    assert!(text.contains(&"y".repeat(500)) && !text.contains(&"y".repeat(501)), "{text}");
    assert!(!text.contains("7f3a"), "{text}");
    assert!(!format!("{:?}", step(&settings()).test.headers).contains("7f3a"));
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_as_often_as_the_file_says_and_anew_on_its_next_turn() {
    let script = Script::default().hangs_up().answers(503, "busy").answers(200, "ok").hangs_up();
    let world = World::new(A).outside(&script);
    let step = step(&HttpTest { tries: 2, ..settings() });

    let first = world.inspect(&step).await.unwrap();
    assert!(
        matches!(&first, Inspection::Underway { what } if what.ends_with("connection refused")),
        "{first:?}"
    );
    let second = world.inspect(&step).await.unwrap_err();
    assert!(matches!(second, Error::Gate { .. }), "{second:?}");

    step.begin();
    assert_eq!(world.inspect(&step).await.unwrap(), Inspection::Done);
    assert!(matches!(world.inspect(&step).await.unwrap(), Inspection::Underway { .. }));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_before_its_turn() {
    let script = Script::default();
    let world = World::new(A).outside(&script).planning();

    assert_eq!(world.inspect(&step(&settings())).await.unwrap(), not_yet());

    assert_eq!(script.requests(), []);
}

#[tokio::test(start_paused = true)]
async fn without_the_lease_nothing_is_asked() {
    let script = Script::default().answers(200, "ok");
    let storage = MemoryStorage::new(Some(Duration::from_secs(10)));
    let world = World::leased(A, storage).outside(&script);
    tokio::time::advance(Duration::from_secs(11)).await;

    let lost = world.inspect(&step(&settings())).await;

    assert!(matches!(lost, Err(Error::LeaseLost { .. })), "{lost:?}");
    assert!(script.requests().is_empty());
}
