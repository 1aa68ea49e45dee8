//! [`Suspended`], what Application Auto Scaling can be told to leave alone for a while.

use serde::{Deserialize, Serialize};

/// Which kinds of scaling of a scalable target are suspended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Suspended {
    /// Scaling in by policies.
    pub dynamic_in: bool,
    /// Scaling out by policies.
    pub dynamic_out: bool,
    /// Scaling by the clock.
    pub scheduled: bool,
}

impl Suspended {
    /// Every kind is suspended.
    pub const ALL: Self = Self { dynamic_in: true, dynamic_out: true, scheduled: true };

    /// Returns whether any kind is suspended.
    pub fn is_any(self) -> bool {
        self != Self::default()
    }
}
