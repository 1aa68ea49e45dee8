//! An account with two clusters, which remembers what was asked of it.

use std::sync::{Arc, Mutex};

use bluegreen_aurora::{
    AuroraConfig, Cluster, ClusterState, Connections, Deletion, Member, MockAuroraToolkit,
    ReaderScaling, Scaled, Suspended,
};
use bluegreen_core::{
    Change, Error, Pair,
    StackReference::{self, A, B},
};

use super::Aurora;
use crate::{
    Inspection, Resource, Step,
    stack_file::{self, AuroraRetire, AuroraSettings, ConnectionsGuard, Writes},
};

/// Two clusters as they are now.
#[derive(Clone)]
pub(super) struct Account(Arc<Mutex<Inside>>);

struct Inside {
    clusters: Pair<Option<Cluster>>,
    calls: Vec<String>,
    fails: Option<&'static str>,
    connections: Option<Connections>,
}

/// Makes an account in which `orders-a` runs with two readers and `orders-b` is stopped.
pub(super) fn account() -> Account {
    let members = |status| vec![writer(status), reader(1, status), reader(2, status)];
    let cluster = |name: &str, state, status| Cluster {
        name: name.to_owned(),
        arn: format!("arn:aws:rds:eu-west-1:123456789012:cluster:{name}"),
        state,
        members: members(status),
        deletion_protection: false,
        engine: "aurora-postgresql".to_owned(),
        engine_version: Some("16.4".to_owned()),
        parameter_group: Some("orders".to_owned()),
        engine_mode: "provisioned".to_owned(),
        cannot_stop: None,
        cannot_delete: None,
        restarts_at: None,
        scaling: scaling(1, 5),
    };
    Account(Arc::new(Mutex::new(Inside {
        clusters: Pair {
            a: Some(cluster("orders-a", ClusterState::Available, "available")),
            b: Some(cluster("orders-b", ClusterState::Stopped, "stopped")),
        },
        calls: Vec::new(),
        fails: None,
        connections: Some(Connections { most: 0, datapoints: 3 }),
    })))
}

pub(super) fn writer(status: &str) -> Member {
    member("writer".to_owned(), true, status)
}

pub(super) fn reader(number: u32, status: &str) -> Member {
    member(format!("reader-{number}"), false, status)
}

fn member(instance: String, is_writer: bool, status: &str) -> Member {
    Member {
        instance,
        is_writer,
        status: Some(status.to_owned()),
        class: Some("db.r6g.large".to_owned()),
        parameter_group: Some("instances".to_owned()),
    }
}

/// A scaling target of which nothing is suspended.
pub(super) fn scaling(minimum: u32, maximum: u32) -> Option<ReaderScaling> {
    Some(ReaderScaling { minimum, maximum, suspended: Suspended::default() })
}

/// Suspends these kinds of scaling, as a deletion or somebody would.
pub(super) fn suspend(account: &Account, stack: StackReference, suspended: Suspended) {
    account.change(stack, |it| it.scaling.as_mut().unwrap().suspended = suspended);
}

pub(super) fn needed(from: &str, to: &str) -> Inspection {
    Inspection::Needed { from: from.to_owned(), to: to.to_owned() }
}

pub(super) fn underway(what: &str) -> Inspection {
    Inspection::Underway { what: what.to_owned() }
}

/// Returns the step `name` of a move to `to`.
pub(super) fn step_of(aurora: &Arc<Aurora>, to: StackReference, name: &str) -> Arc<dyn Step> {
    let mut steps = Arc::clone(aurora).steps(to).into_iter();
    steps.find(|it| it.id().name == name).unwrap()
}

impl Account {
    /// Returns the pair of clusters, declared as usual but for what `change` changes.
    pub(super) fn aurora(
        &self,
        change: impl FnOnce(&mut stack_file::Resource<AuroraSettings>),
    ) -> Arc<Aurora> {
        let mut resource = stack_file::Resource {
            name: "orders".to_owned(),
            line: 1,
            skip: Default::default(),
            after: None,
            optional: false,
            written: Default::default(),
            settings: AuroraSettings {
                config: AuroraConfig {
                    clusters: Pair { a: "orders-a".to_owned(), b: "orders-b".to_owned() },
                    minimum_readers: 1,
                    namespace: None,
                    tags: Default::default(),
                },
                writes: Writes::IngestOnly,
                retire: AuroraRetire::Stop,
                final_snapshot: true,
                performance_insights: false,
                connections: ConnectionsGuard::None,
            },
        };
        change(&mut resource);
        Arc::new(Aurora::new(&resource, Arc::new(self.toolkit())))
    }

    /// Returns the step `name` of a move to `to`.
    pub(super) fn step(&self, to: StackReference, name: &str) -> Arc<dyn Step> {
        step_of(&self.aurora(|_| {}), to, name)
    }

