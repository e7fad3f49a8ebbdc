//! Building an environment again from a backup: packages, then what is restored from what, then the records, whose head
//! comes last. The daemon does the rest, as it does with any release; meanwhile the objects of buckets are copied back.
//!
//! Guarantees:
//! - An environment that is there is not touched, unless it is being built from the same backup already.
//! - Killed anywhere and started again, it goes on: nothing is made twice, and no table is made empty that has a backup.
//! - It is over when every object was seen as declared and every object of every bucket is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::contents::{self, Restored};
use super::elsewhere::{Elsewhere, Place, There};
use super::manifest::{Backup, BucketCopy, PackageCopy};
use super::newer::prefer_newer;
use super::plan::{self, Plan, TablesFrom};
use super::vault::Vault;
use super::{LOOK_EVERY, RecoveryError};
use crate::aws::{Session, Sessions};
use crate::engine::release::{current, own_session, spec_of};
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::kinds::table::backups;
use crate::model::{ConditionStatus, Object, ObjectId, condition_type};
use crate::store::{Cause, NewRelease, Recoveries, Rehydration, StatusRecord, Store};

/// Without a daemon for so long, a person is told.
const DAEMON_WITHIN: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Another environment, built beside the first.
    pub into: Option<String>,
    /// It goes again: nothing of it is kept.
    pub is_scratch: bool,
    /// Tables as they were then, instead of as they are in the backup.
    pub at: Option<Timestamp>,
    /// The copy is built in another account or region.
    pub elsewhere: Option<Elsewhere>,
    /// What may begin empty.
    pub allow_empty: BTreeSet<ObjectId>,
    /// Tables that are gone come back as they were right before their deletion, where DynamoDB kept that and it is newer
    /// than the backup.
    pub newest: bool,
}

/// What will be done, for people to read before it is.
pub struct Prepared {
    /// The backup that the environment is built from.
    pub backup: Backup,
    /// The place that the backup lies in.
    pub vault: Vault,
    /// The environment that is built.
    pub environment: String,
    /// What is restored from what, and how long it takes.
    pub plan: Plan,
    /// Tables that come back newer than the backup, and from when their items are.
    pub newer: Vec<(ObjectId, Timestamp)>,
    /// Places in the manifests of a copy that name resources of the first environment.
    pub mentions: Vec<String>,
    /// Places in the manifests that a copy goes without.
    pub left_out: Vec<String>,
    /// What has to be in another account or region before a copy works there: roles, keys, images, secrets.
    pub needed: Vec<String>,
    /// Where packages are put.
    packages: Vec<PackageCopy>,
    objects: Vec<Object>,
    /// The records, where the environment itself is built again.
    lines: Option<Vec<String>>,
    spec: EnvironmentSpec,
    /// The environment whose rehearsal this is.
    scratch_of: Option<String>,
    is_elsewhere: bool,
}

/// What happened meanwhile, for people.
pub enum Told<'a> {
    /// A package was put back where it belongs.
    Package(&'a str),
    /// The records or the release of the environment are in the store: the daemon can begin.
    Recorded,
    /// No daemon has taken the environment yet.
    NoDaemon,
    /// A person has to do something about an object.
    Stuck {
        /// The object that the person has to see to.
        object: &'a ObjectId,
        /// What is wrong with it, for people.
        why: &'a str,
    },
    /// An object became ready.
    Ready {
        /// The object that did.
        object: &'a ObjectId,
        /// How many are ready by now.
        ready: usize,
        /// How many objects are waited for in all.
        of: usize,
    },
    /// The objects of a bucket were copied back.
    Filled {
        /// The Bucket, as `Kind/name`.
        object: &'a str,
        /// What was copied, and what was there already.
        restored: Restored,
    },
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// From when it was asked for first until everything was there.
    pub took: Duration,
    /// How many objects the environment has.
    pub objects: usize,
}

