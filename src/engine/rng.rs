//! All randomness of the engine comes from one seed, so that a run can be repeated.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A seeded source of jitter. Clones share it.
#[derive(Clone, Debug)]
pub struct Rng(Arc<Mutex<StdRng>>);

impl Rng {
    /// The source that gives the same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A duration between zero and `most`.
    pub fn up_to(&self, most: Duration) -> Duration {
        most.mul_f64(self.fraction())
    }

    /// A duration within a tenth around `middle`.
    pub fn around(&self, middle: Duration) -> Duration {
        middle.mul_f64(0.9 + 0.2 * self.fraction())
    }

    /// A number that tells two things of the same moment apart.
    pub fn salt(&self) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random()
    }

    fn fraction(&self) -> f64 {
        // A generator is never left half-changed by a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}
