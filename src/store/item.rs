//! Reading and writing items, once for all records.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PutRequest, WriteRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Store, StoreError};
use crate::aws::{AwsError, Class, Service, Session};

pub(super) type Item = HashMap<String, AttributeValue>;
/// Sort keys by their partition.
pub(super) type Keys = BTreeMap<String, BTreeSet<String>>;

/// Pages of one Query; a page holds up to 1 MB.
const PAGES_MAX: usize = 10_000;
/// Limits of BatchWriteItem and BatchGetItem.
const BATCH_WRITES: usize = 25;
const BATCH_READS: usize = 100;
/// Tries of what a batch left undone.
const BATCH_TRIES_MAX: u32 = 8;
const BATCH_RETRY_AFTER: Duration = Duration::from_millis(100);

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// A record as an item under its key.
pub(super) fn item(pk: &str, sk: &str, record: &impl Serialize) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(record)
        .map_err(|source| StoreError::Unreadable { what: format!("{pk} {sk}"), source })?;
    item.extend(key(pk, sk));
    Ok(item)
}

/// One record of a query, with the sort key that it stands under. One that cannot be read does not hide
/// the others.
pub(super) struct Stored<T> {
    pub sk: String,
    pub record: Result<T, StoreError>,
}

/// Reads an item back. Records deny fields that they do not know: a newer version may mean something by
/// them that changes what the rest means.
pub(super) fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    stored(item).record
}

fn stored<T: DeserializeOwned>(mut item: Item) -> Stored<T> {
    let mut take = |field: &str| match item.remove(field) {
        Some(AttributeValue::S(text)) => text,
        _ => String::new(),
    };
    let (pk, sk) = (take("pk"), take("sk"));
    let what = format!("the record {pk} {sk}");
    let record =
        serde_dynamo::from_item(item).map_err(|source| StoreError::Unreadable { what, source });
    Stored { sk, record }
}

impl Store {
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn table_missing(&self) -> StoreError {
        let region = self.session.region().to_owned();
        StoreError::TableMissing { table: self.table.clone(), region, account: None }
    }

    /// Says what a failed call means for the store.
    pub(super) fn failed(&self, error: AwsError) -> StoreError {
        if error.class == Class::NotFound {
            return self.table_missing();
        }
        StoreError::Aws(error)
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        pk: &str,
        sk: &str,
    ) -> Result<Option<T>, StoreError> {
        self.get_item(pk, sk).await?.map(read).transpose()
    }

    /// One record as it is.
    pub(super) async fn get_item(&self, pk: &str, sk: &str) -> Result<Option<Item>, StoreError> {
        let read_item = self
            .session
            .read(Service::DynamoDb, "GetItem", || {
                self.session
                    .dynamodb()
                    .get_item()
                    .table_name(&self.table)
                    .set_key(Some(key(pk, sk)))
                    .consistent_read(true)
                    .send()
            })
            .await
            .map_err(|e| self.failed(e))?;
        Ok(read_item.item)
    }

    /// Every record under `pk` whose sort key begins with `prefix`, in order; newest first and at
    /// most `limit` where asked.
    pub(super) async fn query<T: DeserializeOwned>(
        &self,
        pk: &str,
        prefix: &str,
        newest: Option<usize>,
    ) -> Result<Vec<Stored<T>>, StoreError> {
        self.query_parts(pk, prefix, newest, None).await
    }

    /// The sort keys under `pk` that begin with `prefix`, in order.
    pub(super) async fn sort_keys(
        &self,
        pk: &str,
        prefix: &str,
    ) -> Result<Vec<String>, StoreError> {
        let items = self.pages(pk, prefix, None, Some("sk")).await?;
        let of = |item: Item| item.get("sk").and_then(|sk| sk.as_s().ok()).cloned();
        Ok(items.into_iter().filter_map(of).collect())
    }

    /// Every record under `pk` as it is, by its sort key.
    pub(super) async fn query_items(&self, pk: &str) -> Result<Vec<(String, Item)>, StoreError> {
        let items = self.pages(pk, "", None, None).await?;
        let of = |item: Item| {
            let sk = item.get("sk").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
            (sk, item)
        };
        Ok(items.into_iter().map(of).collect())
    }

    /// The same with some attributes alone, where `projection` names them.
    pub(super) async fn query_parts<T: DeserializeOwned>(
        &self,
        pk: &str,
        prefix: &str,
        newest: Option<usize>,
        projection: Option<&str>,
    ) -> Result<Vec<Stored<T>>, StoreError> {
        let items = self.pages(pk, prefix, newest, projection).await?;
        Ok(items.into_iter().map(stored).collect())
    }

