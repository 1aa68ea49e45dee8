//! [`Stoppable`], a process that is stopped for a while, as by SIGSTOP or a machine that sleeps.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// Whether a process is stopped.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    is_stopped: AtomicBool,
    waker: Mutex<Option<Waker>>,
    stopped: tokio::sync::Notify,
}

impl Switch {
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.stopped.notify_one();
    }

    pub(crate) fn go_on(&self) {
        self.is_stopped.store(false, Ordering::Relaxed);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Returns when it has been stopped.
    pub(crate) async fn stopped(&self) {
        self.stopped.notified().await;
    }
}

/// What a process does, which does nothing while it is stopped: not even what its time has come for.
pub(crate) struct Stoppable<'a, T> {
    pub(crate) work: Pin<Box<dyn Future<Output = T> + 'a>>,
    pub(crate) switch: Arc<Switch>,
}

impl<T> Future for Stoppable<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        if self.switch.is_stopped.load(Ordering::Relaxed) {
            let mut waker = self.switch.waker.lock().unwrap_or_else(PoisonError::into_inner);
            *waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        self.work.as_mut().poll(context)
    }
}
