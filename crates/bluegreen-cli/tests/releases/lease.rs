//! Who is at work on a store, and `unlock`.

use std::{fs, sync::Arc, thread, time::Duration};

use bluegreen_core::Clock;
use bluegreen_deploy::{FileStorage, Owner, Store};

use crate::{SERVED, Shop};

/// Takes the lease of a shop's store, as another process does.
async fn lock(shop: &Shop) -> Store {
    let storage = FileStorage::new(&shop.folder.path().join(".bluegreen"), "shop");
    let owner = Owner { name: "7 on there".to_owned(), clock: Clock::system() };
    Store::lock(Arc::new(storage), "shop", &owner, |_, _| {}).await.unwrap().unwrap()
}

#[tokio::test]
async fn while_another_process_is_at_work_commands_end_with_4_and_it_is_named() {
    let shop = Shop::new();
    let store = lock(&shop).await;

    let locked = shop.run(&["deploy", "--to", "b", "--json"]).ended_with(4);
    let status = shop.run(&["status"]).ended_with(0);
    store.close().await.unwrap();
    shop.run(&["deploy", "--to", "b"]).ended_with(0);

    assert_eq!(locked.json()["outcome"], "locked");
    assert!(locked.err().contains("7 on there, since 20"), "{}", locked.err());
    assert!(locked.err().contains("stop it (Ctrl-C once"), "{}", locked.err());
    assert!(status.out().contains("lease: held by 7 on there"), "{}", status.out());
}

#[tokio::test]
async fn a_command_that_loses_its_lease_ends_with_4_and_names_who_has_it_since_when() {
    let shop = Arc::new(Shop::new());
    let folder = shop.folder.path().to_owned();
    let moves = "touch moving; while test ! -e go; do sleep 0.01; done; printf $$BLUEGREEN_STACK";
    let file = SERVED.replace("test ! -e broken && printf $$BLUEGREEN_STACK", moves);
    fs::write(folder.join("bluegreen.toml"), file).unwrap();
    let deploys = Arc::clone(&shop);
    let deploy = thread::spawn(move || deploys.run(&["deploy", "--to", "b"]));
    while !folder.join("moving").exists() {
        #[expect(clippy::disallowed_methods, reason = "another process is about to write")]
        thread::sleep(Duration::from_millis(5));
    }

    fs::remove_file(folder.join(".bluegreen/shop.lock")).unwrap();
    let store = lock(&shop).await;
    fs::write(folder.join("go"), "").unwrap();
    let lost = deploy.join().unwrap().ended_with(4);
    store.close().await.unwrap();

    let says = "\nerror: the lease of this process is lost to 7 on there, since 20";
    assert!(lost.err().contains(says), "{}", lost.err());
}

#[tokio::test]
async fn a_lock_in_a_folder_ends_with_its_process_which_unlock_names() {
    let shop = Shop::new();
    let store = lock(&shop).await;

    let refused = shop.run(&["unlock", "--yes"]).ended_with(3);
    store.close().await.unwrap();
    let free = shop.run(&["unlock", "--json"]).ended_with(0);

    assert!(refused.err().contains("7 on there"), "{}", refused.err());
    assert!(refused.err().contains("end the process"), "{}", refused.err());
    assert!(free.json()["taken-from"].is_null());
}

#[test]
fn a_lease_that_nobody_holds_is_said_to_be_free() {
    let ended = Shop::new().run(&["unlock"]).ended_with(0);

    assert_eq!(ended.out(), "nobody holds the lease\n");
}