    async fn pages(
        &self,
        pk: &str,
        prefix: &str,
        newest: Option<usize>,
        projection: Option<&str>,
    ) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut from = None;
        let condition =
            if prefix.is_empty() { "pk = :pk" } else { "pk = :pk AND begins_with(sk, :sk)" };
        for _ in 0..PAGES_MAX {
            let page = self
                .session
                .read(Service::DynamoDb, "Query", || {
                    let mut call = self
                        .session
                        .dynamodb()
                        .query()
                        .table_name(&self.table)
                        .consistent_read(true)
                        .key_condition_expression(condition)
                        .expression_attribute_values(":pk", text(pk))
                        .scan_index_forward(newest.is_none())
                        .set_projection_expression(projection.map(str::to_owned))
                        .set_limit(newest.and_then(|n| i32::try_from(n).ok()))
                        .set_exclusive_start_key(from.clone());
                    if !prefix.is_empty() {
                        call = call.expression_attribute_values(":sk", text(prefix));
                    }
                    call.send()
                })
                .await
                .map_err(|e| self.failed(e))?;
            items.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key;
            if from.is_none() || newest.is_some_and(|limit| items.len() >= limit) {
                break;
            }
        }
        if let Some(limit) = newest {
            items.truncate(limit);
        }
        Ok(items)
    }

    /// The keys of the whole table. It is read once from end to end.
    pub(super) async fn keys(&self) -> Result<Keys, StoreError> {
        let (mut keys, mut from) = (Keys::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self
                .session
                .read(Service::DynamoDb, "Scan", || {
                    let call = self.session.dynamodb().scan().table_name(&self.table);
                    let call = call.consistent_read(true).projection_expression("pk, sk");
                    call.set_exclusive_start_key(from.clone()).send()
                })
                .await
                .map_err(|error| self.failed(error))?;
            for item in page.items.unwrap_or_default() {
                let [pk, sk] = ["pk", "sk"].map(|name| item.get(name).and_then(|v| v.as_s().ok()));
                if let (Some(pk), Some(sk)) = (pk, sk) {
                    keys.entry(pk.clone()).or_default().insert(sk.clone());
                }
            }
            let Some(next) = page.last_evaluated_key else { break };
            from = Some(next);
        }
        Ok(keys)
    }

    /// Puts items that nobody changes afterwards, so that order and repetition do not matter.
    pub(super) async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        for chunk in items.chunks(BATCH_WRITES) {
            let mut pending: Vec<WriteRequest> = Vec::new();
            for item in chunk {
                let put = PutRequest::builder().set_item(Some(item.clone())).build();
                let put = put.map_err(|e| self.incomplete("BatchWriteItem", &e))?;
                pending.push(WriteRequest::builder().put_request(put).build());
            }
            let mut tried = 0;
            while !pending.is_empty() {
                if tried >= BATCH_TRIES_MAX {
                    let message = "the table keeps leaving writes undone; its capacity is too low";
                    let error = AwsError::new(
                        Class::Throttled,
                        Service::DynamoDb,
                        "BatchWriteItem",
                        message,
                    );
                    return Err(StoreError::Aws(error));
                }
                tokio::time::sleep(BATCH_RETRY_AFTER * tried).await;
                tried += 1;
                let call =
                    self.session.dynamodb().batch_write_item().request_items(&self.table, pending);
                let written = self
                    .session
                    .write(Service::DynamoDb, "BatchWriteItem", call.send())
                    .await
                    .map_err(|e| self.failed(e))?;
                let mut left = written.unprocessed_items.unwrap_or_default();
                pending = left.remove(&self.table).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Reads items by key, in no order. Keys that do not exist are left out.
    pub(super) async fn get_all(&self, keys: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        for chunk in keys.chunks(BATCH_READS) {
            let mut pending = chunk.to_vec();
            let mut tried = 0;
            while !pending.is_empty() && tried < BATCH_TRIES_MAX {
                tokio::time::sleep(BATCH_RETRY_AFTER * tried).await;
                tried += 1;
                let wanted = KeysAndAttributes::builder()
                    .set_keys(Some(pending.clone()))
                    .consistent_read(true)
                    .build()
                    .map_err(|e| self.incomplete("BatchGetItem", &e))?;
                let page = self
                    .session
                    .read(Service::DynamoDb, "BatchGetItem", || {
                        self.session
                            .dynamodb()
                            .batch_get_item()
                            .request_items(&self.table, wanted.clone())
                            .send()
                    })
                    .await
                    .map_err(|e| self.failed(e))?;
                items.extend(page.responses.into_iter().flat_map(HashMap::into_values).flatten());
                let mut left = page.unprocessed_keys.unwrap_or_default();
                pending = left.remove(&self.table).map(|k| k.keys).unwrap_or_default();
            }
            if !pending.is_empty() {
                let message = "the table keeps leaving reads undone; its capacity is too low";
                let error =
                    AwsError::new(Class::Throttled, Service::DynamoDb, "BatchGetItem", message);
                return Err(StoreError::Aws(error));
            }
        }
        Ok(items)
    }

    pub(super) fn incomplete(
        &self,
        operation: &'static str,
        error: &impl std::fmt::Display,
    ) -> StoreError {
        let error = AwsError::new(Class::Invalid, Service::DynamoDb, operation, error.to_string());
        StoreError::Aws(error)
    }
}
