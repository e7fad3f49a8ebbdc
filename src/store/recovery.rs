//! What is known of an environment's backups and of what they were good for: one record, whose fields are written by
//! whoever has done something.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::item::key;
use super::release::partition;
use super::{Store, StoreError};
use crate::aws::Service;

pub(super) const RECOVERY: &str = "recovery";

/// What was done for the recovery of an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recoveries {
    /// The backup that was begun last by the schedule: whoever takes over goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<BegunBackup>,
    /// The environment is being built again from a backup, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehydration: Option<Rehydration>,
    /// The last rehearsal in a scratch environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Rehydration>,
}

/// A backup that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BegunBackup {
    /// The backup's id. Whoever makes the backup of that id again goes on with it.
    pub id: String,
    /// When the backup was begun.
    pub at: Timestamp,
    /// When it was whole; `None` until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// An environment that is built again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rehydration {
    /// The backup that it is built from.
    pub backup: String,
    /// When it was asked for first. Going on after a stop does not move it.
    pub begun_at: Timestamp,
    /// When everything was as in the backup; `None` until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why what was built is not all that the backup was to have; `None` where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacking: Option<String>,
    /// The environment whose rehearsal this one was made for: it may be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch_of: Option<String>,
}

impl Store {
    /// What was done for an environment's recovery. Empty where nothing was done.
    pub async fn recoveries(&self, environment: &str) -> Result<Recoveries, StoreError> {
        Ok(self.get(&partition(environment), RECOVERY).await?.unwrap_or_default())
    }

    /// Records the backup that the schedule has begun, in place of the one before.
    pub async fn note_backup(
        &self,
        environment: &str,
        begun: &BegunBackup,
    ) -> Result<(), StoreError> {
        self.note(environment, "begun", begun).await
    }

    /// Records how the environment is built again, in place of what was recorded before.
    pub async fn note_rehydration(
        &self,
        environment: &str,
        rehydration: &Rehydration,
    ) -> Result<(), StoreError> {
        self.note(environment, "rehydration", rehydration).await
    }

    /// Records the last rehearsal for an environment, in place of the one before.
    pub async fn note_drill(
        &self,
        environment: &str,
        drill: &Rehydration,
    ) -> Result<(), StoreError> {
        self.note(environment, "drill", drill).await
    }

    /// Nothing is said any more of how an environment came to be.
    pub async fn forget_rehydration(&self, environment: &str) -> Result<(), StoreError> {
        self.update(environment, "REMOVE #field", "rehydration", None).await
    }

    async fn note(
        &self,
        environment: &str,
        field: &str,
        value: &impl Serialize,
    ) -> Result<(), StoreError> {
        let value = serde_dynamo::to_attribute_value(value).map_err(|source| {
            StoreError::Unreadable { what: format!("what {environment} recovers from"), source }
        })?;
        self.update(environment, "SET #field = :value", field, Some(value)).await
    }

    async fn update(
        &self,
        environment: &str,
        expression: &str,
        field: &str,
        value: Option<AttributeValue>,
    ) -> Result<(), StoreError> {
        let values = value.map(|value| HashMap::from([(":value".to_owned(), value)]));
        let call = self
            .session()
            .dynamodb()
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(partition(environment), RECOVERY)))
            .update_expression(expression)
            .expression_attribute_names("#field", field)
            .set_expression_attribute_values(values)
            .send();
        let written = self.session().write(Service::DynamoDb, "UpdateItem", call).await;
        written.map(drop).map_err(|error| self.failed(error))
    }
}
