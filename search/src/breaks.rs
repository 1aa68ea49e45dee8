//! Engines that are broken on purpose, to see that the search would notice.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_deploy::{
    Context, Effect, Engine, Inspection, Permission, Plan, Result, Step, StepId,
    stack_file::{ConsumerKind, StackFile},
};
use clap::ValueEnum;

/// How an engine is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Break {
    /// `sqs.purge` is let through without a look at pointer and traffic.
    PurgeBlindly,
    /// `sns.disable` is done to the stack that is to become active.
    DisableWrongStack,
    /// `lambda.disable-mappings` does not wait for `Disabled`.
    DoNotWait,
    /// A process whose lease is another's goes on, and its writes are taken.
    NoFencing,
    /// What is about to be done is written down only with what comes after it.
    JournalBehind,
    /// What was done first is taken back first.
    UndoForwards,
    /// ECS services that must run on one stack only are taken for such as may run on both.
    MirrorServices,
    /// Not broken, and so not to be typed: every step is brought about twice, as after a crash before its success was written.
    #[value(skip)]
    Twice,
}

/// What the second time is called in what the engine tells.
pub(crate) const AGAIN: &str = "the second time";

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |it| it.get_name()))
    }
}

/// Returns the stack file as the engine takes it.
pub(crate) fn file(file: &StackFile, how: Option<Break>) -> StackFile {
    let mut file = file.clone();
    if how == Some(Break::MirrorServices) {
        for it in &mut file.ecs {
            it.settings.mode = ConsumerKind::Mirror;
        }
    }
    file
}

/// Makes the plan of a move to the stack `to`, with its steps broken.
pub(crate) fn plan(engine: &Engine, to: StackReference, how: Option<Break>) -> Result<Plan> {
    let mut plan = engine.plan(to)?;
    let how = match how {
        Some(Break::UndoForwards) => return Ok(plan.undone_forwards()),
        Some(Break::NoFencing | Break::JournalBehind) | None => return Ok(plan),
        Some(how) => how,
    };
    let other = engine.plan(to.partner())?;
    let key = |it: &StepId| (it.name.clone(), it.resource.clone(), it.stack);
    let others: BTreeMap<_, Arc<dyn Step>> =
        other.steps().iter().map(|it| (key(&it.step.id()), Arc::clone(&it.step))).collect();
    plan.replace(|step| {
        let id = step.id();
        let hit = match how {
            Break::PurgeBlindly => id.name == "sqs.purge",
            Break::DisableWrongStack => id.name == "sns.disable",
            Break::DoNotWait => id.name == "lambda.disable-mappings",
            Break::MirrorServices => false,
            Break::Twice => true,
            Break::NoFencing | Break::JournalBehind | Break::UndoForwards => false,
        };
        if !hit {
            return Arc::clone(step);
        }
        let wrong = StepId { stack: id.stack.partner(), ..id };
        let does = match how {
            Break::DisableWrongStack => others.get(&key(&wrong)).unwrap_or(step),
            _ => step,
        };
        Arc::new(Broken {
            step: Arc::clone(step),
            does: Arc::clone(does),
            how,
            again: AtomicBool::default(),
        })
    });
    Ok(plan)
}

#[derive(Debug)]
struct Broken {
    step: Arc<dyn Step>,
    /// What it does, whatever it says it is.
    does: Arc<dyn Step>,
    how: Break,
    /// Whether it is still to be brought about once more.
    again: AtomicBool,
}

#[async_trait]
impl Step for Broken {
    fn id(&self) -> StepId {
        self.step.id()
    }

    fn effect(&self) -> Effect {
        match self.how {
            Break::PurgeBlindly => Effect::Harmless,
            _ => self.step.effect(),
        }
    }

    fn begin(&self) {
        self.again.store(true, Ordering::Relaxed);
        self.does.begin();
    }

    async fn inspect(&self, context: &Context<'_>) -> Result<Inspection> {
        let seen = self.does.inspect(context).await?;
        Ok(match (self.how, seen) {
            (Break::DoNotWait, Inspection::Underway { what }) if what.contains("Disabling") => {
                Inspection::Done
            }
            // The next look is of a later round: nothing of this one is shared with it.
            (Break::Twice, Inspection::Done) if self.again.swap(false, Ordering::Relaxed) => {
                self.step.begin();
                Inspection::Needed { from: "done".to_owned(), to: AGAIN.to_owned() }
            }
            (_, seen) => seen,
        })
    }

    async fn apply(&self, context: &Context<'_>) -> Result<()> {
        self.does.apply(context).await
    }

    fn deadline(&self) -> Option<Duration> {
        self.step.deadline()
    }

    fn lasts(&self) -> Duration {
        // Both times count.
        match self.how {
            Break::Twice => self.step.lasts() * 2,
            _ => self.step.lasts(),
        }
    }

    fn undo(&self) -> Option<Arc<dyn Step>> {
        self.step.undo()
    }

    fn permissions(&self) -> Vec<Permission> {
        self.step.permissions()
    }

    async fn model(&self, context: &Context<'_>) -> Result<Option<(String, serde_json::Value)>> {
        self.does.model(context).await
    }

    fn memory(&self) -> Option<String> {
        self.does.memory()
    }
}
