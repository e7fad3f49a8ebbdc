//! Following the heads: releases and requests. The store is asked beside the loop (`follow.rs`); what it answers
//! is put into the world here. Which environments are this daemon's is `sharing.rs`'.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::backoff::FAILING;
use super::deliver::Delivered;
use super::follow::{Followed, News, Taken};
use super::gauges::publish;
use super::listen::Heard;
use super::metrics::ENVIRONMENTS_MAX;
use super::pass::Context;
use super::probing::Probed;
use super::promote::Tried;
use super::queue::Priority;
use super::release::{Collected, MoveError, collect_garbage, garbage};
use super::runner::Engine;
use super::tracked::TrackedEnvironment;
use super::world::EnvironmentState;
use crate::aws::CALL_TIMEOUT;
use crate::kinds::environment;
use crate::model::{ObjectId, ObjectKey};
use crate::store::{EventKind, Head, Lease, Member, Release, Store, StoreError};

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
    pub(super) leases: BTreeSet<Arc<str>>,
    /// Environments whose release is being loaded.
    pub(super) releases: BTreeSet<Arc<str>>,
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
    Heads(Option<Result<Look, StoreError>>),
    Lease(Followed),
    Release(Followed),
    /// The store was told of a rollout.
    Delivered(Box<Delivered>),
    /// Somebody else was asked how a release does.
    Heard(Heard),
    /// A promotion was tried.
    Promoted(Tried),
    /// A page was probed.
    Probed(Probed),
    /// The store was told of an environment's health; `false` where it could not be.
    HealthTold(Arc<str>, bool),
    /// Something was told to the store, and nobody waits for it.
    Told,
}

pub(super) type Heads = Vec<(String, Result<Head, StoreError>)>;

/// One look at the store: what is current, and who has it.
pub(super) struct Look {
    pub(super) heads: Heads,
    /// Where they were asked for.
    pub(super) others: Option<(Leases, Vec<Member>)>,
}

pub(super) type Leases = Vec<(String, Result<Lease, StoreError>)>;

