//! Functions whose code runs outside the account: what they are invoked with is handed out, and what they answer is
//! brought back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use super::{LambdaEvent, invoking::Invocation, named};
use crate::{Event, World, services};

/// §6.3: how often an asynchronous invocation is tried again.
const RETRIES: u32 = 2;

/// What an invocation came to: the payload, or the error that the function ended with.
pub(crate) type Answered = Result<String, String>;

/// An invocation of a function whose code runs outside the account, which waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingInvocation {
    /// Its id in this account, which no other invocation has.
    pub id: u64,
    /// The name of the function.
    pub function: String,
    /// The alias or version that was named.
    pub qualifier: Option<String>,
    /// What it is invoked with: JSON as a rule.
    pub payload: String,
    /// Whether nobody waits for the answer: only whether it is an error counts.
    pub is_asynchronous: bool,
    /// Which try this is, from 1: asynchronous invocations that end with an error are tried three times.
    pub attempt: u32,
    /// How long the function may take from when it is handed out.
    pub timeout: Duration,
}

impl PendingInvocation {
    /// Returns the function with what it was qualified with.
    fn whole(&self) -> String {
        match &self.qualifier {
            Some(it) => format!("{}:{it}", self.function),
            None => self.function.clone(),
        }
    }
}

/// Who waits for what an invocation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody; it is tried again where it ends with an error. This is which try, from 1.
    Asynchronous(u32),
    /// A caller of `Invoke`.
    Caller,
    /// A lifecycle hook of an ECS deployment, by the deployment's ARN, the number of the stage's run and the hook's.
    Hook(String, u64, usize),
}

/// What there is of functions outside.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// The names of the functions.
    functions: BTreeSet<String>,
    /// What nobody has taken yet, in its order.
    waiting: BTreeMap<u64, Open>,
    /// What is being worked on.
    taken: BTreeMap<u64, Open>,
    /// What callers wait for.
    answers: BTreeMap<u64, Answered>,
    schedules: Vec<Schedule>,
}

#[derive(Clone, Debug)]
struct Open {
    pending: PendingInvocation,
    origin: Origin,
}

/// What a function is invoked with again and again.
#[derive(Clone, Debug)]
struct Schedule {
    function: String,
    payload: String,
    every: Duration,
}

impl World {
    /// Adds a function whose code runs outside the account, with the time that it may take. What it is invoked with
    /// comes out of [`next_invocation`](crate::SimulatedAccount::next_invocation).
    pub fn add_outside_function(&mut self, name: &str, timeout_seconds: u32) {
        self.add_function(name, timeout_seconds);
        self.lambda.outside.functions.insert(name.to_owned());
    }

    /// Invokes a function again and again, asynchronously, as EventBridge Scheduler does with `rate(5 minutes)`:
    /// for the first time after `every`, which is a second at least.
    pub fn add_schedule(&mut self, function: &str, payload: &str, every: Duration) {
        let every = every.max(Duration::from_secs(1));
        let schedule =
            Schedule { function: function.to_owned(), payload: payload.to_owned(), every };
        let number = self.lambda.outside.schedules.len();
        self.lambda.outside.schedules.push(schedule);
        self.schedule(every, Event::Lambda(LambdaEvent::Scheduled(number)));
    }

    /// Invokes a function asynchronously, as an event does that nobody waits for.
    pub fn invoke_asynchronously(&mut self, function: &str, payload: &str) {
        invoke_for(self, function, payload, Origin::Asynchronous(1));
    }

    /// Takes the invocation that has waited longest, of any function or of this one.
    pub(crate) fn take_invocation(&mut self, function: Option<&str>) -> Option<PendingInvocation> {
        let mut waiting = self.lambda.outside.waiting.iter();
        let fits = |it: &Open| function.is_none_or(|name| it.pending.function == name);
        let id = waiting.find(|(_, it)| fits(it)).map(|(id, _)| *id)?;
        let open = self.lambda.outside.waiting.remove(&id)?;
        let pending = open.pending.clone();
        self.lambda.outside.taken.insert(id, open);
        self.schedule(pending.timeout, Event::Lambda(LambdaEvent::TimedOut(id)));
        Some(pending)
    }

    /// Brings back what a function has answered; nothing happens when it was too late.
    pub(crate) fn bring_back(&mut self, id: u64, answer: Answered) {
        if let Some(Open { pending, origin }) = self.lambda.outside.taken.remove(&id) {
            note(self, &pending, answer.is_err());
            answered(self, id, &pending.whole(), &pending.payload, origin, answer);
        }
    }

