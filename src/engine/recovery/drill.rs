//! A rehearsal: an environment is built from its backup as a scratch environment, and removed again. It says how long a
//! rehydration takes, and that it works.
//!
//! Guarantees: only what the rehearsal has made is deleted. One that was interrupted is gone on with, or cleaned up by
//! the next one.

use std::time::Duration;

use tokio::time::sleep;

use super::rehydrate::{Done, Told, Wish, prepare};
use super::vault::{Vault, delete_versions};
use super::{Plan, RecoveryError};
use crate::aws::Sessions;
use crate::engine::release::{current, own_session, spec_of};
use crate::kinds::environment;
use crate::model::ObjectId;
use crate::store::{Cause, NewRelease, Rehydration, Store};

const LOOK_EVERY: Duration = Duration::from_secs(5);
const SUFFIX: &str = "-drill";
/// As Kubernetes' names.
const NAME_MAX: usize = 63;

/// What a rehearsal came to.
#[derive(Clone, Debug)]
pub struct Drilled {
    pub environment: String,
    pub done: Done,
    pub plan: Plan,
    pub warnings: Vec<String>,
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
    let is_there = !current(store, &scratch).await?.objects.is_empty();
    match &earlier {
        None if is_there => {
            return Err(RecoveryError::Refused(format!(
                "there is an environment {scratch} that no rehearsal has made"
            )));
        }
        Some(earlier) if is_there && (earlier.backup != id || earlier.ended_at.is_some()) => {
            remove(store, sessions, &scratch, author).await?;
        }
        _ => {}
    }
    let wish = Wish { into: Some(scratch.clone()), is_scratch: true, ..Wish::default() };
    let prepared = prepare(sessions, vault, id, &wish).await?;
    let done = prepared.carry_out(store, sessions, author, told).await?;
    let ended_at = store.clock().now();
    let took = jiff::SignedDuration::try_from(done.took).unwrap_or_default();
    let begun_at = ended_at.checked_sub(took).unwrap_or(ended_at);
    let over = Rehydration { backup: id.to_owned(), begun_at, ended_at: Some(ended_at) };
    store.note_drill(&backup.environment, &over).await?;
    remove(store, sessions, &scratch, author).await?;
    Ok(Drilled { environment: scratch, done, plan: prepared.plan, warnings: prepared.mentions })
}

/// Takes every object of a scratch environment out, with its data, and waits until it is gone.
async fn remove(
    store: &Store,
    sessions: &Sessions,
    scratch: &str,
    author: &str,
) -> Result<(), RecoveryError> {
    let now = current(store, scratch).await?;
    let spec = spec_of(&now.objects).unwrap_or_default();
    let session = own_session(sessions, scratch, &spec.target()).await?;
    for (id, status) in store.statuses(scratch).await? {
        let status = status?;
        // A bucket goes only without objects. One that was never seen as ours is not touched.
        if &*id.kind == "Bucket" && status.created_at.is_some() {
            delete_versions(&session, &status.aws_name).await?;
        }
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
    while store.statuses(scratch).await?.keys().any(|id| !is_environment(id)) {
        sleep(LOOK_EVERY).await;
    }
    let last = current(store, scratch).await?;
    store.record(scratch, last.head.as_ref(), last.release.as_ref(), new(Vec::new())).await?;
    Ok(())
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
