//! CodeDeploy.

use super::{Concerns, unknown};
use crate::{Call, World, call::Answer};

/// What there is of CodeDeploy.
#[derive(Debug, Default)]
pub struct CodeDeploy {}

pub(super) fn answer(_world: &mut World, call: &Call) -> Answer {
    Err(unknown(call))
}

pub(super) fn concerns(_world: &World, _call: &Call) -> Concerns {
    Concerns::everything()
}
