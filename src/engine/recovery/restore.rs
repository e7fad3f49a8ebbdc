//! Bringing data back into an environment that is there: tables and buckets that are gone, objects that are missing in
//! a bucket, and a table as it was beside the one that is.
//!
//! Guarantees: nothing that is there is overwritten or deleted. What is restored goes through the daemon as any other
//! change of the environment, so it may be killed at any point and asked for again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tokio::time::sleep;

use super::contents;
use super::manifest::Backup;
use super::rehydrate::{Told, tell_of_stuck};
use super::vault::Vault;
use super::{LOOK_EVERY, RecoveryError, place_of};
use crate::aws::{Session, Sessions};
use crate::engine::release::{Current, current, merged, own_session, spec_of, submit};
use crate::kinds::kind;
use crate::kinds::table::backups;
use crate::model::{DataSource, Object, ObjectId, condition_type};
use crate::store::{Cause, Head, NewRelease, Store};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Restoring {
    /// Everything that holds data and is gone, where it is empty.
    pub objects: Vec<ObjectId>,
    /// A backup; the newest recovery point where it is not given.
    pub from: Option<String>,
    /// A table as it was then. It has to be there, and comes back beside itself.
    pub at: Option<Timestamp>,
    /// The name of the new object, for a table that comes back beside itself.
    pub beside: Option<String>,
}

/// One object and what it is restored from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restoration {
    /// The object that the data belong to.
    pub id: ObjectId,
    /// What its data come from.
    pub source: DataSource,
    /// The time that the data come back to, where it is known.
    pub at: Option<Timestamp>,
    /// Its bucket is there, and lacks objects at most.
    pub is_there: bool,
}

/// What will be done.
pub struct PreparedRestore {
    /// What is restored, one entry an object.
    pub restorations: Vec<Restoration>,
    environment: String,
    current: Current,
    backups: Vec<Backup>,
    vault: Option<Vault>,
    session: Session,
    /// A new object beside the one that it is a copy of.
    beside: Option<Object>,
}

/// Says what is restored from what. Nothing is written.
pub async fn prepare_restore(
    store: &Store,
    sessions: &Sessions,
    environment: &str,
    asked: &Restoring,
) -> Result<PreparedRestore, RecoveryError> {
    store.existing_head(environment).await?;
    let current = current(store, environment).await?;
    let spec = spec_of(&current.objects).unwrap_or_default();
    let has_vault = spec.recovery.as_ref().is_some_and(|recovery| recovery.backups.is_some());
    let vault = match has_vault {
        true => Some(Vault::of(sessions, environment, &spec).await?),
        false => None,
    };
    let backups = match (&vault, &asked.from) {
        (Some(vault), Some(id)) => vec![vault.backup(id).await?],
        (Some(vault), None) => vault.sound_backups().await?,
        (None, Some(_)) => {
            return Err(RecoveryError::NoPlace { environment: environment.to_owned() });
        }
        (None, None) => Vec::new(),
    };
    if current.head.as_ref().is_some_and(|head| head.suspended) {
        return Err(RecoveryError::Refused(format!(
            "{environment} is suspended, and nothing is made there; `trueup resume {environment}` first"
        )));
    }
    let session = own_session(sessions, environment, &spec.target()).await?;
    let here = place_of(&session).await?;
    let backups = backups.into_iter().filter(|backup| backup.is_of(&here)).collect();
    let mut prepared = PreparedRestore {
        restorations: Vec::new(),
        environment: environment.to_owned(),
        current,
        backups,
        vault,
        session,
        beside: None,
    };
    match (&asked.beside, &asked.at) {
        (None, Some(_)) => {
            return Err(RecoveryError::Refused(
                "a table comes back to a time beside itself: name the new object with --as"
                    .to_owned(),
            ));
        }
        (Some(name), at) => prepared.beside(store, asked, name, *at).await?,
        (None, None) => prepared.gone(store, asked).await?,
    }
    Ok(prepared)
}

impl PreparedRestore {
    fn object(&self, id: &ObjectId) -> Result<&Object, RecoveryError> {
        self.current.objects.iter().find(|object| object.id() == *id).ok_or_else(|| {
            let name = &self.environment;
            RecoveryError::Refused(format!("{name} has no {id}; see `trueup get {name}`"))
        })
    }

    /// The resource's name in AWS.
    async fn name(&self, store: &Store, id: &ObjectId) -> Result<String, RecoveryError> {
        let status = store.status_of(&self.environment, id).await?;
        let status = status.filter(|status| status.created_at.is_some());
        status.map(|status| status.aws_name).ok_or_else(|| {
            RecoveryError::Refused(format!("{id} was never made: there is nothing to bring back"))
        })
    }