/// Reads the heads, tells the others that this daemon lives where it is time to, and reads what they told.
async fn look(
    store: &Store,
    is_first: bool,
    beat: Option<Member>,
    with_others: bool,
) -> Result<Look, StoreError> {
    let beats = async {
        match &beat {
            Some(beat) => store.beat(beat).await,
            None => Ok(()),
        }
    };
    let heads = async { if is_first { store.heads_and_lost().await } else { store.heads().await } };
    let others = async {
        match with_others {
            true => tokio::try_join!(store.leases(), store.members()).map(Some),
            false => Ok(None),
        }
    };
    let ((), heads, others) = tokio::try_join!(beats, heads, others)?;
    Ok(Look { heads, others })
}

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
        let (sessions, health) = (self.cx.sessions.clone(), self.health.clone());
        let places = self.world.environments.values();
        let places = places.map(|environment| sessions.place(&environment.spec.target()));
        self.members.work_in(places.collect());
        let beat = self.members.next_beat(self.cx.clock.now());
        // Where this daemon is alone and has all, nobody gives anything back in between.
        let with_others = beat.is_some() || self.members.live().len() > 1 || self.misses_some();
        self.asked.tasks.spawn(async move {
            health.set_paused(sessions.paused().await);
            let look = look(&store, is_first, beat, with_others);
            Answer::Heads(tokio::time::timeout(HEADS_TIMEOUT, look).await.ok())
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
            Answer::Delivered(delivered) => self.delivered(*delivered),
            Answer::Heard(heard) => self.heard(heard),
            Answer::Promoted(tried) => self.tried_to_promote(tried),
            Answer::Probed(probed) => self.probed(probed),
            Answer::HealthTold(name, is_recorded) => self.told_health(&name, is_recorded),
            Answer::Told => {}
        }
    }

    /// Asks about every environment what its head makes necessary.
    fn follow_all(&mut self, look: Option<Result<Look, StoreError>>) {
        let failed = match look {
            Some(Ok(look)) => {
                self.health.set_store(Ok(()));
                if std::mem::take(&mut self.asked.heads_failed) {
                    for name in self.world.environments.keys().cloned().collect::<Vec<_>>() {
                        self.give_time(&name);
                    }
                }
                if let Some((leases, members)) = look.others {
                    self.see_others(&look.heads, leases, members);
                    return self.follow_each(look.heads);
                }
                self.follow_each(look.heads);
                if self.misses_some() {
                    // Whose it is follows from what the others told.
                    self.ask_for_heads();
                }
                return;
            }
            Some(Err(error)) => error.to_string(),
            None => format!("no answer within {} s", HEADS_TIMEOUT.as_secs()),
        };
        warn!(error = failed, "the heads cannot be read");
        self.health.set_store(Err(failed));
        self.asked.heads_failed = true;
        self.cx.metrics.store_errors.inc();
        self.members.beat_failed();
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
            if self.is_quiet(&name) {
                continue;
            }
            match head {
                Ok(head) => self.follow(name, head),
                Err(error) => self.cannot_follow(name, error),
            }
        }
        self.see_loaded();
        for name in self.world.environments.keys().cloned().collect::<Vec<_>>() {
            self.collect_when_due(&name);
            self.run_backups(&name);
            self.probe(&name);
        }
        self.deliver_all();
        self.promote_all(&current);
        publish(&self.world, &self.queue, &self.cx.metrics, self.config.object_metrics_max);
    }

    /// It could not be followed, and is left alone for a while.
    pub(super) fn is_quiet(&self, name: &Arc<str>) -> bool {
        let quiet_until = self.followed.get(name).and_then(|e| e.quiet_until);
        quiet_until.is_some_and(|until| Instant::now() < until)
    }

    /// Asks what one environment needs to be up to its head.
    fn follow(&mut self, name: Arc<str>, head: Head) {
        let Some(known) = self.world.environments.get(&name) else {
            return self.take_if_ours(&name, head.reconcile.as_ref());
        };
        if known.is_leaving {
            return self.is_followed(&name);
        }
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
            // What was followed last decides who may change it, whatever comes says.
            let must_be_signed =
                self.config.requires_signature || self.environment(&name).requires_signature;
            self.asked.tasks.spawn(async move {
                let news = follower.load(&name, head, must_be_signed).await;
                Answer::Release(Followed { environment: name, epoch: Some(epoch), news })
            });
        }
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
        let (keep, lease_end) = (environment.spec.history_limit(), environment.lease_end.clone());
        let (cx, name) = (Arc::clone(&self.cx), Arc::clone(name));
        let collect = async move {
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
        };
        self.collecting.spawn(async move {
            // What is left is collected the next time.
            let _ = lease_end.during(collect).await;
        });
    }

    /// What is kept of an environment.
    pub(super) fn environment(&mut self, name: &Arc<str>) -> &mut TrackedEnvironment {
        self.followed.entry(Arc::clone(name)).or_default()
    }

    /// Puts into the world what the store said of an environment.
    fn followed(&mut self, followed: Followed) {
        let name = followed.environment;
        if followed.epoch != self.world.environments.get(&name).map(|e| e.lease.epoch) {
            // It comes too late: it is of a lease that is gone.
            return;
        }
        match followed.news {
            Ok(News::HeldByAnother) => self.is_anothers(&name),
            Ok(News::Taken(taken)) => self.took(&name, *taken),
            Ok(News::Renewed(lease, asked)) => self.renewed(&name, lease, asked),
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
        self.followed.retain(|name, tracked| {
            // Whose head is lost for a moment still takes signed releases only.
            named.contains(name) || world.contains_key(name) || tracked.requires_signature
        });
        let is_settled = |name| self.followed.get(name).is_some_and(|e| e.is_settled);
        if named.iter().all(is_settled) {
            self.health.set_loaded();
        }
    }

    pub(super) fn is_followed(&mut self, name: &Arc<str>) {
        self.environment(name).is_settled = true;
        self.see_loaded();
        self.health.set_followed(name);
        self.cx.metrics.stopped.with_label_values(&[&**name]).set(0);
    }

    /// One environment in trouble does not hold the others up. Where its records are damaged, nothing of
    /// it is touched until they are sound again.
    pub(super) fn cannot_follow(&mut self, name: Arc<str>, error: StoreError) {
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
        let Taken { lease, lease_end, was_taken_away, statuses, unreadable, rollout, request } =
            taken;
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
        let lease = (lease, lease_end);
        let mut state = EnvironmentState::new(unseen, lease, statuses, unreadable, rollout);
        state.is_leaving = self.is_stopping;
        state.reread_at = was_taken_away.then(|| Instant::now() + CALL_TIMEOUT);
        self.world.environments.insert(Arc::clone(name), state);
        // Its release is asked for at once, by the head as it is now.
        self.ask_for_heads();
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
        self.environment(name).requires_signature = spec.require_signature == Some(true);
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
            let was_done = self.world.get(&key).is_some_and(|e| e.was_carried_out(&key.id));
            let priority = if was_done { Priority::Resync } else { Priority::Edit };
            self.enqueue(key, now, priority);
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
}
