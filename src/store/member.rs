//! Members: the daemons that share the environments of this store, each with a record that it renews.
//!
//! Guarantees: nothing is safe by these records; leases are what fences. They say who takes part, so that
//! everybody comes to the same shares.
//!
//! Left to others: who lives (`engine/members.rs`), and who should have what (`engine/share.rs`).

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::item::{item, key, number};
use super::lease::{is_recent, milliseconds};
use super::{Store, StoreError};
use crate::aws::{Class, Service};

pub(super) const MEMBERS: &str = "members";

/// One daemon. What a newer version adds to the record is passed over: members of two versions run side by side
/// during an upgrade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// As in the leases that it holds.
    pub owner: String,
    /// One more each time: others see by it that the daemon lives.
    pub beats: u64,
    /// Without a beat for so long, it is taken for dead.
    pub duration_ms: u64,
    /// By its own clock, for people.
    pub started_at: Timestamp,
    /// By its own clock, for people.
    pub beat_at: Timestamp,
    /// It stops, and gives back what it holds.
    pub is_leaving: bool,
    /// Of trueup.
    pub version: String,
    /// Where it has environments: AWS's quotas there are divided by those who work there. `None` of a version that
    /// does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<BTreeSet<String>>,
}

impl Member {
    /// A daemon that starts, and has not beaten yet.
    pub fn new(owner: &str, duration: Duration, now: Timestamp) -> Self {
        Self {
            owner: owner.to_owned(),
            beats: 0,
            duration_ms: milliseconds(duration),
            started_at: now,
            beat_at: now,
            is_leaving: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            places: Some(BTreeSet::new()),
        }
    }

    /// How long it may be silent.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.duration_ms)
    }

    /// It was heard of lately, for people: their clock and its own may be apart.
    pub fn is_heard(&self, now: Timestamp) -> bool {
        is_recent(self.beat_at, self.duration(), now)
    }
}

impl Store {
    /// Every daemon that has a record. One that cannot be read is left out: it takes part again with its next
    /// beat.
    pub async fn members(&self) -> Result<Vec<Member>, StoreError> {
        let records = self.member_records().await?;
        Ok(records.into_iter().filter_map(|(_, member)| member.ok()).collect())
    }

    /// Every member's record by the name that it stands under.
    pub(super) async fn member_records(
        &self,
    ) -> Result<Vec<(String, Result<Member, StoreError>)>, StoreError> {
        let stored = self.query::<Member>(MEMBERS, "", None).await?;
        let checked = stored.into_iter().map(|stored| {
            let owner = stored.sk;
            let member = stored.record.and_then(|member| match member.owner == owner {
                true => Ok(member),
                false => Err(StoreError::Damaged {
                    what: format!("the record of the daemon {owner}"),
                    how: format!("it says that it is the one of `{}`", member.owner),
                }),
            });
            (owner, member)
        });
        Ok(checked.collect())
    }

    /// Says that a daemon lives.
    pub async fn beat(&self, member: &Member) -> Result<(), StoreError> {
        let call = self
            .session()
            .dynamodb()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(MEMBERS, &member.owner, member)?))
            // One that comes late says nothing any more.
            .condition_expression("attribute_not_exists(pk) OR beats < :beats")
            .expression_attribute_values(":beats", number(member.beats));
        match self.session().write(Service::DynamoDb, "PutItem", call.send()).await {
            Err(error) if error.class == Class::Conflict => Ok(()),
            written => written.map(drop).map_err(|error| self.failed(error)),
        }
    }

    /// Takes a daemon's own record away, when it ends.
    pub async fn remove_member(&self, owner: &str) -> Result<(), StoreError> {
        let call = self.session().dynamodb().delete_item().table_name(&self.table);
        let call = call.set_key(Some(key(MEMBERS, owner))).send();
        let written = self.session().write(Service::DynamoDb, "DeleteItem", call).await;
        written.map(drop).map_err(|error| self.failed(error))
    }

    /// Forgets a daemon that did not beat since it was seen.
    pub async fn forget_member(&self, seen: &Member) -> Result<(), StoreError> {
        let call = self
            .session()
            .dynamodb()
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(MEMBERS, &seen.owner)))
            .condition_expression("beats = :beats")
            .expression_attribute_values(":beats", number(seen.beats));
        match self.session().write(Service::DynamoDb, "DeleteItem", call.send()).await {
            // It beats again, or somebody else was faster.
            Err(error) if error.class == Class::Conflict => Ok(()),
            written => written.map(drop).map_err(|error| self.failed(error)),
        }
    }
}
