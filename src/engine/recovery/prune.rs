//! Deleting backups, and what backups that were never finished have left.
//!
//! Guarantees:
//! - A backup is marked before its first part goes, so that half of one is taken for none. One that something is still
//!   to be restored from stays.
//! - What lies under `data/` goes once no backup names it and it is a day old, and only while no backup is being made:
//!   that one may be about to name it.
//! - Of DynamoDB's backups only those go that this vault and store have made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tracing::info;

use super::RecoveryError;
use super::contents;
use super::large;
use super::manifest::{Backup, backup_of, begun_at, expired};
use super::objectives::table_backups;
use super::place_of;
use super::vault::Vault;
use crate::aws::Session;
use crate::kinds::environment::BackupPolicy;
use crate::kinds::table::backups;
use crate::model::DataSource;
use crate::store::Store;

/// No backup takes so long.
const UNFINISHED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Copies that no backup names any more.
    pub copies: usize,
    /// Backups of tables that belong to no backup.
    pub tables: usize,
}

/// What something is still to be restored from, in any environment of the store: ids of backups, and what DynamoDB
/// calls those of tables.
pub async fn in_use(store: &Store) -> Result<BTreeSet<String>, RecoveryError> {
    let mut used = BTreeSet::new();
    for (environment, _) in store.heads_and_lost().await? {
        for source in store.data_sources(&environment).await?.into_values() {
            match source? {
                DataSource::TableBackup { arn } => used.insert(arn),
                DataSource::TableExport { backup, .. } | DataSource::Contents { backup } => {
                    used.insert(backup)
                }
                DataSource::PointInTime { .. } => false,
            };
        }
        let recoveries = store.recoveries(&environment).await?;
        let building = recoveries.rehydration.filter(|building| building.ended_at.is_none());
        used.extend(building.map(|building| building.backup));
    }
    Ok(used)
}

fn is_used(backup: &Backup, used: &BTreeSet<String>) -> bool {
    let arns = backup.tables.iter().map(|table| &table.backup_arn);
    arns.chain([&backup.id]).any(|name| used.contains(name))
}

/// Deletes a backup: DynamoDB's backups of its tables, and its files. `session` is the environment's own, `used` what
/// [`in_use`] says.
pub async fn delete(
    vault: &Vault,
    session: &Session,
    backup: &Backup,
    used: &BTreeSet<String>,
) -> Result<(), RecoveryError> {
    if is_used(backup, used) {
        return Err(RecoveryError::Refused(format!(
            "something is still to be restored from backup {}",
            backup.id
        )));
    }
    if !backup.deleting {
        vault.put_manifest(&Backup { deleting: true, ..backup.clone() }.sealed()).await?;
    }
    // Those of another account or region are not this session's to delete.
    if backup.is_of(&place_of(session).await?) {
        for table in &backup.tables {
            backups::delete(session, &table.backup_arn).await?;
        }
    }
    vault.delete_folder(&backup.id).await
}

/// Deletes backups that were kept for long enough. Returns how many.
pub async fn prune(
    store: &Store,
    vault: &Vault,
    session: &Session,
    environment: &str,
    policy: &BackupPolicy,
) -> Result<usize, RecoveryError> {
    let backups = vault.sound_backups().await?;
    let there = table_backups(session, &backups).await?;
    let old = expired(&backups, &there, policy.retention(), store.clock().now());
    let used = in_use(store).await?;
    let old = backups.iter().filter(|b| old.contains(&b.id) && !is_used(b, &used));
    let mut deleted = 0;
    for backup in old {
        delete(vault, session, backup, &used).await?;
        info!(environment, id = backup.id, "backup deleted: it was kept for long enough");
        deleted += 1;
    }
    Ok(deleted)
}

/// Deletes what belongs to no backup and is a day old.
pub async fn sweep(
    store: &Store,
    vault: &Vault,
    session: &Session,
    environment: &str,
) -> Result<Pruned, RecoveryError> {
    let now = store.clock().now();
    let is_old = |at: Timestamp| now.duration_since(at) > UNFINISHED_FOR;
    // The names of DynamoDB's backups that each backup has; `None` of one that may have any.
    let mut known: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
    let (mut used, mut is_certain) = (BTreeSet::new(), true);
    for (id, manifest) in vault.backups().await? {
        match manifest {
            Some(Ok(backup)) => {
                used.extend(backup.copies().map(str::to_owned));
                for bucket in &backup.buckets {
                    match contents::items(vault, &id, bucket).await {
                        Ok(items) => used.extend(items.into_iter().map(|item| item.copy)),
                        Err(_) => is_certain = false,
                    }
                }
                let arns = backup.tables.into_iter().map(|table| table.backup_arn).collect();
                known.insert(id, Some(arns));
            }
            // Nobody knows what it names, or it is being made.
            Some(Err(_)) => {
                is_certain = false;
                known.insert(id, None);
            }
            None if begun_at(&id).is_none_or(|at| !is_old(at)) => {
                is_certain = false;
                known.insert(id, None);
            }
            None => vault.delete_folder(&id).await?,
        }
    }
    let aborted = large::abort_old(vault, is_old).await?;
    if aborted > 0 {
        info!(environment, aborted, "uploads to the vault that nobody finished were aborted");
    }
    let mut pruned = Pruned::default();
    if is_certain {
        let root = vault.data("");
        let is_unused =
            |key: &str| key.strip_prefix(&*root).is_some_and(|name| !used.contains(name));
        let listed = vault.list_data().await?.into_iter();
        let unused = listed.filter(|file| is_old(file.at) && is_unused(&file.key));
        let unused: Vec<_> = unused.map(|file| file.key).collect();
        vault.delete(&unused).await?;
        pruned.copies = unused.len();
    }
    let tag = vault.tag(&store.id().await?);
    for found in backups::all(session, None).await? {
        let of = backup_of(environment, &tag, &found.name).filter(|id| begun_at(id).is_some());
        let Some(id) = of.filter(|_| is_old(found.at)) else { continue };
        let is_named = match known.get(id) {
            Some(Some(arns)) => arns.contains(&found.arn),
            Some(None) => true,
            None => false,
        };
        if !is_named {
            backups::delete(session, &found.arn).await?;
            pruned.tables += 1;
        }
    }
    Ok(pruned)
}
