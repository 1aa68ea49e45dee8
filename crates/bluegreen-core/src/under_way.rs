//! Which step is under way: [`during`] and [`current_step`].

use std::future::Future;

tokio::task_local! {
    static STEP: String;
}

/// Does `work` as a part of the step with this id.
///
/// An SDK call runs in the task that makes it, so that whoever answers it in the same process (a simulated
/// account, with its audit and its faults) can tell to which step it belongs.
pub async fn during<F: Future>(step: String, work: F) -> F::Output {
    STEP.scope(step, work).await
}

/// Returns the id of the step that is under way in this task, if any is.
pub fn current_step() -> Option<String> {
    STEP.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_is_known_while_its_work_is_done_and_not_afterwards() {
        let work =
            async { (current_step(), during("inner".to_owned(), async { current_step() }).await) };

        let (seen, inner) = during("outer".to_owned(), work).await;

        assert_eq!((seen.as_deref(), inner.as_deref()), (Some("outer"), Some("inner")));
        assert_eq!(current_step(), None);
    }
}
