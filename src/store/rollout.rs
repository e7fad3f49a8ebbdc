//! Rollouts: how far a release is on its way into its environment, and what it came to.
//!
//! One record for each release, beside it in the store. The daemon that has the environment's lease writes it; a
//! daemon that takes over goes on from it. What it may say next is planned in `engine::rollout`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::item::item;
use super::lease::EPOCH_MAX;
use super::release::{Cause, partition};
use super::{Store, StoreError};
use crate::model::{Evidence, ObjectId, digest_of};

/// What a release came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// No daemon has begun with it.
    #[default]
    Pending,
    /// A daemon is at work on it, and its verdict is open.
    Progressing,
    /// Every object that counts became ready, and its checks passed.
    Succeeded,
    /// It failed, and the earlier release was not made current again, or not yet.
    Failed,
    /// Nobody can tell yet: a person decides.
    Inconclusive,
    /// It failed, and an earlier release was made current again.
    RolledBack,
    /// A newer release came before it was over.
    Superseded,
}

impl Verdict {
    /// A release came to something by it.
    pub fn is_counted(self) -> bool {
        !matches!(self, Self::Pending | Self::Progressing)
    }

    /// Every verdict, each once.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Progressing,
        Self::Succeeded,
        Self::Failed,
        Self::Inconclusive,
        Self::RolledBack,
        Self::Superseded,
    ];

    /// The verdict's name, as records and metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Progressing => "Progressing",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Inconclusive => "Inconclusive",
            Self::RolledBack => "RolledBack",
            Self::Superseded => "Superseded",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a rollout does now. Each stage says how long it may last, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", deny_unknown_fields)]
pub enum Stage {
    /// Everything but frontends that exist is made as the release declares, or in a rollback the frontends
    /// are. Until the progress deadline; then the other half follows.
    First,
    /// The other half. Until the progress deadline; then it has succeeded.
    Second,
    /// Everything is ready; its checks are made. Until the deadline; then it has succeeded.
    Checking,
    /// It succeeded, and is watched for the bake time. Then it is over.
    Baking,
    /// It failed, and the release is made current again that succeeded last. Until the head has moved.
    #[expect(missing_docs, reason = "the number of that release")]
    RollingBack { to: u64 },
    /// It waits for a person, or for its objects to become ready after all. Without a limit.
    Waiting,
    /// Nothing is done about it any more.
    Over,
}

impl Stage {
    /// It ends by the rollout's deadline: something follows then, whatever is ready.
    pub fn has_deadline(self) -> bool {
        matches!(self, Self::First | Self::Second | Self::Checking)
    }

    /// The stage's name, without what belongs to it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "First",
            Self::Second => "Second",
            Self::Checking => "Checking",
            Self::Baking => "Baking",
            Self::RollingBack { .. } => "RollingBack",
            Self::Waiting => "Waiting",
            Self::Over => "Over",
        }
    }
}

/// In which order the parts of a release move: users meet a frontend and an API of different releases for as
/// short as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Nothing was released before that it could mix with.
    Together,
    /// Forward: what frontends call is there before they call it.
    FrontendsLast,
    /// Back: the frontends that call it are gone before it goes.
    FrontendsFirst,
}

/// A stage that a rollout went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Passed {
    /// The stage that it was.
    pub stage: Stage,
    /// When it began.
    pub since: Timestamp,
    /// `None` for the one that it is in.
    pub until: Option<Timestamp>,
}

/// A release that succeeded: what a failed one after it goes back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Good {
    /// The number of the release.
    pub release: u64,
    /// The digest of its content.
    pub digest: String,
}

/// A version that gets its requests step by step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shift {
    /// The kind of the object that has the version.
    pub kind: String,
    /// The name of that object in its manifest.
    pub name: String,
    /// The version, as AWS numbers it.
    pub version: String,
    /// Which of its steps it is at; past the last, it gets all requests.
    pub step: usize,
    /// Since when it was seen to get what that step gives; `None` until then.
    pub since: Option<Timestamp>,
    /// When it was first seen to get requests: since then both versions are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_at: Option<Timestamp>,
    /// How often both versions failed since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Evidence>,
    /// How often both were slow, which counts as an error here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<Evidence>,
    /// What takes longer is slow, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_over_ms: Option<u64>,
}

