//! Tests of what the guardrails ask of clusters.

use bluegreen_aurora::Connections;
use bluegreen_core::StackReference::{A, B};

use super::{super::testing::*, *};
use crate::{
    Resource,
    stack_file::{self, AuroraSettings, GuardrailSettings},
    steps::testing::{World, allowed},
};

async fn objections(
    account: &Account,
    guardrail: Guardrail,
    occasion: Occasion,
    change: impl FnOnce(&mut stack_file::Resource<AuroraSettings>),
) -> Vec<String> {
    let (world, settings) = (World::new(A), GuardrailSettings::default());
    let asked = Asked { guardrail, occasion, target: B, first: false, settings: &settings };
    account.aurora(change).objections(&world.context(), &asked).await.unwrap()
}

/// Makes an account in which both clusters run with two readers.
fn running() -> Account {
    let account = account();
    account.change(B, |it| {
        it.state = "available".into();
        it.members = vec![writer("available"), reader(1, "available"), reader(2, "available")];
    });
    account
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_work_or_lacks_readers_is_objected_to() {
    let usable = async |account: &Account, occasion| {
        objections(account, Guardrail::AuroraUsable, occasion, |_| {}).await
    };
    let account = running();
    account.change(B, |it| it.state = "backing-up".into());
    let backing_up = usable(&account, Occasion::Promote).await;
    account.change(B, |it| it.state = "failing-over".into());
    let moving = usable(&account, Occasion::Promote).await;
    account.change(B, |it| {
        it.state = "available".into();
        it.members = vec![writer("available"), reader(1, "available"), reader(2, "creating")];
    });
    let fewer = usable(&account, Occasion::Promote).await;
    let later = usable(&account, Occasion::Retire).await;
    account.change(B, |it| it.scaling = scaling(1, 1));
    let at_most = usable(&account, Occasion::Promote).await;

    assert_eq!(backing_up, Vec::<String>::new());
    assert_eq!(
        moving,
        [
            "cluster `orders-b` is `failing-over`, expected one that works: start or mend it, and repeat the command"
        ]
    );
    assert_eq!(
        fewer,
        [
            "cluster `orders-b` has 1 reader available, expected at least 2: repeat the command when they are there"
        ]
    );
    assert_eq!((later, at_most), (Vec::new(), Vec::new()), "its own minimum, and its own maximum");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_not_scaled_out_needs_its_own_minimum_only() {
    let account = running();
    account.change(B, |it| it.members = vec![writer("available"), reader(1, "available")]);
    let skips = |it: &mut stack_file::Resource<AuroraSettings>| {
        it.skip = ["aurora.scale-out".to_owned()].into();
    };

    let found = objections(&account, Guardrail::AuroraUsable, Occasion::Promote, skips).await;
    account.change(B, |it| it.scaling = None);
    let unscaled = objections(&account, Guardrail::AuroraUsable, Occasion::Promote, |_| {}).await;

    assert_eq!((found, unscaled), (Vec::new(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn clusters_that_are_not_alike_are_objected_to_with_all_that_differs() {
    let account = running();
    let alike =
        async || objections(&account, Guardrail::AuroraAlike, Occasion::Promote, |_| {}).await;
    let same = alike().await;
    account.change(B, |it| {
        it.engine_version = Some("17.1".to_owned());
        it.parameter_group = None;
        for member in &mut it.members {
            member.class = Some("db.t4g.medium".to_owned());
            member.parameter_group = Some("others".to_owned());
        }
    });
    let different = alike().await;

    assert_eq!(same, Vec::<String>::new());
    assert_eq!(
        different,
        [
            "the engine of cluster `orders-b` is aurora-postgresql 17.1, expected that of cluster `orders-a`, \
             aurora-postgresql 16.4: make them alike",
            "the instance class of cluster `orders-b` is db.t4g.medium, expected that of cluster `orders-a`, \
             db.r6g.large: make them alike",
            "the parameter group of cluster `orders-b` is unknown, expected that of cluster `orders-a`, orders: \
             make them alike",
            "the parameter group of the instances of cluster `orders-b` is others, expected that of cluster \
             `orders-a`, instances: make them alike",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn parameter_groups_that_are_named_after_their_clusters_are_alike() {
    let account = running();
    for stack in [A, B] {
        account.change(stack, |it| it.parameter_group = Some(format!("orders-{stack}-tuned")));
    }

    let found = objections(&account, Guardrail::AuroraAlike, Occasion::Promote, |_| {}).await;

    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_with_connections_or_without_a_figure_is_not_stopped_and_a_stopped_one_has_none()
{
    let world = World::new(B);
    let account = running();
    let step = account.step(B, "aurora.stop");
    let told = async || {
        let objections = step.objections(&world.context()).await.unwrap();
        objections.into_iter().map(|it| it.to_string()).collect::<Vec<_>>()
    };

    account.connect(Some(Connections { most: 0, datapoints: 3 }));
    let nobody = told().await;
    account.connect(Some(Connections { most: 1, datapoints: 3 }));
    let somebody = told().await;
    account.connect(None);
    let unknown = told().await;
    account.change(A, |it| it.state = ClusterState::Stopped);
    let stopped = told().await;
    account.change(A, |it| {
        it.state = ClusterState::Available;
        it.members.clear();
    });
    let bare = told().await;
    account.remove(A);
    let gone = told().await;

    assert_eq!(
        somebody,
        [
            "`aurora.no-connections`: cluster `orders-a` had 1 connection within the last five minutes, expected none: \
          end what uses it, and repeat the command"
        ]
    );
    assert!(unknown[0].contains("is not known") && unknown.len() == 1, "{unknown:?}");
    for none in [nobody, stopped, bare, gone] {
        assert_eq!(none, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_ignored_are_neither_asked_for_nor_allowed() {
    let world = World::new(B);
    let account = running();
    let ignoring = account.aurora(|it| it.settings.connections = ConnectionsGuard::Ignore);
    let steps = [step_of(&ignoring, B, "aurora.stop"), account.step(B, "aurora.stop")];
    let metric = ("cloudwatch:GetMetricData", "*");

    let objections = steps[0].objections(&world.context()).await.unwrap();

    assert_eq!(objections, []);
    let asks = steps.map(|it| allowed(&it.permissions()).contains(&metric));
    assert_eq!(asks, [false, true]);
}
