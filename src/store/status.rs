//! Status records: what exists for an object. A record that is there while the release has no such
//! object says that something is still to be torn down or let go.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::flap_guard::FlapGuard;
use super::item::{Item, item, key, number};
use super::lease::EPOCH_MAX;
use super::{Store, StoreError};
use crate::aws::{Class, Service};
use crate::model::{
    ConditionStatus, Conditions, DataSource, ObjectId, ReadyVersion, StartedJob, condition_type,
    digest_of,
};

/// Forms remembered at most. What one that is forgotten declared is asked about before it is taken away.
const BEGUN_MAX: usize = 8;

/// What exists for one object, as the daemon recorded it last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusRecord {
    /// The object's kind, such as `Table`.
    pub kind: String,
    /// The object's name in its manifest. The name in AWS is `aws_name`.
    pub name: String,
    /// The object's uid, which its resource's tags carry: see [`Store::uid`].
    pub uid: String,
    /// The lease epoch of the writer.
    #[serde(default)]
    pub epoch: u64,
    /// The object that was last acted on, by content address: what a deletion goes by.
    pub spec_digest: String,
    /// The release generation that was last observed.
    pub observed_generation: u64,
    /// The release generation that the resource was last seen to be in full accord with.
    #[serde(default)]
    pub synced_generation: u64,
    /// The form that the object had then, by content address.
    #[serde(default)]
    pub synced_digest: String,
    /// The form of which it was last seen to be as declared in all but what a person is asked about; `None` after a
    /// full accord.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_in_part: Option<SyncedInPart>,
    /// What a confirmation was used for, until the resource is in full accord.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// Other forms that writes were begun for since then, by content address, the oldest first: what they
    /// declare may be live, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub begun_digests: Vec<String>,
    /// What else the resource's desired state depended on then, as a digest.
    #[serde(default)]
    pub synced_inputs: String,
    /// The resource's name in AWS.
    #[serde(default)]
    pub aws_name: String,
    /// The id that AWS gave, where the name does not identify the resource.
    #[serde(default, rename = "identity", skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
    /// What other objects can refer to.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
    /// The object's conditions. Empty until a pass has set them.
    #[serde(default)]
    pub conditions: Conditions,
    /// How far the resource's life is.
    pub phase: Phase,
    /// When the resource was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// It was there when it was first seen, and trueup had not begun to make it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_found: bool,
    /// When the resource was last observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<Timestamp>,
    /// What it is being restored from, until it is seen as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<DataSource>,
    /// The job that was started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<StartedJob>,
    /// The version that was published last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// The versions that trueup published and that are not known to be gone, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// Which version was which form of the object when that was last ready, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub served: Vec<Served>,
    /// Which version was published last for each release, the newest last. A release that another one follows at once
    /// is never ready, and its version served all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published_for: Vec<PublishedFor>,
    /// When old versions were last deleted, or could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected_at: Option<Timestamp>,
    /// The version that was seen ready to take over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_version: Option<ReadyVersion>,
    /// The plans that were carried out since the resource was last seen as declared.
    #[serde(default, rename = "carriedOut", skip_serializing_if = "FlapGuard::is_empty")]
    pub flap_guard: FlapGuard,
    /// A failure was told of, and its end was not.
    #[serde(default)]
    pub failing: bool,
    /// Since when AWS refuses what is written, without anything written in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_since: Option<Timestamp>,
    /// Where the resource lived when it was last acted on, as `account/region`.
    #[serde(default)]
    pub place: String,
    /// In the store, the digest of all the rest: what was lost or altered is no record. Empty elsewhere.
    pub seal: String,
}

/// What was changed while a form of the object was confirmed by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Confirmation {
    /// The release generation of the form.
    pub generation: u64,
    /// When each path was last changed. A confirmation is good for one change of it.
    pub changed: BTreeMap<String, Timestamp>,
}

/// Paths that a confirmation was used for, at most; where there are more, it is used up.
const CONFIRMED_MAX: usize = 500;

impl Confirmation {
    /// Paths that were changed before a time, of this generation. Empty for another one, and `None` where the
    /// confirmation is used up.
    pub fn used(&self, generation: u64, before: Timestamp) -> Option<Vec<&str>> {
        if self.generation != generation {
            return Some(Vec::new());
        }
        let used = self.changed.iter().filter(|(_, at)| **at < before);
        (self.changed.len() <= CONFIRMED_MAX).then(|| used.map(|(path, _)| path.as_str()).collect())
    }
}

/// The resource was as declared in all but what a person is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyncedInPart {
    /// The release generation of the form.
    pub generation: u64,
    /// What else the desired state depended on then, as a digest.
    pub inputs: String,
    /// The paths that differed then: what waits for a person, and what waits with it.
    pub held: Vec<String>,
    /// Since when something else differs again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drifted_since: Option<Timestamp>,
}