    /// Changes the cluster of `stack`, as AWS or somebody else would.
    pub(super) fn change(&self, stack: StackReference, change: impl FnOnce(&mut Cluster)) {
        change(self.0.lock().unwrap().cluster(stack).unwrap());
    }

    /// Takes the cluster of `stack` away.
    pub(super) fn remove(&self, stack: StackReference) {
        *self.0.lock().unwrap().place(stack) = None;
    }

    /// Lets CloudWatch have kept these figures of connections.
    pub(super) fn connect(&self, connections: Option<Connections>) {
        self.0.lock().unwrap().connections = connections;
    }

    /// Lets the next call `name` that changes something fail without effect.
    pub(super) fn fail_next(&self, name: &'static str) {
        self.0.lock().unwrap().fails = Some(name);
    }

    /// Returns all calls so far.
    pub(super) fn calls(&self) -> Vec<String> {
        self.0.lock().unwrap().calls.clone()
    }

    /// Returns the calls so far that change something.
    pub(super) fn changes(&self) -> Vec<String> {
        self.calls().into_iter().filter(|it| !it.starts_with("cluster")).collect()
    }

    fn toolkit(&self) -> MockAuroraToolkit {
        let mut toolkit = MockAuroraToolkit::new();
        let inside = || Arc::clone(&self.0);

        let it = inside();
        toolkit.expect_cluster().returning(move |stack| {
            let mut inside = it.lock().unwrap();
            inside.calls.push(format!("cluster {stack}"));
            inside.cluster(stack).cloned()
        });
        let it = inside();
        toolkit.expect_connections().returning(move |_, _| Ok(it.lock().unwrap().connections));
        let it = inside();
        toolkit.expect_start_database().returning(move |stack| {
            let mut inside = it.lock().unwrap();
            inside.take("start", format!("start {stack}"))?;
            inside.cluster(stack)?.state = "starting".into();
            Ok(Change::Made)
        });
        let it = inside();
        toolkit.expect_stop_database().returning(move |stack| {
            let mut inside = it.lock().unwrap();
            inside.take("stop", format!("stop {stack}"))?;
            inside.cluster(stack)?.state = "stopping".into();
            Ok(Change::Made)
        });
        let it = inside();
        toolkit.expect_scale_out().returning(move |stack, wanted| {
            let mut inside = it.lock().unwrap();
            inside.take("scale-out", format!("scale-out {stack} {wanted}"))?;
            inside.scale(stack, wanted)
        });
        let it = inside();
        toolkit.expect_scale_in().returning(move |stack, readers| {
            let mut inside = it.lock().unwrap();
            inside.take("scale-in", format!("scale-in {stack} {readers:?}"))?;
            inside.scale(stack, readers.unwrap_or(1))
        });
        let it = inside();
        toolkit.expect_resume_scaling().returning(move |stack, before| {
            let mut inside = it.lock().unwrap();
            inside.take("resume", format!("resume {stack} {before:?}"))?;
            inside.cluster(stack)?.scaling.as_mut().unwrap().suspended = before;
            Ok(Change::Made)
        });
        let it = inside();
        toolkit.expect_delete_database().returning(move |stack, snapshot| {
            let mut inside = it.lock().unwrap();
            let call = match snapshot {
                bluegreen_aurora::FinalSnapshot::Named(name) => format!("Named({name:?})"),
                bluegreen_aurora::FinalSnapshot::Skip => "Skip".to_owned(),
            };
            inside.take("delete", format!("delete {stack} {call}"))?;
            let cluster = inside.cluster(stack)?;
            if let Some(scaling) = &mut cluster.scaling {
                scaling.suspended = Suspended::ALL;
            }
            if cluster.members.pop().is_none() {
                cluster.state = "deleting".into();
            }
            Ok(Deletion::Remaining("more".to_owned()))
        });
        toolkit
    }
}

impl Inside {
    fn place(&mut self, stack: StackReference) -> &mut Option<Cluster> {
        match stack {
            A => &mut self.clusters.a,
            B => &mut self.clusters.b,
        }
    }

    fn cluster(&mut self, stack: StackReference) -> Result<&mut Cluster, Error> {
        let missing = Error::NotFound { resource: format!("cluster `orders-{stack}`") };
        self.place(stack).as_mut().ok_or(missing)
    }

    fn take(&mut self, name: &'static str, call: String) -> Result<(), Error> {
        if self.fails == Some(name) {
            self.fails = None;
            return Err(Error::OutcomeUnknown { operation: "rds:Call", source: "reset".into() });
        }
        self.calls.push(call);
        Ok(())
    }

    fn scale(&mut self, stack: StackReference, wanted: u32) -> Result<Scaled, Error> {
        let scaling = self.cluster(stack)?.scaling.as_mut().unwrap();
        scaling.minimum = wanted.min(scaling.maximum);
        Ok(Scaled { wanted, minimum: scaling.minimum, maximum: scaling.maximum })
    }
}
