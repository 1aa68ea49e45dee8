//! Deployments that are rolled back, stopped and overtaken, and how they are told of.

use super::*;

fn described(world: &mut World) -> Value {
    let arn = deployment(world).arn.clone();
    let seen =
        asked(world, "DescribeServiceDeployments", json!({ "serviceDeploymentArns": [arn] }));
    seen["serviceDeployments"][0].clone()
}

#[test]
fn a_rollback_asks_again_at_the_stages_that_move_traffic_with_weight_zero() {
    for answer in [json!({ "hookStatus": "FAILED" }), json!({}), json!("SUCCEEDED")] {
        let mut world = world(Strategy::AllAtOnce, &ALL[3..]);
        let good = json!({ "hookStatus": "SUCCEEDED" });
        let answers = [good.clone(), good.clone(), good.clone(), good, answer];

        update(&mut world);
        let events = drive(&mut world, &answers);

        let mut expected = ALL[3..].to_vec();
        expected.extend(["PRODUCTION_TRAFFIC_SHIFT", "TEST_TRAFFIC_SHIFT"]);
        assert_eq!(stages(&events), expected);
        let it = deployment(&world);
        let (green, blue) = (it.target.as_str(), it.sources[0].as_str());
        let back = json!({ green: 0, blue: 100 });
        assert_eq!(events[5]["executionDetails"]["productionTrafficWeights"], back);
        assert_eq!(events[6]["executionDetails"]["testTrafficWeights"], back);
        assert_eq!(events[5]["executionDetails"]["targetServiceRevisionArn"], green);
        assert_eq!(it.status(), "ROLLBACK_SUCCESSFUL");
        assert!(definition(&world).ends_with("web:1"));
        let seen = described(&mut world);
        assert!(
            seen["rollback"]["reason"].as_str().unwrap().contains("POST_PRODUCTION_TRAFFIC_SHIFT")
        );
    }
}

#[test]
fn what_has_not_moved_is_not_moved_back_and_a_function_that_fails_rolls_back() {
    let mut world = world(Strategy::AllAtOnce, &ALL);
    update(&mut world);
    let first = world.take_invocation(None).unwrap();

    world.bring_back(first.id, Err("no database".to_owned()));
    let events = drive(&mut world, &[]);

    assert!(events.is_empty(), "{events:?}");
    let it = deployment(&world);
    assert_eq!(it.status(), "ROLLBACK_SUCCESSFUL");
    assert!(it.reason.as_ref().unwrap().contains("no database"), "{:?}", it.reason);
}

#[test]
fn what_fails_on_the_way_back_has_failed_for_good() {
    let mut world = world(Strategy::AllAtOnce, &["PRODUCTION_TRAFFIC_SHIFT"]);
    let failed = json!({ "hookStatus": "FAILED" });

    update(&mut world);
    let events = drive(&mut world, &[failed.clone(), failed]);

    assert_eq!(events.iter().map(weight).collect::<Vec<_>>(), [&json!(100), &json!(0)]);
    assert_eq!(deployment(&world).status(), "ROLLBACK_FAILED");
}

#[test]
fn somebody_who_stops_a_deployment_has_it_rolled_back_or_left() {
    for (kind, status, active) in [("ROLLBACK", "ROLLBACK_SUCCESSFUL", 1), ("ABORT", "STOPPED", 2)]
    {
        let mut world = world(Strategy::AllAtOnce, &["POST_SCALE_UP"]);
        update(&mut world);
        world.advance(world.now() + Duration::from_secs(31));
        let arn = deployment(&world).arn.clone();
        let parameters = json!({ "serviceDeploymentArn": arn, "stopType": kind });

        asked(&mut world, "StopServiceDeployment", parameters.clone());
        let again = call(&mut world, "StopServiceDeployment", parameters).unwrap_err();
        world.advance(world.now() + Duration::from_secs(60));

        assert_eq!(deployment(&world).status(), status);
        assert_eq!(world.ecs.services().next().unwrap().revisions.len(), active, "{kind}");
        assert_eq!(again.code, "ConflictException");
    }
}

