//! When a lease is over: for its owner, and for everybody else.
//!
//! Guarantees: the owner takes its lease for over before anybody else does. The owner counts from before it asked
//! for the renewal, the others from after they saw it, each by a clock of its own that nobody sets; so machines'
//! clocks may be apart by any time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::model::Clock;

/// A write begins while at least this part of the lease is left: most are done within it.
const LEAST_LEFT: u32 = 6;

/// One moment by both clocks. The monotonic one is never set, and stands still while the machine sleeps; the other
/// goes on then.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    monotonic: Instant,
    wall: Timestamp,
}

impl Moment {
    pub fn now(clock: Clock) -> Self {
        Self { monotonic: Instant::now(), wall: clock.now() }
    }

    /// The longer of what both clocks say.
    fn elapsed(&self, clock: Clock) -> Duration {
        let wall = clock.now().duration_since(self.wall);
        self.monotonic.elapsed().max(Duration::try_from(wall).unwrap_or_default())
    }
}

/// For how long a lease still holds, shared with the passes that rely on it.
#[derive(Clone, Debug)]
pub struct LeaseEnd {
    clock: Clock,
    held: Arc<Mutex<Option<(Moment, Duration)>>>,
}

impl LeaseEnd {
    /// Of a lease that is not held.
    pub fn new(clock: Clock) -> Self {
        Self { clock, held: Arc::default() }
    }

    /// It was renewed by what was asked at that moment.
    pub fn renewed(&self, asked: Moment, duration: Duration) {
        *self.lock() = Some((asked, duration));
    }

    /// It is lost, or given back.
    pub fn end(&self) {
        *self.lock() = None;
    }

    /// Zero where it is over.
    fn left(&self) -> Duration {
        let Some((renewed, duration)) = *self.lock() else { return Duration::ZERO };
        duration.saturating_sub(renewed.elapsed(self.clock))
    }

    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// A part of it is gone, so that it should be renewed: a third, which is not every second.
    pub fn is_due(&self) -> bool {
        let held = *self.lock();
        held.is_none_or(|(renewed, duration)| renewed.elapsed(self.clock) * 3 >= duration)
    }

    /// Enough of it is left to begin a write by.
    pub fn lasts(&self) -> bool {
        let held = *self.lock();
        held.is_some_and(|(renewed, duration)| {
            duration.saturating_sub(renewed.elapsed(self.clock)) >= duration / LEAST_LEFT
        })
    }

    /// Does work while the lease holds. `None` where it was over before the work was done: nothing of it was
    /// begun after that.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            let left = self.left();
            if left.is_zero() {
                return None;
            }
            tokio::select! {
                biased;
                // It may have been renewed meanwhile.
                () = tokio::time::sleep(left) => {}
                done = std::future::poll_fn(|cx| match self.is_over() {
                    // A process that was stopped, or a machine that slept, goes on here.
                    true => std::task::Poll::Ready(None),
                    false => work.as_mut().poll(cx).map(Some),
                }) => return done,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Moment, Duration)>> {
        // A pair of numbers is whole or the one before.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that another daemon renews, and since when it is seen unchanged.
#[derive(Clone, Debug)]
pub struct Unchanged<T> {
    pub seen: T,
    since: Instant,
}

impl<T> Unchanged<T> {
    /// Seen for the first time.
    pub fn new(seen: T) -> Self {
        Self { seen, since: Instant::now() }
    }

    /// Seen again. The moment is the one at which the answer came: the renewal was asked for before that.
    pub fn saw(&mut self, seen: T, is_same: impl Fn(&T, &T) -> bool) {
        if !is_same(&self.seen, &seen) {
            self.since = Instant::now();
        }
        self.seen = seen;
    }

    /// Nobody has renewed it for so long.
    pub fn is_silent_for(&self, duration: Duration) -> bool {
        self.since.elapsed() >= duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(15);

    fn clock() -> Clock {
        Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_given_up_when_the_lease_is_over_and_goes_on_while_it_is_renewed() {
        let clock = clock();
        let end = LeaseEnd::new(clock);
        assert!(end.is_over() && !end.lasts() && end.is_due());
        assert_eq!(end.during(async { "done" }).await, None, "there is no lease");
        end.renewed(Moment::now(clock), LASTS);
        assert!(!end.is_over() && end.lasts() && !end.is_due());
        let long = || tokio::time::sleep(LASTS + Duration::from_secs(5));
        let renewing = end.clone();
        let renews = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            renewing.renewed(Moment::now(clock), LASTS);
        };
        let (done, ()) = tokio::join!(end.during(long()), renews);
        assert_eq!(done, Some(()), "it was renewed in time");
        assert_eq!(end.during(long()).await, None, "nobody renewed it");
        assert!(end.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_before_a_pause_is_not_begun_after_it() {
        let clock = clock();
        let end = LeaseEnd::new(clock);
        end.renewed(Moment::now(clock), LASTS);
        let calls = std::cell::Cell::new(0);
        let work = async {
            for _ in 0..3 {
                calls.set(calls.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        let mut guarded = std::pin::pin!(end.during(work));
        let once =
            std::future::poll_fn(|cx| std::task::Poll::Ready(guarded.as_mut().poll(cx).is_ready()));
        assert!(!once.await);
        assert_eq!(calls.get(), 1);
        // As SIGSTOP does: nothing is polled meanwhile.
        tokio::time::advance(LASTS).await;
        assert_eq!(guarded.await, None);
        assert_eq!(calls.get(), 1, "the second call was never begun");
    }

    #[tokio::test(start_paused = true)]
    async fn others_wait_for_longer_than_the_owner_relies_on_it() {
        let clock = clock();
        let end = LeaseEnd::new(clock);
        end.renewed(Moment::now(clock), LASTS);
        tokio::time::advance(Duration::from_millis(10)).await;
        let mut seen = Unchanged::new(0);
        tokio::time::advance(LASTS - Duration::from_millis(10)).await;
        assert!(end.is_over() && !seen.is_silent_for(LASTS));
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!(seen.is_silent_for(LASTS));
        seen.saw(1, |a, b| a == b);
        assert!(!seen.is_silent_for(LASTS), "it was renewed");
    }
}
