//! What `bluegreen check-hook` says of the deployed function.

use crate::{
    shop::{Mover, Shop},
    stage::Stage,
};

#[tokio::test]
#[ignore = "needs the programs: cargo xtask test"]
async fn a_hook_that_could_work_is_told_so_once_the_reconciler_is_called() {
    let stage = Stage::new(Shop::new(Mover::CodeDeploy)).await;
    let before = stage.look().await;

    let (at_once, uncalled) = stage.ask(&["check-hook"]).await;
    stage.reconcile().await;
    let (later, all_well) = stage.ask(&["check-hook"]).await;

    assert_eq!(at_once, Some(1), "{uncalled}");
    assert!(uncalled.contains("nobody has called the reconciler yet"), "{uncalled}");
    assert_eq!(later, Some(0), "{all_well}");
    for line in ["ok   store", "ok   report", "ok   hand-over", "ok   calls by CodeDeploy"] {
        assert!(all_well.contains(line), "{all_well}");
    }
    assert!(!all_well.contains("bad"), "{all_well}");
    assert_eq!(stage.look().await, before);
}
