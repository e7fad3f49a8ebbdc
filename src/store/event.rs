//! Events: every change made, drift found, failure and recovery. They expire by themselves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::item::item;
use super::{Store, StoreError};
use crate::aws::Service;

/// How long an event is kept.
const KEPT_FOR_SECONDS: i64 = 14 * 24 * 3600;

/// How an event is meant, in Kubernetes' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// Something was done, or is well again.
    Normal,
    /// Something failed, or differs from what is declared.
    Warning,
}

/// One event of an environment. The same event again raises its count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventRecord {
    /// Orders events by time; made by the recorder.
    pub id: String,
    /// The name of the environment that it happened in.
    pub environment: String,
    /// `Kind/name`, or empty for the environment itself.
    pub object: String,
    /// Whether it tells of something that is wrong.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// One CamelCase word.
    pub reason: String,
    /// What happened, for people.
    pub message: String,
    /// The number of the release that it belongs to. Where the event repeats, the one of the last time.
    pub release: u64,
    /// How often it happened.
    pub count: u32,
    /// When it happened for the first time.
    pub first_seen: Timestamp,
    /// When it happened for the last time.
    pub last_seen: Timestamp,
    /// When DynamoDB may delete the record, in seconds since 1970. [`Store::put_event`] sets it.
    #[serde(default)]
    pub expires_at: i64,
}

/// The partition of an environment's events.
pub(super) fn events_of(environment: &str) -> String {
    format!("events#{environment}")
}

impl Store {
    /// Writes an event, or the same event with a higher count.
    pub async fn put_event(&self, event: &EventRecord) -> Result<(), StoreError> {
        let mut event = event.clone();
        event.expires_at = event.last_seen.as_second() + KEPT_FOR_SECONDS;
        let pk = events_of(&event.environment);
        let call = self
            .session()
            .dynamodb()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(&pk, &event.id, &event)?))
            .send();
        let written = self.session().write(Service::DynamoDb, "PutItem", call).await;
        written.map(drop).map_err(|e| self.failed(e))
    }

    /// The newest events, newest first.
    pub async fn events(
        &self,
        environment: &str,
        limit: usize,
    ) -> Result<Vec<EventRecord>, StoreError> {
        let stored = self.query(&events_of(environment), "", Some(limit)).await?;
        let readable = stored.into_iter().filter_map(|stored| match stored.record {
            Ok(event) => Some(event),
            // What happened besides is worth showing all the same.
            Err(error) => {
                warn!(%error, "an event is left out");
                None
            }
        });
        let mut events: Vec<EventRecord> = readable.collect();
        events.sort_by(|a, b| (b.last_seen, &b.id).cmp(&(a.last_seen, &a.id)));
        Ok(events)
    }
}
