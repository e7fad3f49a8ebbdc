//! Forgetting old releases, and collecting what no release refers to: objects and pages of applies that lost the race for the head, or
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

use super::item::{Stored, key, text};
use super::release::{
    Entry, Left, PROPOSED_PREFIX, RELEASE_PREFIX, Release, page_key, partition, proposed_key,
    release_key, spec_key,
};
use super::rollout::rollout_key;
use super::{Store, StoreError};
use crate::aws::{Class, Service};

/// No apply takes so long.
const COLLECTED_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Deletions of one collection; the next one goes on.
const DELETED_MAX: usize = 10_000;

/// A record that something may refer to, without what it holds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    written_at: Option<Timestamp>,
}

/// What is read of such a record: its key and [`Part`].
const PART: &str = "pk, sk, writtenAt";

impl Store {
    /// Deletes objects and pages of an environment that nothing refers to. Returns how many.
    pub async fn collect(&self, environment: &str) -> Result<usize, StoreError> {
        let pk = partition(environment);
        let now = self.clock().now();
        // They are listed first: what a release refers to that is made meanwhile is among them.
        let mut listed = self.query_parts::<Part>(&pk, &spec_key(""), None, Some(PART)).await?;
        listed.extend(self.query_parts(&pk, &page_key(""), None, Some(PART)).await?);
        let mut deleted = self.forget_proposals(environment).await?;
        let used = self.used(environment).await?;
        for Stored { sk, record } in listed {
            let written_at = record?.written_at;
            let is_old = written_at.is_none_or(|at| now.duration_since(at) > COLLECTED_AFTER);
            if is_old && !used.contains(&sk) && deleted < DELETED_MAX {
                deleted += usize::from(self.delete_part(&pk, &sk, written_at).await?);
            }
        }
        Ok(deleted)
    }

    /// Forgets releases that came before the current one, with what they came to. Returns how many.
    pub async fn forget(&self, environment: &str, releases: &[u64]) -> Result<usize, StoreError> {
        let (pk, head) = (partition(environment), self.existing_head(environment).await?);
        let mut forgotten = 0;
        for number in releases.iter().filter(|number| **number < head.release) {
            for sk in [rollout_key(*number), release_key(*number)] {
                let call = self.session().dynamodb().delete_item().table_name(&self.table);
                let call = call.set_key(Some(key(&pk, sk))).send();
                let deleted = self.session().write(Service::DynamoDb, "DeleteItem", call).await;
                deleted.map_err(|error| self.failed(error))?;
            }
            forgotten += 1;
        }
        Ok(forgotten)
    }

    /// Deletes what was proposed and can be approved no more. Returns how many.
    async fn forget_proposals(&self, environment: &str) -> Result<usize, StoreError> {
        let pk = partition(environment);
        let proposed = self.query_parts::<Part>(&pk, PROPOSED_PREFIX, None, Some(PART)).await?;
        if proposed.is_empty() {
            return Ok(0);
        }
        // Read after they were listed: what waits now, or is proposed later, has this number or a higher one.
        let head = self.existing_head(environment).await?;
        let first = proposed_key(head.waiting().unwrap_or(head.release.saturating_add(1)));
        let mut deleted = 0;
        for Stored { sk, .. } in proposed.into_iter().filter(|stored| stored.sk < first) {
            deleted += usize::from(self.delete_part(&pk, &sk, None).await?);
        }
        Ok(deleted)
    }

    /// The sort keys that are referred to.
    async fn used(&self, environment: &str) -> Result<BTreeSet<String>, StoreError> {
        let (pk, mut used) = (partition(environment), BTreeSet::new());
        let mut releases = self.query(&pk, RELEASE_PREFIX, None).await?;
        releases.extend(self.query(&pk, PROPOSED_PREFIX, None).await?);
        for stored in releases {
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
            used.extend(record.digests().map(|digest| spec_key(digest)));
        }
        Ok(used)
    }

    /// Deletes a part unless somebody wrote it again. Returns whether it is gone by this.
    async fn delete_part(
        &self,
        pk: &str,
        sk: &str,
        written_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let call = self.session().dynamodb().delete_item().table_name(&self.table);
        let call = call.set_key(Some(key(pk, sk)));
        let call = match written_at {
            Some(at) => call
                .condition_expression("writtenAt = :seen")
                .expression_attribute_values(":seen", text(at.to_string())),
            None => call.condition_expression("attribute_not_exists(writtenAt)"),
        };
        match self.session().write(Service::DynamoDb, "DeleteItem", call.send()).await {
            Ok(_) => Ok(true),
            Err(error) if error.class == Class::Conflict => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }
}