impl Shift {
    /// A version that has its gates behind it.
    pub fn new(id: &ObjectId, version: &str) -> Self {
        Self {
            kind: id.kind.to_string(),
            name: id.name.to_string(),
            version: version.to_owned(),
            step: 0,
            since: None,
            first_at: None,
            errors: None,
            slow: None,
            slow_over_ms: None,
        }
    }

    /// Whether the version is one of this object.
    pub fn is_of(&self, id: &ObjectId) -> bool {
        self.kind == *id.kind && self.name == *id.name
    }

    /// Names the object that has the version.
    pub fn id(&self) -> ObjectId {
        ObjectId::new(self.kind.as_str(), self.name.as_str())
    }
}

/// An object that became ready: one that the release changed, or one with a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arrived {
    /// The object's kind.
    pub kind: String,
    /// The object's name in its manifest.
    pub name: String,
    /// When the daemon first found it ready since the rollout began.
    pub at: Timestamp,
    /// The version of it that got all requests then, as AWS numbers it: it is kept as long as the release is in the
    /// history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The release changed it.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub is_changed: bool,
}

fn yes() -> bool {
    true
}

impl Arrived {
    /// Whether it is this object that became ready.
    pub fn is_of(&self, id: &ObjectId) -> bool {
        self.kind == *id.kind && self.name == *id.name
    }

    /// Names the object within its environment.
    pub fn id(&self) -> ObjectId {
        ObjectId::new(self.kind.as_str(), self.name.as_str())
    }
}

/// How far one release is, and what it came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// The number of the release.
    pub release: u64,
    /// The release's content.
    pub digest: String,
    /// The lease epoch of the writer.
    pub epoch: u64,
    /// What the release came to so far.
    pub verdict: Verdict,
    /// One word for machines; see docs/reasons.md.
    pub reason: String,
    /// What happened to which object, for people.
    pub message: String,
    /// In which order its frontends and its other objects move.
    pub order: Order,
    /// The objects of the second stage may move.
    pub second_open: bool,
    /// Frontends may be of a newer release than the one that succeeded last.
    pub frontends_moved: bool,
    /// The stages so far, the present one last. Never empty.
    pub stages: Vec<Passed>,
    /// Until when its objects have to be ready.
    pub deadline: Timestamp,
    /// How often the deadline was moved because no daemon had worked on the rollout for a while.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub extensions: u32,
    /// The release that a failure goes back to; `None` where none has succeeded yet.
    pub good: Option<Good>,
    /// Why the release was made: only what was applied is rolled back by itself.
    pub cause: Cause,
    /// It is a rollback whose versions get their requests step by step all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gradual: bool,
    /// When a person last said what becomes of it, where that was taken into account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// Since when its frontends and its functions were of different releases, where both move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed_since: Option<Timestamp>,
    /// Until when they were; `None` until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed_until: Option<Timestamp>,
    /// Up to [`ARRIVED_MAX`].
    pub arrived: Vec<Arrived>,
    /// New versions that get their requests step by step.
    pub shifts: Vec<Shift>,
    /// In the store, the digest of all the rest. Empty elsewhere.
    pub seal: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_none_yet(extensions: &u32) -> bool {
    *extensions == 0
}

/// Objects whose arrival a record names; the others are in their own records.
pub const ARRIVED_MAX: usize = 1_000;

impl Rollout {
    /// The versions of an object that the rollout names.
    pub fn versions_of<'a>(&'a self, id: &'a ObjectId) -> impl Iterator<Item = &'a str> {
        let shifted = self.shifts.iter().filter(|shift| shift.is_of(id));
        let arrived = self.arrived.iter().filter(|arrived| arrived.is_of(id));
        let arrived = arrived.filter_map(|arrived| arrived.version.as_deref());
        shifted.map(|shift| shift.version.as_str()).chain(arrived)
    }

