//! What functions outside the account are invoked with, as they take it, and how their callers wait for the answer.

use tokio::time;

use super::SimulatedAccount;
use crate::{PendingInvocation, World, services};

impl SimulatedAccount {
    /// Waits for the next invocation of any function that was added with
    /// [`add_outside_function`](World::add_outside_function), and takes it. What happens by itself in the account
    /// goes on happening meanwhile.
    ///
    /// From now on the function has its timeout to answer.
    pub async fn next_invocation(&self) -> PendingInvocation {
        self.when(|world| world.take_invocation(None)).await
    }

    /// Waits for the next invocation of one function, and takes it.
    pub async fn next_invocation_of(&self, function: &str) -> PendingInvocation {
        self.when(|world| world.take_invocation(Some(function))).await
    }

    /// Brings back what a function has answered: its payload, or the error that it ended with. An answer that comes
    /// after the function's timeout, or twice, changes nothing.
    pub fn answer_invocation(&self, invocation: PendingInvocation, answer: Result<String, String>) {
        self.world(|world| world.bring_back(invocation.id, answer));
    }

    /// Waits for what an invocation comes to, and returns what its caller is told.
    pub(super) async fn invoked(&self, id: u64) -> serde_json::Value {
        services::told(self.when(|world| world.take_answer(id)).await)
    }

    /// Waits until `look` finds something in the world, which goes on by itself meanwhile.
    async fn when<T>(&self, look: impl Fn(&mut World) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            // From here on no change is missed, whenever it is waited for.
            changed.as_mut().enable();
            let now = self.elapsed();
            let next = {
                let mut inner = self.lock();
                inner.world.advance(now);
                if let Some(found) = look(&mut inner.world) {
                    return found;
                }
                inner.world.next_event()
            };
            match next {
                // Either is a reason to look again.
                Some(at) => {
                    let _ = time::timeout_at(self.shared.origin + at, changed).await;
                }
                None => changed.await,
            }
        }
    }
}