    /// Returns what a caller waits for, once it is there.
    pub(crate) fn take_answer(&mut self, id: u64) -> Option<Answered> {
        self.lambda.outside.answers.remove(&id)
    }
}

/// Returns whether the code of a function runs outside.
pub(super) fn is_outside(world: &World, function: &str) -> bool {
    world.lambda.outside.functions.contains(function)
}

/// Forgets that the code of a function runs outside.
pub(super) fn removed(world: &mut World, function: &str) {
    world.lambda.outside.functions.remove(function);
}

/// Invokes a function, by name or ARN, for somebody who hears of the answer by its `origin`. Returns the
/// invocation's id.
pub(crate) fn invoke_for(world: &mut World, function: &str, payload: &str, origin: Origin) -> u64 {
    let (name, qualifier) = named(function);
    let id = world.next_number();
    let attempt = match origin {
        Origin::Asynchronous(attempt) => attempt,
        _ => 1,
    };
    let Some(found) = world.lambda.functions.get(&name) else {
        let error = json!({ "errorMessage": format!("Function not found: {function}") });
        answered(world, id, &name, payload, origin, Err(error.to_string()));
        return id;
    };
    let pending = PendingInvocation {
        id,
        function: name.clone(),
        qualifier,
        payload: payload.to_owned(),
        is_asynchronous: matches!(origin, Origin::Asynchronous(_)),
        attempt,
        timeout: Duration::from_secs(found.timeout.into()),
    };
    if is_outside(world, &name) {
        world.lambda.outside.waiting.insert(id, Open { pending, origin });
        return id;
    }
    // What runs inside has an answer that is known, which comes when its time has passed.
    let answer = found.answer.clone().unwrap_or_else(|| Ok(payload.to_owned()));
    let (lasts, timeout) = (found.lasts, pending.timeout);
    world.lambda.outside.taken.insert(id, Open { pending, origin });
    let event = match lasts > timeout {
        true => LambdaEvent::TimedOut(id),
        false => LambdaEvent::Answered(id, answer),
    };
    world.schedule(lasts.min(timeout), Event::Lambda(event));
    id
}

/// Ends an invocation whose function has taken too long.
pub(super) fn time_out(world: &mut World, id: u64) {
    if let Some(open) = world.lambda.outside.taken.get(&id) {
        let seconds = open.pending.timeout.as_secs_f64();
        world.bring_back(id, Err(format!("Error: Task timed out after {seconds:.2} seconds")));
    }
}

/// Invokes what a schedule says, and lets it come round again.
pub(super) fn come_round(world: &mut World, number: usize) {
    let Some(schedule) = world.lambda.outside.schedules.get(number).cloned() else { return };
    world.invoke_asynchronously(&schedule.function, &schedule.payload);
    world.schedule(schedule.every, Event::Lambda(LambdaEvent::Scheduled(number)));
}

fn note(world: &mut World, pending: &PendingInvocation, failed: bool) {
    let at = world.now();
    world.lambda.invocations.push(Invocation {
        at,
        function: pending.function.clone(),
        qualifier: pending.qualifier.clone(),
        payload: pending.payload.clone(),
        failed,
    });
}

/// Tells whoever waits what an invocation came to.
fn answered(
    world: &mut World,
    id: u64,
    function: &str,
    payload: &str,
    origin: Origin,
    answer: Answered,
) {
    match origin {
        Origin::Caller => {
            world.lambda.outside.answers.insert(id, answer);
        }
        Origin::Hook(deployment, run, hook) => {
            services::hook_answered(world, &deployment, run, hook, answer);
        }
        // §6.3: after one minute, and after two.
        Origin::Asynchronous(attempt) if answer.is_err() && attempt <= RETRIES => {
            let after = world.draw(world.times.invocation_retry) * attempt;
            let (function, payload) = (function.to_owned(), payload.to_owned());
            let event = LambdaEvent::Again { function, payload, attempt: attempt + 1 };
            world.schedule(after, Event::Lambda(event));
        }
        Origin::Asynchronous(_) => {}
    }
}

/// Returns what a caller of `Invoke` is answered.
pub(crate) fn told(answer: Answered) -> Value {
    let (payload, error) = match answer {
        Ok(payload) => (payload, None),
        Err(text) => {
            let is_error = serde_json::from_str::<Value>(&text).is_ok_and(|it| it.is_object());
            let error = if is_error { text } else { json!({ "errorMessage": text }).to_string() };
            (error, Some("Unhandled"))
        }
    };
    json!({ "Payload": payload, "FunctionError": error, "ExecutedVersion": "$LATEST" })
}
