//! The rules for moving a head: what may become current, what has to be confirmed by name, what is held.
//!
//! Expected flow: read what is [`Current`], make the objects that shall be, put them through the rules, and
//! record the release. Apply, delete and rollback are that one act; they differ in where the objects come from.
//!
//! Guarantees:
//! - What holds data, and anything in a protected environment, leaves only where it was confirmed by name.
//! - Content that was rolled back does not come back until somebody asks for it.
//! - A release whose code, artifact or secret is gone is not made current.
//!
//! Left to others: manifests and their packages (`manifest`), the words of a terminal (`cli`), recording
//! (`store`).

mod approval;
mod current;
mod delete;
mod gc;
mod holds;
mod needs;
mod packages;
mod promote;
mod promotion;
mod protections;
mod removals;
mod rollback;
mod soak;
mod windows;

pub use approval::{Approving, Submitted, approve, needs_approval, submit};
pub use current::{Current, current, current_or_head};
pub use delete::delete;
pub use gc::{Collected, Garbage, collect_garbage, garbage};
pub use holds::check_hold;
pub use needs::check_needs;
pub use packages::{TransferError, is_there, own_session, put};
pub use promote::{BUILT, Copied, Promotion, Selection, packages_in, promote};
pub use promotion::{PlannedPromotion, Promoting, carry_out_promotion, plan_promotion, spec_of};
pub use removals::{Confirmed, check_removals, deleted, left_as_they_are, losses};
pub use rollback::{Rollback, RolledBack, roll_back, undo};
pub use soak::{Soak, soak};
pub use windows::check_windows;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::kinds::environment;
use crate::model::{Object, ObjectId};
use crate::store::{StoreError, Verdict};

/// Why a head is not moved. Nothing was recorded.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum Refused {
    #[error(
        "{environment} would lose {}, and {}; nothing was recorded. If that is meant, add: {}",
        listed(objects),
        if *is_protected { "the environment is protected" } else { "it holds data" },
        flags(objects)
    )]
    Unconfirmed { environment: String, objects: Vec<ObjectId>, is_protected: bool },
    #[error(
        "{environment} would delete {} resources at once ({}), and at most {most} may go without being confirmed \
         (spec.reconcile.maxDeletions); nothing was recorded. If that is meant, add: --confirm-deletions {}",
        objects.len(),
        some(objects),
        objects.len()
    )]
    TooManyDeletions { environment: String, objects: Vec<ObjectId>, most: usize },
    #[error(
        "this is the content of release {release} of {environment}, which was rolled back; nothing was \
         recorded. Apply other content, or make it current again with `trueup rollback {environment} {release}`"
    )]
    Held { environment: String, release: u64 },
    #[error(
        "this is the content of release {release} of {environment}, which failed and is quarantined: {why}. \
         Nothing was recorded. Apply other content, or let it through with --release-quarantine and say why with \
         --message"
    )]
    Quarantined { environment: String, release: u64, why: String },
    #[error(
        "all that release {release} of {environment} added holds data or was taken over, and no rollback deletes that"
    )]
    NothingToUndo { environment: String, release: u64 },
    #[error(
        "going back to release {to} of {environment} would lose something: {}; nothing was recorded. If that is \
         meant, add: {}",
        lost(losses),
        confirmations(losses)
    )]
    Losses { environment: String, to: u64, losses: Vec<(ObjectId, String)> },
    #[error(
        "{environment} would lose something with the form that {from} has: {}; nothing was recorded. If that is \
         meant, add: {}",
        lost(losses),
        confirmations(losses)
    )]
    PromotionLoses { environment: String, from: String, losses: Vec<(ObjectId, String)> },
    #[error(
        "the current release of {environment} is damaged, so that a part of it cannot go back alone: {why}; take all \
         of it back"
    )]
    OnlyOfDamaged { environment: String, why: String },
    #[error("release {to} of {environment} has no {object}, and neither has the current one")]
    NotInRelease { environment: String, to: u64, object: ObjectId },
    #[error(
        "{environment} takes no release now: {why}; nothing was recorded. {}; or add --override-window and say why \
         with --message",
        opens_at.map_or("No window opens soon".to_owned(), |at| format!("It takes one from {at} on"))
    )]
    WindowClosed { environment: String, why: String, opens_at: Option<jiff::Timestamp> },
    #[error(
        "release {release} of {environment} does not wait for an approval{}; nothing was recorded",
        waiting.map_or(String::new(), |waiting| format!(": release {waiting} does"))
    )]
    NothingToApprove { environment: String, release: u64, waiting: Option<u64> },
    #[error(
        "release {release} of {environment} is by {author}: somebody else has to approve it, who gives a name with \
         --author or git's user.name"
    )]
    OwnRelease { environment: String, release: u64, author: String },
    #[error(
        "release {now} of {environment} is current, and not release {wanted}; nothing was recorded. Promote that one, \
         or none"
    )]
    AnotherRelease { environment: String, wanted: u64, now: u64 },
    #[error(
        "release {release} of {environment} is {verdict}; only a release that has succeeded is promoted. \
         `trueup rollout status {environment}` says what it waits for"
    )]
    NotSucceeded { environment: String, release: u64, verdict: Verdict },
    #[error(
        "{environment} takes what is promoted from {only} alone, and not from {from}: its Environment says so in \
         promotion.from"
    )]
    NotPromotedFrom { environment: String, from: String, only: String },
    #[error("{environment} has no Environment that can be read; apply its manifests first")]
    NoEnvironment { environment: String },
    #[error(
        "{environment} has no earlier release with other content that succeeded and is not held; see `trueup history \
         {environment}`, and name one: `trueup rollback {environment} NUMBER`"
    )]
    NothingEarlier { environment: String },
    #[error(
        "what {environment} needs is not there; nothing was recorded. Put it there first, or take another \
         release: {}",
        gone.join("; ")
    )]
    NeedsGone { environment: String, gone: Vec<String> },
    #[error("{environment} has no {object}; see `trueup get {environment}`")]
    NoSuchObject { environment: String, object: ObjectId },
    #[error("{object} refers to {to}; delete both, or apply it without the reference first")]
    StillReferredTo { object: ObjectId, to: ObjectId },
    #[error(
        "Environment/{environment} says where the other objects live; delete those first, wait with \
         `trueup wait {environment} --for delete`, then delete it"
    )]
    EnvironmentInUse { environment: String },
}