    /// The stage that the rollout is in now.
    pub fn stage(&self) -> Stage {
        self.stages.last().map_or(Stage::Over, |passed| passed.stage)
    }

    /// When it was begun.
    pub fn begun_at(&self) -> Option<Timestamp> {
        self.stages.first().map(|passed| passed.since)
    }

    /// When its verdict was clear: until then it was made as declared.
    pub fn decided_at(&self) -> Option<Timestamp> {
        let is_decided = |passed: &&Passed| !passed.stage.has_deadline();
        self.stages.iter().find(is_decided).map(|passed| passed.since)
    }

    /// Since when it has been a success: what waited for a person before that was none.
    pub fn succeeded_at(&self) -> Option<Timestamp> {
        let is_success = |passed: &&Passed| matches!(passed.stage, Stage::Baking | Stage::Over);
        let since = self.stages.iter().rev().take_while(is_success).last();
        since.filter(|_| self.verdict == Verdict::Succeeded).map(|passed| passed.since)
    }

    /// The record as the store has it.
    pub(super) fn sealed(self) -> Self {
        Self { seal: self.seal_of(), ..self }
    }

    /// The record, if it can be the one of the release that it stands under.
    pub(super) fn checked(self, environment: &str, release: u64) -> Result<Self, StoreError> {
        let how = if self.release != release {
            format!("it says that it is the rollout of release {}", self.release)
        } else if self.epoch >= EPOCH_MAX {
            format!("its epoch is {}", self.epoch)
        } else if self.stages.is_empty() || self.seal != self.seal_of() {
            "it is not as it was written".to_owned()
        } else {
            return Ok(Self { seal: String::new(), ..self });
        };
        let what = format!("the rollout of release {release} of {environment}");
        Err(StoreError::Damaged { what, how })
    }

    fn seal_of(&self) -> String {
        digest_of(&Self { seal: String::new(), ..self.clone() })
    }
}

pub(super) const ROLLOUT_PREFIX: &str = "rollout#";

pub(super) fn rollout_key(release: u64) -> String {
    // Padded, so that keys sort as the numbers do.
    format!("{ROLLOUT_PREFIX}{release:010}")
}

impl Store {
    /// The newest rollouts of an environment by their releases, newest first, or why one cannot be read.
    pub async fn rollouts(
        &self,
        environment: &str,
        limit: usize,
    ) -> Result<Vec<(u64, Result<Rollout, StoreError>)>, StoreError> {
        let stored = self.query(&partition(environment), ROLLOUT_PREFIX, Some(limit)).await?;
        let checked = stored.into_iter().map(|stored| {
            // Keys are ours; one that holds no number is the rollout of no release.
            let release = stored.sk.trim_start_matches(ROLLOUT_PREFIX).parse().unwrap_or(0);
            let sound = |rollout: Rollout| rollout.checked(environment, release);
            (release, stored.record.and_then(sound))
        });
        Ok(checked.collect())
    }

    /// The rollout of a release; `None` where no daemon has begun with it.
    pub async fn rollout(
        &self,
        environment: &str,
        release: u64,
    ) -> Result<Option<Rollout>, StoreError> {
        let found: Option<Rollout> =
            self.get(&partition(environment), &rollout_key(release)).await?;
        found.map(|rollout| rollout.checked(environment, release)).transpose()
    }

    /// Writes a rollout, unless a newer lease epoch has written it.
    pub async fn put_rollout(
        &self,
        environment: &str,
        rollout: &Rollout,
    ) -> Result<(), StoreError> {
        let (pk, sk) = (partition(environment), rollout_key(rollout.release));
        let sealed = rollout.clone().sealed();
        self.put_fenced(environment, item(&pk, &sk, &sealed)?, rollout.epoch).await
    }
}
