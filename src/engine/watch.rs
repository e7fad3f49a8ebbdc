//! Following the heads: leases, releases, requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::gauges::publish;
use super::metrics::ENVIRONMENTS_MAX;
use super::queue::Priority;
use super::runner::Engine;
use super::world::EnvironmentState;
use crate::kinds::environment;
use crate::model::{ObjectId, ObjectKey};
use crate::store::{EventKind, Head, Lease, StoreError};

/// The longest that one look at the heads may take.
const WATCH_TIMEOUT: Duration = Duration::from_secs(15);

impl Engine {
    /// One look at the heads, given up where the store does not answer: work already in hand, other
    /// environments and a stop must not wait for it.
    pub(super) async fn watch_in_time(&mut self) {
        self.health.turned();
        if tokio::time::timeout(WATCH_TIMEOUT, self.watch()).await.is_err() {
            self.health.set_store_ok(false);
            self.cx.metrics.store_errors.inc();
            warn!(seconds = WATCH_TIMEOUT.as_secs(), "the store does not answer");
        }
        self.health.turned();
    }

    /// Reads the heads; loads what moved, answers requests, renews leases.
    async fn watch(&mut self) {
        let heads = match self.cx.store.heads().await {
            Ok(heads) => heads,
            Err(error) => {
                self.health.set_store_ok(false);
                self.cx.metrics.store_errors.inc();
                return warn!(%error, "the heads cannot be read");
            }
        };
        self.health.set_store_ok(true);
        if heads.len() > ENVIRONMENTS_MAX {
            error!(most = ENVIRONMENTS_MAX, "too many environments; the last are left out");
        }
        let gone: Vec<_> = {
            let named: BTreeSet<&str> = heads.iter().map(|(name, _)| name.as_str()).collect();
            let known = self.world.environments.keys();
            known.filter(|name| !named.contains(&***name)).cloned().collect()
        };
        for name in gone {
            let error = StoreError::Missing { what: format!("the head of {name}") };
            self.cannot_follow(name, error).await;
        }
        for (name, head) in heads.into_iter().take(ENVIRONMENTS_MAX) {
            if self.quiet_until.get(&*name).is_some_and(|until| Instant::now() < *until) {
                continue;
            }
            let followed = match head {
                Ok(head) => self.follow(head).await,
                Err(error) => Err(error),
            };
            match followed {
                Ok(()) => {
                    self.health.set_followed(&name);
                    self.cx.metrics.stopped.with_label_values(&[&*name]).set(0);
                }
                Err(error) => self.cannot_follow(name.into(), error).await,
            }
        }
        // One environment in trouble is seen in its own gauges; the others are worked on.
        self.health.set_loaded();
        publish(&self.world, &self.cx.metrics);
    }

    /// One environment in trouble does not hold the others up. Where its records are damaged, nothing of
    /// it is touched until they are sound again.
    async fn cannot_follow(&mut self, name: Arc<str>, error: StoreError) {
        self.cx.metrics.store_errors.inc();
        warn!(environment = %name, %error, "the environment cannot be followed");
        if error.is_damage() {
            self.health.set_stopped(&name, error.to_string());
            self.cx.metrics.stopped.with_label_values(&[&*name]).set(1);
            let id = ObjectId::new(environment::NAME, Arc::clone(&name));
            let key = ObjectKey { environment: Arc::clone(&name), id };
            let message = format!("nothing is written or deleted: {error}");
            let (kind, reason) = (EventKind::Warning, "StoreDamaged");
            self.cx.recorder.record(&key, 0, kind, reason, &message).await;
        }
        let unloaded = self.world.environments.get(&name).is_some_and(|e| !e.is_loaded());
        if unloaded || error.is_damage() || matches!(error, StoreError::LeaseLost { .. }) {
            self.stand_by(&name).await;
            let pause = self.troubled.next(Arc::clone(&name));
            self.quiet_until.insert(name, Instant::now() + pause);
        }
    }

    /// Brings one environment up to its head.
    async fn follow(&mut self, head: Head) -> Result<(), StoreError> {
        let name: Arc<str> = head.environment.as_str().into();
        if !self.keep_lease(&name, &head).await? {
            return Ok(());
        }
        let Some(known) = self.world.environments.get(&name) else {
            return Ok(());
        };
        let before = known.head.clone();
        if before.release != head.release || before.suspended != head.suspended {
            self.load(&name, head.clone()).await?;
        }
        if before.reconcile != head.reconcile {
            self.answer(&name, &head);
        }
        Ok(())
    }

    /// Whether this daemon may work on the environment.
    async fn keep_lease(&mut self, name: &Arc<str>, head: &Head) -> Result<bool, StoreError> {
        let duration =
            SignedDuration::try_from(self.config.lease_for).unwrap_or(SignedDuration::MAX);
        let now = self.cx.clock.now();
        if let Some(environment) = self.world.environments.get(name) {
            let left = environment.lease.expires_at.duration_since(now);
            // Renewed when a third is gone: not every second, and before it is too short to write by.
            if left > duration * 2 / 3 {
                return Ok(true);
            }
            let oldest = environment.oldest_look();
            let lease = self.cx.store.renew_lease(&environment.lease, duration, oldest).await?;
            self.hold(name, lease);
            return Ok(true);
        }
        let Some(lease) = self.cx.store.acquire_lease(name, &self.config.holder, duration).await?
        else {
            return Ok(false);
        };
        info!(environment = %name, epoch = lease.epoch, "lease taken");
        let (mut statuses, mut unreadable) = (BTreeMap::new(), BTreeSet::new());
        for (id, record) in self.cx.store.statuses(name).await? {
            match record {
                Ok(record) => {
                    statuses.insert(id, record);
                }
                Err(error) => {
                    warn!(environment = %name, object = %id, %error, "the object is left alone");
                    unreadable.insert(id);
                }
            }
        }
        let highest = statuses.values().map(|s| s.epoch).max().unwrap_or(0);
        let lease = match highest > lease.epoch {
            true => self.cx.store.raise_lease(&lease, highest).await?,
            false => lease,
        };
        let unseen = Head {
            environment: name.to_string(),
            release: 0,
            digest: String::new(),
            updated_at: now,
            suspended: false,
            holds: Vec::new(),
            // A request that was made before is answered by the first look.
            reconcile: head.reconcile.clone(),
        };
        let digests =
            statuses.values().flat_map(|s| [s.spec_digest.clone(), s.synced_digest.clone()]);
        let digests = digests.filter(|digest| !digest.is_empty()).collect();
        self.fetch(name, &digests).await?;
        // A pass reads the record again first.
        self.unsure.extend(
            unreadable.iter().map(|id| ObjectKey { environment: Arc::clone(name), id: id.clone() }),
        );
        let state = EnvironmentState::new(unseen, lease.clone(), statuses, unreadable);
        self.world.environments.insert(Arc::clone(name), state);
        self.hold(name, lease);
        Ok(true)
    }

