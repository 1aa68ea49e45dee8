//! The releases that there were: `history` and `show`.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bluegreen_core::{
    Clock,
    StackReference::{A, B},
};
use bluegreen_deploy::{
    Context, Effect, Engine, FileStorage, Inspection, Outcome, Owner, Permission, Phase, Pointer,
    Resources, Result, Step, StepId, Store, stack_file::StackFile,
};

use crate::Shop;

/// When the first release is opened: 2026-11-20T10:00:00Z.
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_168_800)
}

const FILE: &str = "name = \"shop\"\nregion = \"eu-west-1\"\ntraffic = \"none\"\n[release]\nhold = \"20m\"\nwatch = \"0s\"\n";

/// A step that waits ten looks for its turn to act, and fails in its second act.
#[derive(Debug, Default)]
struct Fill {
    looks: AtomicU32,
}

#[async_trait]
impl Step for Fill {
    fn id(&self) -> StepId {
        StepId::new("own.fill", "orders", B)
    }

    fn effect(&self) -> Effect {
        Effect::Harmless
    }

    async fn inspect(&self, _context: &Context<'_>) -> Result<Inspection> {
        let needed = Inspection::Needed { from: "empty".to_owned(), to: "full".to_owned() };
        match self.looks.fetch_add(1, Ordering::Relaxed) {
            0..14 => Ok(Inspection::Underway { what: "the cluster".to_owned() }),
            14 => Ok(needed),
            15 => {
                Err(bluegreen_core::Error::NotFound { resource: "cluster `orders-b`".to_owned() }
                    .into())
            }
            16..18 => Ok(needed),
            18..24 => Ok(Inspection::Underway { what: "rows".to_owned() }),
            _ => Ok(Inspection::Done),
        }
    }

    async fn apply(&self, _context: &Context<'_>) -> Result<()> {
        Ok(())
    }

    fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }
}

/// Fills a shop's history: a release to b that failed once and was done in the end, and one to a that was taken
/// back. Time is tokio's.
async fn with_history() -> Shop {
    let shop = Shop::not_adopted();
    let file = StackFile::parse(FILE, Path::new("bluegreen.toml"), &|_| None).unwrap();
    let clock = Clock::following_tokio(start());
    let engine = Engine::new(&file, Path::new("."), Resources::default(), clock.clone());
    let storage = Arc::new(FileStorage::new(&shop.folder.path().join(".bluegreen"), "shop"));
    let owner = Owner { name: "7 on here".to_owned(), clock };
    let pointer = Pointer { active: A, since: start(), reason: "test".to_owned() };
    let store = Store::adopt(storage, "shop", &owner, pointer).await.unwrap();

    let mut plan = engine.plan(B).unwrap();
    plan.insert(Phase::Prepare, Arc::new(Fill::default()), &["standby.idle"], &[]).unwrap();
    let paused = engine.deploy(&store, &plan, Phase::Retire).await.unwrap();
    tokio::time::advance(Duration::from_secs(300)).await;
    let done = engine.deploy(&store, &plan, Phase::Retire).await.unwrap();
    let plan = engine.plan(A).unwrap();
    engine.deploy(&store, &plan, Phase::Promote).await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    let back = engine.rollback(&store, &plan, false).await.unwrap();

    let outcomes = [paused.outcome, done.outcome, back.outcome];
    assert_eq!(outcomes, [Outcome::Paused, Outcome::Done, Outcome::TakenBack]);
    store.close().await.unwrap();
    shop
}

#[tokio::test(start_paused = true)]
async fn all_releases_are_listed_with_how_they_ended() {
    let shop = with_history().await;

    let text = shop.run(&["history"]).ended_with(0);
    let document = shop.run(&["history", "--json"]).ended_with(0);

    insta::assert_snapshot!("history", text.out());
    insta::assert_json_snapshot!("history-document", document.json());
    assert_eq!(text.err(), "", "it asks nobody anything");
}

#[tokio::test(start_paused = true)]
async fn a_release_is_shown_with_its_waits_its_errors_and_its_phases() {
    let shop = with_history().await;

    let first = shop.run(&["show", "20261120T100000"]).ended_with(0);
    let second = shop.run(&["show", "20261120T10", "--json"]).ended_with(2);
    let id = |place: usize| {
        let releases = shop.run(&["history", "--json"]).json()["releases"].clone();
        releases[place]["id"].as_str().unwrap().to_owned()
    };
    let back = shop.run(&["show", &id(1)]).ended_with(0);
    let document = shop.run(&["show", &id(1), "--json"]).ended_with(0);

    insta::assert_snapshot!("show", first.out());
    insta::assert_snapshot!("show-taken-back", back.out());
    let mut document = document.json();
    assert_eq!(
        document["plan"].take().as_str().unwrap().len(),
        64,
        "a hash, of whatever is in a plan"
    );
    insta::assert_json_snapshot!("show-document", document);
    assert!(second.err().contains("may be one of"), "both begin so: {}", second.err());
}

#[tokio::test(start_paused = true)]
async fn a_release_that_there_was_not_is_not_found() {
    let shop = with_history().await;

    let absent = shop.run(&["show", "2027", "--json"]).ended_with(1);
    let open = shop.run(&["show", "open"]).ended_with(3);

    assert!(absent.err().contains("release `2027`"), "{}", absent.err());
    assert_eq!(absent.json()["outcome"], "failed");
    assert!(open.err().contains("no release is open"), "{}", open.err());
}

#[test]
fn a_store_without_releases_has_an_empty_history() {
    let shop = Shop::new();

    let text = shop.run(&["history"]).ended_with(0);
    let document = shop.run(&["history", "--json"]).ended_with(0);

    assert_eq!(text.out(), "there was no release yet\n");
    assert_eq!(document.json()["releases"], serde_json::json!([]));
}
