//! [`Plan`], the steps of a release in their order.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use bluegreen_core::StackReference;
use petgraph::{
    Direction,
    algo::toposort,
    graph::{DiGraph, NodeIndex},
};
use serde::{Deserialize, Serialize};

use crate::{Error, Resource, Result, Step, StepId};

/// A group of steps with an order. A phase begins when the one before has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The standby is started, fed and switched on.
    Prepare,
    /// The standby is tried out.
    Test,
    /// Production moves.
    Promote,
    /// Nothing changes: going back is instant.
    Hold,
    /// The old stack is switched off.
    Retire,
}

impl Phase {
    /// All phases, in their order.
    pub const ALL: [Self; 5] = [Self::Prepare, Self::Test, Self::Promote, Self::Hold, Self::Retire];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Prepare => "prepare",
            Self::Test => "test",
            Self::Promote => "promote",
            Self::Hold => "hold",
            Self::Retire => "retire",
        })
    }
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|it| it.to_string() == text).ok_or_else(|| {
            format!("`{text}` is not a phase: expected prepare, test, promote, hold or retire")
        })
    }
}

/// Where a step stands: behind every step of the lines above it in its phase, and behind those steps
/// of its own line that are named.
struct Position {
    phase: Phase,
    line: u8,
    step: &'static str,
    behind: &'static [&'static str],
}

/// The order of all steps.
///
/// From `sqs.purge`, `sns.enable` and `sns.settle` on, the standby's queues buffer: nothing that is
/// published later is lost, and the gates `caught-up` wait until what was buffered is worked off. In `retire`, alarms go first, so that nobody is paged for what follows, and
/// feeding stops before consumers do.
#[rustfmt::skip]
const ORDER: &[Position] = &[
    at(Phase::Prepare, 0, "standby.idle", &[]),
    at(Phase::Prepare, 1, "aurora.start", &[]),
    at(Phase::Prepare, 1, "kinesis.register", &[]),
    at(Phase::Prepare, 1, "sqs.purge", &[]),
    at(Phase::Prepare, 1, "sns.enable", &["sqs.purge"]),
    at(Phase::Prepare, 1, "sns.settle", &["sns.enable"]),
    at(Phase::Prepare, 2, "aurora.scale-out", &[]),
    at(Phase::Prepare, 2, "schema.reset", &[]),
    at(Phase::Prepare, 2, "schema.hydrate", &["schema.reset"]),
    at(Phase::Prepare, 3, "lambda.enable-mappings", &[]),
    at(Phase::Prepare, 3, "ecs.enable", &[]),
    at(Phase::Prepare, 3, "lambda.enable-rules", &[]),
    at(Phase::Prepare, 4, "lambda.caught-up", &[]),
    at(Phase::Prepare, 4, "sqs.caught-up", &[]),
    at(Phase::Test, 0, "test.http", &[]),
    at(Phase::Test, 0, "test.lambda", &[]),
    at(Phase::Test, 0, "test.command", &[]),
    at(Phase::Test, 0, "test.alarms", &[]),
    at(Phase::Test, 1, "test.approve", &[]),
    at(Phase::Promote, 0, "traffic.move", &[]),
    at(Phase::Promote, 0, "active.switch", &["traffic.move"]),
    at(Phase::Promote, 1, "cloudwatch.enable-alarms", &[]),
    at(Phase::Promote, 2, "traffic.settle", &[]),
    at(Phase::Promote, 3, "exclusive.hand-over", &[]),
    at(Phase::Hold, 0, "release.hold", &[]),
    at(Phase::Retire, 0, "cloudwatch.disable-alarms", &[]),
    at(Phase::Retire, 1, "sns.disable", &[]),
    at(Phase::Retire, 1, "sns.settle", &["sns.disable"]),
    at(Phase::Retire, 1, "sqs.drain", &[]),
    at(Phase::Retire, 2, "lambda.disable-rules", &[]),
    at(Phase::Retire, 2, "lambda.disable-mappings", &[]),
    at(Phase::Retire, 2, "ecs.disable", &[]),
    at(Phase::Retire, 2, "kinesis.deregister", &["lambda.disable-rules", "lambda.disable-mappings", "ecs.disable"]),
    at(Phase::Retire, 3, "aurora.stop", &[]),
    at(Phase::Retire, 3, "aurora.delete", &[]),
    at(Phase::Retire, 3, "sqs.purge", &[]),
    at(Phase::Retire, 3, "dynamodb.delete", &[]),
    at(Phase::Retire, 4, "aurora.scale-in", &[]),
];

