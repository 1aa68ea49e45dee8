//! Random stack files.

use std::fmt::Write;

/// The Regions, one of each partition that the tool knows.
const REGIONS: [(&str, &str); 3] =
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")];

/// The greatest number of resources, but for a service that is handed over, and its queue.
const MOST: usize = 8;

/// Writes a stack file with up to eight resources, and at times a service that is handed over.
pub(crate) fn stack_file(random: &mut fastrand::Rng) -> String {
    let (region, partition) = REGIONS[random.usize(..REGIONS.len())];
    let account = "123456789012";
    let arn =
        |service: &str, name: &str| format!("arn:{partition}:{service}:{region}:{account}:{name}");
    let served = random.u8(..10) < 7;
    let mut text = format!("name = \"shop\"\nregion = \"{region}\"\naccount-id = \"{account}\"\n");
    if !served {
        text.push_str("traffic = \"none\"\n");
    }
    let hold = ["0s", "10m", "1h"][random.usize(..3)];
    let at_once = [1, 4, 16][random.usize(..3)];
    let _ = write!(text, "\n[release]\nhold = \"{hold}\"\n\n[pace]\nat-once = {at_once}\n");
    if random.u8(..10) < 2 {
        text.push_str("deadlines = { aurora = \"2h\", lambda = \"30m\" }\n");
    }
    if served {
        text.push_str(
            "\n[traffic.web]\nmover = \"command\"\nmove = [\"true\"]\nobserve = [\"true\"]\n",
        );
    }

    let mut left = random.usize(2..=MOST);
    let mut with = |likely: u8, needs: usize, random: &mut fastrand::Rng| {
        let yes = left >= needs && random.u8(..10) < likely;
        if yes {
            left -= needs;
        }
        yes
    };
    // Ingest: a topic whose messages reach a queue of each stack, and functions that read it.
    if with(7, 3, random) {
        let settle = ["15m", "15m", "1h"][random.usize(..3)];
        let _ = write!(
            text,
            "\n[sqs.ingest]\nqueues = {{ a = \"ingest-a\", b = \"ingest-b\" }}\nfeed = \"fan-out\"\n{}\
             \n[sns.catalogue]\ntopic = \"{}\"\nendpoints = {{ a = \"{}\", b = \"{}\" }}\nsettle = \"{settle}\"\n{}",
            dead_letters("ingest", random),
            arn("sns", "catalogue"),
            arn("sqs", "ingest-a"),
            arn("sqs", "ingest-b"),
            ["", "enabled-filter = { type = [\"order\"] }\n"][usize::from(random.u8(..10) < 3)],
        );
        function(&mut text, "ingest", "mirror", random);
    }
    // Work: a queue of each stack, which must be drained.
    if served && with(5, 2, random) {
        let _ = write!(
            text,
            "\n[sqs.mail]\nqueues = {{ a = \"mail-a\", b = \"mail-b\" }}\nfeed = \"work\"\n{}",
            dead_letters("mail", random)
        );
        let kind = ["mirror", "exclusive"][random.usize(..2)];
        function(&mut text, "mail", kind, random);
    }
    if with(6, 1, random) {
        let retire = ["stop", "stop", "delete", "keep"][random.usize(..4)];
        let snapshot = random.bool();
        let _ = write!(
            text,
            "\n[aurora.orders]\nclusters = {{ a = \"orders-a\", b = \"orders-b\" }}\nminimum-readers = {}\n\
             retire = \"{retire}\"\n",
            random.u8(0..=2)
        );
        if retire == "delete" {
            let _ = writeln!(text, "final-snapshot = {snapshot}");
        }
    }
    if with(4, 1, random) {
        let tasks = ["2", "4", "\"match\""][random.usize(..3)];
        let _ = write!(
            text,
            "\n[ecs.worker]\ncluster = \"shop\"\nservices = {{ a = \"worker-a\", b = \"worker-b\" }}\n\
             desired-tasks = {tasks}\n"
        );
    }
    if with(4, 1, random) {
        let retire = ["deregister", "keep"][random.usize(..2)];
        let _ = write!(
            text,
            "\n[kinesis.clicks]\nstream-arn = \"{}\"\nconsumers = {{ a = \"clicks-a\", b = \"clicks-b\" }}\n\
             retire = \"{retire}\"\n",
            arn("kinesis", "stream/clicks"),
        );
    }
    if with(4, 1, random) {
        let retire = ["keep", "delete"][random.usize(..2)];
        let _ = write!(
            text,
            "\n[dynamodb.sessions]\ntables = {{ a = \"sessions-a\", b = \"sessions-b\" }}\nretire = \"{retire}\"\n"
        );
    }
    if with(4, 1, random) {
        text.push_str(match random.bool() {
            true => "\n[cloudwatch.pages]\nprefixes = { a = \"shop-a-\", b = \"shop-b-\" }\n",
            false => {
                "\n[cloudwatch.pages]\nprefixes = \"shop-\"\nsuffixes = { a = \" - A\", b = \" - B\" }\n"
            }
        });
    }
    if with(3, 1, random) {
        let kind = ["mirror", "exclusive", "off"][random.usize(..3)];
        function(&mut text, "cron", kind, random);
    }
    // With chance of its own: the rest of a seed's run is drawn as without it.
    handed_over(&mut text, served, &mut random.clone().fork());
    runs(&mut text, &mut random.clone());
    text
}

