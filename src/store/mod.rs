//! Desired state, status, events and leases in one DynamoDB table.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | `store` | `identity` | the store's own id, part of every resource's ownership tags |
//! | `environments` | `<env>` | the head: current release, suspended, hold |
//! | `env#<env>` | `release#<number>` | a release, its list of objects, and what was taken out |
//! | `env#<env>` | `proposed#<number>` | a release that waits for an approval |
//! | `env#<env>` | `rollout#<number>` | how far a release is, and what it came to |
//! | `env#<env>` | `page#<digest>` | a part of a list that is too long for one item |
//! | `env#<env>` | `spec#<digest>` | one object, immutable, content-addressed |
//! | `env#<env>` | `status#<Kind>/<name>` | what exists; also the finalizer |
//! | `env#<env>` | `source#<Kind>/<name>` | what an object is restored from |
//! | `env#<env>` | `recovery` | backups and rehydrations |
//! | `env#<env>` | `health` | what the probes of its pages say |
//! | `events#<env>` | time-ordered id | events, with a TTL |
//! | `leases` | `<env>` | who reconciles the environment, with a fencing epoch |
//! | `members` | `<owner>` | a daemon that takes part |
//!
//! Guarantees:
//! - A release lands whole or not at all: its parts are written first, then one transaction puts it
//!   and moves the head, on the condition that the head is where the author saw it.
//! - What a release refers to is never changed, and is checked against its digests on every read. What is
//!   missing, altered, or of a newer version is an error (`StoreError::is_damage`), never an absence.
//! - Objects and pages that nothing refers to are collected (`collect.rs`), and nothing else ever is by itself.
//!   `verify.rs` checks every record, and deletes damaged ones that nothing needs where a person asks for it.
//! - A status is written only by the owner of the newest lease epoch that was seen for it.
//!
//! Left to others: what a release should hold (`cli`), what a status should say (`engine`).

mod collect;
mod error;
mod event;
mod flap_guard;
mod head;
mod health;
mod item;
mod lease;
mod member;
mod record;
mod recovery;
mod release;
mod rollout;
mod signature;
mod source;
mod status;
mod table;
mod transfer;
mod verify;

pub use error::StoreError;
pub use event::{EventKind, EventRecord};
pub use flap_guard::{CarriedOut, FlapGuard};
pub use head::{Decision, DecisionRequest, Head, Hold, Quarantine, ReconcileRequest};
pub use health::{HealthRecord, PageHealth};
pub use lease::{Lease, Renewal};
pub use member::Member;
pub use recovery::{BegunBackup, Recoveries, Rehydration};
pub use release::{Cause, Entry, Left, NewRelease, Promoted, Release, content_digest};
pub use rollout::{ARRIVED_MAX, Arrived, Good, Order, Passed, Rollout, Shift, Stage, Verdict};
pub use signature::{KeysError, SigningKeys};
pub use status::{Confirmation, Phase, PublishedFor, Served, StatusRecord, Statuses, SyncedInPart};
pub use transfer::Export;
pub use verify::{Finding, Mend, Verified};

use crate::aws::{AwsError, Session};
use crate::model::Clock;

/// The table's name, where nobody gives another.
pub const TABLE_DEFAULT: &str = "trueup";

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    session: Session,
    table: String,
    clock: Clock,
    /// What releases are signed with.
    keys: Option<SigningKeys>,
    /// Only what is signed is built upon.
    builds_on_signed: bool,
}

impl Store {
    /// The store in a table of this name, without signing keys. Nothing is read or made yet.
    pub fn new(session: Session, table: impl Into<String>, clock: Clock) -> Self {
        Self { session, table: table.into(), clock, keys: None, builds_on_signed: false }
    }

    /// The name of the store's table in DynamoDB.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Where the table is, as `account/region`.
    pub async fn place(&self) -> Result<String, AwsError> {
        Ok(format!("{}/{}", self.session.account_id().await?, self.session.region()))
    }

    /// The clock that the times in records come from.
    pub fn clock(&self) -> Clock {
        self.clock
    }
}