    fn hold(&mut self, name: &Arc<str>, lease: Lease) {
        self.lease_ends.entry(Arc::clone(name)).or_default().set(lease.expires_at);
        if let Some(environment) = self.world.environments.get_mut(name) {
            environment.lease = lease;
        }
    }

    /// Reads a moved head's release; only objects that are new to this daemon are fetched.
    async fn load(&mut self, name: &Arc<str>, head: Head) -> Result<(), StoreError> {
        let release = self.cx.store.current(&head).await?;
        let kept = release.objects.iter().map(|e| e.digest.clone());
        let left = release.left.iter().map(|l| l.digest.clone());
        self.fetch(name, &kept.chain(left).collect()).await?;
        let Some(environment) = self.world.environments.get_mut(name) else {
            return Ok(());
        };
        let changed = environment.load(head, &release, &self.objects)?;
        info!(environment = %name, release = release.number, changed = changed.len(), "release loaded");
        self.troubled.reset(name);
        let now = Instant::now();
        for id in changed {
            let key = ObjectKey { environment: Arc::clone(name), id };
            // A new release is a new chance.
            self.failing.reset(&key);
            self.waiting.reset(&key);
            self.enqueue(key, now, Priority::Edit);
        }
        self.forget_unused();
        Ok(())
    }

    async fn fetch(&mut self, name: &str, digests: &BTreeSet<String>) -> Result<(), StoreError> {
        let missing: BTreeSet<_> =
            digests.iter().filter(|d| !self.objects.contains_key(*d)).cloned().collect();
        let fetched = self.cx.store.objects(name, &missing).await?;
        self.objects.extend(fetched.into_iter().map(|(d, object)| (d, Arc::new(object))));
        Ok(())
    }

    fn forget_unused(&mut self) {
        let used: BTreeSet<&String> = self
            .world
            .environments
            .values()
            .flat_map(|e| {
                let wanted = e.objects.values().map(|w| &w.digest);
                let taken_out = e.taken_out.values().map(|left| &left.digest);
                let known = e.statuses.values().flat_map(|s| [&s.spec_digest, &s.synced_digest]);
                wanted.chain(taken_out).chain(known)
            })
            .collect();
        let unused: Vec<_> = self.objects.keys().filter(|d| !used.contains(d)).cloned().collect();
        for digest in unused {
            // The Environment itself is not among the objects; reading it again costs one item.
            self.objects.remove(&digest);
        }
    }

    /// Somebody asked for a look: every backoff and brake is lifted for it.
    fn answer(&mut self, name: &Arc<str>, head: &Head) {
        let Some(environment) = self.world.environments.get_mut(name) else {
            return;
        };
        environment.head.reconcile.clone_from(&head.reconcile);
        let object = head.reconcile.as_ref().and_then(|r| r.object.clone());
        let asked: Vec<_> = environment
            .ids()
            .into_iter()
            .filter(|id| object.as_ref().is_none_or(|o| *o == id.to_string()))
            .collect();
        for id in &asked {
            if let Some(status) = environment.statuses.get_mut(id) {
                status.brake.lift();
            }
        }
        for id in asked {
            let key = ObjectKey { environment: Arc::clone(name), id };
            if self.running.values().any(|r| r.key == key) {
                self.lifted.insert(key.clone());
            }
            self.failing.reset(&key);
            self.waiting.reset(&key);
            self.enqueue(key, Instant::now(), Priority::Edit);
        }
    }

    /// Gives an environment up that cannot be worked on: perhaps another daemon can.
    async fn stand_by(&mut self, name: &Arc<str>) {
        let lease = self.world.environments.get(name).map(|e| e.lease.clone());
        self.drop_environment(name);
        if let Some(lease) = lease
            && let Err(error) = self.cx.store.release_lease(&lease).await
        {
            warn!(environment = %name, %error, "the lease was not given back; it expires by itself");
        }
    }

    /// Another daemon took over: nothing of the environment is touched any more.
    pub(super) fn drop_environment(&mut self, name: &Arc<str>) {
        if let Some(environment) = self.world.environments.remove(name) {
            warn!(environment = %name, "lease lost; standing by");
            for id in environment.ids() {
                let key = ObjectKey { environment: Arc::clone(name), id };
                self.queue.remove(&key);
                self.due.remove(&key);
                self.failing.reset(&key);
                self.waiting.reset(&key);
                self.unsure.remove(&key);
            }
        }
        self.lease_ends.remove(name);
        self.cx.metrics.forget_environment(name);
        self.cx.metrics.lease_held.with_label_values(&[&**name]).set(0);
    }
}
