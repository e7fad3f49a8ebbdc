//! How long a failing object waits: the `backoff` crate's exponential policy with full jitter.
//!
//! The crate computes the delays and nothing else. Its own jitter is off: ours is seeded.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use ::backoff::ExponentialBackoff;
use ::backoff::backoff::Backoff as _;

use super::Dice;

/// A policy: the first delay and the longest.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub first: Duration,
    pub longest: Duration,
}

/// Failures: 1 s to 5 min.
pub const FAILING: Policy =
    Policy { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

/// AWS is busy: asked again soon, and then less often.
pub const WAITING: Policy =
    Policy { first: Duration::from_millis(500), longest: Duration::from_secs(15) };

/// The delays of many keys.
pub struct Backoffs<K> {
    policy: Policy,
    dice: Dice,
    states: HashMap<K, ExponentialBackoff>,
}

impl<K: Eq + Hash> Backoffs<K> {
    pub fn new(policy: Policy, dice: Dice) -> Self {
        Self { policy, dice, states: HashMap::new() }
    }

    /// The next delay of a key: uniform between zero and an interval that doubles each time.
    pub fn next(&mut self, key: K) -> Duration {
        let policy = self.policy;
        let state = self.states.entry(key).or_insert_with(|| ExponentialBackoff {
            current_interval: policy.first,
            initial_interval: policy.first,
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: policy.longest,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        });
        let interval = state.next_backoff().unwrap_or(policy.longest).min(policy.longest);
        self.dice.up_to(interval)
    }

    pub fn reset(&mut self, key: &K) {
        self.states.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_under_a_doubling_cap_and_begin_anew_after_a_success() {
        let mut backoffs = Backoffs::new(FAILING, Dice::seeded(7));
        let mut cap = 1.0;
        for attempt in 0..20 {
            let delay = backoffs.next("table").as_secs_f64();
            assert!(delay <= cap + 1e-6, "attempt {attempt}: {delay} > {cap}");
            cap = f64::min(cap * 2.0, 300.0);
        }
        backoffs.reset(&"table");
        assert!(backoffs.next("table").as_secs_f64() <= 1.0);
    }

    #[test]
    fn the_jitter_is_full_and_seeded() {
        let delays = |seed| {
            let mut backoffs = Backoffs::new(FAILING, Dice::seeded(seed));
            (0..200).map(|i| backoffs.next(i).as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
        let first = delays(3);
        assert!(first.iter().any(|d| *d < 200) && first.iter().any(|d| *d > 800), "{first:?}");
    }
}