/// Reads a backup and says what it takes. Nothing is written.
pub async fn prepare(
    sessions: &Sessions,
    vault: Vault,
    id: &str,
    wish: &Wish,
) -> Result<Prepared, RecoveryError> {
    if wish.at.is_some() && wish.into.is_none() {
        let message = "tables come back to a time beside themselves: build a copy with --into, or bring one table \
                       back with `trueup restore --at TIME --as NAME`";
        return Err(RecoveryError::Refused(message.to_owned()));
    }
    let backup = vault.backup(id).await?;
    if backup.deleting {
        let how = "it is being deleted".to_owned();
        return Err(RecoveryError::Damaged { id: backup.id, what: "the whole".to_owned(), how });
    }
    let mut lines = Vec::new();
    for part in &backup.state {
        lines.extend(vault.lines(id, part).await?);
    }
    let before = Store::objects_of(&backup.environment, &lines)?;
    let there = There::of(&backup, wish)?;
    let owner = vault_owner(&vault, &backup, &before);
    let (mut packages, mut needed) = (backup.packages.clone(), Vec::new());
    let (environment, objects, mentions, left_out, lines) = match &wish.into {
        None => (backup.environment.clone(), before, Vec::new(), Vec::new(), Some(lines)),
        Some(into) => {
            let mut copied = plan::copy(&before, into, wish.is_scratch);
            if let Some(name) = copied.collision {
                return Err(RecoveryError::Refused(format!(
                    "two buckets of {into} would have the name {name}; take a shorter name for the copy"
                )));
            }
            if let Some(there) = &there {
                let relocated = there.relocate(&mut copied.objects, &backup, &copied.names);
                (needed, packages) = (relocated.needed, relocated.packages);
            }
            (into.clone(), copied.objects, copied.mentions, copied.left_out, None)
        }
    };
    let spec = spec_of(&objects).unwrap_or_default();
    let tables_from = match (&there, wish.at) {
        (Some(_), _) => TablesFrom::Exports { bucket: &vault.bucket, owner: owner.as_deref() },
        (None, Some(at)) => TablesFrom::PointInTime(at),
        (None, None) => TablesFrom::Backups,
    };
    let mut plan = plan::plan(&backup, &objects, tables_from);
    let is_elsewhere = there.is_some();
    let mut newer = Vec::new();
    if wish.newest && wish.into.is_none() {
        let session = own_session(sessions, &environment, &spec.target()).await?;
        newer = prefer_newer(&session, &backup, &objects, &mut plan).await?;
    }
    if !wish.is_scratch {
        refuse_empty(&plan, wish)?;
    }
    let scratch_of = wish.is_scratch.then(|| backup.environment.clone());
    let prepared = Prepared {
        backup,
        vault,
        environment,
        plan,
        newer,
        mentions,
        left_out,
        needed,
        packages,
        objects,
        lines,
        spec,
        scratch_of,
        is_elsewhere,
    };
    prepared.check(sessions, wish).await?;
    Ok(prepared)
}

/// Nothing begins empty unless it is said so; a rehearsal may.
fn refuse_empty(plan: &Plan, wish: &Wish) -> Result<(), RecoveryError> {
    let unsaid = plan.empty.iter().filter(|(id, _)| !wish.allow_empty.contains(id));
    let unsaid: Vec<_> = unsaid.map(|(id, why)| format!("{id}: {why}")).collect();
    if unsaid.is_empty() {
        return Ok(());
    }
    Err(RecoveryError::Refused(format!(
        "these would begin empty: {}. Take another backup with --from, or say for each that this is meant: --allow-empty \
         Kind/name",
        unsaid.join("; ")
    )))
}

/// The account of the vault's bucket, where it is said.
fn vault_owner(vault: &Vault, backup: &Backup, objects: &[Object]) -> Option<String> {
    if vault.account.is_some() {
        return vault.account.clone();
    }
    let recovery = spec_of(objects).and_then(|spec| spec.recovery);
    let declared = recovery.and_then(|recovery| recovery.backups);
    // What the Environment says is of the bucket that it names.
    let declared = declared.filter(|declared| declared.bucket == vault.bucket)?;
    Some(declared.account_id.unwrap_or_else(|| Place::read(&backup.place).account))
}

impl Prepared {
    /// Whether it is built in another account or region than the backup is of.
    pub fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// What can be known before anything is done.
    async fn check(&self, sessions: &Sessions, wish: &Wish) -> Result<(), RecoveryError> {
        let session = own_session(sessions, &self.environment, &self.spec.target()).await?;
        let account = session.account_id().await?;
        let theirs = Place::read(&self.backup.place).account;
        if account != theirs && !self.is_elsewhere && self.plan.tables() > 0 {
            return Err(RecoveryError::Refused(format!(
                "the tables of backup {} are backed up in account {theirs}, and {} is in {account}: DynamoDB restores \
                 a backup only within its account. Build a copy there with --into and --into-account",
                self.backup.id, self.environment
            )));
        }
        for table in self.backup.tables.iter().filter(|_| wish.at.is_some()) {
            let at = wish.at.unwrap_or_default();
            let name = table.arn.rsplit('/').next().unwrap_or_default();
            let between = backups::restorable(&session, name).await?;
            let is_kept = between.is_some_and(|b| b.earliest <= at && at <= b.latest);
            if !is_kept {
                let kept = match between {
                    Some(b) => {
                        format!("it can be restored to times from {} to {}", b.earliest, b.latest)
                    }
                    None => "it is gone, or has no point-in-time recovery".to_owned(),
                };
                return Err(RecoveryError::Refused(format!(
                    "{name} cannot be restored to {at}: {kept}"
                )));
            }
        }
        Ok(())
    }

