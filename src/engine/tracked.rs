//! What the engine keeps of an object between two of its passes, and of an environment between two observations of
//! its head. All of it may be lost: the store and AWS hold the rest.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::{Backoff, FAILING, WAITING};
use super::backup_schedule::BackupSchedule;
use super::deliver::Outbox;
use super::listen::Listening;
use super::probing::Probing;
use super::promote::NextPromotion;
use super::rng::Rng;

/// One object.
#[derive(Debug, Default)]
pub(super) struct TrackedObject {
    failing: Backoff,
    waiting: Backoff,
    /// When it was due, if it is in the queue.
    pub due: Option<Instant>,
    /// The record in memory may not be the one in the store.
    pub is_unsure: bool,
    /// Its flap guard was lifted while a pass was under way.
    pub flap_guard_lifted: bool,
    /// Its calls were paused by a breaker, or its lease was over.
    pub is_paused: bool,
}

impl TrackedObject {
    /// How long to wait after another failure.
    pub fn failed(&mut self, rng: &Rng) -> Duration {
        self.failing.next(FAILING, rng)
    }

    /// How long to wait for AWS, or another object, that is still busy.
    pub fn waited(&mut self, rng: &Rng) -> Duration {
        self.failing.reset();
        self.waiting.next(WAITING, rng)
    }

    /// AWS works on something new: its end is waited for from now on.
    pub fn progressed(&mut self) {
        self.waiting.reset();
    }

    /// It is well, or it is to be tried as if it were.
    pub fn reset(&mut self) {
        self.failing.reset();
        self.waiting.reset();
    }
}

/// One environment that has a head.
#[derive(Debug, Default)]
pub(super) struct TrackedEnvironment {
    pub troubled: Backoff,
    /// It could not be followed, and is left alone until then.
    pub quiet_until: Option<Instant>,
    /// When the orphans of its store are collected next.
    pub collect_at: Option<Instant>,
    /// It was followed to an end at least once, be it an error.
    pub is_settled: bool,
    pub outbox: Outbox,
    pub listening: Listening,
    pub next_promotion: NextPromotion,
    pub backup_schedule: BackupSchedule,
    pub probing: Probing,
    /// The release that was loaded last takes only signed ones after it.
    pub requires_signature: bool,
    /// The newest release of which it was told that it waits for an approval.
    pub told_waiting: Option<u64>,
}
