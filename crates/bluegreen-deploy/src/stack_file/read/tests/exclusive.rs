//! ECS services that must run on one stack only, and the queues that feed them.

use super::*;

/// Returns the table of services with `keys`, and tables of a work queue `mail` and a fan-out queue `ingest`.
fn services(keys: &str) -> String {
    let queue = |name: &str, feed: &str| {
        format!(
            "[sqs.{name}]\nqueues = {{ a = \"{name}-a\", b = \"{name}-b\" }}\nfeed = \"{feed}\"\n"
        )
    };
    format!(
        "[ecs.mailer]\ncluster = \"x\"\nservices = {{ a = \"x-a\", b = \"x-b\" }}\ndesired-tasks = 1\n\
         {keys}\n{}{}",
        queue("mail", "work"),
        queue("ingest", "fan-out"),
    )
}

#[test]
fn a_service_is_of_mirror_kind_unless_it_is_said_to_be_exclusive() {
    let of = |keys: &str| good(&services(keys)).ecs.remove(0).settings;

    assert_eq!((of("").mode, of("").queue), (ConsumerKind::Mirror, None));
    let exclusive = of("mode = \"exclusive\"");
    assert_eq!((exclusive.mode, exclusive.queue), (ConsumerKind::Exclusive, None));
    let fed = of("mode = \"exclusive\"\nqueue = \"sqs.mail\"");
    assert_eq!(fed.queue.as_deref(), Some("mail"));
    one_problem(
        &services("mode = \"off\""),
        "\"off\"",
        &["no value of `mode`", "`mirror` or `exclusive`"],
    );
}

#[test]
fn a_queue_is_named_only_for_a_service_that_is_handed_over() {
    for mode in ["", "mode = \"mirror\"\n"] {
        let text = services(&format!("{mode}queue = \"sqs.mail\""));
        one_problem(
            &text,
            "\"sqs.mail\"",
            &["`queue` has no effect on `[ecs.mailer]`", "`mode = \"exclusive\"`"],
        );
    }
}

#[test]
fn the_queue_of_an_exclusive_service_is_a_work_queue_of_the_file() {
    let fed = |queue: &str| services(&format!("mode = \"exclusive\"\nqueue = {queue}"));

    for (queue, words) in [
        ("\"sqs.mial\"", ["`sqs.mial` is no pair of queues", "did you mean `sqs.mail`?"]),
        ("\"mail\"", ["`mail` is no pair of queues", "did you mean `sqs.mail`?"]),
        ("\"ecs.mailer\"", ["`ecs.mailer` is no pair of queues", "as in `\"sqs.mail\"`"]),
        ("\"sqs.ingest\"", ["`feed = \"fan-out\"`, and `[ecs.mailer]` is exclusive", "`work`"]),
        ("7", ["`queue` is of the wrong type", "a string"]),
    ] {
        one_problem(&fed(queue), queue, &words);
    }
}

#[test]
fn a_service_and_a_function_that_are_both_handed_over_have_two_names() {
    let both = |service: &str, function: &str| {
        services(service) + "[lambda.mailer]\nfunctions = { a = \"x-a\", b = \"x-b\" }\n" + function
    };
    let exclusive = "mode = \"exclusive\"";

    let same = ["the same step `exclusive.hand-over mailer`", "another name"];
    one_problem(&both(exclusive, ""), "[ecs.mailer]", &same);
    let mappings = "rules = \"mirror\"\nmappings = \"exclusive\"";
    one_problem(&both(exclusive, mappings), "[ecs.mailer]", &same);
    good(&both(exclusive, "rules = \"mirror\""));
    good(&both("", ""));
}