/// Returns the names of all steps that there are, once each.
pub(crate) fn step_names() -> impl Iterator<Item = &'static str> {
    let is_first =
        |(index, it): &(usize, &Position)| ORDER[..*index].iter().all(|own| own.step != it.step);
    ORDER.iter().enumerate().filter(is_first).map(|(_, it)| it.step)
}

/// The steps that throw data away or fill it in.
const REBUILD: [&str; 2] = ["schema.reset", "schema.hydrate"];

/// What those wait for whatever `after` says: from here on nothing published is lost, so that what is filled in
/// and what the queues buffer leave no gap between them.
const BUFFERING: [&str; 3] = ["sqs.purge", "sns.enable", "sns.settle"];

const fn at(
    phase: Phase,
    line: u8,
    step: &'static str,
    behind: &'static [&'static str],
) -> Position {
    Position { phase, line, step, behind }
}

/// Returns where the step `name` stands that acts on `stack` in a move to `to`.
///
/// A name may stand in two phases: before `promote` it acts on the stack to come, after it on the old one.
fn position(name: &str, stack: StackReference, to: StackReference) -> Option<&'static Position> {
    let mut positions = ORDER.iter().filter(|it| it.step == name);
    let first = positions.next()?;
    match positions.next() {
        Some(second) if stack != to => Some(second),
        _ => Some(first),
    }
}

/// The steps of a release in their order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The stack that is to become active.
    pub to: StackReference,
    graph: DiGraph<Planned, ()>,
    undone_forwards: bool,
}

/// A step with its phase.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The step.
    pub step: Arc<dyn Step>,
    /// Its phase.
    pub phase: Phase,
}

impl Plan {
    /// Puts the steps of `resources` and those of the `whole` in order for a move to the stack `to`.
    ///
    /// # Errors
    ///
    /// A step that has no place in the order: steps of one's own are [inserted](Self::insert).
    pub fn new(
        to: StackReference,
        resources: &[Arc<dyn Resource>],
        whole: Vec<Arc<dyn Step>>,
    ) -> Result<Self> {
        let own = resources.iter().flat_map(|resource| {
            let declaration = resource.declaration();
            let steps = Arc::clone(resource).steps(to).into_iter();
            steps
                .filter(|it| !declaration.skip.contains(&it.id().name))
                .map(move |it| (it, Some(declaration)))
        });
        // What looks at other resources waits for all of them, as do the steps of the whole.
        let gates = resources.iter().flat_map(|resource| {
            let skip = &resource.declaration().skip;
            let gates = Arc::clone(resource).gates(to, resources).into_iter();
            gates.filter(|it| !skip.contains(&it.id().name)).map(|it| (it, None))
        });
        let placed = own
            .chain(gates)
            .chain(whole.into_iter().map(|it| (it, None)))
            .map(|(step, declaration)| {
                let id = step.id();
                let position = position(&id.name, id.stack, to).ok_or_else(|| {
                    Error::refused(format!("`{}` has no place in the order of steps", id.name))
                })?;
                Ok((step, declaration, position))
            })
            .collect::<Result<Vec<_>>>()?;

        let mut graph = DiGraph::new();
        let nodes: Vec<NodeIndex> = placed
            .iter()
            .map(|(step, _, position)| {
                graph.add_node(Planned { step: Arc::clone(step), phase: position.phase })
            })
            .collect();
        for (later, (step, declaration, position)) in placed.iter().enumerate() {
            for (earlier, (other, other_declaration, other_position)) in placed.iter().enumerate() {
                if other_position.phase != position.phase {
                    continue;
                }
                let other_name = other.id().name;
                let waits = if other_position.line < position.line {
                    match declaration.and_then(|it| it.after.as_ref()) {
                        _ if REBUILD.contains(&position.step)
                            && BUFFERING.contains(&other_position.step) =>
                        {
                            true
                        }
                        // What belongs to the whole stack is waited for all the same, and so is what
                        // comes before in the resource itself.
                        Some(after) => other_declaration.is_none_or(|it| {
                            after.contains(&it.key())
                                || declaration.is_some_and(|own| own.key() == it.key())
                        }),
                        None => true,
                    }
                } else {
                    other_position.line == position.line
                        && position.behind.contains(&other_name.as_str())
                };
                if waits && step.id() != other.id() {
                    graph.add_edge(nodes[earlier], nodes[later], ());
                }
            }
        }
        Ok(Self { to, graph, undone_forwards: false })
    }

