//! Making a backup: tables first, then buckets, packages and the records of the store, and the manifest last.
//!
//! Guarantees: making the backup of an id again goes on where it stopped, and makes nothing twice. Without its manifest
//! it is no backup. Nothing of the environment is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::SignedDuration;
use tokio::time::{Instant, sleep};
use tracing::info;

use super::contents::{self, Known};
use super::export::{self, Begun, Exporting};
use super::manifest::{
    Backup, BucketCopy, FORMAT, Item, Lacking, PackageCopy, Part, TableCopy, begun_at,
    table_backup_name,
};
use super::vault::Vault;
use super::{LOOK_EVERY, RecoveryError, place_of};
use crate::aws::{AwsError, Class, Session, Sessions};
use crate::engine::release::{Current, current, own_session, packages_in, spec_of};
use crate::kinds::environment::EnvironmentSpec;
use crate::kinds::table::backups::{self, Found};
use crate::kinds::{S3Location, kind};
use crate::model::ObjectId;
use crate::store::{Export, StatusRecord, Store};

/// Tables whose backups are asked for at once, and buckets that are read at once.
const AT_ONCE: usize = 8;
/// What an earlier try has left is not collected within this time.
const RESUMED_WITHIN: SignedDuration = SignedDuration::from_hours(22);
/// A table's backup becomes ready "within minutes":
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateBackup.html>.
const READY_WITHIN: Duration = Duration::from_secs(3600);
/// Lines of one file of records: some megabytes.
const LINES_MAX: usize = 2_000;

/// Backs an environment up under an id, and returns the manifest.
pub async fn back_up(
    store: &Store,
    sessions: &Sessions,
    environment: &str,
    id: &str,
) -> Result<Backup, RecoveryError> {
    let current = current(store, environment).await?;
    let spec = spec_of(&current.objects).unwrap_or_default();
    let vault = Vault::of(sessions, environment, &spec).await?;
    let Some(begun_at) = begun_at(id) else {
        return Err(RecoveryError::Refused(format!("`{id}` is no name of a backup")));
    };
    match vault.backup(id).await {
        // It was whole before; what it names is not written anew.
        Ok(made) if !made.deleting => return Ok(made),
        Ok(_) => return Err(RecoveryError::Refused(format!("backup {id} is being deleted"))),
        Err(RecoveryError::NoSuchBackup { .. }) => {}
        Err(error) => return Err(error),
    }
    if store.clock().now().duration_since(begun_at) > RESUMED_WITHIN {
        return Err(RecoveryError::Refused(format!("backup {id} was begun long ago; begin anew")));
    }
    let session = own_session(sessions, environment, &spec.target()).await?;
    let store_id = store.id().await?;
    let name = table_backup_name(environment, &vault.tag(&store_id), id);
    let work = Work { store, environment, id, session: &session, vault: &vault, name };
    let mut lacking = Vec::new();
    let data = work.data(&current, &mut lacking).await?;
    let mut tables = work.tables(&data, &mut lacking).await?;
    let exports = work.exports(&spec, &mut tables).await?;
    let buckets = work.buckets(&data, &mut lacking).await?;
    for table in &tables {
        until_ready(&session, &table.backup_arn).await?;
    }
    let export = store.export(environment).await?;
    note_newcomers(environment, &export, (&tables, &buckets), &mut lacking)?;
    let packages = work.packages(&mut lacking).await?;
    let state = work.state(&export).await?;
    // They take longest, and have what the tables were when they were begun.
    if let Some(exports) = exports {
        exports.finish(&session, &mut tables).await?;
    }
    let backup = Backup {
        format: FORMAT,
        id: id.to_owned(),
        environment: environment.to_owned(),
        store: store_id,
        place: place_of(&session).await?,
        begun_at,
        ended_at: store.clock().now(),
        release: export.release,
        digest: export.digest,
        state,
        packages,
        tables,
        buckets,
        lacking,
        deleting: false,
        seal: String::new(),
    }
    .sealed();
    vault.put_manifest(&backup).await?;
    let (tables, buckets) = (backup.tables.len(), backup.buckets.len());
    info!(environment, id, tables, buckets, lacking = backup.missing().count(), "backup made");
    Ok(backup)
}

/// The release may have moved on since the data were read: what it has now and was not read is not in the backup.
fn note_newcomers(
    environment: &str,
    export: &Export,
    (tables, buckets): (&[TableCopy], &[BucketCopy]),
    lacking: &mut Vec<Lacking>,
) -> Result<(), RecoveryError> {
    let known: BTreeSet<String> = tables
        .iter()
        .map(|table| table.object.clone())
        .chain(buckets.iter().map(|bucket| bucket.object.clone()))
        .chain(lacking.iter().map(|lack| lack.object.clone()))
        .collect();
    for object in Store::objects_of(environment, &export.lines)? {
        let holds_data = kind(&object.kind).is_some_and(|kind| kind.holds_data());
        if holds_data && !known.contains(&object.id().to_string()) {
            lacking.push(lack(&object.id(), "it came while the backup was made"));
        }
    }
    Ok(())
}

