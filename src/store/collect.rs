//! Collecting what no release refers to: objects and pages of applies that lost the race for the head, or
//! died before they moved it.
//!
//! Guarantees:
//! - Nothing goes that a release of the history, the removal list of one, or an object's record refers to.
//!   Where one of those cannot be read, nothing is collected.
//! - An apply writes every object anew that the release before does not have, also one that is already
//!   there, with the time. So what a running apply relies on is younger than a day, and a deletion is made
//!   only while the time is the one that was seen.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::item::{Item, key, text};
use super::release::{Entry, Left, RELEASE_PREFIX, Release, page_key, partition, spec_key};
use super::{Store, StoreError};
use crate::aws::Class;

/// No apply takes so long.
const COLLECTED_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Deletions of one collection; the next one goes on.
const DELETED_MAX: usize = 10_000;
const PAGES_MAX: usize = 10_000;

/// A record that something may refer to, without what it holds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    sk: String,
    written_at: Option<Timestamp>,
}

impl Store {
    /// Deletes objects and pages of an environment that nothing refers to. Returns how many.
    pub async fn collect(&self, environment: &str) -> Result<usize, StoreError> {
        let pk = partition(environment);
        let now = self.clock().now();
        // They are listed first: what a release refers to that is made meanwhile is among them.
        let mut parts = self.parts(&pk, "spec#").await?;
        parts.extend(self.parts(&pk, "page#").await?);
        let used = self.used(environment).await?;
        let is_old = |part: &&Part| {
            part.written_at.is_none_or(|at| now.duration_since(at) > COLLECTED_AFTER)
        };
        let orphans = parts.iter().filter(is_old).filter(|part| !used.contains(&part.sk));
        let mut deleted = 0;
        for part in orphans.take(DELETED_MAX) {
            deleted += usize::from(self.delete_part(&pk, part).await?);
        }
        Ok(deleted)
    }

    /// The sort keys that are referred to.
    async fn used(&self, environment: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut used = BTreeSet::new();
        for stored in self.query(&partition(environment), RELEASE_PREFIX, None).await? {
            let release: Release = stored.record?;
            let mut entries = release.objects;
            for digest in release.pages {
                if used.insert(page_key(&digest)) {
                    entries.extend(self.page::<Entry>(environment, &digest).await?);
                }
            }
            let mut left = release.left;
            for digest in release.left_pages {
                if used.insert(page_key(&digest)) {
                    left.extend(self.page::<Left>(environment, &digest).await?);
                }
            }
            used.extend(entries.iter().map(|entry| spec_key(&entry.digest)));
            used.extend(left.iter().map(|left| spec_key(&left.digest)));
        }
        for record in self.statuses(environment).await?.into_values() {
            let record = record?;
            used.extend(
                [&record.spec_digest, &record.synced_digest].map(|digest| spec_key(digest)),
            );
        }
        Ok(used)
    }

    async fn parts(&self, pk: &str, prefix: &str) -> Result<Vec<Part>, StoreError> {
        let (mut parts, mut from) = (Vec::new(), None::<Item>);
        for _ in 0..PAGES_MAX {
            let page = self.session().read("dynamodb", "Query", || {
                self.session()
                    .dynamodb()
                    .query()
                    .table_name(&self.table)
                    .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
                    .expression_attribute_values(":pk", text(pk))
                    .expression_attribute_values(":sk", text(prefix))
                    .projection_expression("sk, writtenAt")
                    .set_exclusive_start_key(from.clone())
                    .send()
            });
            let page = page.await.map_err(|error| self.failed(error))?;
            for item in page.items.unwrap_or_default() {
                let part = serde_dynamo::from_item(item).map_err(|source| StoreError::Unreadable {
                    what: format!("a {prefix} of {pk}"),
                    source,
                });
                parts.push(part?);
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        Ok(parts)
    }

    /// Deletes a part unless somebody wrote it again. Returns whether it is gone by this.
    async fn delete_part(&self, pk: &str, part: &Part) -> Result<bool, StoreError> {
        let call = self.session().dynamodb().delete_item().table_name(&self.table);
        let call = call.set_key(Some(key(pk, &part.sk)));
        let call = match part.written_at {
            Some(at) => call
                .condition_expression("writtenAt = :seen")
                .expression_attribute_values(":seen", text(at.to_string())),
            None => call.condition_expression("attribute_not_exists(writtenAt)"),
        };
        match self.session().write("dynamodb", "DeleteItem", call.send()).await {
            Ok(_) => Ok(true),
            Err(error) if error.class == Class::Conflict => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }
}
