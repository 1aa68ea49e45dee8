//! What befalls calls on their way.

use super::*;
use crate::FaultRule;

mod invocations;
mod sdk;

/// A request for the cluster `orders-b` to start, as the administrator signs it.
fn start() -> wire::Request {
    wire::Request {
        method: "POST".to_owned(),
        uri: "/".to_owned(),
        content_type: "application/x-www-form-urlencoded".to_owned(),
        target: String::new(),
        authorization: format!(
            "AWS4-HMAC-SHA256 Credential={ADMINISTRATOR}/20261201/eu-west-1/rds/aws4_request, Signature=0"
        ),
        attempt: String::new(),
        invocation_type: String::new(),
        body: b"Action=StartDBCluster&DBClusterIdentifier=orders-b".to_vec(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_comes_late_for_what_was_done_in_time() {
    let account = SimulatedAccount::new(Settings::default());
    account.world(|world| world.add_cluster("orders-b", 0, "stopped"));
    let slow = FaultRule {
        target: "*".to_owned(),
        fault: Fault::Slow(Duration::from_secs(5)),
        times: None,
    };
    account.set_faults(Faults::none().with(slow));

    let answer = account.answer(start()).await.unwrap();

    let done = account.world(|world| world.audit.records()[0].at);
    assert_eq!(answer.status, 200);
    assert!(done < Duration::from_millis(100), "{done:?}");
    assert!(account.elapsed() >= Duration::from_secs(5), "{:?}", account.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_in_the_audit_too() {
    let account = SimulatedAccount::new(Settings::default());
    let nonsense = wire::Request { target: "X.Y".to_owned(), body: b"{".to_vec(), ..start() };

    let answer = account.answer(nonsense).await.unwrap();

    assert_eq!(answer.status, 400);
    account.world(|world| {
        let record = &world.audit.records()[0];
        assert_eq!(record.name(), "rds:POST /");
        assert_eq!(record.outcome, Outcome::Refused("SerializationException".to_owned()));
    });
}

#[tokio::test(start_paused = true)]
async fn who_dies_at_a_call_hears_nothing_and_its_call_has_arrived_or_not() {
    for (fault, status) in [(Fault::DiesBefore, "stopped"), (Fault::DiesAfter, "starting")] {
        let account = SimulatedAccount::new(Settings::default());
        account.world(|world| world.add_cluster("orders-b", 0, "stopped"));
        let dies = FaultRule { target: "*".to_owned(), fault, times: Some(1) };
        account.set_faults(Faults::none().with(dies));

        let heard = tokio::select! {
            biased;
            () = account.caller_died() => None,
            answer = account.answer(start()) => Some(answer),
        };

        assert!(heard.is_none(), "{fault:?}: {heard:?}");
        account.world(|world| {
            assert_eq!(world.rds.cluster("orders-b").unwrap().status(), status, "{fault:?}");
            assert_eq!(world.audit.records().len(), 1);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_takes_its_time_to_answer_and_has_begun_at_once() {
    let account = SimulatedAccount::new(Settings::default());
    account.world(|world| {
        world.add_function("migrate-b", 60);
        world.set_invocation_time("migrate-b", Duration::from_secs(9));
    });
    let invoke = wire::Request {
        uri: "/2015-03-31/functions/migrate-b/invocations".to_owned(),
        content_type: String::new(),
        authorization: start().authorization.replace("/rds/", "/lambda/"),
        body: b"{}".to_vec(),
        ..start()
    };

    let answer = account.answer(invoke).await.unwrap();

    assert_eq!(answer.status, 200);
    assert!(account.elapsed() >= Duration::from_secs(9), "{:?}", account.elapsed());
    account.world(|world| {
        let invoked = world.lambda.invocations("migrate-b").next().unwrap();
        assert!(invoked.at < Duration::from_secs(1), "{invoked:?}");
    });
}
