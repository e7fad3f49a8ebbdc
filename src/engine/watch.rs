//! Following the heads: leases, releases, requests. The store is asked beside the loop (`follow.rs`); what it
//! answers is put into the world here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::backoff::FAILING;
use super::deliver::{Delivered, Outbox};
use super::follow::{Followed, Follower, News, Taken};
use super::gauges::publish;
use super::listen::{Heard, Listening};
use super::metrics::ENVIRONMENTS_MAX;
use super::pass::Context;
use super::promote::Tried;
use super::queue::Priority;
use super::release::{Collected, MoveError, collect_garbage, garbage};
use super::runner::Engine;
use super::tracked::TrackedEnvironment;
use super::world::EnvironmentState;
use crate::kinds::environment;
use crate::model::{ObjectId, ObjectKey};
use crate::store::{EventKind, Head, Lease, ReconcileRequest, Release, StoreError};

/// A daemon that restarts often collects nothing: what nothing refers to costs little.
const COLLECT_FIRST_AFTER: Duration = Duration::from_secs(3600);
const COLLECT_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The longest that one observation of the heads may take.
const HEADS_TIMEOUT: Duration = Duration::from_secs(15);

/// Questions to the store that are under way, each beside the loop.
#[derive(Default)]
pub(super) struct Asked {
    tasks: JoinSet<Answer>,
    /// The heads are being read.
    heads: bool,
    /// They could not be read when they were last asked for.
    heads_failed: bool,
    /// Environments whose lease is being taken or renewed.
    leases: BTreeSet<Arc<str>>,
    /// Environments whose release is being loaded.
    releases: BTreeSet<Arc<str>>,
}

/// Forgets the releases beyond the newest, and deletes the packages that only they name.
async fn forget_old(cx: &Context, name: &str, keep: usize) -> Result<Collected, MoveError> {
    let garbage = garbage(&cx.store, name, keep).await?;
    if garbage.releases.is_empty() {
        return Ok(Collected::default());
    }
    collect_garbage(&cx.store, &cx.sessions, name, &garbage).await
}

/// What the store answered.
pub(super) enum Answer {
    /// `None` where it did not answer in time.
    Heads(Option<Result<Heads, StoreError>>),
    Lease(Followed),
    Release(Followed),
    /// The store was told of a rollout.
    Delivered(Delivered),
    /// Somebody else was asked how a release does.
    Heard(Heard),
    /// A promotion was tried.
    Promoted(Tried),
    /// Something was told to the store, and nobody waits for it.
    Told,
}

type Heads = Vec<(String, Result<Head, StoreError>)>;

impl Asked {
    /// The next answer; never, while nothing is asked.
    pub async fn next(&mut self) -> Answer {
        match self.tasks.join_next().await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => {
                // A question that panicked is a bug; which one it was is not known, so all may be asked
                // again.
                error!(%error, "a question to the store died");
                (self.heads, self.leases, self.releases) = Default::default();
                Answer::Told
            }
            None => std::future::pending().await,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl Engine {
    /// Asks for the heads, unless that question is still under way.
    pub(super) fn ask_for_heads(&mut self) {
        if std::mem::replace(&mut self.asked.heads, true) {
            return;
        }
        let (store, is_first) = (self.cx.store.clone(), self.named.is_none());
        self.asked.tasks.spawn(async move {
            let heads =
                async { if is_first { store.heads_and_lost().await } else { store.heads().await } };
            Answer::Heads(tokio::time::timeout(HEADS_TIMEOUT, heads).await.ok())
        });
    }

    /// Asks the store beside the loop.
    pub(super) fn ask(&mut self, question: impl Future<Output = Answer> + Send + 'static) {
        self.asked.tasks.spawn(question);
    }

    /// Takes an answer of the store.
    pub(super) fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Heads(heads) => {
                self.asked.heads = false;
                self.follow_all(heads);
            }
            Answer::Lease(followed) => {
                self.asked.leases.remove(&followed.environment);
                self.followed(followed);
            }
            Answer::Release(followed) => {
                self.asked.releases.remove(&followed.environment);
                self.followed(followed);
            }
            Answer::Delivered(delivered) => self.delivered(delivered),
            Answer::Heard(heard) => self.heard(heard),
            Answer::Promoted(tried) => self.tried_to_promote(tried),
            Answer::Told => {}
        }
    }

