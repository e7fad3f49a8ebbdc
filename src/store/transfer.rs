//! Taking the records of an environment out of the store as text, and putting them into an empty one.
//!
//! Guarantees:
//! - What is taken out has the release that the head points to, whole: the head is read before and after.
//! - What is put in becomes current last, and only where the environment has no head. Until then, putting the same in
//!   again does no harm.
//! - Releases, forms of objects and pages come back as they were, to the letter. Records of what exists lose what was
//!   true of another place and time: their conditions, and the epoch of a lease that nobody holds any more.
//!
//! Left to others: where the text is kept, and its checksums (`recovery`).

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::head::{HEADS, Head};
use super::health::HEALTH;
use super::item::{Item, item, read};
use super::recovery::RECOVERY;
use super::release::{
    Page, RELEASE_PREFIX, Release, SpecItem, object_of, page_key, partition, release_key, spec_key,
};
use super::rollout::ROLLOUT_PREFIX;
use super::source::SOURCE_PREFIX;
use super::status::STATUS_PREFIX;
use super::{Finding, Mend, Phase, Rollout, StatusRecord, Store, StoreError, Verified};
use crate::aws::{Class, Service};
use crate::model::{Conditions, Object, ObjectId, canonical_json, digest_of};

/// How often the records are read again because the head has moved meanwhile.
const READS_MAX: usize = 5;

/// The records of an environment, each as one line of DynamoDB's own JSON. The first is the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The number of the release that the head points to.
    pub release: u64,
    /// The digest of that release's content.
    pub digest: String,
    /// One record each, without a line end.
    pub lines: Vec<String>,
}

/// Why records that were taken out cannot be put in.
fn unusable(how: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: "what was backed up of the store".to_owned(), how: how.into() }
}

impl Store {
    /// Takes out what is recorded of an environment: its head, releases, rollouts, objects and what exists of them.
    pub async fn export(&self, environment: &str) -> Result<Export, StoreError> {
        let mut before = self.existing_head(environment).await?;
        for _ in 0..READS_MAX {
            let records = self.query_items(&partition(environment)).await?;
            let now = self.existing_head(environment).await?;
            if now.release != before.release {
                before = now;
                continue;
            }
            let mut lines = vec![line(item(HEADS, environment, &now)?)?];
            for (sk, record) in records {
                if !sk.starts_with(SOURCE_PREFIX) && sk != RECOVERY && sk != HEALTH {
                    lines.push(line(record)?);
                }
            }
            return Ok(Export { release: now.release, digest: now.digest, lines });
        }
        Err(StoreError::HeadMoved { environment: environment.to_owned(), seen: before.release })
    }

    /// The objects of the release that the head of what was taken out points to.
    pub fn objects_of(environment: &str, lines: &[String]) -> Result<Vec<Object>, StoreError> {
        let mut records: BTreeMap<String, Item> = BTreeMap::new();
        let mut head = None;
        for line in lines {
            let record = record_of(line)?;
            if is_under(&record, HEADS, environment) {
                head = Some(read::<Head>(record)?);
            } else if let Some(AttributeValue::S(sk)) = record.get("sk") {
                records.insert(sk.clone(), record);
            }
        }
        let head = head.ok_or_else(|| unusable("it has no head"))?;
        let mut take = |sk: &str| {
            records.remove(sk).ok_or_else(|| unusable(format!("the record {sk} is missing")))
        };
        let mut release: Release = read(take(&release_key(head.release))?)?;
        for digest in release.pages.clone() {
            release.objects.extend(page_of(&digest, read(take(&page_key(&digest))?)?)?);
        }
        for digest in release.left_pages.clone() {
            release.left.extend(page_of(&digest, read(take(&page_key(&digest))?)?)?);
        }
        let release = release.checked(environment, head.release)?;
        let mut objects = Vec::new();
        for digest in release.objects.iter().map(|entry| &entry.digest).collect::<BTreeSet<_>>() {
            let spec: SpecItem = read(take(&spec_key(digest))?)?;
            let object = object_of(&spec.body).map_err(unusable)?;
            if object.digest() != *digest {
                return Err(unusable(format!("{} is not as it was recorded", object.id())));
            }
            objects.push(object);
        }
        Ok(objects)
    }

