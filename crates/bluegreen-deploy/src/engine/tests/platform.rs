//! Releases whose traffic a platform moves.

use serde_json::json;

use super::*;

const MOVER: &str = "[traffic.web]\nmover = \"command\"\nmove = [\"true\"]\nobserve = [\"true\"]";

const DEPLOYMENT: &str = "CodeDeploy deployment d-1 (InProgress)";

/// Where the traffic of a platform is, and what is under way.
#[derive(Clone, Debug)]
struct Platform(Arc<Mutex<(StackReference, Option<&'static str>)>>);

impl Platform {
    fn on(stack: StackReference) -> Self {
        Self(Arc::new(Mutex::new((stack, None))))
    }

    fn set(&self, stack: StackReference, under_way: Option<&'static str>) {
        *self.0.lock().unwrap() = (stack, under_way);
    }
}

#[async_trait]
impl Mover for Platform {
    fn name(&self) -> &str {
        "web"
    }

    fn platform(&self) -> Option<&'static str> {
        Some("CodeDeploy")
    }

    async fn observe(&self, _stack: StackReference) -> Result<Option<StackReference>> {
        Ok(Some(self.0.lock().unwrap().0))
    }

    async fn under_way(&self) -> Result<Option<String>> {
        Ok(self.0.lock().unwrap().1.map(str::to_owned))
    }

    async fn move_to(&self, _stack: StackReference) -> Result<()> {
        panic!("a platform is never told to move traffic")
    }

    fn permissions(&self) -> Vec<Permission> {
        Permission::unlimited(&["codedeploy:ListDeploymentTargets"])
    }
}

/// An engine with a step on the stack to come, one that hands over and one that switches the old stack off.
fn engine_with(platform: &Platform, log: &Log) -> Engine {
    let steps = vec![
        Probe::new("ecs.enable", "worker", B, log).undone_by("ecs.disable"),
        Probe::new("exclusive.hand-over", "worker", B, log),
        Probe::new("ecs.disable", "worker", A, log),
    ];
    engine(MOVER, None, steps).with_movers(vec![Arc::new(platform.clone())])
}

#[tokio::test(start_paused = true)]
async fn a_release_goes_on_when_the_platform_has_moved_traffic_and_its_deployment_has_ended() {
    let (log, platform, store) = (log(), Platform::on(A), store(A));
    let engine = engine_with(&platform, &log);

    let waits = deploy(&engine, &store, B).await;
    let active = store.pointer().active;
    platform.set(B, Some(DEPLOYMENT));
    let moved = deploy(&engine, &store, B).await;
    let handed_over = logged(&log).len() > 1;
    platform.set(B, None);
    let ended = deploy(&engine, &store, B).await;

    assert_eq!((waits.outcome, active), (Outcome::Refused, A));
    let [reason] = waits.refusals.as_slice() else { panic!("{:?}", waits.refusals) };
    assert!(reason.contains("moved by CodeDeploy: it is on a"), "{reason}");
    assert!(reason.contains("a deployment bound to b"), "{reason}");
    assert_eq!((moved.outcome, moved.active), (Outcome::Refused, B), "{moved:?}");
    assert!(moved.refusals.iter().all(|it| it.contains(DEPLOYMENT)), "{:?}", moved.refusals);
    assert!(!handed_over, "before the deployment has ended nothing is handed over");
    assert_eq!((ended.outcome, store.release()), (Outcome::Done, None));
    assert_eq!(
        logged(&log),
        ["ecs.enable worker on b", "exclusive.hand-over worker on b", "ecs.disable worker on a"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_what_the_platform_will_do_and_refuses_nothing() {
    let (platform, store) = (Platform::on(A), store(A));
    let engine = engine_with(&platform, &log());

    let plan = engine.plan(B).unwrap();
    let report = engine.look(&store, &plan, &Phase::ALL).await.unwrap();

    let step = |name: &str| report.steps.iter().find(|it| it.step.name == name).unwrap();
    assert_eq!(report.outcome, Outcome::Planned, "{:?}", report.refusals);
    assert_eq!(step("traffic.move").to.as_deref(), Some("on b (by CodeDeploy)"));
    assert_eq!(step("traffic.settle").state, StepState::Unknown);
    assert_eq!(step("traffic.settle").permissions[0].action, "codedeploy:ListDeploymentTargets");
}

#[tokio::test(start_paused = true)]
async fn a_way_back_waits_until_the_platform_has_moved_traffic_back() {
    let (log, platform, store) = (log(), Platform::on(B), store(A));
    let engine = engine_with(&platform, &log);
    platform.set(A, None);
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Test).await.unwrap();
    platform.set(B, None);
    let promoted = engine.deploy(&store, &plan, Phase::Promote).await.unwrap();

    let waits = engine.rollback(&store, &plan, false).await.unwrap();
    let active = store.pointer().active;
    platform.set(A, None);
    let back = engine.rollback(&store, &plan, false).await.unwrap();

    assert_eq!(promoted.outcome, Outcome::Done);
    assert_eq!((waits.outcome, active), (Outcome::Refused, B), "{waits:?}");
    assert!(waits.refusals[0].contains("the way back goes on once it is on a"), "{waits:?}");
    assert_eq!((back.outcome, store.pointer().active), (Outcome::TakenBack, A));
}

#[tokio::test(start_paused = true)]
async fn the_standby_is_not_taken_apart_while_it_serves_for_one_of_several_services() {
    let (log, web, api, store) = (log(), Platform::on(A), Platform::on(A), store(A));
    let movers = [&web, &api].map(|it| Arc::new(it.clone()) as Arc<dyn Mover>);
    let engine = engine_with(&web, &log).with_movers(movers.to_vec());
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Test).await.unwrap();
    web.set(B, None);

    let refused = engine.rollback(&store, &plan, false).await.unwrap_err();
    let taken_apart = logged(&log).contains(&"ecs.disable worker on b".to_owned());
    web.set(A, None);
    let back = engine.rollback(&store, &plan, false).await.unwrap();

    let Error::Refused { reasons } = refused else { panic!("{refused:?}") };
    assert!(
        reasons[0].contains("bring it back to a by deployments that are bound to a"),
        "{reasons:?}"
    );
    assert!(!taken_apart, "{:?}", logged(&log));
    assert_eq!(back.outcome, Outcome::TakenBack);
    assert_eq!(logged(&log), ["ecs.enable worker on b", "ecs.disable worker on b"]);
}

#[tokio::test(start_paused = true)]
async fn the_old_stack_is_not_switched_off_while_another_deployment_is_under_way() {
    let (log, platform, store) = (log(), Platform::on(A), store(A));
    let engine = engine_with(&platform, &log);
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Test).await.unwrap();
    platform.set(B, None);
    engine.deploy(&store, &plan, Phase::Promote).await.unwrap();

    platform.set(B, Some("CodeDeploy deployment d-2 (InProgress)"));
    let waits = deploy(&engine, &store, B).await;
    let switched_off = logged(&log).contains(&"ecs.disable worker on a".to_owned());
    platform.set(B, None);
    let ended = deploy(&engine, &store, B).await;

    assert_eq!(waits.outcome, Outcome::Refused);
    assert!(waits.refusals[0].contains("deployment d-2"), "{:?}", waits.refusals);
    assert!(!switched_off);
    assert_eq!(ended.outcome, Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn when_the_hold_ends_is_known_as_soon_as_promote_has_ended() {
    let (engine, store) = (engine(SERVED, None, Vec::new()), store(A));
    let plan = engine.plan(B).unwrap();

    let before = engine.hold_over(&store);
    engine.deploy(&store, &plan, Phase::Test).await.unwrap();
    let tested = engine.hold_over(&store);
    engine.deploy(&store, &plan, Phase::Promote).await.unwrap();
    let promoted = engine.hold_over(&store);

    assert_eq!((before, tested), (None, None));
    let ended = store.release().unwrap().phases[&Phase::Promote];
    assert_eq!(promoted, Some(Moment(ended.0 + Duration::from_secs(60 * 60))));
}

#[tokio::test(start_paused = true)]
async fn a_wait_whose_end_is_known_says_how_long_it_will_take() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&left);
    let engine = engine(SERVED, None, Vec::new()).with_watcher(Arc::new(move |event| {
        if let Event::StepWaits { step, left, .. } = event
            && step.name == "release.hold"
        {
            heard.lock().unwrap().push(left);
        }
    }));

    let ended = deploy(&engine, &store(A), B).await;

    assert_eq!(ended.outcome, Outcome::Done);
    let seconds = |it| Some(Duration::from_secs(it));
    assert_eq!(left.lock().unwrap()[..2], [seconds(3600), seconds(3599)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_hook_notes_stays_with_the_release_and_apart_from_its_steps() {
    let (engine, store) = (engine(SERVED, None, Vec::new()), store(A));
    let plan = engine.plan(B).unwrap();
    engine.deploy(&store, &plan, Phase::Prepare).await.unwrap();

    store.set_hook_note("deployments", json!(["d-1"])).await.unwrap();
    let noted = store.hook_note("deployments");
    engine.deploy(&store, &plan, Phase::Retire).await.unwrap();

    assert_eq!(noted, Some(json!(["d-1"])));
    assert_eq!(store.note("deployments"), None);
    assert_eq!(store.hook_note("deployments"), None, "the release has ended");
}

#[cfg(feature = "full")]
#[test]
fn movers_are_connected_as_the_file_has_them_and_settle_before_anything_is_handed_over() {
    let text = format!(
        "{FILE}[traffic.web]\nmover = \"codedeploy\"\napplication = \"shop\"\ndeployment-group = \"web\"\n\
         cluster = \"shop\"\nservice = \"web\"\nbinding = {{ tag = \"stack\" }}\n\
         [traffic.site]\nmover = \"command\"\nmove = [\"true\"]\nobserve = [\"true\"]\n\
         [traffic.api]\nmover = \"ecs\"\ncluster = \"shop\"\nservice = \"api\"\nbinding = {{ tag = \"stack\" }}\n\
         [traffic.jobs]\nmover = \"codedeploy\"\napplication = \"shop\"\ndeployment-group = \"jobs\"\n\
         function = \"jobs\"\nalias = \"live\"\nbinding = {{ env = \"STACK\" }}\n\
         [ecs.worker]\ncluster = \"shop\"\nservices = {{ a = \"worker-a\", b = \"worker-b\" }}\n\
         desired-tasks = 1\nmode = \"exclusive\"\n"
    );
    let file = StackFile::parse(&text, Path::new("bluegreen.toml"), &|_| None).unwrap();
    let sdk = aws_types::SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(aws_types::region::Region::new("eu-west-1"))
        .build();

    let resources = Resources::connect(&file, &sdk).unwrap();
    let platforms = resources.platforms.clone();
    let engine = Engine::new(&file, Path::new("."), resources, Clock::following_tokio(START));
    let plan = engine.plan(B).unwrap();

    let names = |movers: &[&dyn Mover]| -> Vec<String> {
        movers.iter().map(|it| it.name().to_owned()).collect()
    };
    let codedeploy: Vec<&dyn Mover> =
        platforms.codedeploy.iter().map(|it| it.as_ref() as &dyn Mover).collect();
    assert_eq!(names(&codedeploy), ["web", "jobs"]);
    assert_eq!(names(&[platforms.ecs[0].as_ref()]), ["api"]);
    let movers: Vec<&dyn Mover> = engine.traffic.all().iter().map(AsRef::as_ref).collect();
    assert_eq!(names(&movers), ["web", "site", "api", "jobs"]);
    let steps = plan.steps();
    let step = |name: &str| steps.iter().map(|it| it.step.id()).find(|it| it.name == name).unwrap();
    let waits = plan.waits_for(&step("exclusive.hand-over"));
    let settles: BTreeSet<&str> = waits
        .iter()
        .filter(|it| it.name == "traffic.settle")
        .map(|it| it.resource.as_str())
        .collect();
    let platforms = BTreeSet::from(["api", "jobs", "web"]);
    assert_eq!(settles, platforms, "a command has nothing to wait for");
    assert!(plan.waits_for(&step("traffic.settle")).contains(&step("active.switch")));
}