    /// Asks about every environment what its head makes necessary.
    fn follow_all(&mut self, heads: Option<Result<Heads, StoreError>>) {
        let failed = match heads {
            Some(Ok(heads)) => {
                self.health.set_store_ok(true);
                if std::mem::take(&mut self.asked.heads_failed) {
                    for name in self.world.environments.keys().cloned().collect::<Vec<_>>() {
                        self.give_time(&name);
                    }
                }
                return self.follow_each(heads);
            }
            Some(Err(error)) => error.to_string(),
            None => format!("no answer within {} s", HEADS_TIMEOUT.as_secs()),
        };
        self.health.set_store_ok(false);
        self.asked.heads_failed = true;
        self.cx.metrics.store_errors.inc();
        warn!(error = failed, "the heads cannot be read");
        // The heads that are known still say whose leases to renew.
        for name in self.world.environments.keys().cloned().collect::<Vec<_>>() {
            self.keep_lease(&name, None);
        }
    }

    fn follow_each(&mut self, heads: Heads) {
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
            self.cannot_follow(name, error);
        }
        self.named = Some(
            heads.iter().take(ENVIRONMENTS_MAX).map(|(name, _)| name.as_str().into()).collect(),
        );
        let current: BTreeMap<String, u64> = heads
            .iter()
            .filter_map(|(name, head)| Some((name.clone(), head.as_ref().ok()?.release)))
            .collect();
        for (name, head) in heads.into_iter().take(ENVIRONMENTS_MAX) {
            let name: Arc<str> = name.into();
            let quiet_until = self.followed.get(&name).and_then(|e| e.quiet_until);
            if quiet_until.is_some_and(|until| Instant::now() < until) {
                if self.world.environments.contains_key(&name) {
                    self.keep_lease(&name, None);
                }
                continue;
            }
            match head {
                Ok(head) => self.follow(name, head),
                Err(error) => self.cannot_follow(name, error),
            }
        }
        self.see_loaded();
        self.deliver_all();
        self.promote_all(&current);
        publish(&self.world, &self.queue, &self.cx.metrics, self.config.object_metrics_max);
    }

    /// Asks what one environment needs to be up to its head.
    fn follow(&mut self, name: Arc<str>, head: Head) {
        self.keep_lease(&name, head.reconcile.as_ref());
        let Some(known) = self.world.environments.get(&name) else {
            return;
        };
        let (epoch, before) = (known.lease.epoch, known.head.clone());
        // Writing again waits for the release that is to be written.
        let is_loaded = before.release == head.release;
        if before.suspended != head.suspended && (head.suspended || is_loaded) {
            self.suspend(&name, head.suspended);
        }
        if !is_loaded {
            self.ask_for_release(name, epoch, head);
            return;
        }
        self.is_followed(&name);
        if let Some(environment) = self.world.environments.get_mut(&name) {
            environment.head.decision.clone_from(&head.decision);
            environment.head.proposed = head.proposed;
            environment.head.considered.clone_from(&head.considered);
        }
        self.tell_waiting(&name);
        if before.reconcile != head.reconcile {
            self.answer(&name, &head);
        }
    }

    /// Tells once that a release waits for an approval.
    fn tell_waiting(&mut self, name: &Arc<str>) {
        let waiting = self.world.environments.get(name).and_then(|e| e.head.waiting());
        let Some(release) = waiting else { return };
        let tracked = self.environment(name);
        if tracked.told_waiting.is_some_and(|told| told >= release) {
            return;
        }
        tracked.told_waiting = Some(release);
        let id = ObjectId::new(environment::NAME, Arc::clone(name));
        let key = ObjectKey { environment: Arc::clone(name), id };
        let message = format!(
            "release {release} waits until somebody else than its author says `trueup approve {name} {release}`"
        );
        let recorder = self.cx.recorder.clone();
        self.ask(async move {
            let (kind, reason) = (EventKind::Normal, "ApprovalNeeded");
            recorder.record(&key, release, kind, reason, &message).await;
            Answer::Told
        });
    }

    /// Holds at once for what is observed from now on, whatever is still being loaded.
    fn suspend(&mut self, name: &Arc<str>, suspended: bool) {
        let Some(environment) = self.world.environments.get_mut(name) else { return };
        environment.head.suspended = suspended;
        for id in environment.ids() {
            let key = ObjectKey { environment: Arc::clone(name), id };
            self.enqueue(key, Instant::now(), Priority::Edit);
        }
    }

    fn ask_for_release(&mut self, name: Arc<str>, epoch: u64, head: Head) {
        if self.asked.releases.insert(Arc::clone(&name)) {
            let follower = self.follower();
            self.asked.tasks.spawn(async move {
                let news = follower.load(&name, head).await;
                Answer::Release(Followed { environment: name, epoch: Some(epoch), news })
            });
        }
    }

    /// Sees to it that this daemon has the environment's lease, and for long enough. A request that was made
    /// before it is taken is answered by the first observation.
    fn keep_lease(&mut self, name: &Arc<str>, request: Option<&ReconcileRequest>) {
        let follower = self.follower();
        let held = self.world.environments.get(name);
        let held = held.map(|e| (e.lease.clone(), e.oldest_of_readable()));
        if held.is_some() {
            self.collect_when_due(name);
        }
        if held.as_ref().is_some_and(|(lease, _)| !follower.is_due(lease, self.cx.clock.now())) {
            return;
        }
        if !self.asked.leases.insert(Arc::clone(name)) {
            return;
        }
        let (name, request) = (Arc::clone(name), request.cloned());
        let epoch = held.as_ref().map(|(lease, _)| lease.epoch);
        self.asked.tasks.spawn(async move {
            let news = match held {
                Some((lease, oldest_observation)) => {
                    follower.renew(&lease, oldest_observation).await
                }
                None => follower.take(&name, request).await,
            };
            Answer::Lease(Followed { environment: name, epoch, news })
        });
    }

    /// Collects what nothing refers to in the store of an environment whose lease is held, once a day.
    fn collect_when_due(&mut self, name: &Arc<str>) {
        let now = Instant::now();
        let at = &mut self.environment(name).collect_at;
        let at = at.get_or_insert(now + COLLECT_FIRST_AFTER);
        if now < *at {
            return;
        }
        *at = now + COLLECT_EVERY;
        while self.collecting.try_join_next().is_some() {}
        let Some(environment) = self.world.environments.get(name).filter(|e| e.is_loaded()) else {
            return;
        };
        let keep = environment.spec.history_limit();
        let (cx, name) = (Arc::clone(&self.cx), Arc::clone(name));
        self.collecting.spawn(async move {
            match forget_old(&cx, &name, keep).await {
                Ok(Collected { releases: 0, .. }) => {}
                Ok(Collected { releases, packages }) => {
                    info!(environment = %name, releases, packages, "releases beyond revisionHistoryLimit were forgotten, with their packages");
                }
                Err(error) => {
                    warn!(environment = %name, %error, "old releases are kept; tried again in a day");
                }
            }
            match cx.store.collect(&name).await {
                Ok(0) => {}
                Ok(records) => {
                    info!(environment = %name, records, "records that no release refers to were deleted from the store");
                }
                Err(error) => {
                    warn!(environment = %name, %error, "records that no release refers to stay in the store; tried again in a day");
                }
            }
        });
    }

    /// What is kept of an environment.
    pub(super) fn environment(&mut self, name: &Arc<str>) -> &mut TrackedEnvironment {
        self.followed.entry(Arc::clone(name)).or_default()
    }

    fn follower(&self) -> Follower {
        Follower {
            store: self.cx.store.clone(),
            objects: self.objects.clone(),
            owner: self.config.owner.clone(),
            lease_for: SignedDuration::try_from(self.config.lease_for)
                .unwrap_or(SignedDuration::MAX),
        }
    }

    /// Puts into the world what the store said of an environment.
    fn followed(&mut self, followed: Followed) {
        let name = followed.environment;
        if followed.epoch != self.world.environments.get(&name).map(|e| e.lease.epoch) {
            // It comes too late: it is of a lease that is gone.
            return;
        }
        match followed.news {
            Ok(News::HeldByAnother) => {
                self.cx.metrics.lease_held.with_label_values(&[&*name]).set(0);
                self.is_followed(&name);
            }
            Ok(News::Taken(taken)) => self.took(&name, *taken),
            Ok(News::Renewed(lease)) => self.hold(&name, lease),
            Ok(News::Loaded { head, release }) => match self.load(&name, head, &release) {
                Ok(()) => self.is_followed(&name),
                Err(error) => self.cannot_follow(name, error),
            },
            Err(error) => self.cannot_follow(name, error),
        }
    }

    /// Loaded is who followed every environment once. One in trouble is seen in its own gauges; the others are
    /// worked on.
    fn see_loaded(&mut self) {
        let Some(named) = &self.named else { return };
        let world = &self.world.environments;
        self.followed.retain(|name, _| named.contains(name) || world.contains_key(name));
        let is_settled = |name| self.followed.get(name).is_some_and(|e| e.is_settled);
        if named.iter().all(is_settled) {
            self.health.set_loaded();
        }
    }

    fn is_followed(&mut self, name: &Arc<str>) {
        self.environment(name).is_settled = true;
        self.see_loaded();
        self.health.set_followed(name);
        self.cx.metrics.stopped.with_label_values(&[&**name]).set(0);
    }

    /// One environment in trouble does not hold the others up. Where its records are damaged, nothing of
    /// it is touched until they are sound again.
    fn cannot_follow(&mut self, name: Arc<str>, error: StoreError) {
        self.environment(&name).is_settled = true;
        self.see_loaded();
        self.cx.metrics.store_errors.inc();
        warn!(environment = %name, %error, "the environment cannot be followed");
        if error.is_damage() {
            self.health.set_stopped(&name, error.to_string());
            self.cx.metrics.stopped.with_label_values(&[&*name]).set(1);
            let id = ObjectId::new(environment::NAME, Arc::clone(&name));
            let key = ObjectKey { environment: Arc::clone(&name), id };
            let message = format!("nothing is written or deleted: {error}");
            let recorder = self.cx.recorder.clone();
            self.asked.tasks.spawn(async move {
                let (kind, reason) = (EventKind::Warning, "StoreDamaged");
                recorder.record(&key, 0, kind, reason, &message).await;
                Answer::Told
            });
        }
        let unloaded = self.world.environments.get(&name).is_some_and(|e| !e.is_loaded());
        if unloaded || error.is_damage() || matches!(error, StoreError::LeaseLost { .. }) {
            self.stand_by(&name);
            let rng = self.rng.clone();
            let environment = self.environment(&name);
            let pause = environment.troubled.next(FAILING, &rng);
            environment.quiet_until = Some(Instant::now() + pause);
        }
    }

    /// An environment that is this daemon's from now on.
    fn took(&mut self, name: &Arc<str>, taken: Taken) {
        let Taken { lease, statuses, unreadable, rollout, request } = taken;
        let unseen = Head {
            environment: name.to_string(),
            release: 0,
            digest: String::new(),
            updated_at: self.cx.clock.now(),
            suspended: false,
            holds: Vec::new(),
            reconcile: request,
            decision: None,
            proposed: None,
            considered: None,
        };
        // A pass reads the record again first.
        for id in &unreadable {
            let key = ObjectKey { environment: Arc::clone(name), id: id.clone() };
            self.track(&key).is_unsure = true;
        }
        let state = EnvironmentState::new(unseen, lease.clone(), statuses, unreadable, rollout);
        self.world.environments.insert(Arc::clone(name), state);
        self.hold(name, lease);
        // Its release is asked for at once, by the head as it is now.
        self.ask_for_heads();
    }

    fn hold(&mut self, name: &Arc<str>, lease: Lease) {
        let end = self.environment(name).lease_end.get_or_insert_default();
        end.set(lease.expires_at);
        if let Some(environment) = self.world.environments.get_mut(name) {
            environment.lease = lease;
        }
    }

    /// Puts a head's release in place of the one before.
    fn load(&mut self, name: &Arc<str>, head: Head, release: &Release) -> Result<(), StoreError> {
        let Some(environment) = self.world.environments.get_mut(name) else {
            return Ok(());
        };
        // What was said since it was asked for holds.
        let Head { suspended, reconcile, .. } = environment.head.clone();
        let head = Head { suspended, reconcile, ..head };
        let changed = environment.load(head, release, &self.objects)?;
        info!(environment = %name, release = release.number, changed = changed.len(), "release loaded");
        let (spec, commit) = (Arc::clone(&environment.spec), environment.commit.clone());
        let told = spec.notifications.as_deref().unwrap_or_default();
        self.notifier.follow(name, told, spec.target(), (release.number, &commit));
        self.environment(name).troubled.reset();
        self.begin_rollout(name, release);
        self.wake_waiting(name);
        let now = Instant::now();
        for id in changed {
            let key = ObjectKey { environment: Arc::clone(name), id };
            // A new release is a new chance.
            self.track(&key).reset();
            self.enqueue(key, now, Priority::Edit);
        }
        self.forget_unused();
        Ok(())
    }

    /// Lets go of objects that no environment uses, once nobody is loading others.
    fn forget_unused(&mut self) {
        if !self.asked.releases.is_empty() || !self.asked.leases.is_empty() {
            return;
        }
        let used: BTreeSet<&String> = self
            .world
            .environments
            .values()
            .flat_map(|e| {
                let wanted = e.objects.values().map(|w| &w.digest);
                let taken_out = e.taken_out.values().map(|left| &left.digest);
                let known = e.statuses.values().flat_map(|s| s.digests());
                wanted.chain(taken_out).chain(known)
            })
            // What a pass acts on now is in its record afterwards.
            .chain(self.running.values().filter_map(|running| running.digest.as_ref()))
            .collect();
        // The Environment itself is not among the objects; reading it again costs one item.
        self.objects.retain(|digest| used.contains(digest));
    }

    /// Somebody asked to reconcile now: every backoff and flap guard is lifted for it.
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
                Arc::make_mut(status).flap_guard.lift();
            }
        }
        for id in asked {
            let key = ObjectKey { environment: Arc::clone(name), id };
            if self.running.values().any(|r| r.key == key) {
                self.track(&key).flap_guard_lifted = true;
            }
            self.track(&key).reset();
            self.enqueue(key, Instant::now(), Priority::Edit);
        }
    }

    /// Gives an environment up that cannot be worked on: perhaps another daemon can.
    fn stand_by(&mut self, name: &Arc<str>) {
        let lease = self.world.environments.get(name).map(|e| e.lease.clone());
        self.drop_environment(name);
        let Some(lease) = lease else { return };
        let store = self.cx.store.clone();
        self.asked.tasks.spawn(async move {
            if let Err(error) = store.release_lease(&lease).await {
                let name = &lease.environment;
                warn!(environment = %name, %error, "the lease was not given back; it expires by itself");
            }
            Answer::Told
        });
    }

    /// Another daemon took over: nothing of the environment is touched any more.
    pub(super) fn drop_environment(&mut self, name: &Arc<str>) {
        if let Some(environment) = self.world.environments.remove(name) {
            warn!(environment = %name, "lease lost; standing by");
            for id in environment.ids() {
                let key = ObjectKey { environment: Arc::clone(name), id };
                self.queue.remove(&key);
                self.tracked.remove(&key);
            }
        }
        // Whoever takes over plans anew.
        self.environment(name).outbox = Outbox::default();
        self.environment(name).listening = Listening::default();
        // Passes under way take no further step.
        if let Some(end) = self.environment(name).lease_end.take() {
            end.set(Timestamp::UNIX_EPOCH);
        }
        self.cx.metrics.forget_environment(name);
        self.cx.metrics.lease_held.with_label_values(&[&**name]).set(0);
    }
}
