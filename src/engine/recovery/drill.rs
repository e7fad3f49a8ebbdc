//! A rehearsal: an environment is built from its backup as a scratch environment, and removed again. It says how long a
//! rehydration takes, and that it works.
//!
//! Guarantees: only what the rehearsal has made is deleted, also where the backup lacks something; then the rehearsal has
//! failed, and the record says so. One that was interrupted is gone on with, or cleaned up by the next one.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::time::sleep;

use super::rehydrate::{Done, Told, Wish, prepare, tell_of_stuck};
use super::vault::{Vault, delete_versions};
use super::{LOOK_EVERY, Plan, RecoveryError};
use crate::aws::Sessions;
use crate::engine::release::{current, own_session, spec_of};
use crate::kinds::environment;
use crate::model::{Object, ObjectId};
use crate::store::{Cause, NewRelease, Rehydration, Store};

const SUFFIX: &str = "-drill";
/// As Kubernetes' names.
const NAME_MAX: usize = 63;

/// What a rehearsal came to.
#[derive(Clone, Debug)]
pub struct Drilled {
    /// The scratch environment that was built, and is removed again.
    pub environment: String,
    /// How long building it took, and how many objects it had.
    pub done: Done,
    /// What was restored from what.
    pub plan: Plan,
}

/// What the scratch environment of a rehearsal is called.
pub fn scratch_of(environment: &str) -> String {
    let kept: String = environment.chars().take(NAME_MAX - SUFFIX.len()).collect();
    format!("{}{SUFFIX}", kept.trim_end_matches('-'))
}

/// Rehearses with a backup, and removes what was built.
pub async fn drill(
    store: &Store,
    sessions: &Sessions,
    vault: Vault,
    id: &str,
    author: &str,
    told: &(dyn Fn(Told<'_>) + Sync),
) -> Result<Drilled, RecoveryError> {
    let backup = vault.backup(id).await?;
    let scratch = scratch_of(&backup.environment);
    let earlier = store.recoveries(&scratch).await?.rehydration;
    let is_ours =
        earlier.as_ref().is_some_and(|e| e.scratch_of.as_ref() == Some(&backup.environment));
    let is_there = !current(store, &scratch).await?.objects.is_empty();
    if is_there && !is_ours {
        return Err(RecoveryError::Refused(format!(
            "there is an environment {scratch} that no rehearsal of {} has made",
            backup.environment
        )));
    }
    let is_resumed = |e: &Rehydration| is_ours && e.backup == id && e.ended_at.is_none();
    if !earlier.as_ref().is_some_and(is_resumed) {
        if is_there {
            remove(store, sessions, &scratch, author, told).await?;
        }
        store.forget_rehydration(&scratch).await?;
    }
    let wish = Wish { into: Some(scratch.clone()), is_scratch: true, ..Wish::default() };
    let prepared = prepare(sessions, vault, id, &wish).await?;
    let begun_at = store.clock().now();
    let done = match prepared.carry_out(store, sessions, author, told).await {
        Ok(done) => Ok(done),
        // It goes no further, however often it is asked for.
        Err(error @ (RecoveryError::Incomplete { .. } | RecoveryError::Unfinished(_))) => {
            Err(error)
        }
        Err(error) => return Err(error),
    };
    let ended_at = store.clock().now();
    let took = done.as_ref().ok().and_then(|done| jiff::SignedDuration::try_from(done.took).ok());
    let begun_at = took.and_then(|took| ended_at.checked_sub(took).ok()).unwrap_or(begun_at);
    let over = Rehydration {
        backup: id.to_owned(),
        begun_at,
        ended_at: Some(ended_at),
        lacking: done.as_ref().err().map(RecoveryError::to_string),
        scratch_of: None,
    };
    store.note_drill(&backup.environment, &over).await?;
    remove(store, sessions, &scratch, author, told).await?;
    Ok(Drilled { environment: scratch, done: done?, plan: prepared.plan })
}

/// Takes every object of a scratch environment out, with its data, and waits until it is gone.
async fn remove(
    store: &Store,
    sessions: &Sessions,
    scratch: &str,
    author: &str,
    told: &(dyn Fn(Told<'_>) + Sync),
) -> Result<(), RecoveryError> {
    let now = current(store, scratch).await?;
    let spec = spec_of(&now.objects).unwrap_or_default();
    let session = own_session(sessions, scratch, &spec.target()).await?;
    // As the rehearsal has declared them; one that somebody changed since stays, with its objects.
    let goes = |object: &&Object| {
        &*object.kind == "Bucket" && object.spec.get("deletionPolicy") == Some(&json!("Delete"))
    };
    let mut scratch_buckets: BTreeSet<ObjectId> =
        now.objects.iter().filter(goes).map(Object::id).collect();
    if let Some(release) = &now.release {
        let left = release.left.iter().map(|left| left.digest.clone()).collect();
        let left = store.objects(scratch, &left).await?;
        scratch_buckets.extend(left.values().filter(goes).map(Object::id));
    }
    let is_environment = |id: &ObjectId| &*id.kind == environment::NAME;
    let kept: Vec<_> =
        now.objects.iter().filter(|object| is_environment(&object.id())).cloned().collect();
    let new = |objects| NewRelease {
        author: author.to_owned(),
        message: "the rehearsal is over".to_owned(),
        confirmed: now.objects.iter().map(|object| object.id()).collect(),
        ..NewRelease::new(Cause::Delete, objects)
    };
    if kept.len() < now.objects.len() {
        store.record(scratch, now.head.as_ref(), now.release.as_ref(), new(kept)).await?;
    }
    let mut stuck = BTreeSet::new();
    loop {
        let mut left = store.statuses(scratch).await?;
        left.retain(|id, _| !is_environment(id));
        if left.is_empty() {
            break;
        }
        for status in left.into_values() {
            let status = status?;
            tell_of_stuck(&status.id(), &status, &mut stuck, told);
            // A bucket goes only without objects, and what still runs may write some. Only what the rehearsal was to
            // delete is emptied.
            if scratch_buckets.contains(&status.id()) && status.created_at.is_some() {
                delete_versions(&session, &status.aws_name).await?;
            }
        }
        sleep(LOOK_EVERY).await;
    }
    let last = current(store, scratch).await?;
    if !last.objects.is_empty() {
        store.record(scratch, last.head.as_ref(), last.release.as_ref(), new(Vec::new())).await?;
    }
    Ok(store.forget_rehydration(scratch).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_environment_is_named_after_its_own() {
        assert_eq!(scratch_of("production"), "production-drill");
        assert_eq!(scratch_of(&"a".repeat(63)).len(), NAME_MAX);
    }
}