    /// Puts in what was taken out. Fails where the environment has a head, or where this version of trueup cannot read
    /// a record; the head is put last.
    /// `empty` are objects whose data nothing can bring back: they are made for the first time.
    pub async fn import(
        &self,
        environment: &str,
        lines: &[String],
        empty: &BTreeSet<ObjectId>,
    ) -> Result<(), StoreError> {
        let mut items = lines.iter().map(|line| record_of(line)).collect::<Result<Vec<_>, _>>()?;
        let is_head = |item: &Item| is_under(item, HEADS, environment);
        let head = items.iter().position(is_head).map(|at| items.remove(at));
        let head = head.ok_or_else(|| unusable("it has no head"))?;
        let is_foreign = |item: &&Item| {
            item.get("pk").and_then(|pk| pk.as_s().ok()) != Some(&partition(environment))
        };
        if items.iter().any(|item| is_foreign(&item)) {
            return Err(unusable(format!(
                "it has records of another environment than {environment}"
            )));
        }
        let items = items.into_iter().map(|item| restarted(environment, item, empty));
        let mut items = items.collect::<Result<Vec<_>, _>>()?;
        // A signature is of one store: who builds the environment again signs for it.
        for item in items.iter_mut().filter(|item| is_release(item)) {
            *item = self.signed_again(environment, std::mem::take(item)).await?;
        }
        self.put_all(items).await?;
        // Who has an environment built again wants it to be written to.
        let pointed = Head { suspended: false, ..read::<Head>(head)? };
        let head = item(HEADS, environment, &pointed)?;
        // What the head points to is read back before it is current.
        self.current(&pointed).await?;
        let call = self
            .session()
            .dynamodb()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(head))
            .condition_expression("attribute_not_exists(pk)")
            .send();
        match self.session().write(Service::DynamoDb, "PutItem", call).await {
            Ok(_) => Ok(()),
            // An answer may have been lost.
            Err(error) if matches!(error.class, Class::Conflict | Class::Unknown) => {
                let found = self.head(environment).await?;
                match found.is_some_and(|head| head.release == pointed.release) {
                    true => Ok(()),
                    false => Err(self.failed(error)),
                }
            }
            Err(error) => Err(self.failed(error)),
        }
    }
}

/// The entries of a page, if they are those of its digest.
fn page_of<T: Serialize>(digest: &str, page: Page<T>) -> Result<Vec<T>, StoreError> {
    match digest_of(&page.entries) == digest {
        true => Ok(page.entries),
        false => Err(unusable(format!("the page {digest} is not as it was recorded"))),
    }
}

fn is_under(item: &Item, pk: &str, sk: &str) -> bool {
    let is = |field: &str, text: &str| {
        item.get(field).and_then(|v| v.as_s().ok()).is_some_and(|v| v == text)
    };
    is("pk", pk) && is("sk", sk)
}

fn is_release(item: &Item) -> bool {
    item.get("sk").and_then(|sk| sk.as_s().ok()).is_some_and(|sk| sk.starts_with(RELEASE_PREFIX))
}

/// A record as DynamoDB writes it, with its attributes in order.
fn line(item: Item) -> Result<String, StoreError> {
    let value = serde_json::to_value(serde_dynamo::Item::from(item));
    Ok(canonical_json(&value.map_err(|error| unusable(error.to_string()))?))
}

fn record_of(line: &str) -> Result<Item, StoreError> {
    let value: Value = serde_json::from_str(line).map_err(|error| unusable(error.to_string()))?;
    let item =
        serde_dynamo::Item::deserialize(value).map_err(|error| unusable(error.to_string()))?;
    Ok(item.into())
}

/// A record as it begins anew: nothing of its resource was seen yet, and no lease wrote it.
fn restarted(
    environment: &str,
    record: Item,
    empty: &BTreeSet<ObjectId>,
) -> Result<Item, StoreError> {
    let sk = match record.get("sk") {
        Some(AttributeValue::S(sk)) => sk.clone(),
        _ => return Err(unusable("a record has no key")),
    };
    let pk = partition(environment);
    if let Some(id) = sk.strip_prefix(STATUS_PREFIX) {
        let id: ObjectId = id.parse().map_err(|_| unusable(format!("`{sk}` names no object")))?;
        let record = read::<StatusRecord>(record)?.checked(&id)?;
        let mut record = StatusRecord { epoch: 0, conditions: Conditions::default(), ..record };
        if empty.contains(&id) {
            (record.created_at, record.phase) = (None, Phase::Pending);
        }
        return item(&pk, &sk, &record.sealed());
    }
    if let Some(release) = sk.strip_prefix(ROLLOUT_PREFIX) {
        let release = release.parse().map_err(|_| unusable(format!("`{sk}` names no release")))?;
        let rollout = read::<Rollout>(record)?.checked(environment, release)?;
        return item(&pk, &sk, &Rollout { epoch: 0, ..rollout }.sealed());
    }
    Ok(record)
}

impl Store {
    async fn signed_again(&self, environment: &str, record: Item) -> Result<Item, StoreError> {
        if self.keys.is_none() {
            // It may still be good here.
            return Ok(record);
        }
        let release: Release = read(record)?;
        let sk = release_key(release.number);
        item(&partition(environment), &sk, &self.signed(environment, release).await?)
    }

    /// Puts what was taken out into a scratch table, checks every record there as the daemon reads it, and deletes the
    /// table again.
    pub async fn in_scratch(
        &self,
        table: &str,
        id: &str,
        environment: &str,
        lines: &[String],
    ) -> Result<Verified, StoreError> {
        let scratch = Self { table: table.to_owned(), ..self.clone() };
        scratch.make_scratch(id).await?;
        let checked = match scratch.import(environment, lines, &BTreeSet::new()).await {
            Ok(()) => scratch.verify().await,
            Err(error) if error.is_damage() => {
                let mend = Mend::Person { advice: String::new() };
                let finding = Finding { environment: environment.to_owned(), error, mend };
                Ok(Verified { findings: vec![finding], ..Verified::default() })
            }
            Err(error) => Err(error),
        };
        scratch.drop_scratch().await?;
        checked
    }
}