/// The version that was published last while a release was current.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "their names say what they are")]
pub struct PublishedFor {
    pub release: u64,
    pub version: String,
}

/// A form of an object that was ready, and the version that it had then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Served {
    /// The form, by content address.
    pub digest: String,
    /// What else the desired state depended on then, as a digest.
    pub inputs: String,
    /// The version, as AWS numbers it.
    pub version: String,
    /// The release with which it came; it had the form until that of the next entry.
    pub since_release: u64,
}

/// Forms of which the version is remembered: as many as releases are by default.
const SERVED_MAX: usize = 20;

/// Versions that a record names at most; the oldest are forgotten and stay.
pub const VERSIONS_MAX: usize = 1_100;

pub(super) const STATUS_PREFIX: &str = "status#";

/// Records by object.
pub type Statuses = BTreeMap<ObjectId, Result<StatusRecord, StoreError>>;

impl StatusRecord {
    /// A version was published for a release; publishing what did not change gives the same one again.
    pub fn note_version(&mut self, version: String, release: u64) {
        self.published_for.retain(|published| published.release != release);
        self.published_for.push(PublishedFor { release, version: version.clone() });
        let surplus = self.published_for.len().saturating_sub(SERVED_MAX);
        self.published_for.drain(..surplus);
        self.versions.retain(|known| *known != version);
        self.versions.push(version.clone());
        let surplus = self.versions.len().saturating_sub(VERSIONS_MAX);
        self.versions.drain(..surplus);
        self.published = Some(version);
    }

    /// The resource is made anew: a number of before is another version's. What is left of the versions of before, as
    /// their scaling, is still found by their numbers.
    pub fn forget_served(&mut self) {
        self.served.clear();
        self.published_for.clear();
    }

    /// A form of the object is ready, and its requests go to a version.
    pub fn note_served(&mut self, served: Served) {
        let is_as_before = |last: &Served| {
            let Served { digest, inputs, version, since_release: _ } = last;
            (digest, inputs, version) == (&served.digest, &served.inputs, &served.version)
        };
        if self.served.last().is_some_and(is_as_before) {
            return;
        }
        self.served.retain(|s| s.digest != served.digest);
        self.served.push(served);
        let surplus = self.served.len().saturating_sub(SERVED_MAX);
        self.served.drain(..surplus);
    }

    /// The versions that were served by a release of this number or a newer one, or published for one.
    pub fn served_since(&self, release: u64) -> impl Iterator<Item = &str> {
        let ends = self.served.iter().skip(1).map(|next| next.since_release);
        let spans = self.served.iter().zip(ends.chain([u64::MAX]));
        let served = spans.filter(move |(_, end)| *end > release);
        let served = served.map(|(served, _)| served.version.as_str());
        let published = self.published_for.iter().filter(move |p| p.release >= release);
        served.chain(published.map(|published| published.version.as_str()))
    }

    /// The version that a form of the object had when it was last ready, if trueup published it and it is not known
    /// to be gone.
    pub fn served_by(&self, digest: &str, inputs: &str) -> Option<&str> {
        let served = self.served.iter().find(|s| s.digest == digest && s.inputs == inputs)?;
        let version = self.versions.iter().find(|version| **version == served.version)?;
        Some(version)
    }

    /// The record as the store has it.
    pub(super) fn sealed(self) -> Self {
        Self { seal: self.seal_of(), ..self }
    }

    /// The record, if it can be the one of the object that it stands under.
    pub(super) fn checked(self, id: &ObjectId) -> Result<Self, StoreError> {
        let how = if self.id() != *id {
            format!("it says that it is the record of {}", self.id())
        } else if self.epoch >= EPOCH_MAX {
            format!("its epoch is {}", self.epoch)
        } else if self.seal != self.seal_of() {
            "it is not as it was written".to_owned()
        } else {
            return Ok(Self { seal: String::new(), ..self });
        };
        Err(StoreError::Damaged { what: format!("the status record of {id}"), how })
    }

    /// What the rest of the record comes to.
    fn seal_of(&self) -> String {
        digest_of(&Self { seal: String::new(), ..self.clone() })
    }

    /// Whether nothing differs but when the resource was observed, and under which lease.
    pub fn says_the_same(&self, other: &Self) -> bool {
        *self == Self { looked_at: self.looked_at, epoch: self.epoch, ..other.clone() }
    }

    /// Names the object that the record is of.
    pub fn id(&self) -> ObjectId {
        ObjectId::new(self.kind.as_str(), self.name.as_str())
    }

    /// The resource could be compared with what is declared when that was last tried.
    pub fn is_readable(&self) -> bool {
        let synced = self.conditions.get(condition_type::SYNCED);
        synced.is_none_or(|synced| synced.status != ConditionStatus::Unknown)
    }

