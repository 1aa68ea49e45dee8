//! What is found in the look before anything starts.

use bluegreen_core::StackReference::{A, B};

use crate::{account::arn, shop::Shop};

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_missing_function_ends_prepare_before_anything_is_changed() {
    let mut shop = Shop::full("refuse-missing").await;
    let more = "[lambda.lost]\nfunctions = { a = \"lost-a\", b = \"lost-b\" }\nalias = \"live\"";
    shop.declare(more.to_owned());
    shop.adopt().await;
    let before = shop.look().await;

    let run = shop.bluegreen(&["prepare", "--to", "b", "--json"]).await;

    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(run.json()["outcome"], "failed");
    assert!(run.stderr.contains("function `lost-b`"), "{run:?}");
    assert_eq!(shop.look().await, before);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_queue_that_feeds_both_stacks_is_refused_with_the_line() {
    let shop = Shop::full("refuse-queue").await;
    shop.adopt().await;
    let queue = arn("sqs", &shop.of("ingest", A));
    shop.account.create_mapping(&shop.of("ingest", B), &queue, false).await;
    let before = shop.look().await;

    let run = shop.bluegreen(&["prepare", "--to", "b", "--json"]).await;

    assert_eq!(run.code, 3, "{run:?}");
    let expected = [
        format!("queue `{}` feeds", shop.of("ingest", A)),
        format!("line {}", shop.line("[lambda.ingest]")),
    ];
    assert!(expected.iter().all(|it| run.stderr.contains(it)), "{expected:?}: {}", run.stderr);
    assert_eq!(shop.look().await, before);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_rule_that_starts_functions_of_both_stacks_is_refused_with_the_line() {
    let shop = Shop::full("refuse-rule").await;
    shop.adopt().await;
    let rule = format!("{}-hourly", shop.of("ingest", A));
    let function = arn("lambda", &format!("function:{}:live", shop.of("ingest", B)));
    shop.account.add_target("default", &rule, "other", &function).await;
    let before = shop.look().await;

    let run = shop.bluegreen(&["deploy", "--to", "b", "--json"]).await;

    assert_eq!(run.code, 3, "{run:?}");
    let expected =
        [format!("rule `default/{rule}` feeds"), format!("line {}", shop.line("[lambda.ingest]"))];
    assert!(expected.iter().all(|it| run.stderr.contains(it)), "{expected:?}: {}", run.stderr);
    assert_eq!(shop.look().await, before);
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_consumer_at_work_on_the_standby_is_named_with_the_step_that_turns_it_off() {
    let mut shop = Shop::new("refuse-busy").await;
    shop.add_queues("ingest", "fan-out").await;
    shop.add_functions("ingest", "mappings = \"mirror\"\nrules = \"mirror\"").await;
    shop.adopt().await;
    let rule = format!("{}-hourly", shop.of("ingest", B));
    shop.account.rules.enable_rule().name(&rule).send().await.unwrap();
    let before = shop.look().await;

    let refused = shop.bluegreen(&["prepare", "--to", "b", "--json"]).await;
    let unchanged = shop.look().await;
    let step = ["step", "lambda.disable-rules", "--stack", "b", "--resource", "ingest"];
    let turned_off = shop.bluegreen(&step).await;
    let state = shop.look().await["rule ingest-b-hourly"].clone();
    let prepared = shop.bluegreen(&["prepare", "--to", "b", "--json"]).await;

    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains(&rule), "{refused:?}");
    assert!(refused.stderr.contains(&format!("`bluegreen {}`", step.join(" "))), "{refused:?}");
    assert_eq!(unchanged, before);
    assert_eq!(turned_off.code, 0, "{turned_off:?}");
    assert_eq!(state, "DISABLED");
    assert_eq!(prepared.code, 0, "{prepared:?}");
    // What was turned off because it was the standby's is on again.
    assert_eq!(shop.look().await["rule ingest-b-hourly"], "ENABLED");
}

#[tokio::test]
#[ignore = "needs the emulators: cargo xtask test"]
async fn a_plan_writes_nothing_and_a_second_one_says_the_same() {
    let shop = Shop::full("refuse-nothing").await;
    shop.adopt().await;
    let before = shop.look().await;

    let first = shop.bluegreen(&["plan", "--to", "b", "--json"]).await.ended_with(0);
    let second = shop.bluegreen(&["plan", "--to", "b", "--json"]).await.ended_with(0);

    assert_eq!(first.json()["outcome"], "planned");
    assert_eq!(first.json(), second.json());
    assert_eq!(shop.look().await, before);
}