/// Adds, at times, a service that must run on one stack only, with or without a queue of work.
fn handed_over(text: &mut String, served: bool, random: &mut fastrand::Rng) {
    if random.u8(..10) < 7 {
        return;
    }
    let tasks = ["1", "3", "\"match\""][random.usize(..3)];
    let queue = if served && random.u8(..10) < 6 {
        let _ = write!(
            text,
            "\n[sqs.bills]\nqueues = {{ a = \"bills-a\", b = \"bills-b\" }}\nfeed = \"work\"\n{}",
            dead_letters("bills", random)
        );
        "queue = \"sqs.bills\"\n"
    } else {
        ""
    };
    let _ = write!(
        text,
        "\n[ecs.billing]\ncluster = \"shop\"\nservices = {{ a = \"billing-a\", b = \"billing-b\" }}\n\
         desired-tasks = {tasks}\nmode = \"exclusive\"\n{queue}"
    );
}

/// Writes tests, and what resets and fills a database; in most files none.
fn runs(text: &mut String, random: &mut fastrand::Rng) {
    if random.u8(..10) < 6 {
        return;
    }
    if random.bool() {
        let after = ["", "after = []\n"][random.usize(..2)];
        let _ = write!(
            text,
            "\n[schema.orders]\nreset.lambda = {{ a = \"reset-a\", b = \"reset-b\" }}\n\
             hydrate.command = [\"true\"]\n{after}"
        );
    }
    let bake = ["0s", "2m", "20m"][random.usize(..3)];
    let tests = [
        "[test.health]\nhttp = \"https://test.shop.example/\"\n".to_owned(),
        "[test.smoke]\nlambda = \"smoke\"\n".to_owned(),
        "[test.journey]\ncommand = [\"true\"]\n".to_owned(),
        format!("[test.calm]\nalarms = [\"edge-errors\"]\nbake = \"{bake}\"\n"),
        "[test.look]\napprove = \"the shop looks right\"\n".to_owned(),
    ];
    for test in tests {
        if random.u8(..10) < 4 {
            let _ = write!(text, "\n{test}");
        }
    }
}

fn dead_letters(queue: &str, random: &mut fastrand::Rng) -> String {
    if random.bool() {
        return String::new();
    }
    format!("dead-letter-queues = {{ a = \"{queue}-a-dlq\", b = \"{queue}-b-dlq\" }}\n")
}

fn function(text: &mut String, name: &str, mappings: &str, random: &mut fastrand::Rng) {
    let rules = ["mirror", "exclusive", "off"][random.usize(..3)];
    let _ = write!(
        text,
        "\n[lambda.{name}]\nfunctions = {{ a = \"{name}-a\", b = \"{name}-b\" }}\nmappings = \"{mappings}\"\n\
         rules = \"{rules}\"\n"
    );
    if random.bool() {
        text.push_str("alias = \"live\"\n");
    }
}
