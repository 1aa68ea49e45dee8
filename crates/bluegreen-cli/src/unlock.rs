//! `bluegreen unlock`: takes the lease away from a process that is gone.

use std::time::Duration;

use bluegreen_deploy::{Error, Holder, Storage};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    exit::Exit,
    output::{self, Failure},
    session::{Session, can_ask},
};

/// How many times a lease is looked at in its life.
const LOOKS: u32 = 10;

/// How many times it is taken from a holder who renews it in between.
const TRIES: u32 = 5;

/// What watching the holder of a lease for a life of it has shown.
#[derive(Debug, PartialEq)]
enum Seen {
    /// It was given back meanwhile, or is another's.
    Free,
    /// Nothing has moved.
    Silent(Holder),
    /// It was renewed, or something was written under it.
    Alive(Holder),
}

impl Session<'_> {
    /// Shows who holds the lease and whether it is alive, asks, and takes it away.
    /// From one that is alive only when told to at a terminal, or with `force`.
    pub(crate) async fn unlock(&self, force: bool) -> Result<Exit, Failure> {
        let storage = self.storage();
        let Some(holder) = storage.holder().await? else {
            self.told("nobody holds the lease", None, false);
            return Ok(Exit::Done);
        };
        let since = humantime::format_rfc3339_seconds(holder.since);
        let Some(lasts) = storage.lease_lasts() else {
            return Err(Failure::Engine(Error::refused(format!(
                "{} holds the lock of `{}` since {since}, and it ends with that process: end the process (Ctrl-C, once, lets \
                 it finish its calls), and the lock is free",
                holder.owner,
                storage.place()
            ))));
        };
        let lasts = lasts.max(holder.lasts);
        eprintln!(
            "{} holds the lease since {since}: watching for {} whether it is alive",
            holder.owner,
            output::duration(lasts)
        );
        let (holder, alive) = match watch(storage.as_ref(), holder, lasts).await? {
            Seen::Free => {
                self.told("the lease was given back meanwhile", None, false);
                return Ok(Exit::Done);
            }
            Seen::Silent(holder) => (holder, false),
            Seen::Alive(holder) => (holder, true),
        };
        let owner = &holder.owner;
        let is_asked = !self.cli.yes && can_ask(self.cli);
        if alive {
            allow_alive(&holder, force, is_asked)?;
        }
        self.confirm(&if alive {
            format!("{owner} is alive and at work: it will stop in the middle. Take the lease away all the same?")
        } else {
            let lasts = output::duration(lasts);
            format!("{owner} has shown no sign of life for {lasts}. Take the lease away?")
        })?;
        take_away(storage.as_ref(), &self.owner().name, self.clock.now(), &holder).await?;
        self.told(&format!("the lease of {owner} is taken away"), Some(&holder), alive);
        Ok(Exit::Done)
    }

    fn told(&self, text: &str, from: Option<&Holder>, alive: bool) {
        if self.cli.json {
            let body = json!({ "outcome": "done", "taken-from": from, "alive": alive });
            output::document("unlock", body);
        } else {
            println!("{text}");
        }
    }
}

/// Refuses to take the lease from a holder who is alive, unless told to or a person is asked.
fn allow_alive(holder: &Holder, force: bool, is_asked: bool) -> Result<(), Error> {
    if force || is_asked {
        return Ok(());
    }
    let Holder { owner, since, .. } = holder;
    Err(Error::refused(format!(
        "{owner} is alive and at work since {}, and `--yes` is not enough to stop it in the middle: end that process (Ctrl-C \
         once, or cancel its job), or take the lease away all the same with `--force`",
        humantime::format_rfc3339_seconds(*since)
    )))
}

/// Watches a lease for `lasts`, or until its holder shows a sign of life.
async fn watch(
    storage: &dyn Storage,
    holder: Holder,
    lasts: Duration,
) -> Result<Seen, bluegreen_deploy::Error> {
    let began = Instant::now();
    while began.elapsed() < lasts {
        #[expect(clippy::disallowed_methods, reason = "a lease is watched by the clock")]
        tokio::time::sleep(lasts / LOOKS).await;
        match storage.holder().await? {
            Some(now) if now == holder => {}
            Some(now) if now.fence == holder.fence => return Ok(Seen::Alive(now)),
            _ => return Ok(Seen::Free),
        }
    }
    Ok(Seen::Silent(holder))
}

