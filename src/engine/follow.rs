//! What is asked of the store for one environment, beside the loop: to have its lease, and to know its
//! release. Nothing here decides what becomes of it.
//!
//! Guarantees:
//! - No environment waits for another, and the loop for none: a store that is far or slow delays what it is
//!   asked for and nothing else.
//! - A lease is renewed while an environment's objects are fetched, however long that takes.
//! - What was fetched stays: loading goes on where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::time::timeout;
use tracing::{info, warn};

use super::lease::{LeaseEnd, Moment};
use crate::aws::{AwsError, Class, Service};
use crate::kinds::environment;
use crate::model::{Object, ObjectId};
use crate::store::{
    Head, Lease, ReconcileRequest, Release, Renewal, Rollout, StatusRecord, Store, StoreError,
};

/// Objects that are fetched by one call of the store; DynamoDB's own batches hold as many.
const FETCHED_TOGETHER: usize = 100;

/// Calls for objects that are under way at once, of one environment.
const FETCHES_AT_ONCE: usize = 8;

/// Rollouts that are searched for a sound one.
const ROLLOUTS_SEARCHED: usize = 5;

/// Parsed objects by content address, shared between releases, environments and those who load them.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects(Arc<Mutex<BTreeMap<String, Arc<Object>>>>);

impl Objects {
    pub fn get(&self, digest: &str) -> Option<Arc<Object>> {
        self.lock().get(digest).cloned()
    }

    /// Keeps those that are still used.
    pub fn retain(&self, is_used: impl Fn(&String) -> bool) {
        self.lock().retain(|digest, _| is_used(digest));
    }