    /// Builds the environment, and comes back when it is whole.
    pub async fn carry_out(
        &self,
        store: &Store,
        sessions: &Sessions,
        author: &str,
        told: &(dyn Fn(Told<'_>) + Sync),
    ) -> Result<Done, RecoveryError> {
        let session = own_session(sessions, &self.environment, &self.spec.target()).await?;
        let begun = self.begin(store).await?;
        let begun = match begun {
            Begun::Over(done) => return Ok(done),
            Begun::Now(begun) => begun,
        };
        self.put_packages(&session, told).await?;
        if !self.is_recorded(store).await? {
            self.put_sources(store).await?;
            let empty = self.plan.empty.iter().map(|(id, _)| id.clone()).collect();
            match &self.lines {
                Some(lines) => store.import(&self.environment, lines, &empty).await?,
                None => self.record(store, author).await?,
            }
            told(Told::Recorded);
        }
        self.follow(store, &session, told).await?;
        for id in self.plan.sources.keys() {
            store.forget_data_source(&self.environment, id).await?;
        }
        let ended_at = store.clock().now();
        let over = Rehydration { ended_at: Some(ended_at), ..begun };
        store.note_rehydration(&self.environment, &over).await?;
        Ok(self.done(&over, ended_at))
    }

    /// What an earlier try with another backup has said does not count.
    async fn put_sources(&self, store: &Store) -> Result<(), RecoveryError> {
        let (name, sources) = (&self.environment, &self.plan.sources);
        for id in store.data_sources(name).await?.keys().filter(|id| !sources.contains_key(id)) {
            store.forget_data_source(name, id).await?;
        }
        Ok(store.put_data_sources(name, sources).await?)
    }

    fn done(&self, begun: &Rehydration, ended_at: Timestamp) -> Done {
        let took = Duration::try_from(ended_at.duration_since(begun.begun_at)).unwrap_or_default();
        Done { took, objects: self.objects.len() }
    }

    /// Makes the store where it is missing, and notes what is begun.
    async fn begin(&self, store: &Store) -> Result<Begun, RecoveryError> {
        let name = &self.environment;
        match self.lines {
            Some(_) => store.init_as(&self.backup.store).await?,
            None => store.init().await?,
        };
        let is_other = store.id().await? != self.backup.store;
        if is_other && self.lines.is_some() {
            return Err(RecoveryError::Refused(format!(
                "the table {} is another store than that of backup {}: what is left of {name} carries the tags of that \
                 one. Give a table that does not exist yet with --table, or build a copy with --into",
                store.table(),
                self.backup.id
            )));
        }
        let Recoveries { rehydration, .. } = store.recoveries(name).await?;
        let ours = rehydration.filter(|begun| begun.backup == self.backup.id);
        let is_recorded = self.is_recorded(store).await?;
        if is_recorded && self.lines.is_none() {
            self.is_same_place(store).await?;
        }
        match (ours, store.head(name).await?.filter(|_| is_recorded)) {
            (Some(begun), Some(_)) if begun.ended_at.is_some() => {
                let ended_at = begun.ended_at.unwrap_or_default();
                Ok(Begun::Over(self.done(&begun, ended_at)))
            }
            (Some(begun), _) if begun.ended_at.is_none() => Ok(Begun::Now(begun)),
            (_, Some(head)) => Err(RecoveryError::Refused(format!(
                "{name} is there, at release {}. To bring back data that is gone, use `trueup restore {name}`; to go \
                 back to other content, `trueup rollback {name}`; to build a copy beside it, add --into",
                head.release
            ))),
            (_, None) => {
                let begun_at = store.clock().now();
                let backup = self.backup.id.clone();
                let scratch_of = self.scratch_of.clone();
                let (ended_at, lacking) = (None, None);
                let begun = Rehydration { backup, begun_at, ended_at, lacking, scratch_of };
                store.note_rehydration(name, &begun).await?;
                Ok(Begun::Now(begun))
            }
        }
    }

    /// A copy that was begun in one account and region is not gone on with in another.
    async fn is_same_place(&self, store: &Store) -> Result<(), RecoveryError> {
        let recorded = current(store, &self.environment).await?;
        let recorded = spec_of(&recorded.objects).unwrap_or_default().target();
        if recorded == self.spec.target() {
            return Ok(());
        }
        Err(RecoveryError::Refused(format!(
            "{} is recorded in another account or region, or by another role; ask with the same --into-account, \
             --into-region and --into-role as before, or build the copy under another name",
            self.environment
        )))
    }

    /// A copy may be built where everything was taken out before.
    async fn is_recorded(&self, store: &Store) -> Result<bool, RecoveryError> {
        let Some(head) = store.head(&self.environment).await? else { return Ok(false) };
        Ok(self.lines.is_some() || !store.current(&head).await?.objects.is_empty())
    }

    async fn put_packages(
        &self,
        session: &Session,
        told: &(dyn Fn(Told<'_>) + Sync),
    ) -> Result<(), RecoveryError> {
        for package in &self.packages {
            let was_missing = contents::restore_package(session, &self.vault, package).await?;
            if was_missing {
                told(Told::Package(&package.from.key));
            }
        }
        Ok(())
    }

    /// The first release of a copy.
    async fn record(&self, store: &Store, author: &str) -> Result<(), RecoveryError> {
        let (id, first) = (&self.backup.id, &self.backup.environment);
        let new = NewRelease {
            author: author.to_owned(),
            message: format!("a copy of {first}, from its backup {id}"),
            ..NewRelease::new(Cause::Apply, self.objects.clone())
        };
        let before = current(store, &self.environment).await?;
        let (head, release) = (before.head.as_ref(), before.release.as_ref());
        store.record(&self.environment, head, release, new).await?;
        Ok(())
    }

    /// Waits for the daemon, and fills buckets as they become ready.
    async fn follow(
        &self,
        store: &Store,
        session: &Session,
        told: &(dyn Fn(Told<'_>) + Sync),
    ) -> Result<(), RecoveryError> {
        let name = &self.environment;
        let current = store.current(&store.existing_head(name).await?).await?;
        let of = current.objects.iter().filter(|entry| entry.kind != environment::NAME).count();
        let (mut ready, mut filled) = (BTreeSet::new(), BTreeSet::new());
        let (mut stuck, mut incomplete) = (BTreeSet::new(), Vec::new());
        let (begun, mut is_told) = (Instant::now(), false);
        let buckets: BTreeMap<ObjectId, &BucketCopy> = self
            .backup
            .buckets
            .iter()
            .filter_map(|bucket| Some((bucket.object.parse().ok()?, bucket)))
            .filter(|(id, _)| self.plan.sources.contains_key(id))
            .collect();
        loop {
            for (id, status) in store.statuses(name).await? {
                let status = status?;
                let is_ready = status.conditions.is_true(condition_type::READY);
                tell_of_stuck(&id, &status, &mut stuck, told);
                if !is_ready || current.objects.iter().all(|entry| entry.id() != id) {
                    continue;
                }
                if ready.insert(id.clone()) {
                    told(Told::Ready { object: &id, ready: ready.len(), of });
                }
                if let Some(copied) = buckets.get(&id).filter(|_| !filled.contains(&id)) {
                    let bucket = status.outputs.get("name").unwrap_or(&status.aws_name);
                    let (vault, backup) = (&self.vault, &self.backup.id);
                    match contents::restore(session, bucket, vault, backup, copied).await {
                        Ok(restored) => told(Told::Filled { object: &copied.object, restored }),
                        Err(error @ RecoveryError::Incomplete { .. }) => incomplete.push(error),
                        Err(error) => return Err(error),
                    }
                    filled.insert(id);
                }
            }
            if ready.len() == of && filled.len() == buckets.len() {
                return RecoveryError::incomplete(incomplete).map_or(Ok(()), Err);
            }
            if !is_told && ready.is_empty() && begun.elapsed() > DAEMON_WITHIN {
                let lease = store.lease(name).await?;
                if lease.is_none_or(|lease| !lease.is_held(store.clock().now())) {
                    told(Told::NoDaemon);
                    is_told = true;
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Tells once why an object goes no further, and nothing comes by itself.
pub(super) fn tell_of_stuck(
    id: &ObjectId,
    status: &StatusRecord,
    stuck: &mut BTreeSet<(ObjectId, String)>,
    told: &(dyn Fn(Told<'_>) + Sync),
) {
    let stalled = status.conditions.get(condition_type::STALLED);
    let stalled = stalled.filter(|stalled| stalled.status == ConditionStatus::True);
    let Some(stalled) = stalled else { return };
    if stuck.insert((id.clone(), stalled.reason.clone())) {
        let why = format!("{}: {}", stalled.reason, stalled.message);
        told(Told::Stuck { object: id, why: &why });
    }
}

enum Begun {
    Now(Rehydration),
    /// It was over before.
    Over(Done),
}
