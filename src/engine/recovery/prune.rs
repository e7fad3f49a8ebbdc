//! Deleting backups, and what backups that were never finished have left.
//!
//! Guarantees: a backup is marked before its first part goes, so that half of one is taken for none. What lies under
//! `data/` goes once no backup names it and it is a day old: one that is being made may be about to.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tracing::info;

use super::contents;
use super::manifest::{Backup, backup_of, begun_at};
use super::vault::Vault;
use super::{RecoveryError, expired, tables};
use crate::aws::Session;
use crate::kinds::environment::BackupPolicy;

/// No backup takes so long.
const UNFINISHED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub backups: usize,
    /// Copies that no backup names any more.
    pub copies: usize,
    /// Backups of tables that belong to no backup.
    pub tables: usize,
}

/// Deletes a backup: DynamoDB's backups of its tables, and its files. `session` is the environment's own.
pub async fn delete(
    vault: &Vault,
    session: &Session,
    backup: &Backup,
) -> Result<(), RecoveryError> {
    if !backup.deleting {
        vault.put_manifest(&Backup { deleting: true, ..backup.clone() }.sealed()).await?;
    }
    for table in &backup.tables {
        tables::delete(session, &table.backup_arn).await?;
    }
    vault.delete_folder(&backup.id).await
}

/// Deletes backups that were kept for long enough, and then what nothing names.
pub async fn prune(
    vault: &Vault,
    session: &Session,
    environment: &str,
    policy: &BackupPolicy,
    now: Timestamp,
) -> Result<Pruned, RecoveryError> {
    let backups = vault.sound_backups().await?;
    let old = expired(&backups, policy.retention(), now);
    for backup in backups.iter().filter(|backup| old.contains(&backup.id)) {
        delete(vault, session, backup).await?;
        info!(environment, id = backup.id, "backup deleted: it was kept for long enough");
    }
    let left = sweep(vault, session, environment, now).await?;
    Ok(Pruned { backups: old.len(), ..left })
}

/// Deletes what belongs to no backup and is a day old.
pub async fn sweep(
    vault: &Vault,
    session: &Session,
    environment: &str,
    now: Timestamp,
) -> Result<Pruned, RecoveryError> {
    let is_old = |at: Timestamp| now.duration_since(at) > UNFINISHED_FOR;
    let all = vault.backups().await?;
    let mut known = BTreeSet::new();
    let mut used = BTreeSet::new();
    let mut is_readable = true;
    for (id, manifest) in &all {
        match manifest {
            // A manifest that cannot be read may name anything.
            Some(Err(_)) => {
                is_readable = false;
                known.insert(id.as_str());
            }
            Some(Ok(backup)) => {
                known.insert(id.as_str());
                used.extend(backup.copies().map(str::to_owned));
                for bucket in &backup.buckets {
                    match contents::items(vault, id, bucket).await {
                        Ok(items) => used.extend(items.into_iter().map(|item| item.copy)),
                        Err(_) => is_readable = false,
                    }
                }
            }
            None if begun_at(id).is_none_or(|at| !is_old(at)) => {
                known.insert(id.as_str());
            }
            None => vault.delete_folder(id).await?,
        }
    }
    let mut pruned = Pruned::default();
    if is_readable {
        let root = vault.data("");
        let listed = vault.list_data().await?.into_iter().filter(|file| {
            is_old(file.at)
                && file.key.strip_prefix(&*root).is_some_and(|name| !used.contains(name))
        });
        let unused: Vec<_> = listed.map(|file| file.key).collect();
        vault.delete(&unused).await?;
        pruned.copies = unused.len();
    }
    for found in tables::all(session, None).await? {
        let of = backup_of(environment, &found.name).filter(|id| begun_at(id).is_some());
        if of.is_some_and(|id| !known.contains(id)) && is_old(found.at) {
            tables::delete(session, &found.arn).await?;
            pruned.tables += 1;
        }
    }
    Ok(pruned)
}