struct Work<'a> {
    store: &'a Store,
    environment: &'a str,
    id: &'a str,
    session: &'a Session,
    vault: &'a Vault,
    /// Of DynamoDB's backups.
    name: String,
}

/// An object that holds data, and what exists of it.
struct Data {
    id: ObjectId,
    status: StatusRecord,
}

impl Data {
    /// The resource's name in AWS.
    fn name(&self) -> &str {
        self.status.outputs.get("name").map_or(&self.status.aws_name, String::as_str)
    }
}

impl Work<'_> {
    /// The objects of the current release that hold data and exist.
    async fn data(
        &self,
        current: &Current,
        lacking: &mut Vec<Lacking>,
    ) -> Result<Vec<Data>, RecoveryError> {
        let mut statuses = self.store.statuses(self.environment).await?;
        let pending = self.store.data_sources(self.environment).await?;
        let mut data = Vec::new();
        let holds_data = |id: &ObjectId| kind(&id.kind).is_some_and(|kind| kind.holds_data());
        for id in current.objects.iter().map(|object| object.id()).filter(holds_data) {
            let status = statuses.remove(&id).transpose()?;
            match status.filter(|status| status.created_at.is_some()) {
                Some(_) if pending.contains_key(&id) => {
                    lacking.push(lack(&id, "it is being restored"));
                }
                Some(status) => data.push(Data { id, status }),
                None => lacking.push(lack(&id, "it does not exist yet")),
            }
        }
        Ok(data)
    }

    async fn tables(
        &self,
        data: &[Data],
        lacking: &mut Vec<Lacking>,
    ) -> Result<Vec<TableCopy>, RecoveryError> {
        let made = backups::all(self.session, None).await?;
        let (session, name, made) = (self.session, &self.name, &made);
        let tables = data.iter().filter(|data| &*data.id.kind == "Table");
        let made: Vec<_> = tables
            .map(|table| async move { (table, made_once(session, table.name(), name, made).await) })
            .collect();
        let mut made = stream::iter(made).buffered(AT_ONCE);
        let mut copies = Vec::new();
        while let Some((table, made)) = made.next().await {
            match made {
                Ok(found) => copies.push(TableCopy {
                    object: table.id.to_string(),
                    arn: table.status.outputs.get("arn").cloned().unwrap_or_default(),
                    backup_arn: found.arn,
                    at: found.at,
                    export: None,
                    not_exported: None,
                }),
                // What concerns one is no reason to leave the others without a backup.
                Err(error) if is_of_one(&error) => {
                    lacking.push(lack(&table.id, error.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(copies)
    }

    /// Begins the exports of tables, where the environment asks for them.
    async fn exports(
        &self,
        spec: &EnvironmentSpec,
        tables: &mut [TableCopy],
    ) -> Result<Option<Begun>, RecoveryError> {
        let policy = spec.recovery.as_ref().and_then(|recovery| recovery.backups.as_ref());
        let Some(policy) = policy.filter(|policy| policy.export_tables == Some(true)) else {
            return Ok(None);
        };
        let how = Exporting {
            id: self.id,
            owner: policy.account_id.as_deref(),
            kms_key: policy.kms_key_arn.as_deref(),
        };
        Ok(Some(export::begin(self.session, self.vault, how, tables).await?))
    }

    async fn buckets(
        &self,
        data: &[Data],
        lacking: &mut Vec<Lacking>,
    ) -> Result<Vec<BucketCopy>, RecoveryError> {
        let before = self.vault.sound_backups().await?;
        let there = self.vault.list_data().await?;
        let there = there.into_iter().map(|file| (file.key.clone(), file)).collect();
        let mut copies = Vec::new();
        for bucket in data.iter().filter(|data| &*data.id.kind == "Bucket") {
            let object = bucket.id.to_string();
            let known = match before.iter().rev().find_map(|backup| {
                let copied = backup.buckets.iter().find(|copied| copied.object == object)?;
                Some((backup, copied)).filter(|(backup, _)| !backup.deleting)
            }) {
                // One that cannot be read any more saves no work.
                Some((backup, copied)) => {
                    contents::items(self.vault, &backup.id, copied).await.unwrap_or_default()
                }
                None => Vec::new(),
            };
            let known: BTreeMap<String, Item> =
                known.into_iter().map(|item| (item.key.clone(), item)).collect();
            let at = self.store.clock().now();
            let known = Known { before: &known, there: &there };
            let copied = contents::back_up(self.session, bucket.name(), self.vault, &known).await;
            let items = match copied {
                Ok(Ok(items)) => items,
                Ok(Err(why)) => {
                    lacking.push(lack(&bucket.id, why));
                    continue;
                }
                Err(RecoveryError::Aws(error)) if is_of_one(&error) => {
                    lacking.push(lack(&bucket.id, error.to_string()));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let lines = items.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
            let lines = lines.map_err(|error| RecoveryError::Unfinished(error.to_string()))?;
            let key = format!("{}{}.jsonl", self.vault.folder(self.id), bucket.id.name);
            copies.push(BucketCopy {
                object,
                bucket: bucket.name().to_owned(),
                at,
                listing: self.vault.put_lines(key, &lines).await?,
                bytes: items.iter().map(|item| item.bytes).sum(),
            });
        }
        Ok(copies)
    }

    /// What functions and frontends of any release run.
    async fn packages(
        &self,
        lacking: &mut Vec<Lacking>,
    ) -> Result<Vec<PackageCopy>, RecoveryError> {
        let named = packages_of_all(self.store, self.environment).await?;
        let (session, vault) = (self.session, self.vault);
        let copied = stream::iter(named.into_values()).map(|(package, users)| async move {
            let copied = contents::back_up_package(session, &package, vault).await?;
            Ok::<_, RecoveryError>((users, copied))
        });
        let copied: Vec<_> = copied.buffered(AT_ONCE).try_collect().await?;
        let mut packages = Vec::new();
        for (users, copied) in copied {
            match copied {
                Ok(copy) => packages.push(copy),
                Err(why) => lacking.extend(users.iter().map(|id| lack(id, &why))),
            }
        }
        Ok(packages)
    }

    async fn state(&self, export: &Export) -> Result<Vec<Part>, RecoveryError> {
        let mut parts = Vec::new();
        for (i, lines) in export.lines.chunks(LINES_MAX).enumerate() {
            let key = format!("{}state-{i:04}.jsonl", self.vault.folder(self.id));
            parts.push(self.vault.put_lines(key, lines).await?);
        }
        Ok(parts)
    }
}

/// Where a package lies: bucket, key, and version or digest.
type Place = (String, String, String);

/// Every package that a release of an environment names, with the objects of the current release that need it.
async fn packages_of_all(
    store: &Store,
    environment: &str,
) -> Result<BTreeMap<Place, (S3Location, BTreeSet<ObjectId>)>, RecoveryError> {
    let head = store.existing_head(environment).await?;
    let mut digests = BTreeSet::new();
    let mut needed = BTreeSet::new();
    for release in store.history(environment, usize::MAX).await? {
        let release = release.map_err(|(_, error)| error)?;
        let whole = store.release(environment, release.number).await?;
        if whole.number == head.release {
            needed.extend(whole.objects.iter().map(|entry| entry.digest.clone()));
        }
        digests.extend(whole.objects.into_iter().map(|entry| entry.digest));
    }
    let mut packages: BTreeMap<Place, (S3Location, BTreeSet<ObjectId>)> = BTreeMap::new();
    for (digest, object) in store.objects(environment, &digests).await? {
        for package in packages_in(&object) {
            let what = package.version.clone().or(package.sha256.clone()).unwrap_or_default();
            let place = (package.bucket.clone(), package.key.clone(), what);
            let (_, users) = packages.entry(place).or_insert_with(|| (package, BTreeSet::new()));
            if needed.contains(&digest) {
                users.insert(object.id());
            }
        }
    }
    Ok(packages)
}

/// Backs a table up, unless an earlier try has.
async fn made_once(
    session: &Session,
    table: &str,
    name: &str,
    made: &[Found],
) -> Result<Found, AwsError> {
    match made.iter().find(|found| found.name == name && found.table == table) {
        Some(made) => Ok(made.clone()),
        None => backups::make(session, table, name).await,
    }
}

/// Waits until a table's backup can be restored from.
async fn until_ready(session: &Session, arn: &str) -> Result<(), RecoveryError> {
    let begun = Instant::now();
    while backups::is_ready(session, arn).await? != Some(true) {
        if begun.elapsed() > READY_WITHIN {
            let message = format!(
                "the backup {arn} is not ready after an hour; see what DynamoDB says of it"
            );
            return Err(RecoveryError::Unfinished(message));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// A failure that says something of one resource, and nothing of the others.
pub(super) fn is_of_one(error: &AwsError) -> bool {
    use Class::*;
    matches!(error.class, NotFound | Conflict | Denied | Invalid | NotReady)
}

fn lack(id: &ObjectId, why: impl Into<String>) -> Lacking {
    Lacking { object: id.to_string(), why: why.into() }
}
