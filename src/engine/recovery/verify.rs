//! Whether a backup could be restored from: every file against its digest, every copy against S3's checksum, every
//! table's backup against DynamoDB, and the records by putting them into a scratch table and reading them as the daemon
//! does.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};

use super::RecoveryError;
use super::contents;
use super::copies::{self, Copy};
use super::export;
use super::manifest::{Backup, Item, PackageCopy};
use super::vault::Vault;
use crate::aws::{AwsError, Session};
use crate::kinds::table::backups;
use crate::store::Store;

const AT_ONCE: usize = 32;

/// What was checked.
#[derive(Debug, Default)]
pub struct Checked {
    /// Records of the store.
    pub records: usize,
    /// Packages that the backup names.
    pub packages: usize,
    /// Tables that the backup names.
    pub tables: usize,
    /// Objects of buckets.
    pub objects: usize,
    /// What is wrong, for people.
    pub problems: Vec<String>,
}

/// Checks a backup. `session` is that of the environment's account; the scratch table is made beside the store's.
pub async fn verify(
    store: &Store,
    session: &Session,
    vault: &Vault,
    backup: &Backup,
) -> Result<Checked, RecoveryError> {
    let mut checked = Checked::default();
    let note = |problems: &mut Vec<String>, error: RecoveryError| match error {
        // What does not answer is not damaged.
        RecoveryError::Aws(_) => Err(error),
        error => {
            problems.push(error.to_string());
            Ok(())
        }
    };
    let mut lines = Vec::new();
    for part in &backup.state {
        match vault.lines(&backup.id, part).await {
            Ok(some) => lines.extend(some),
            Err(error) => note(&mut checked.problems, error)?,
        }
    }
    checked.records = lines.len();
    if checked.problems.is_empty() {
        let scratch = format!("{}-verify-{}", store.table(), backup.id);
        let found = store.in_scratch(&scratch, &backup.store, &backup.environment, &lines).await?;
        let damaged = found.findings.iter().map(|finding| finding.error.to_string());
        checked.problems.extend(damaged);
    }
    checked.problems.extend(backup.missing().map(|what| format!("it lacks {what}")));
    for table in &backup.tables {
        checked.tables += 1;
        if backups::is_ready(session, &table.backup_arn).await? != Some(true) {
            let problem =
                format!("DynamoDB has no backup {} of {}", table.backup_arn, table.object);
            checked.problems.push(problem);
        }
        if let Some(export) = &table.export
            && let Some(wrong) = export::wrong(vault, export).await?
        {
            checked.problems.push(format!("the export of {}: {wrong}", table.object));
        }
    }
    let listed = vault.list_data().await?;
    let there: BTreeMap<&str, u64> =
        listed.iter().map(|file| (file.key.as_str(), file.bytes)).collect();
    for package in &backup.packages {
        checked.packages += 1;
        checked.problems.extend(wrong_package(vault, package).await?);
    }
    for bucket in &backup.buckets {
        let items = match contents::items(vault, &backup.id, bucket).await {
            Ok(items) => items,
            Err(error) => {
                note(&mut checked.problems, error)?;
                continue;
            }
        };
        checked.objects += items.len();
        let wrong = stream::iter(items).map(|item| wrong(vault, &there, item));
        let wrong: Vec<_> = wrong.buffer_unordered(AT_ONCE).try_collect().await?;
        let wrong = wrong.into_iter().flatten();
        checked.problems.extend(wrong.map(|problem| format!("{}: {problem}", bucket.object)));
    }
    Ok(checked)
}

/// What is wrong with the copy of an object.
async fn wrong(
    vault: &Vault,
    there: &BTreeMap<&str, u64>,
    item: Item,
) -> Result<Option<String>, AwsError> {
    let looked = match there.get(vault.data(&item.copy).as_str()) {
        None => Copy::Damaged("its copy is gone"),
        Some(_) => copies::look(vault, &item).await?,
    };
    Ok(match looked {
        Copy::Sound(_) => None,
        Copy::Damaged(how) => Some(format!("{}: {how}", item.key)),
    })
}

/// What is wrong with the copy of a package: one that was released is known by its SHA-256.
async fn wrong_package(vault: &Vault, package: &PackageCopy) -> Result<Option<String>, AwsError> {
    let found = contents::head(&vault.session, &vault.bucket, &vault.data(&package.key)).await?;
    let sha256 = contents::declared_sha256(&package.from);
    // One that was uploaded in parts has a checksum of another form.
    let is_whole = found.as_ref().and_then(|f| f.sha256.as_ref()).is_none_or(|s| !s.contains('-'));
    Ok(match copies::judge(found, package.bytes, sha256.as_deref().filter(|_| is_whole)) {
        Copy::Sound(_) => None,
        Copy::Damaged(how) => Some(format!("the package {}: {how}", package.from.key)),
    })
}