    /// What is gone, of the named objects or of all.
    async fn gone(&mut self, store: &Store, asked: &Restoring) -> Result<(), RecoveryError> {
        let is_named = !asked.objects.is_empty();
        let holds_data = |id: &ObjectId| kind(&id.kind).is_some_and(|kind| kind.holds_data());
        let ids: Vec<ObjectId> = match is_named {
            true => asked.objects.clone(),
            false => self.current.objects.iter().map(Object::id).filter(holds_data).collect(),
        };
        for id in ids {
            self.object(&id)?;
            if !holds_data(&id) {
                return Err(RecoveryError::Refused(format!(
                    "{id} holds no data; the daemon makes it again"
                )));
            }
            let name = match self.name(store, &id).await {
                Ok(name) => name,
                Err(error) if is_named => return Err(error),
                // It is made for the first time.
                Err(_) => continue,
            };
            let is_bucket = &*id.kind == "Bucket";
            let is_there = match is_bucket {
                true => contents::bucket_exists(&self.session, &name).await?,
                false => backups::exists(&self.session, &name).await?,
            };
            // It was made, and whoever filled it was interrupted.
            let pending = store.data_source(&self.environment, &id).await?;
            if let Some(source @ DataSource::Contents { .. }) = pending {
                let restoration = Restoration { id, source, at: None, is_there: false };
                self.restorations.push(restoration);
                continue;
            }
            if is_there && !is_named {
                continue;
            }
            if is_there && !is_bucket {
                return Err(RecoveryError::Refused(format!(
                    "{id} is there. DynamoDB restores no table in place: bring it back beside itself with --as NAME, \
                     and with --at TIME as it was then"
                )));
            }
            let restoration = self.newest(&id, &name, asked.from.is_none(), is_there).await?;
            self.restorations.push(restoration);
        }
        Ok(())
    }

    /// The newest recovery point of an object that is gone.
    async fn newest(
        &self,
        id: &ObjectId,
        name: &str,
        also_of_dynamodb: bool,
        is_there: bool,
    ) -> Result<Restoration, RecoveryError> {
        let object = id.to_string();
        let mut found: Option<(Timestamp, DataSource)> = None;
        for backup in &self.backups {
            let Some((_, at)) = backup.points().find(|(point, _)| point == id) else { continue };
            let table = backup.tables.iter().find(|table| table.object == object);
            let source = match table {
                Some(table) => DataSource::TableBackup { arn: table.backup_arn.clone() },
                None => DataSource::Contents { backup: backup.id.clone() },
            };
            if found.as_ref().is_none_or(|(known, _)| *known < at) {
                found = Some((at, source));
            }
        }
        if also_of_dynamodb && &*id.kind == "Table" {
            // Right before its deletion, where it had point-in-time recovery.
            let kept = backups::of_deleted(&self.session, name).await?;
            if let Some(kept) = kept.filter(|k| found.as_ref().is_none_or(|(at, _)| *at < k.at)) {
                found = Some((kept.at, DataSource::TableBackup { arn: kept.arn }));
            }
        }
        let (at, source) = found.ok_or_else(|| {
            RecoveryError::Refused(format!("nothing can bring back {id}: no backup has it"))
        })?;
        Ok(Restoration { id: id.clone(), source, at: Some(at), is_there })
    }

    /// A table as it was, as a new object.
    async fn beside(
        &mut self,
        store: &Store,
        asked: &Restoring,
        name: &str,
        at: Option<Timestamp>,
    ) -> Result<(), RecoveryError> {
        let [id] = &asked.objects[..] else {
            let message = "--as is for one table: name it, as Table/orders".to_owned();
            return Err(RecoveryError::Refused(message));
        };
        if &*id.kind != "Table" {
            return Err(RecoveryError::Refused(format!("--as is for tables; {id} is none")));
        }
        let mut copy = self.object(id)?.clone();
        name.clone_into(&mut copy.metadata.name);
        if let Some(fields) = std::sync::Arc::make_mut(&mut copy.spec).as_object_mut() {
            // The first one has it.
            fields.remove("name");
        }
        if self.current.objects.iter().any(|object| object.id() == copy.id()) {
            return Err(RecoveryError::Refused(format!(
                "{} is there; take another name",
                copy.id()
            )));
        }
        let table = self.name(store, id).await?;
        let restoration = match (&asked.from, at) {
            (Some(_), Some(_)) => {
                let message = "--from names a backup, and --at a time: give one of them".to_owned();
                return Err(RecoveryError::Refused(message));
            }
            (Some(_), None) => self.newest(id, &table, false, false).await?,
            (None, at) => self.point_in_time(id, &table, at).await?,
        };
        self.restorations.push(Restoration { id: copy.id(), ..restoration });
        self.beside = Some(copy);
        Ok(())
    }