    /// Every form of the object that the record names, by content address.
    pub fn digests(&self) -> impl Iterator<Item = &String> {
        let named = [&self.spec_digest, &self.synced_digest].into_iter();
        named.chain(&self.begun_digests).filter(|digest| !digest.is_empty())
    }

    /// Writes are begun for the form that is acted on. Says whether the record did not have it yet: it must be
    /// in the store before the first write.
    pub fn begin(&mut self) -> bool {
        if self.synced_digest == self.spec_digest || self.begun_digests.contains(&self.spec_digest)
        {
            return false;
        }
        if self.begun_digests.len() >= BEGUN_MAX {
            self.begun_digests.remove(0);
        }
        self.begun_digests.push(self.spec_digest.clone());
        true
    }

    /// The resource is in full accord with a form: it holds nothing of earlier ones.
    pub fn settle(&mut self, digest: &str) {
        digest.clone_into(&mut self.synced_digest);
        self.begun_digests.clear();
        self.synced_in_part = None;
        self.confirmation = None;
    }

    /// A path was changed that this generation's confirmation is good for.
    pub fn note_confirmed(&mut self, generation: u64, path: String, now: Timestamp) {
        let confirmation = self.confirmation.get_or_insert_default();
        if confirmation.generation != generation {
            *confirmation = Confirmation { generation, ..Confirmation::default() };
        }
        if confirmation.changed.len() <= CONFIRMED_MAX {
            confirmation.changed.insert(path, now);
        }
    }
}

/// How far the life of an object's resource is, as far as this is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", deny_unknown_fields)]
pub enum Phase {
    /// No create was begun.
    #[default]
    Pending,
    /// A create was begun, and the resource was not seen as declared since: it may be there and not be
    /// shown yet, or not carry our tags yet.
    #[expect(missing_docs, reason = "when the create was begun")]
    Creating { since: Timestamp },
    /// It was seen as declared.
    Created,
    /// AWS took our deletion: that it is gone is no surprise.
    Deleting,
    /// The object leaves, and its resource is not to be seen although we did not delete it.
    #[expect(missing_docs, reason = "since when the resource is not to be seen")]
    Missing { since: Timestamp },
}

impl Phase {
    /// When a create was begun whose end is not known.
    pub fn create_begun(self) -> Option<Timestamp> {
        match self {
            Self::Creating { since } => Some(since),
            _ => None,
        }
    }

    /// After the resource was seen, with our tags.
    pub fn seen(self) -> Self {
        match self {
            Self::Creating { .. } => self,
            _ => Self::Created,
        }
    }

    /// After the resource of an object that leaves was seen: what is being deleted still shows for a while.
    pub fn seen_leaving(self) -> Self {
        match self {
            Self::Missing { .. } => Self::Created,
            phase => phase,
        }
    }
}

impl Store {
    /// Every object that has a record, with the record or why that cannot be read.
    pub async fn statuses(&self, environment: &str) -> Result<Statuses, StoreError> {
        let pk = format!("env#{environment}");
        let mut statuses = Statuses::new();
        for stored in self.query(&pk, STATUS_PREFIX, None).await? {
            let Ok(id) = stored.sk.trim_start_matches(STATUS_PREFIX).parse::<ObjectId>() else {
                // It names no object, so it can be no object's record.
                warn!(%pk, sk = %stored.sk, "a record of the store names no object and is left alone");
                continue;
            };
            let record = stored.record.and_then(|record: StatusRecord| record.checked(&id));
            statuses.insert(id, record);
        }
        Ok(statuses)
    }

    /// The record of one object; `None` where it has none. A record that was altered is an error.
    pub async fn status_of(
        &self,
        environment: &str,
        id: &ObjectId,
    ) -> Result<Option<StatusRecord>, StoreError> {
        let record =
            self.get(&format!("env#{environment}"), &format!("{STATUS_PREFIX}{id}")).await?;
        record.map(|record: StatusRecord| record.checked(id)).transpose()
    }

    /// Which of some objects have a record, readable or not.
    pub(super) async fn with_status(
        &self,
        environment: &str,
        ids: &BTreeSet<ObjectId>,
    ) -> Result<BTreeSet<ObjectId>, StoreError> {
        let pk = format!("env#{environment}");
        let keys = ids.iter().map(|id| key(&pk, format!("{STATUS_PREFIX}{id}"))).collect();
        let found = self.get_all(keys).await?;
        let sort_keys: BTreeSet<_> =
            found.iter().filter_map(|item| item.get("sk")?.as_s().ok()).collect();
        Ok(ids
            .iter()
            .filter(|id| sort_keys.contains(&format!("{STATUS_PREFIX}{id}")))
            .cloned()
            .collect())
    }

