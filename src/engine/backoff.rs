//! How long a failing object waits: the `backoff` crate's exponential policy with full jitter.
//!
//! The crate computes the delays and nothing else. Its own jitter is off: ours is seeded.

use std::time::Duration;

use ::backoff::ExponentialBackoff;
use ::backoff::backoff::Backoff as _;

use super::Rng;

/// A policy: the first delay and the longest.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The first delay is at most so long.
    pub first: Duration,
    /// No delay is longer.
    pub longest: Duration,
}

/// Failures: 1 s to 5 min.
pub const FAILING: Policy =
    Policy { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

/// AWS is busy: asked again soon, and then less often.
pub const WAITING: Policy =
    Policy { first: Duration::from_millis(500), longest: Duration::from_secs(15) };

/// The delays of one thing that is tried again and again. Nothing is kept while all is well.
#[derive(Debug, Default)]
pub struct Backoff(Option<Box<ExponentialBackoff>>);

impl Backoff {
    /// The next delay: uniform between zero and an interval that doubles each time.
    pub fn next(&mut self, policy: Policy, rng: &Rng) -> Duration {
        let state = self.0.get_or_insert_with(|| {
            Box::new(ExponentialBackoff {
                current_interval: policy.first,
                initial_interval: policy.first,
                randomization_factor: 0.0,
                multiplier: 2.0,
                max_interval: policy.longest,
                max_elapsed_time: None,
                ..ExponentialBackoff::default()
            })
        });
        let interval = state.next_backoff().unwrap_or(policy.longest).min(policy.longest);
        rng.up_to(interval)
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_under_a_doubling_cap_and_begin_anew_after_a_success() {
        let (mut backoff, rng) = (Backoff::default(), Rng::seeded(7));
        let mut cap = 1.0;
        for attempt in 0..20 {
            let delay = backoff.next(FAILING, &rng).as_secs_f64();
            assert!(delay <= cap + 1e-6, "attempt {attempt}: {delay} > {cap}");
            cap = f64::min(cap * 2.0, 300.0);
        }
        backoff.reset();
        assert!(backoff.next(FAILING, &rng).as_secs_f64() <= 1.0);
    }

    #[test]
    fn the_jitter_is_full_and_seeded() {
        let delays = |seed| {
            let rng = Rng::seeded(seed);
            let first = || Backoff::default().next(FAILING, &rng).as_millis();
            (0..200).map(|_| first()).collect::<Vec<_>>()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
        let first = delays(3);
        assert!(first.iter().any(|d| *d < 200) && first.iter().any(|d| *d > 800), "{first:?}");
    }
}
