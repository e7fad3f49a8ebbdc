//! Whether some work does anything but wait for a rate limit.
//!
//! Work that waits for a limit needs no place among the work under way: whoever gives the places out looks here, and
//! gives the place to other work meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// What one piece of work is doing. Clones share it.
#[derive(Clone, Debug)]
pub struct Slot(Arc<State>);

#[derive(Debug)]
struct State {
    waiting: AtomicUsize,
    calling: AtomicUsize,
    gives_way: bool,
    /// Told when work begins or ends to wait.
    changed: Arc<Notify>,
}

impl Slot {
    /// The slot of work that does nothing yet. `changed` is told when the work begins or ends to wait. Work that
    /// `gives_way` waits for a limit behind work that does not.
    pub fn new(changed: Arc<Notify>, gives_way: bool) -> Self {
        let (waiting, calling) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(State { waiting, calling, gives_way, changed }))
    }

    /// It waits for a limit behind work that somebody waits for.
    pub(super) fn gives_way(&self) -> bool {
        self.0.gives_way
    }

    /// All that it does is to wait for a limit.
    pub fn is_waiting(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0 && self.0.calling.load(Ordering::Relaxed) == 0
    }

    /// It waits for a limit until what is returned is dropped.
    pub(super) fn wait(&self) -> impl Drop + use<> {
        self.count(|state| &state.waiting)
    }

    /// A call is under way until what is returned is dropped.
    pub(super) fn call(&self) -> impl Drop + use<> {
        self.count(|state| &state.calling)
    }

    fn count(&self, which: fn(&State) -> &AtomicUsize) -> Counted {
        let before = self.is_waiting();
        which(&self.0).fetch_add(1, Ordering::Relaxed);
        self.tell(before);
        Counted { slot: self.clone(), which }
    }

    fn tell(&self, was_waiting: bool) {
        if self.is_waiting() != was_waiting {
            self.0.changed.notify_one();
        }
    }
}

struct Counted {
    slot: Slot,
    which: fn(&State) -> &AtomicUsize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let before = self.slot.is_waiting();
        (self.which)(&self.slot.0).fetch_sub(1, Ordering::Relaxed);
        self.slot.tell(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_waits_while_nothing_of_it_is_under_way() {
        let changed = Arc::new(Notify::new());
        let slot = Slot::new(Arc::clone(&changed), false);
        assert!(!slot.is_waiting());
        let waiting = slot.wait();
        changed.notified().await;
        assert!(slot.is_waiting());
        let call = slot.call();
        changed.notified().await;
        assert!(!slot.is_waiting(), "another of its calls is under way");
        drop(call);
        changed.notified().await;
        assert!(slot.is_waiting());
        drop(waiting);
        changed.notified().await;
        assert!(!slot.is_waiting());
    }
}
