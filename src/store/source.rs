//! What objects are restored from that have to be made: one record for each, written before the release that needs
//! it is current, and forgotten once the resource was seen as declared.
//!
//! Guarantees: as long as a record is there, the object's resource is not made empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::item::{Item, Stored, item, key};
use super::release::partition;
use super::{Store, StoreError};
use crate::aws::Service;
use crate::model::{DataSource, ObjectId};

pub(super) const SOURCE_PREFIX: &str = "source#";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceRecord {
    source: DataSource,
}

pub(super) fn source_key(id: &ObjectId) -> String {
    format!("{SOURCE_PREFIX}{id}")
}

impl Store {
    /// What an object is restored from when its resource has to be made; `None` where it is made empty.
    pub async fn data_source(
        &self,
        environment: &str,
        id: &ObjectId,
    ) -> Result<Option<DataSource>, StoreError> {
        let record: Option<SourceRecord> =
            self.get(&partition(environment), &source_key(id)).await?;
        Ok(record.map(|record| record.source))
    }

    /// Every object that is still to be restored, or the restore of which was not seen to be over, with what it is
    /// restored from or why that cannot be read.
    pub async fn data_sources(
        &self,
        environment: &str,
    ) -> Result<BTreeMap<ObjectId, Result<DataSource, StoreError>>, StoreError> {
        let records = self.query(&partition(environment), SOURCE_PREFIX, None).await?;
        // Keys are ours; one that names no object is no object's.
        let of = |stored: Stored<SourceRecord>| {
            let id = stored.sk.trim_start_matches(SOURCE_PREFIX).parse().ok()?;
            Some((id, stored.record.map(|record| record.source)))
        };
        Ok(records.into_iter().filter_map(of).collect())
    }

    /// Says what objects are restored from. What was said before of the same objects is replaced.
    pub async fn put_data_sources(
        &self,
        environment: &str,
        sources: &BTreeMap<ObjectId, DataSource>,
    ) -> Result<(), StoreError> {
        let pk = partition(environment);
        let items: Result<Vec<Item>, StoreError> = sources
            .iter()
            .map(|(id, source)| {
                item(&pk, &source_key(id), &SourceRecord { source: source.clone() })
            })
            .collect();
        self.put_all(items?).await
    }

    /// The object's resource was restored: where it is gone again, it is not restored from the same again.
    pub async fn forget_data_source(
        &self,
        environment: &str,
        id: &ObjectId,
    ) -> Result<(), StoreError> {
        let call = self.session().dynamodb().delete_item().table_name(&self.table);
        let call = call.set_key(Some(key(partition(environment), source_key(id)))).send();
        let deleted = self.session().write(Service::DynamoDb, "DeleteItem", call).await;
        deleted.map(drop).map_err(|error| self.failed(error))
    }
}
