//! Stops calling a service that keeps failing, and tries it again with one call at a time.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// The calls that are looked at: the last ones.
const LOOKED_AT: u32 = 20;
/// So many of them have failed when the breaker opens: half.
const FAILURES_MAX: u32 = LOOKED_AT / 2;
/// How long it stays open before one call is let through: a third of a lease, so that a short outage of DynamoDB
/// does not cost the leases.
const OPEN_FOR: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

/// A call that may be made.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    /// It finds out whether the service is back.
    is_probe: bool,
}

/// What becomes of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// They are made.
    Closed,
    /// They are paused.
    Open,
    /// They are paused but for one, which finds out whether the service is back.
    HalfOpen,
}

#[derive(Debug, Default)]
struct State {
    /// How the last calls ended, the newest in the lowest bit: 1 for a failure.
    ended: u32,
    open_until: Option<Instant>,
    is_probed: bool,
}

impl Breaker {
    /// Whether a call may be made now. After the pause, one caller is let through at a time: what comes of its call
    /// decides.
    pub fn admits(&self) -> Option<Admitted> {
        let mut state = self.lock();
        match state.open_until {
            Some(until) if Instant::now() < until => None,
            Some(_) => {
                state.open_until = Some(Instant::now() + OPEN_FOR);
                state.is_probed = true;
                Some(Admitted { is_probe: true })
            }
            None => Some(Admitted { is_probe: false }),
        }
    }

    /// Counts how a call ended. Returns whether that has closed the breaker.
    pub fn record(&self, admitted: Admitted, failed: bool) -> bool {
        let mut state = self.lock();
        if state.open_until.is_some() {
            // What was sent before it opened says nothing new.
            if admitted.is_probe && !failed {
                *state = State::default();
            } else if admitted.is_probe {
                state.open_until = Some(Instant::now() + OPEN_FOR);
                state.is_probed = false;
            }
            return admitted.is_probe && !failed;
        }
        state.ended = (state.ended << 1 | u32::from(failed)) & ((1 << LOOKED_AT) - 1);
        if failed && state.ended.count_ones() >= FAILURES_MAX {
            state.open_until = Some(Instant::now() + OPEN_FOR);
        }
        false
    }

    pub fn phase(&self) -> Phase {
        let state = self.lock();
        match state.open_until {
            None => Phase::Closed,
            Some(_) if state.is_probed => Phase::HalfOpen,
            Some(_) => Phase::Open,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is plain numbers: a panic elsewhere cannot leave it half-written.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_when_half_of_the_calls_fail_and_not_before() {
        let opens_with = |one_failure_in: u32| {
            let breaker = Breaker::default();
            (0..10 * LOOKED_AT).any(|call| {
                let admitted = breaker.admits().unwrap();
                breaker.record(admitted, call % one_failure_in == 0);
                breaker.phase() == Phase::Open
            })
        };
        assert!(opens_with(1) && opens_with(2), "every call, every other call");
        assert!(!opens_with(3) && !opens_with(10), "every third call, every tenth");
    }

    #[tokio::test(start_paused = true)]
    async fn it_lets_one_call_through_at_a_time_and_closes_on_its_success_alone() {
        let breaker = Breaker::default();
        let early = breaker.admits().unwrap();
        for _ in 0..FAILURES_MAX {
            let admitted = breaker.admits().unwrap();
            breaker.record(admitted, true);
        }
        assert!(breaker.admits().is_none(), "open");
        assert!(!breaker.record(early, false), "sent before it opened");
        assert_eq!(breaker.phase(), Phase::Open);
        tokio::time::advance(OPEN_FOR).await;
        let probe = breaker.admits().expect("one probe");
        assert!(breaker.admits().is_none(), "but only one");
        assert_eq!(breaker.phase(), Phase::HalfOpen);
        assert!(!breaker.record(probe, true), "it is not back");
        assert_eq!(breaker.phase(), Phase::Open);
        tokio::time::advance(OPEN_FOR).await;
        let probe = breaker.admits().expect("another probe");
        assert!(breaker.record(probe, false), "it closes");
        assert_eq!(breaker.phase(), Phase::Closed);
        let admitted = breaker.admits().unwrap();
        assert!(!breaker.record(admitted, false), "it was closed");
    }
}
