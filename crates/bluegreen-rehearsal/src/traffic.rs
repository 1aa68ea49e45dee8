//! [`SimulatedMover`], which moves the production traffic of a simulated account.

use async_trait::async_trait;
use bluegreen_core::StackReference;
use bluegreen_deploy::{Mover, Result};
use bluegreen_sim::SimulatedAccount;

/// Moves and observes the traffic of a simulated account, in place of a stack file's commands.
///
/// All movers of an account move the same traffic: what serves requests is not simulated.
#[derive(Clone, Debug)]
pub struct SimulatedMover {
    name: String,
    account: SimulatedAccount,
}

impl SimulatedMover {
    /// Makes the mover of the table `[traffic.NAME]`.
    pub fn new(name: &str, account: &SimulatedAccount) -> Self {
        Self { name: name.to_owned(), account: account.clone() }
    }
}

#[async_trait]
impl Mover for SimulatedMover {
    fn name(&self) -> &str {
        &self.name
    }

    async fn observe(&self, _stack: StackReference) -> Result<Option<StackReference>> {
        Ok(self.account.world(|world| world.traffic.on()))
    }

    async fn move_to(&self, stack: StackReference) -> Result<()> {
        self.account.world(|world| world.move_traffic(stack));
        Ok(())
    }
}