#[test]
fn a_deployment_that_overtakes_another_first_reconciles_the_revisions() {
    let mut world = world(Strategy::AllAtOnce, &["RECONCILE_SERVICE", "POST_SCALE_UP"]);
    update(&mut world);
    world.advance(world.now() + Duration::from_secs(31));
    let late = world.take_invocation(None).unwrap();

    update(&mut world);
    world.bring_back(late.id, Ok(json!({ "hookStatus": "FAILED" }).to_string()));
    let events = drive(&mut world, &[]);

    assert_eq!(stages(&events), ["RECONCILE_SERVICE", "POST_SCALE_UP"]);
    let statuses: Vec<_> = world.ecs.service_deployments().map(ServiceDeployment::status).collect();
    assert_eq!(statuses, ["STOPPED", "SUCCESSFUL"]);
    assert_eq!(deployment(&world).sources.len(), 2);
    assert_eq!(world.ecs.services().next().unwrap().revisions.len(), 1);
}

#[test]
fn a_deployment_is_told_of_with_its_weights_and_the_newest_is_listed_first() {
    let mut world = world(Strategy::AllAtOnce, &["POST_PRODUCTION_TRAFFIC_SHIFT"]);
    update(&mut world);
    drive(&mut world, &[]);
    update(&mut world);
    world.advance(world.now() + Duration::from_secs(31));

    let seen = described(&mut world);
    let of_service = json!({ "cluster": "shop", "service": "web" });
    let listed = asked(&mut world, "ListServiceDeployments", of_service.clone());
    let mut running = of_service;
    running["status"] = json!(["IN_PROGRESS"]);
    let running = asked(&mut world, "ListServiceDeployments", running);
    let target = seen["targetServiceRevision"]["arn"].clone();
    let revision =
        asked(&mut world, "DescribeServiceRevisions", json!({ "serviceRevisionArns": [target] }));
    let service =
        asked(&mut world, "DescribeServices", json!({ "cluster": "shop", "services": ["web"] }));
    let nobody =
        asked(&mut world, "DescribeServiceDeployments", json!({ "serviceDeploymentArns": ["x"] }));

    assert_eq!(
        (&seen["status"], &seen["lifecycleStage"]),
        (&json!("IN_PROGRESS"), &json!("POST_PRODUCTION_TRAFFIC_SHIFT"))
    );
    assert_eq!(seen["targetServiceRevision"]["requestedProductionTrafficWeight"], 100.0);
    assert_eq!(seen["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"], 0.0);
    let listed = listed["serviceDeployments"].as_array().unwrap().clone();
    assert_eq!(
        listed.iter().map(|it| &it["status"]).collect::<Vec<_>>(),
        ["IN_PROGRESS", "SUCCESSFUL"]
    );
    assert_eq!(running["serviceDeployments"].as_array().unwrap().len(), 1);
    assert!(revision["serviceRevisions"][0]["taskDefinition"].as_str().unwrap().ends_with("web:2"));
    let service = &service["services"][0];
    assert_eq!(service["currentServiceRevisions"].as_array().unwrap().len(), 2);
    assert_eq!(service["deployments"][0]["rolloutState"], "IN_PROGRESS");
    assert_eq!(nobody["failures"][0]["reason"], "MISSING");
}

#[test]
fn permissions_are_asked_for_the_deployments_and_revisions_that_are_named() {
    let world = world(Strategy::AllAtOnce, &[]);
    let arn = "arn:aws:ecs:eu-west-1:123456789012:service-deployment/shop/web/1";
    let call = |operation: &str, parameters| testing::call("ecs", operation, parameters);

    let named = json!({ "serviceDeploymentArns": [arn] });
    let described = services::concerns(&world, &call("DescribeServiceDeployments", named));
    let stopped = services::concerns(
        &world,
        &call("StopServiceDeployment", json!({ "serviceDeploymentArn": arn })),
    );

    assert_eq!(described, stopped);
    assert_eq!(described.0[0].resource, arn);
    let cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/shop".to_owned();
    assert_eq!(described.0[0].conditions["ecs:cluster"], [cluster]);
}
