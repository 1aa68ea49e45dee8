//! The proof: with the least policy everything is done, and without any part of it somebody complains.

use aws_types::SdkConfig;
use bluegreen_core::StackReference::{self, A, B};
use bluegreen_deploy::{
    Engine, LeastPolicy, Outcome, Phase, Plan, Pointer, Purpose, Report, Result, Store, chain,
};
use bluegreen_rehearsal::connect;
use bluegreen_sim::SimulatedAccount;

use crate::{
    shops::Shop,
    withheld::{Leave, Withheld, policy},
};

/// Something that is done on the way to a stack.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// To plan, and to look at everything.
    Look,
    /// To begin a release whose tasks fail.
    Fail,
    /// To move production.
    Promote,
    /// To take that back.
    TakeBack,
    /// To do all of a release.
    Deploy,
}

impl Shop {
    /// Returns the least policy, taken apart.
    pub(crate) fn least(&self, purpose: Purpose) -> Vec<Leave> {
        let account = self.account();
        let engine = connect(&self.file, &account, &account.sdk_config()).unwrap();
        let plans = [A, B].map(|to| engine.plan(to).unwrap());
        let document = LeastPolicy::of(&self.file, &plans, purpose).document();
        Leave::all_of(&document)
    }

    /// Does everything that `purpose` is about with nothing else than `leaves`, and with some of that withheld: each time
    /// somebody complains, what they name is given back, and the same command is repeated, as people do.
    ///
    /// # Errors
    ///
    /// A complaint about anything but what is withheld.
    async fn everything(
        &self,
        purpose: Purpose,
        leaves: &[Leave],
        withheld: &mut Withheld,
    ) -> Done {
        let account = self.account();
        let pointer =
            Pointer { active: A, since: account.clock().now(), reason: "test".to_owned() };
        let store = Store::in_memory(&self.file.name, pointer);
        for (leg, &to) in self.legs.iter().enumerate() {
            for act in self.acts(purpose, leg) {
                loop {
                    let sdk = account.sdk_config_for("deployer", policy(&withheld.from(leaves)));
                    let sdk = match (purpose, act) {
                        // Somebody else moves production where only looks are allowed.
                        (Purpose::Plan, Act::Fail | Act::Deploy) => account.sdk_config(),
                        _ => sdk,
                    };
                    match self.act(act, &account, &sdk, &store, to).await {
                        Ok(()) => break,
                        Err(complaint) => withheld.give_back(&complaint)?,
                    }
                }
            }
            self.make_again(&account, to.partner());
        }
        Ok(())
    }

    /// Returns what is done on the way to a stack.
    fn acts(&self, purpose: Purpose, leg: usize) -> Vec<Act> {
        let mut acts = vec![Act::Look];
        if self.tasks_fail {
            acts.extend([Act::Fail, Act::Look]);
        }
        // What a release never does on its way is done when it is taken back: to stop what is else deleted. Once there
        // and once back will do.
        if self.stopped && purpose == Purpose::Deploy && leg < 2 {
            acts.extend([Act::Promote, Act::TakeBack]);
        }
        acts.push(Act::Deploy);
        acts
    }

    async fn act(
        &self,
        act: Act,
        account: &SimulatedAccount,
        sdk: &SdkConfig,
        store: &Store,
        to: StackReference,
    ) -> Done {
        let engine = connect(&self.file, account, sdk).unwrap();
        let plan = engine.plan(to).unwrap();
        match act {
            Act::Look => self.looks(&engine, store, &plan).await,
            Act::Fail => self.fails(account, &engine, store, &plan).await,
            Act::Promote => ended(Outcome::Done, engine.deploy(store, &plan, Phase::Promote).await),
            Act::TakeBack => ended(Outcome::TakenBack, engine.rollback(store, &plan, false).await),
            Act::Deploy => ended(Outcome::Done, engine.deploy(store, &plan, Phase::Retire).await),
        }
    }

    /// Begins a release whose tasks fail; that they do so is no complaint.
    async fn fails(
        &self,
        account: &SimulatedAccount,
        engine: &Engine,
        store: &Store,
        plan: &Plan,
    ) -> Done {
        self.set_exit_code(account, 3);
        let report = engine.deploy(store, plan, Phase::Retire).await;
        self.set_exit_code(account, 0);
        match ended(Outcome::Done, report) {
            Err(complaint) if complaint.contains("ended with 3") => Ok(()),
            Err(complaint) => Err(complaint),
            Ok(()) => Err("no task has failed".to_owned()),
        }
    }

    /// Plans, and looks at everything.
    async fn looks(&self, engine: &Engine, store: &Store, plan: &Plan) -> Done {
        ended(Outcome::Planned, engine.look(store, plan, &Phase::ALL).await)?;
        match engine.status(Some(store)).await {
            Ok(status) => status.resources.into_iter().find_map(|it| it.error).map_or(Ok(()), Err),
            Err(err) => Err(chain(&err)),
        }
    }

    /// Proves that the least policy suffices, and that nothing in it can be left out.
    pub(crate) async fn prove(&self, purpose: Purpose) {
        let leaves = self.least(purpose);
        // Between looks nothing is under way, so that it makes no difference to them how long that takes.
        let done = match purpose {
            Purpose::Deploy => self.everything(purpose, &leaves, &mut Withheld::default()).await,
            Purpose::Plan => {
                self.hurried().everything(purpose, &leaves, &mut Withheld::default()).await
            }
        };
        assert_eq!(done, Ok(()), "the policy does not suffice");

        assert_eq!(self.not_missed(purpose, &leaves).await, Vec::<String>::new());
    }

    /// Withholds each leave in turn, and lets it have something else for each of its conditions; says what nobody has
    /// missed.
    ///
    /// What is missing shows where nothing takes time just as well as where everything does, and much sooner. What does
    /// not show there is withheld where things take time, too.
    pub(crate) async fn not_missed(&self, purpose: Purpose, leaves: &[Leave]) -> Vec<String> {
        let (mut withheld, hurried) = (Withheld::each(leaves), self.hurried());
        let mut shop = &hurried;
        while withheld.count() > 0 {
            let before = withheld.count();
            let done = shop.everything(purpose, leaves, &mut withheld).await;
            assert_eq!(done, Ok(()), "somebody complains of something else than what is withheld");
            if withheld.count() == before {
                match std::ptr::eq(shop, self) {
                    true => withheld.set_aside(),
                    false => shop = self,
                }
            } else {
                shop = &hurried;
            }
        }
        withheld.set_aside.iter().map(|it| it.told(leaves)).collect()
    }
}

/// That everything was done, or the complaint that ended it.
type Done = std::result::Result<(), String>;

fn ended(expected: Outcome, ended: Result<Report>) -> Done {
    match ended {
        Ok(report) if report.outcome == expected => Ok(()),
        Ok(report) => Err(complaints(&report)),
        Err(err) => Err(chain(&err)),
    }
}

fn complaints(report: &Report) -> String {
    let steps = report.steps.iter().filter_map(|it| it.error.as_deref());
    let all: Vec<&str> = steps
        .chain(report.refusals.iter().map(String::as_str))
        .chain(report.missing.iter().map(String::as_str))
        .collect();
    format!("{:?}: {}", report.outcome, all.join("; "))
}
