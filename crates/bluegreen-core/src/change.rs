//! What a toolkit's call did: [`Change`] for one thing, [`Switched`] for many.

/// What a call that changes one resource did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// AWS took the change; it may still be settling.
    Made,
    /// It was so already, or is on its way there; nothing was sent that changes anything.
    AlreadySo,
    /// It cannot be done yet: look again and repeat.
    NotYet {
        /// What stands in the way, as a fragment: ``cluster `orders-b` is `stopping` ``.
        reason: String,
    },
}

/// Which of a stack's mappings, rules or alarms a call is to switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection<T> {
    /// Every one: the toolkit looks for them itself, and finding none is an error.
    All,
    /// These, as a look has shown them.
    Only(Vec<T>),
}

/// What a call that switches many things at once did with each; the names are AWS's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switched {
    /// AWS took the change.
    pub changed: Vec<String>,
    /// They were so already, or are on their way there.
    pub already_so: Vec<String>,
    /// AWS is at work on them and refuses changes: repeat later.
    pub busy: Vec<String>,
    /// They are not ours to switch (a managed rule, an alarm that scales).
    pub left_alone: Vec<String>,
}