    fn missing(&self, digests: &BTreeSet<String>) -> Vec<String> {
        let known = self.lock();
        digests.iter().filter(|digest| !known.contains_key(*digest)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Object>>> {
        // An insertion is whole or did not happen.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a follower needs to ask the store.
#[derive(Clone)]
pub(super) struct Follower {
    pub store: Store,
    pub objects: Objects,
    pub owner: String,
    pub lease_for: Duration,
}

/// What came of asking, by environment.
pub(super) struct Followed {
    pub environment: Arc<str>,
    /// Of the lease that it was asked under; `None` where there was none.
    pub epoch: Option<u64>,
    pub news: Result<News, StoreError>,
}

pub(super) enum News {
    /// Another daemon was faster.
    HeldByAnother,
    Taken(Box<Taken>),
    /// By what was asked at that moment.
    Renewed(Lease, Moment),
    /// A head's release, with every object of it in [`Objects`].
    Loaded {
        head: Head,
        release: Box<Release>,
    },
}

/// An environment whose lease was taken, with what is recorded of its objects.
pub(super) struct Taken {
    pub lease: Lease,
    pub lease_end: LeaseEnd,
    /// Another daemon had it, and did not give it back.
    pub was_taken_away: bool,
    pub statuses: BTreeMap<ObjectId, Arc<StatusRecord>>,
    /// Objects whose record cannot be read.
    pub unreadable: BTreeSet<ObjectId>,
    /// The newest rollout that was begun.
    pub rollout: Option<Rollout>,
    /// What somebody asked for before.
    pub request: Option<ReconcileRequest>,
}

impl Follower {
    /// Takes the lease of an environment that nobody holds any more, as it was seen, and reads its records.
    pub async fn take(
        &self,
        name: &str,
        seen: Option<&Lease>,
        request: Option<ReconcileRequest>,
    ) -> Result<News, StoreError> {
        let (asked, lease_end) = (self.moment(), LeaseEnd::new(self.store.clock()));
        let taken = self.store.acquire_lease(name, &self.owner, self.lease_for, seen).await?;
        let Some(mut lease) = taken else { return Ok(News::HeldByAnother) };
        lease_end.renewed(asked, self.lease_for);
        info!(environment = %name, epoch = lease.epoch, "lease taken");
        let (mut statuses, mut unreadable) = (BTreeMap::new(), BTreeSet::new());
        for (id, record) in self.store.statuses(name).await? {
            match record {
                Ok(record) => {
                    statuses.insert(id, Arc::new(record));
                }
                Err(error) => {
                    warn!(environment = %name, object = %id, %error, "the object is left alone");
                    unreadable.insert(id);
                }
            }
        }
        let rollout = self.newest_rollout(name).await?;
        let begun_by = rollout.iter().map(|rollout| rollout.epoch);
        let highest = statuses.values().map(|s| s.epoch).chain(begun_by).max().unwrap_or(0);
        if highest > lease.epoch {
            lease = self.store.raise_lease(&lease, highest).await?;
        }
        let digests = statuses.values().flat_map(|s| s.digests().cloned()).collect();
        let lease = self.fetch_under(name, &digests, lease, &lease_end).await?;
        let was_taken_away = seen.is_some_and(|seen| !seen.is_released);
        let taken =
            Taken { lease, lease_end, was_taken_away, statuses, unreadable, rollout, request };
        Ok(News::Taken(Box::new(taken)))
    }

    /// The newest rollout. A damaged one stops the environment, as its release would; once another release is
    /// current, the one before it says what the environment may go back to.
    async fn newest_rollout(&self, name: &str) -> Result<Option<Rollout>, StoreError> {
        for (release, rollout) in self.store.rollouts(name, ROLLOUTS_SEARCHED).await? {
            let error = match rollout {
                Ok(rollout) => return Ok(Some(rollout)),
                Err(error) => error,
            };
            let head = self.store.head(name).await?;
            if head.is_none_or(|head| head.release <= release) {
                return Err(error);
            }
            warn!(environment = %name, release, %error, "the rollout of an earlier release is passed over");
        }
        Ok(None)
    }

    /// Renews a lease that is held. A store that hangs is asked again before the lease is over.
    pub async fn renew(&self, lease: &Lease, said: Renewal) -> Result<News, StoreError> {
        let asked = self.moment();
        let renewed = timeout(self.lease_for / 2, self.store.renew_lease(lease, said)).await;
        Ok(News::Renewed(renewed.map_err(|_| self.late(lease))??, asked))
    }

    fn late(&self, lease: &Lease) -> StoreError {
        let message = format!(
            "the lease of {} was not renewed within {:.1} s; asking again",
            lease.environment,
            (self.lease_for / 2).as_secs_f64()
        );
        StoreError::Aws(AwsError::new(Class::Unknown, Service::DynamoDb, "PutItem", message))
    }

    fn moment(&self) -> Moment {
        Moment::now(self.store.clock())
    }

    /// Reads a moved head's release; only objects that are new to this daemon are fetched. A release that has to be
    /// signed, by what was followed until now or by its own Environment, is taken only from somebody with a key.
    pub async fn load(
        &self,
        name: &str,
        head: Head,
        must_be_signed: bool,
    ) -> Result<News, StoreError> {
        let release = self.store.current(&head).await?;
        if must_be_signed {
            self.store.check_signature(name, &release).await?;
        }
        let kept = release.objects.iter().map(|e| e.digest.clone());
        let left = release.left.iter().map(|l| l.digest.clone());
        self.fetch(name, &kept.chain(left).collect()).await?;
        if !must_be_signed && self.asks_for_signature(&release) {
            self.store.check_signature(name, &release).await?;
        }
        Ok(News::Loaded { head, release: Box::new(release) })
    }

    fn asks_for_signature(&self, release: &Release) -> bool {
        let entries = release.objects.iter().map(|entry| (&entry.kind, &entry.digest));
        // Who takes the Environment out needs a key as well.
        let left = release.left.iter().map(|left| (&left.kind, &left.digest));
        let is_environment = |(kind, _): &(&String, &String)| *kind == environment::NAME;
        let found = entries.chain(left).filter(is_environment);
        found
            .filter_map(|(_, digest)| self.objects.get(digest))
            .any(|object| Store::requires_signature(std::iter::once(&*object)))
    }

    /// Fetches while nobody else renews the lease.
    async fn fetch_under(
        &self,
        name: &str,
        digests: &BTreeSet<String>,
        mut lease: Lease,
        lease_end: &LeaseEnd,
    ) -> Result<Lease, StoreError> {
        let missing = self.objects.missing(digests);
        for some in missing.chunks(FETCHED_TOGETHER * FETCHES_AT_ONCE) {
            if lease_end.is_due() {
                let Lease { objects, oldest_observation, .. } = lease;
                let asked = self.moment();
                lease =
                    self.store.renew_lease(&lease, Renewal { objects, oldest_observation }).await?;
                lease_end.renewed(asked, self.lease_for);
            }
            self.fetch(name, &some.iter().cloned().collect()).await?;
        }
        Ok(lease)
    }

    async fn fetch(&self, name: &str, digests: &BTreeSet<String>) -> Result<(), StoreError> {
        let missing = self.objects.missing(digests);
        let batches: Vec<BTreeSet<String>> =
            missing.chunks(FETCHED_TOGETHER).map(|some| some.iter().cloned().collect()).collect();
        let mut fetched = stream::iter(batches)
            .map(|batch| async move { self.store.objects(name, &batch).await })
            .buffer_unordered(FETCHES_AT_ONCE);
        let mut failed = None;
        while let Some(batch) = fetched.next().await {
            match batch {
                Ok(batch) => {
                    let shared = batch.into_iter().map(|(digest, o)| (digest, Arc::new(o)));
                    self.objects.lock().extend(shared);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
