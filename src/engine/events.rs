//! Records events. A failure that repeats raises a count; a change is an event of its own each time,
//! since something really happened.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::notify::Notifier;
use crate::model::ObjectKey;
use crate::store::{EventKind, EventRecord, Store};

/// The same event within this time is counted, not written anew.
const SAME_WITHIN: SignedDuration = SignedDuration::from_mins(30);
/// A repeated event is written at most this often.
const WRITTEN_EVERY: SignedDuration = SignedDuration::from_secs(30);
/// The reason of an event that tells of drift.
pub const DRIFT: &str = "DriftDetected";
const REMEMBERED_MAX: usize = 10_000;

#[derive(Clone)]
pub struct Recorder {
    store: Store,
    notifier: Notifier,
    recent: Arc<Mutex<HashMap<String, Recent>>>,
    /// Orders events of one moment.
    made: Arc<AtomicU64>,
}

struct Recent {
    event: EventRecord,
    written: Timestamp,
}

impl Recorder {
    pub fn new(store: Store, notifier: Notifier) -> Self {
        Self { store, notifier, recent: Arc::default(), made: Arc::default() }
    }

    /// Records an event about an object. An event that cannot be written is logged: losing one
    /// must not stop the work that it tells of.
    pub async fn record(
        &self,
        key: &ObjectKey,
        release: u64,
        kind: EventKind,
        reason: &str,
        message: &str,
    ) {
        let Some(event) = self.merge(key, release, kind, reason, message) else {
            return;
        };
        if event.count == 1 {
            self.notifier.tell(&event);
        }
        if let Err(error) = self.store.put_event(&event).await {
            warn!(environment = %key.environment, object = %key.id, %error, "an event was lost");
        }
    }

    /// The event to write, or nothing where it was written a moment ago.
    fn merge(
        &self,
        key: &ObjectKey,
        release: u64,
        kind: EventKind,
        reason: &str,
        message: &str,
    ) -> Option<EventRecord> {
        let now = self.store.clock().now();
        let repeats = kind == EventKind::Warning && reason != DRIFT;
        let same = format!("{key} {reason} {message}");
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, r| now.duration_since(r.event.last_seen) < SAME_WITHIN);
        if recent.len() >= REMEMBERED_MAX {
            recent.clear();
        }
        if let Some(known) = recent.get_mut(&same).filter(|_| repeats) {
            known.event.count += 1;
            known.event.last_seen = now;
            known.event.release = release;
            if now.duration_since(known.written) < WRITTEN_EVERY {
                return None;
            }
            known.written = now;
            return Some(known.event.clone());
        }
        let event = EventRecord {
            id: format!(
                "{:020}-{:010}",
                now.as_nanosecond(),
                self.made.fetch_add(1, Ordering::Relaxed)
            ),
            environment: key.environment.to_string(),
            object: key.id.to_string(),
            kind,
            reason: reason.to_owned(),
            message: message.to_owned(),
            release,
            count: 1,
            first_seen: now,
            last_seen: now,
            expires_at: 0,
        };
        if repeats {
            recent.insert(same, Recent { event: event.clone(), written: now });
        }
        Some(event)
    }
}