    async fn point_in_time(
        &self,
        id: &ObjectId,
        table: &str,
        at: Option<Timestamp>,
    ) -> Result<Restoration, RecoveryError> {
        let Some(between) = backups::restorable(&self.session, table).await? else {
            return Err(RecoveryError::Refused(format!(
                "{id} is gone or has no point-in-time recovery; name a backup with --from"
            )));
        };
        if at.is_some_and(|at| at < between.earliest || at > between.latest) {
            return Err(RecoveryError::Refused(format!(
                "{id} can be restored to times from {} to {}",
                between.earliest, between.latest
            )));
        }
        let (account, region) = (self.session.account_id().await?, self.session.region());
        let (partition, _) = crate::aws::partition(region);
        let table_arn = format!("arn:{partition}:dynamodb:{region}:{account}:table/{table}");
        let source = DataSource::PointInTime { table_arn, at };
        let at = at.or(Some(between.latest));
        Ok(Restoration { id: id.clone(), source, at, is_there: false })
    }

    /// Restores, and comes back when everything is there.
    pub async fn carry_out(
        &self,
        store: &Store,
        author: &str,
        told: &(dyn Fn(Told<'_>) + Sync),
    ) -> Result<(), RecoveryError> {
        let name = &self.environment;
        let made = self.restorations.iter().filter(|restoration| !restoration.is_there);
        let sources: BTreeMap<ObjectId, DataSource> =
            made.map(|r| (r.id.clone(), r.source.clone())).collect();
        store.put_data_sources(name, &sources).await?;
        match &self.beside {
            Some(copy) => {
                if let Err(error) = self.record(store, author, copy.clone()).await {
                    // Nothing of that name is restored from it later.
                    store.forget_data_source(name, &copy.id()).await?;
                    return Err(error);
                }
            }
            None if sources.is_empty() => {}
            None => drop(store.request_reconcile(name, None).await?),
        }
        told(Told::Recorded);
        let (mut stuck, mut incomplete) = (BTreeSet::new(), Vec::new());
        let mut waiting: BTreeSet<&ObjectId> = self.restorations.iter().map(|r| &r.id).collect();
        loop {
            let left = store.data_sources(name).await?;
            for restoration in &self.restorations {
                let id = &restoration.id;
                let fills = matches!(restoration.source, DataSource::Contents { .. });
                // What is restored by AWS is over when its source is forgotten.
                if !waiting.contains(id) || !fills && left.contains_key(id) {
                    continue;
                }
                let Some(status) = store.status_of(name, id).await? else { continue };
                tell_of_stuck(id, &status, &mut stuck, told);
                if !restoration.is_there && !status.conditions.is_true(condition_type::READY) {
                    continue;
                }
                if let DataSource::Contents { backup } = &restoration.source {
                    if !contents::bucket_exists(&self.session, &status.aws_name).await? {
                        continue;
                    }
                    match self.fill(id, backup, &status.aws_name, told).await {
                        Ok(()) => store.forget_data_source(name, id).await?,
                        // Whoever asks again goes on with it.
                        Err(error @ RecoveryError::Incomplete { .. }) => {
                            incomplete.push(error);
                            waiting.remove(id);
                            continue;
                        }
                        Err(error) => return Err(error),
                    }
                }
                waiting.remove(id);
                let of = self.restorations.len();
                told(Told::Ready { object: id, ready: of - waiting.len(), of });
            }
            if waiting.is_empty() {
                return RecoveryError::incomplete(incomplete).map_or(Ok(()), Err);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn fill(
        &self,
        id: &ObjectId,
        backup: &str,
        bucket: &str,
        told: &(dyn Fn(Told<'_>) + Sync),
    ) -> Result<(), RecoveryError> {
        let object = id.to_string();
        let named = self.backups.iter().find(|known| known.id == backup);
        let copied = named.and_then(|b| b.buckets.iter().find(|copied| copied.object == object));
        let (Some(vault), Some(copied)) = (&self.vault, copied) else {
            let why = format!("backup {backup}, which {id} was to be filled from, is gone");
            return Err(RecoveryError::Unfinished(why));
        };
        let restored = contents::restore(&self.session, bucket, vault, backup, copied).await?;
        told(Told::Filled { object: &object, restored });
        Ok(())
    }

    async fn record(&self, store: &Store, author: &str, copy: Object) -> Result<(), RecoveryError> {
        let source = self.restorations.first().map(|r| r.source.to_string()).unwrap_or_default();
        let new = NewRelease {
            author: author.to_owned(),
            message: format!("{} restored from {source}", copy.id()),
            holds: self.current.head.as_ref().map(Head::holds_after_apply).unwrap_or_default(),
            ..NewRelease::new(Cause::Apply, merged(&self.current.objects, vec![copy], false))
        };
        submit(store, &self.environment, &self.current, new).await?;
        Ok(())
    }
}
