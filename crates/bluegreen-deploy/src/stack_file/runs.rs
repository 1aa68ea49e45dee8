//! What a stack file lets a release run: the tables `[test.NAME]` and `[schema.NAME]`.

use std::{collections::BTreeMap, fmt, time::Duration};

use bluegreen_core::{Pair, StackReference};

/// A table `[test.name]`: a gate of the phase `test`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestSettings {
    /// Its name: `smoke`.
    pub name: String,
    /// The line of its table's header, from 1.
    pub line: usize,
    /// What its table says, key by key; headers as they are written, with variables that are not replaced.
    pub written: BTreeMap<String, String>,
    /// What it does.
    pub kind: TestKind,
    /// How long it may take; 10 m, or what `[pace] deadlines` says of its step or of `test`, by default.
    pub deadline: Duration,
}

/// What a test does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestKind {
    /// It asks a service by HTTP.
    #[cfg(feature = "http")]
    Http(HttpTest),
    /// It invokes a function.
    #[cfg(feature = "lambda")]
    Lambda(OneOrPair),
    /// It runs a program: program and arguments.
    Command(Vec<String>),
    /// It watches alarms.
    #[cfg(feature = "cloudwatch")]
    Alarms(AlarmTest),
    /// It asks a person: what the person is shown.
    Approve(String),
}

/// A GET request, and what its answer must be.
#[cfg(feature = "http")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTest {
    /// The URL; with `http` or `https`.
    pub url: OneOrPair,
    /// The headers that are sent.
    pub headers: Headers,
    /// The status that the answer must have; any from 200 to 299 when left out.
    pub expect_status: Option<u16>,
    /// A text that must occur in the body.
    pub expect_body: Option<String>,
    /// The headers that the answer must have, name and value.
    pub expect_headers: Vec<(String, String)>,
    /// How long one try may take; 10 s by default.
    pub timeout: Duration,
    /// How many tries there are, from 1; 3 by default.
    pub tries: u32,
}

/// Headers that are sent, name and value. Nothing shows the values: they may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Alarms that must not fire for a time.
#[cfg(feature = "cloudwatch")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmTest {
    /// Which alarms.
    pub alarms: Alarms,
    /// How long none may fire; 10 m by default. Zero is one look.
    pub bake: Duration,
    /// The names of alarms that may be firing when it begins.
    pub except: Vec<String>,
}

/// Which alarms a test watches.
#[cfg(feature = "cloudwatch")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarms {
    /// Those with these names, whichever the stack.
    Named(Vec<String>),
    /// Those that the table `[cloudwatch.NAME]` of this name has of the stack to come.
    Of(String),
}

/// A table `[schema.name]`: how a database is reset and filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaSettings {
    /// What throws the standby's data away and makes the latest schema.
    pub reset: Option<JobSettings>,
    /// What fills the standby's database.
    pub hydrate: Option<JobSettings>,
}

/// What is run once in a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSettings {
    /// What.
    pub kind: JobKind,
    /// How long it may take; 60 m, or what `[pace] deadlines` says of its step or of `schema`, by default.
    pub deadline: Duration,
}

/// What kind of thing is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// A function.
    #[cfg(feature = "lambda")]
    Lambda(OneOrPair),
    /// An ECS task.
    #[cfg(feature = "ecs")]
    Task(bluegreen_ecs::EcsTaskConfig),
    /// A program: program and arguments.
    Command(Vec<String>),
}

/// One text for both stacks, or one for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OneOrPair {
    /// The same for both.
    One(String),
    /// One for each.
    Pair(Pair<String>),
}

impl OneOrPair {
    /// Returns the text of `stack`.
    pub fn of(&self, stack: StackReference) -> &str {
        match self {
            Self::One(text) => text,
            Self::Pair(pair) => pair.of(stack),
        }
    }
}