    /// Adds a step of one's own to `phase`: behind the steps named in `behind` and, with `before`, ahead
    /// of those.
    ///
    /// # Errors
    ///
    /// A name that no step of the phase has, and an order that goes round in a circle.
    pub fn insert(
        &mut self,
        phase: Phase,
        step: Arc<dyn Step>,
        behind: &[&str],
        before: &[&str],
    ) -> Result<()> {
        let named = |name: &str| {
            let found: Vec<NodeIndex> = self
                .graph
                .node_indices()
                .filter(|&it| {
                    self.graph[it].phase == phase && self.graph[it].step.id().name == name
                })
                .collect();
            if found.is_empty() {
                return Err(Error::refused(format!("no step of {phase} is called `{name}`")));
            }
            Ok(found)
        };
        let mut earlier = Vec::new();
        for name in behind {
            earlier.extend(named(name)?);
        }
        let mut later = Vec::new();
        for name in before {
            later.extend(named(name)?);
        }

        let node = self.graph.add_node(Planned { step, phase });
        for other in earlier {
            self.graph.add_edge(other, node, ());
        }
        for other in later {
            self.graph.add_edge(node, other, ());
        }
        if toposort(&self.graph, None).is_err() {
            let id = self.graph[node].step.id();
            self.graph.remove_node(node);
            return Err(Error::refused(format!(
                "`{id}` would have to be before and behind itself"
            )));
        }
        Ok(())
    }

    /// Puts what `with` makes of each step in the step's place, as tests do that watch steps or break them.
    ///
    /// The order stays as it is; so must the steps' ids.
    pub fn replace(&mut self, with: impl Fn(&Arc<dyn Step>) -> Arc<dyn Step>) {
        for planned in self.graph.node_weights_mut() {
            planned.step = with(&planned.step);
        }
    }

    /// Returns the plan without the steps that `is_left_out` says: what waited for one of them waits for what that
    /// one waited for.
    pub(crate) fn without(mut self, is_left_out: impl Fn(&Planned) -> bool) -> Self {
        let left_out: Vec<NodeIndex> =
            self.graph.node_indices().filter(|&it| is_left_out(&self.graph[it])).collect();
        for &node in &left_out {
            let at = |direction| -> Vec<NodeIndex> {
                self.graph.neighbors_directed(node, direction).collect()
            };
            let (earlier, later) = (at(Direction::Incoming), at(Direction::Outgoing));
            for &earlier in &earlier {
                for &later in &later {
                    self.graph.update_edge(earlier, later, ());
                }
            }
        }
        let kept = |node, planned: &Planned| (!left_out.contains(&node)).then(|| planned.clone());
        let graph = self.graph.filter_map(kept, |_, ()| Some(()));
        Self { graph, ..self }
    }

    /// Returns all steps, phase by phase, in an order in which they could run one after the other.
    pub fn steps(&self) -> Vec<&Planned> {
        let mut order: Vec<&Planned> = self.order().into_iter().map(|it| &self.graph[it]).collect();
        order.sort_by_key(|it| it.phase);
        order
    }

