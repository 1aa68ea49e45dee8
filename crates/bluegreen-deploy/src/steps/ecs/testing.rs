//! An account with two services, which remembers what was asked of it.

use std::sync::{Arc, Mutex};

use bluegreen_core::{
    Change, Error, Pair,
    StackReference::{self, A, B},
};
use bluegreen_ecs::{EcsConfig, MockEcsToolkit, Service, ServiceScaling, Suspended};

use super::Ecs;
use crate::{
    Inspection, Resource, SourceQueue, Step,
    stack_file::{self, ConsumerKind, DesiredTasks, EcsSettings},
};

/// Two services as they are now.
#[derive(Clone)]
pub(super) struct Account(Arc<Mutex<Inside>>);

struct Inside {
    services: Pair<Option<Service>>,
    calls: Vec<String>,
    fails: Option<&'static str>,
}

/// Makes an account in which `worker-a` runs three tasks and `worker-b` none, with its scaling suspended.
pub(super) fn account() -> Account {
    let service = |name: &str, tasks, suspended| Service {
        name: name.to_owned(),
        arn: format!("arn:{name}"),
        desired: tasks,
        running: tasks,
        pending: 0,
        controller: "ECS".to_owned(),
        task_definition: Some(format!("arn:task-definition/{name}:7")),
        launch_type: Some("FARGATE".to_owned()),
        is_daemon: false,
        steady: true,
        deployment_failed: false,
        scaling: Some(ServiceScaling { minimum: 1, maximum: 9, suspended }),
    };
    Account(Arc::new(Mutex::new(Inside {
        services: Pair {
            a: Some(service("worker-a", 3, Suspended::default())),
            b: Some(service("worker-b", 0, Suspended::ALL)),
        },
        calls: Vec::new(),
        fails: None,
    })))
}

pub(super) fn needed(from: &str, to: &str) -> Inspection {
    Inspection::Needed { from: from.to_owned(), to: to.to_owned() }
}

pub(super) fn underway(what: &str) -> Inspection {
    Inspection::Underway { what: what.to_owned() }
}

/// Returns the step `name` of a move to `to`.
pub(super) fn step_of(ecs: &Arc<Ecs>, to: StackReference, name: &str) -> Arc<dyn Step> {
    let mut steps = Arc::clone(ecs).steps(to).into_iter();
    steps.find(|it| it.id().name == name).unwrap()
}

impl Account {
    /// Returns the pair of services, declared as usual but for what `change` changes.
    pub(super) fn ecs(
        &self,
        change: impl FnOnce(&mut stack_file::Resource<EcsSettings>),
    ) -> Arc<Ecs> {
        self.ecs_with(None, change)
    }

    /// Returns the same pair, fed by `queue`.
    pub(super) fn ecs_with(
        &self,
        queue: Option<Arc<dyn SourceQueue>>,
        change: impl FnOnce(&mut stack_file::Resource<EcsSettings>),
    ) -> Arc<Ecs> {
        let mut resource = stack_file::Resource {
            name: "worker".to_owned(),
            line: 1,
            skip: Default::default(),
            after: None,
            optional: false,
            written: Default::default(),
            settings: EcsSettings {
                config: EcsConfig {
                    cluster: "shop".to_owned(),
                    services: Pair { a: "worker-a".to_owned(), b: "worker-b".to_owned() },
                },
                desired_tasks: DesiredTasks::Count(4),
                mode: ConsumerKind::Mirror,
                queue: None,
            },
        };
        change(&mut resource);
        Arc::new(Ecs::new(&resource, Arc::new(self.toolkit()), queue))
    }

    /// Returns the step `name` of a move to `to`.
    pub(super) fn step(&self, to: StackReference, name: &str) -> Arc<dyn Step> {
        step_of(&self.ecs(|_| {}), to, name)
    }

    /// Changes the service of `stack`, as AWS or somebody else would.
    pub(super) fn change(&self, stack: StackReference, change: impl FnOnce(&mut Service)) {
        change(self.0.lock().unwrap().service(stack).unwrap());
    }

    /// Takes the service of `stack` away.
    pub(super) fn remove(&self, stack: StackReference) {
        *self.0.lock().unwrap().place(stack) = None;
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
        self.calls().into_iter().filter(|it| !it.starts_with("service")).collect()
    }

    fn toolkit(&self) -> MockEcsToolkit {
        let mut toolkit = MockEcsToolkit::new();
        let inside = || Arc::clone(&self.0);

        let it = inside();
        toolkit.expect_service().returning(move |stack| {
            let mut inside = it.lock().unwrap();
            inside.calls.push(format!("service {stack}"));
            inside.service(stack).cloned()
        });
        let it = inside();
        toolkit.expect_enable_service().returning(move |stack, tasks| {
            let mut inside = it.lock().unwrap();
            inside.take("enable", format!("enable {stack} {tasks}"))?;
            let service = inside.service(stack)?;
            (service.desired, service.steady) = (tasks, false);
            Ok(())
        });
        let it = inside();
        toolkit.expect_disable_service().returning(move |stack| {
            let mut inside = it.lock().unwrap();
            inside.take("disable", format!("disable {stack}"))?;
            let service = inside.service(stack)?;
            (service.desired, service.steady) = (0, false);
            Ok(())
        });
        let it = inside();
        toolkit.expect_suspend_scaling().returning(move |stack| {
            let mut inside = it.lock().unwrap();
            inside.take("suspend", format!("suspend {stack}"))?;
            inside.flag(stack, Suspended::ALL)
        });
        let it = inside();
        toolkit.expect_resume_scaling().returning(move |stack, flags| {
            let mut inside = it.lock().unwrap();
            let Suspended { dynamic_in, dynamic_out, scheduled } = flags;
            let call =
                format!("resume {stack} in={dynamic_in} out={dynamic_out} clock={scheduled}");
            inside.take("resume", call)?;
            inside.flag(stack, flags)
        });
        toolkit
    }
}

impl Inside {
    fn place(&mut self, stack: StackReference) -> &mut Option<Service> {
        match stack {
            A => &mut self.services.a,
            B => &mut self.services.b,
        }
    }

    fn service(&mut self, stack: StackReference) -> Result<&mut Service, Error> {
        let missing = Error::NotFound { resource: format!("service `worker-{stack}`") };
        self.place(stack).as_mut().ok_or(missing)
    }

    fn flag(&mut self, stack: StackReference, flags: Suspended) -> Result<Change, Error> {
        let service = self.service(stack)?;
        let scaling = service.scaling.as_mut().unwrap();
        scaling.suspended = flags;
        // AWS does so whenever the target is registered anew, whatever is suspended.
        service.desired = service.desired.clamp(scaling.minimum, scaling.maximum);
        Ok(Change::Made)
    }

    fn take(&mut self, name: &'static str, call: String) -> Result<(), Error> {
        if self.fails == Some(name) {
            self.fails = None;
            return Err(Error::OutcomeUnknown { operation: "ecs:Call", source: "reset".into() });
        }
        self.calls.push(call);
        Ok(())
    }
}
