//! What the health endpoints read: whether the loop turns, and whether it can work.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The watch is late by this much before the daemon says that it is not well.
const WATCH_LATE_AFTER: Duration = Duration::from_secs(60);

/// A check by name, and what is wrong where something is.
pub type Check = (String, Result<(), String>);

/// What health endpoints read. Cheap to clone.
#[derive(Clone, Default)]
pub struct Health(Arc<HealthState>);

struct HealthState {
    started: Instant,
    /// What was wrong with the last read of the store.
    store: Mutex<Result<(), String>>,
    /// Services whose calls are paused, with where.
    paused: Mutex<Vec<String>>,
    loaded: AtomicBool,
    /// Milliseconds after `started`.
    last_watch_ms: AtomicU64,
    stopping: AtomicBool,
    /// Environments whose records are damaged, with what is wrong.
    stopped: Mutex<BTreeMap<String, String>>,
    shares: Mutex<Shares>,
}

/// Who has what.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// The environments that this daemon has.
    pub own: Vec<String>,
    /// How many there are.
    pub all: usize,
    /// The daemons that share them.
    pub members: Vec<String>,
}

/// Names that a check has at most; the others are counted.
const NAMED_MAX: usize = 20;

/// As `2 (a, b)`.
fn counted(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
    match (shown.len(), names.len()) {
        (0, _) => "0".to_owned(),
        (shown_count, count) if shown_count < count => {
            format!("{count} ({}, ...)", shown.join(", "))
        }
        (_, count) => format!("{count} ({})", shown.join(", ")),
    }
}

impl Default for HealthState {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            store: Mutex::new(Err("it was not read yet".to_owned())),
            paused: Mutex::default(),
            loaded: AtomicBool::new(false),
            last_watch_ms: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            stopped: Mutex::default(),
            shares: Mutex::default(),
        }
    }
}

impl Health {
    /// Whether the loop turns. A daemon that fails this has to be restarted.
    pub fn live(&self) -> Vec<Check> {
        let last = Duration::from_millis(self.0.last_watch_ms.load(Ordering::Relaxed));
        let late = self.0.started.elapsed().saturating_sub(last);
        let turning = if late > WATCH_LATE_AFTER {
            Err(format!("the loop has not turned for {} s", late.as_secs()))
        } else {
            Ok(())
        };
        vec![("loop".to_owned(), turning)]
    }

    /// Whether the daemon can work: what [`Self::live`] asks, the store, the releases, a stop, and damaged
    /// environments.
    pub fn ready(&self) -> Vec<Check> {
        let check = |ok: bool, otherwise: &str| {
            if ok { Ok(()) } else { Err(otherwise.to_owned()) }
        };
        let mut checks = self.live();
        let store = locked(&self.0.store).clone();
        checks.push((
            "store".to_owned(),
            store.map_err(|why| format!("the last read of the store failed: {why}")),
        ));
        let loaded = self.0.loaded.load(Ordering::Relaxed);
        checks.push(("releases".to_owned(), check(loaded, "the releases are not loaded yet")));
        let shares = locked(&self.0.shares);
        let (own, members) = (counted(&shares.own), counted(&shares.members));
        let all = shares.all;
        drop(shares);
        checks.push((format!("leases: {own} of {all} environments, members: {members}"), Ok(())));
        // One service that is down is no reason to restart or to leave out a daemon: the others go on.
        let paused = locked(&self.0.paused);
        let breakers = if paused.is_empty() { "closed".to_owned() } else { paused.join(", ") };
        let open = if paused.is_empty() { "" } else { "open for " };
        checks.push((format!("breakers: {open}{breakers}"), Ok(())));
        drop(paused);
        let stopping = self.0.stopping.load(Ordering::Relaxed);
        checks.push(("shutdown".to_owned(), check(!stopping, "shutting down")));
        let stopped = locked(&self.0.stopped);
        checks.extend(
            stopped.iter().map(|(name, why)| (format!("environment/{name}"), Err(why.clone()))),
        );
        checks
    }

    /// The loop has turned.
    pub fn turned(&self) {
        let now = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last_watch_ms.store(now, Ordering::Relaxed);
    }

    /// How the last read of the store ended.
    pub fn set_store(&self, ended: Result<(), String>) {
        *locked(&self.0.store) = ended;
    }

    pub(super) fn set_paused(&self, services: Vec<String>) {
        *locked(&self.0.paused) = services;
    }

    pub(super) fn set_loaded(&self) {
        self.0.loaded.store(true, Ordering::Relaxed);
    }

    /// An environment's records are damaged: nothing is done there.
    pub(super) fn set_stopped(&self, environment: &str, why: String) {
        locked(&self.0.stopped).insert(environment.to_owned(), why);
    }

    pub(super) fn set_followed(&self, environment: &str) {
        locked(&self.0.stopped).remove(environment);
    }

    pub(super) fn set_shares(&self, shares: Shares) {
        *locked(&self.0.shares) = shares;
    }

    pub(super) fn set_stopping(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // Texts and numbers: a panic elsewhere leaves them whole.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
