//! How an environment's pages answered, as the daemon that follows it saw them last.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::item::item;
use super::release::partition;
use super::{Store, StoreError};
use crate::model::{ConditionStatus, Conditions};

pub(super) const HEALTH: &str = "health";

/// What is known of an environment's health. Written when it changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthRecord {
    /// The lease epoch of the writer.
    pub epoch: u64,
    /// The condition `Healthy`.
    pub conditions: Conditions,
    /// How each page stands that the environment has probed.
    pub pages: Vec<PageHealth>,
}

/// One page that is probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PageHealth {
    /// The address that is probed.
    pub url: String,
    /// Whether it answers as it has to; Unknown until that is sure.
    pub healthy: ConditionStatus,
    /// Since when; `None` until it is sure for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What is wrong; empty where nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Store {
    /// What was recorded last; `None` until the environment's pages were probed.
    pub async fn health(&self, environment: &str) -> Result<Option<HealthRecord>, StoreError> {
        self.get(&partition(environment), HEALTH).await
    }

    /// Writes the record, unless a newer lease epoch has written it.
    pub async fn put_health(
        &self,
        environment: &str,
        record: &HealthRecord,
    ) -> Result<(), StoreError> {
        let record_item = item(&partition(environment), HEALTH, record)?;
        self.put_fenced(environment, record_item, record.epoch).await
    }
}