/// Why a head was not moved.
#[derive(Debug, Error)]
pub enum MoveError {
    /// A rule of this folder forbids it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store failed, or somebody else moved the head first.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A package could not be brought where it has to be.
    #[error(transparent)]
    Transfer(#[from] TransferError),
}

fn listed(objects: &[ObjectId]) -> String {
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The first of many.
fn some(objects: &[ObjectId]) -> String {
    const SHOWN: usize = 5;
    let rest = objects.len().saturating_sub(SHOWN);
    let shown = listed(&objects[..objects.len() - rest]);
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}

fn lost(losses: &[(ObjectId, String)]) -> String {
    losses.iter().map(|(id, what)| format!("{id}: {what}")).collect::<Vec<_>>().join("; ")
}

/// What a rollback leaves as the release before it made it, for people.
pub fn rollback_leaves(left: &[(ObjectId, Vec<String>)], release: u64) -> String {
    let named: Vec<_> =
        left.iter().map(|(id, fields)| format!("{id}: {}", fields.join(", "))).collect();
    format!(
        "release {release} set fields that the earlier release does not declare, and they stay as they are in AWS: {}. \
         To take one back, declare its earlier value, or null for AWS's own",
        named.join("; ")
    )
}

/// The flags by which a person lets all of it go: one for each object.
fn confirmations(losses: &[(ObjectId, String)]) -> String {
    let ids: BTreeSet<_> = losses.iter().map(|(id, _)| id.clone()).collect();
    flags(&ids.into_iter().collect::<Vec<_>>())
}

fn flags(objects: &[ObjectId]) -> String {
    objects.iter().map(|id| format!("--confirm {id}")).collect::<Vec<_>>().join(" ")
}

/// Whether the Environment changed where its objects live or what they are all tagged with.
pub fn moves_all(before: &[Object], after: &[Object]) -> bool {
    let shared = |objects: &[Object]| {
        let environment = objects.iter().find(|o| o.kind == environment::NAME)?;
        Some((environment.spec.get("aws").cloned(), environment.spec.get("tags").cloned()))
    };
    !before.is_empty() && shared(before) != shared(after)
}

/// Objects of a release with some replaced or added; with `prune`, the given ones alone.
pub fn merged(before: &[Object], given: Vec<Object>, prune: bool) -> Vec<Object> {
    let mut all: BTreeMap<ObjectId, Object> = BTreeMap::new();
    if !prune {
        all.extend(before.iter().map(|o| (o.id(), o.clone())));
    }
    all.extend(given.into_iter().map(|o| (o.id(), o)));
    all.into_values().collect()
}

#[cfg(test)]
pub(super) mod samples {
    use serde_json::{Value, json};

    use super::Object;

    pub fn object(kind: &str, name: &str, spec: Value) -> Object {
        serde_json::from_value(json!({
            "apiVersion": "trueup.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
        }))
        .unwrap()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::samples::object;
    use super::*;

    #[test]
    fn what_is_given_replaces_and_adds_and_prunes_the_rest_where_asked() {
        let before = [
            object("Function", "api", json!({"timeout": 3})),
            object("Function", "old", json!({})),
        ];
        let given = [
            object("Function", "api", json!({"timeout": 9})),
            object("Function", "new", json!({})),
        ];
        for (prune, expected) in [
            (false, &["Function/api 9", "Function/new null", "Function/old null"][..]),
            (true, &["Function/api 9", "Function/new null"]),
        ] {
            let merged = merged(&before, given.to_vec(), prune);
            let texts: Vec<_> =
                merged.iter().map(|o| format!("{} {}", o.id(), o.spec["timeout"])).collect();
            assert_eq!(texts, expected, "prune: {prune}");
        }
    }

    #[test]
    fn another_account_or_other_tags_of_the_environment_move_all_its_objects() {
        let environment = |spec| vec![object("Environment", "dev", spec)];
        let eu = environment(json!({"aws": {"region": "eu-west-1"}, "tags": {"team": "shop"}}));
        let us = environment(json!({"aws": {"region": "us-east-1"}, "tags": {"team": "shop"}}));
        let untagged = environment(json!({"aws": {"region": "eu-west-1"}}));
        let slower = environment(json!({
            "aws": {"region": "eu-west-1"}, "tags": {"team": "shop"}, "reconcile": {"interval": "10m"},
        }));
        for (before, after, expected) in [
            (&eu, &us, true),
            (&eu, &untagged, true),
            (&eu, &slower, false),
            (&Vec::new(), &eu, false),
        ] {
            assert_eq!(moves_all(before, after), expected, "{before:?} {after:?}");
        }
    }
}