    /// Writes a record, unless a newer lease epoch has written it.
    pub async fn put_status(
        &self,
        environment: &str,
        record: &StatusRecord,
    ) -> Result<(), StoreError> {
        let pk = format!("env#{environment}");
        let sk = format!("{STATUS_PREFIX}{}", record.id());
        let sealed = record.clone().sealed();
        self.put_fenced(environment, item(&pk, &sk, &sealed)?, record.epoch).await
    }

    /// Puts a record of an environment, unless a newer lease epoch has written it.
    pub(super) async fn put_fenced(
        &self,
        environment: &str,
        record: Item,
        epoch: u64,
    ) -> Result<(), StoreError> {
        let call = self
            .session()
            .dynamodb()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(record))
            .condition_expression("attribute_not_exists(pk) OR epoch <= :epoch")
            .expression_attribute_values(":epoch", number(epoch))
            .send();
        let written = self.session().write(Service::DynamoDb, "PutItem", call).await;
        written.map(drop).map_err(|error| self.fenced(environment, error))
    }

    /// Forgets an object whose resource is gone or let go.
    pub async fn delete_status(
        &self,
        environment: &str,
        id: &ObjectId,
        epoch: u64,
    ) -> Result<(), StoreError> {
        let call = self
            .session()
            .dynamodb()
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(format!("env#{environment}"), format!("{STATUS_PREFIX}{id}"))))
            .condition_expression("attribute_not_exists(pk) OR epoch <= :epoch")
            .expression_attribute_values(":epoch", number(epoch))
            .send();
        let deleted = self.session().write(Service::DynamoDb, "DeleteItem", call).await;
        deleted.map(drop).map_err(|error| self.fenced(environment, error))
    }

    fn fenced(&self, environment: &str, error: crate::aws::AwsError) -> StoreError {
        if error.class == Class::Conflict {
            return StoreError::LeaseLost { environment: environment.to_owned() };
        }
        self.failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_is_used_by_what_was_changed_a_while_ago() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut record = StatusRecord::default();
        record.note_confirmed(3, "lifecycle[a].prefix".to_owned(), at(10));
        record.note_confirmed(3, "policy".to_owned(), at(20));
        let used = |record: &StatusRecord, generation: u64, second: i64| {
            let used = record.confirmation.as_ref().unwrap().used(generation, at(second));
            used.map(|used| used.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(used(&record, 3, 10), Some(vec![]), "AWS may not show it yet");
        assert_eq!(used(&record, 3, 11), Some(vec!["lifecycle[a].prefix".to_owned()]));
        assert_eq!(used(&record, 4, 99), Some(vec![]), "another form is confirmed by itself");
        record.note_confirmed(4, "policy".to_owned(), at(30));
        assert_eq!(used(&record, 4, 99), Some(vec!["policy".to_owned()]));
        for i in 0..=CONFIRMED_MAX {
            record.note_confirmed(4, format!("tags[{i}]"), at(30));
        }
        assert_eq!(used(&record, 4, 99), None, "more than can be remembered");
        assert_eq!(record.confirmation.as_ref().unwrap().changed.len(), CONFIRMED_MAX + 1);
        record.settle("form");
        assert_eq!(record.confirmation, None);
    }

    #[test]
    fn the_versions_of_earlier_forms_are_remembered_with_their_releases() {
        let mut record = StatusRecord::default();
        for (release, digest, version) in
            [(1, "a", "1"), (2, "a", "1"), (3, "b", "2"), (5, "c", "3")]
        {
            record.note_version(version.to_owned(), release);
            record.note_served(Served {
                digest: digest.to_owned(),
                inputs: String::new(),
                version: version.to_owned(),
                since_release: release,
            });
        }
        // Another release followed before its form was ready.
        record.note_version("4".to_owned(), 6);
        // A secret was rotated: the version of before is no release's any more.
        record.note_version("5".to_owned(), 7);
        record.note_version("6".to_owned(), 7);
        let since = |release| record.served_since(release).collect::<BTreeSet<_>>();
        let all = |versions: &[&'static str]| versions.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(since(1), all(&["1", "2", "3", "4", "6"]));
        assert_eq!(since(3), all(&["2", "3", "4", "6"]), "the first form was of releases 1 and 2");
        assert_eq!(since(4), all(&["2", "3", "4", "6"]), "release 4 had the second one");
        assert_eq!(since(9), all(&["3"]), "the last one that was ready is there still");
        assert_eq!(record.served_by("a", ""), Some("1"));
        assert_eq!(record.served_by("a", "a rotated secret"), None);
        record.versions.retain(|version| version != "1");
        assert_eq!(record.served_by("a", ""), None, "it is gone");
    }
}