    /// Returns all steps, each behind those that it waits for, and otherwise as they were added.
    fn order(&self) -> Vec<NodeIndex> {
        let mut left: BTreeSet<NodeIndex> = self.graph.node_indices().collect();
        let mut order = Vec::new();
        let is_ready = |left: &BTreeSet<NodeIndex>, node| {
            let mut earlier = self.graph.neighbors_directed(node, Direction::Incoming);
            earlier.all(|it| !left.contains(&it))
        };
        while let Some(next) = left.iter().copied().find(|&it| is_ready(&left, it)) {
            left.remove(&next);
            order.push(next);
        }
        order
    }

    /// Returns the steps of its phase that `step` waits for.
    pub fn waits_for(&self, step: &StepId) -> Vec<StepId> {
        let id = |node: NodeIndex| self.graph[node].step.id();
        let nodes = self.graph.node_indices().filter(|&it| id(it) == *step);
        let earlier = nodes.flat_map(|it| self.graph.neighbors_directed(it, Direction::Incoming));
        earlier.map(id).collect()
    }

    /// Returns all steps in the order in which they are taken back, with the places, in the answer, of those that each
    /// waits for.
    ///
    /// Production goes back first, as it came: traffic, then the pointer, then exclusive consumers, and alarms
    /// last, so that nothing is turned off on a stack that serves. What was prepared is taken back behind that, in
    /// reverse order. What was retired is not taken back.
    pub fn backwards(&self) -> Vec<(&Planned, Vec<usize>)> {
        let at = |phase: Phase| {
            self.order().into_iter().filter(move |&it| self.graph[it].phase == phase)
        };
        let place = |node: NodeIndex| {
            let name = self.graph[node].step.id().name;
            let order = ["traffic.move", "active.switch", "exclusive.hand-over"];
            order.iter().position(|it| *it == name).unwrap_or(order.len())
        };
        let mut promoted: Vec<NodeIndex> = at(Phase::Promote).collect();
        promoted.sort_by_key(|&it| place(it));
        let mut nodes = promoted.clone();
        nodes.extend(at(Phase::Test));
        let mut prepared: Vec<NodeIndex> = at(Phase::Prepare).collect();
        prepared.reverse();
        nodes.extend(prepared);

        let waits_for = |node: NodeIndex| -> Vec<usize> {
            let is_promoted = self.graph[node].phase == Phase::Promote;
            let earlier = nodes.iter().enumerate().filter(|(_, other)| {
                if is_promoted {
                    promoted.contains(other) && place(**other) < place(node)
                } else {
                    let direction = match self.undone_forwards {
                        true => Direction::Incoming,
                        false => Direction::Outgoing,
                    };
                    promoted.contains(other)
                        || self.graph.neighbors_directed(node, direction).any(|it| it == **other)
                }
            });
            earlier.map(|(place, _)| place).collect()
        };
        nodes.iter().map(|&it| (&self.graph[it], waits_for(it))).collect()
    }

    /// Takes steps back in the order in which they were done, as tests do that show that they would notice.
    #[doc(hidden)]
    pub fn undone_forwards(self) -> Self {
        Self { undone_forwards: true, ..self }
    }

    /// Returns the steps of `phase`, in the order of [`steps`](Self::steps), with the places, in the answer, of those that each waits for.
    pub fn phase(&self, phase: Phase) -> Vec<(Arc<dyn Step>, Vec<usize>)> {
        let nodes: Vec<NodeIndex> =
            self.order().into_iter().filter(|&it| self.graph[it].phase == phase).collect();
        nodes
            .iter()
            .map(|&node| {
                let waits_for = self
                    .graph
                    .neighbors_directed(node, Direction::Incoming)
                    .filter_map(|earlier| nodes.iter().position(|&it| it == earlier))
                    .collect();
                (Arc::clone(&self.graph[node].step), waits_for)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