/// Takes the lease from its holder, and gives it back at once.
async fn take_away(
    storage: &dyn Storage,
    owner: &str,
    now: std::time::SystemTime,
    from: &Holder,
) -> Result<(), bluegreen_deploy::Error> {
    let mut seen = from.clone();
    for _ in 0..TRIES {
        if let Some(lease) = storage.take(owner, now, Some(&seen)).await? {
            return storage.give_back(&lease).await;
        }
        match storage.holder().await? {
            Some(now) if now.fence == from.fence => seen = now,
            // Given back, or another's by now, which nobody has asked about.
            None => return Ok(()),
            Some(other) => {
                return Err(Error::Locked { owner: other.owner, since: other.since });
            }
        }
    }
    Err(Error::Locked { owner: seen.owner, since: seen.since })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bluegreen_deploy::{Lease, MemoryStorage};

    use super::*;

    const LASTS: Duration = Duration::from_secs(30);

    async fn held() -> (MemoryStorage, Lease, Holder) {
        let storage = MemoryStorage::new(Some(LASTS));
        let taken = storage.take("7 on there", SystemTime::UNIX_EPOCH, None).await.unwrap();
        let holder = storage.holder().await.unwrap().unwrap();
        (storage, taken.unwrap(), holder)
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_renews_its_lease_is_alive_and_one_that_does_not_is_silent() {
        let (storage, lease, holder) = held().await;
        let renewing = async {
            #[expect(clippy::disallowed_methods, reason = "a lease is renewed by the clock")]
            tokio::time::sleep(LASTS / 3).await;
            storage.renew(&lease).await.unwrap();
        };

        let silent = watch(&storage, holder.clone(), LASTS).await.unwrap();
        let (alive, ()) = tokio::join!(watch(&storage, holder.clone(), LASTS), renewing);

        assert_eq!(silent, Seen::Silent(holder));
        assert!(matches!(alive.unwrap(), Seen::Alive(now) if now.owner == "7 on there"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_given_back_meanwhile_is_free() {
        let (storage, lease, holder) = held().await;
        storage.give_back(&lease).await.unwrap();

        assert_eq!(watch(&storage, holder, LASTS).await.unwrap(), Seen::Free);
    }

    #[tokio::test]
    async fn from_a_holder_that_is_alive_it_takes_more_than_a_yes_nobody_was_asked_for() {
        let (_, _, holder) = held().await;

        let refused = allow_alive(&holder, false, false).unwrap_err().to_string();

        assert!(refused.contains("7 on there") && refused.contains("`--force`"), "{refused}");
        assert!(allow_alive(&holder, true, false).is_ok());
        assert!(allow_alive(&holder, false, true).is_ok());
    }

    #[tokio::test]
    async fn a_lease_that_was_taken_away_is_nobodys_and_its_holder_writes_no_more() {
        let (storage, lease, holder) = held().await;
        storage.renew(&lease).await.unwrap();

        take_away(&storage, "8 on here", SystemTime::UNIX_EPOCH, &holder).await.unwrap();

        assert_eq!(storage.holder().await.unwrap(), None);
        let written = storage.write(&lease, &Default::default()).await;
        assert!(matches!(written, Err(Error::LeaseLost { .. })), "{written:?}");
    }

    #[tokio::test]
    async fn the_lease_of_somebody_else_than_was_asked_about_is_left_alone() {
        let (storage, lease, holder) = held().await;
        storage.give_back(&lease).await.unwrap();
        storage.take("9 elsewhere", SystemTime::UNIX_EPOCH, None).await.unwrap().unwrap();

        let err = take_away(&storage, "8 on here", SystemTime::UNIX_EPOCH, &holder).await;

        assert!(matches!(err, Err(Error::Locked { owner, .. }) if owner == "9 elsewhere"));
    }
}
