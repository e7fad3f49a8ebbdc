//! The loop: watches the heads, keeps the leases, gives work out and takes it back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use super::events::Recorder;
use super::follow::Objects;
use super::health::Health;
use super::members::Members;
use super::metrics::EngineMetrics;
use super::notify::{Notifier, Outgoing};
use super::pass::{Context, Learned, Next, Report, Snapshot, pass};
use super::queue::{Key, Priority, Queue};
use super::repeats::Repeats;
use super::rng::Rng;
use super::secrets::Secrets;
use super::sharing::Sharing;
use super::tracked::{TrackedEnvironment, TrackedObject};
use super::watch::{Answer, Asked};
use super::world::{EnvironmentState, World};
use crate::aws::{Sessions, Slot};
use crate::model::{ObjectFieldRef, ObjectId, ObjectKey, object_references};
use crate::store::{StatusRecord, Store, StoreError};

/// How the engine runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Objects worked on at once.
    pub concurrency: usize,
    /// Pause between two observations of the heads.
    pub watch_every: Duration,
    /// How long a lease lasts without being renewed, and a daemon is silent before it is taken for dead.
    pub lease_for: Duration,
    /// The longest that one pass may take.
    pub pass_timeout: Duration,
    /// How long in-flight passes may go on after a stop was asked for.
    pub drain_for: Duration,
    /// An environment with more objects shows none of them in the metrics.
    pub object_metrics_max: usize,
    /// Takes signed releases only, whatever their Environments say.
    pub requires_signature: bool,
    /// Names this daemon among others: no two processes have the same.
    pub owner: String,
    /// Seeds all jitter.
    pub seed: u64,
}

impl Config {
    /// The default settings, for a daemon whose leases have this owner.
    pub fn new(owner: impl Into<String>, seed: u64) -> Self {
        Self {
            concurrency: 16,
            watch_every: Duration::from_secs(1),
            lease_for: LEASE_DURATION,
            pass_timeout: Duration::from_secs(300),
            drain_for: Duration::from_secs(20),
            object_metrics_max: 5_000,
            requires_signature: false,
            owner: owner.into(),
            seed,
        }
    }
}

/// As client-go's: a daemon that dies is succeeded within 20 s.
/// Source: `LeaseDuration` of k8s.io/client-go/tools/leaderelection.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);

/// Passes of one kind and priority in one account and region that wait for a limit at once: enough for the limit to be
/// used.
const WAITING_MAX: usize = 4;
/// Objects that the queue holds at most.
const QUEUE_MAX: usize = 200_000;
/// However short the interval: what fails is not asked more often than this in the end.
const OUTAGE_LONGEST: Duration = Duration::from_secs(30);
/// Over what time objects are observed again when calls are not paused any more.
pub(super) const GO_ON_WITHIN: Duration = Duration::from_secs(5);
/// The longest that giving the leases back may take, all together.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

/// Objects of one kind and environment: their calls have the same limits.
impl Key for ObjectKey {
    type Lane = (Arc<str>, Arc<str>);

    fn lane(&self) -> Self::Lane {
        (Arc::clone(&self.environment), Arc::clone(&self.id.kind))
    }
}

/// A pass under way.
pub(super) struct Running {
    /// The number of the pass.
    pub(super) pass: u64,
    pub(super) key: ObjectKey,
    pub(super) since: Instant,
    /// The form of the object that it acts on, by content address.
    pub(super) digest: Option<String>,
    /// The lease that it works under.
    pub(super) epoch: u64,
    /// Whether it only waits for a limit.
    priority: Priority,
    slot: Slot,
}

/// The engine. One loop owns it; passes run beside it and report back.
pub struct Engine {
    pub(super) config: Config,
    pub(super) cx: Arc<Context>,
    pub(super) health: Health,
    pub(super) rng: Rng,
    pub(super) world: World,
    pub(super) queue: Queue<ObjectKey>,
    pub(super) tracked: HashMap<ObjectKey, TrackedObject>,
    pub(super) followed: HashMap<Arc<str>, TrackedEnvironment>,
    /// Passes under way, by task.
    pub(super) running: HashMap<tokio::task::Id, Running>,
    /// Told when one of them begins or ends to wait for a limit.
    slots: Arc<Notify>,
    /// Collections under way: nobody waits for them, and they end with the daemon.
    pub(super) collecting: JoinSet<()>,
    pub(super) notifier: Notifier,
    /// What sends, until it runs.
    outgoing: Option<Outgoing>,
    pub(super) passes: u64,
    pub(super) objects: Objects,
    pub(super) asked: Asked,
    /// The environments that have a head; `None` until the heads were read.
    pub(super) named: Option<BTreeSet<Arc<str>>>,
    pub(super) members: Members,
    pub(super) sharing: Sharing,
    /// A stop was asked for.
    pub(super) is_stopping: bool,
}

impl Engine {
    /// Fails where the store is not there or was not initialized.
    pub async fn new(
        config: Config,
        store: Store,
        sessions: Sessions,
        metrics: EngineMetrics,
        health: Health,
    ) -> Result<Self, StoreError> {
        let store_id = store.upgrade().await?.into();
        let rng = Rng::seeded(config.seed);
        let secrets = Secrets::default();
        let (notifier, outgoing) = Notifier::new(
            sessions.clone(),
            secrets.clone(),
            store.clock(),
            rng.clone(),
            metrics.clone(),
        );
        let cx = Arc::new(Context {
            clock: store.clock(),
            recorder: Recorder::new(store.clone(), notifier.clone()),
            store,
            store_id,
            sessions,
            secrets,
            repeats: Repeats::default(),
            metrics,
        });
        let members = Members::new(&config.owner, config.lease_for, cx.clock.now());
        Ok(Self {
            config,
            cx,
            members,
            sharing: Sharing::default(),
            is_stopping: false,
            health,
            world: World::default(),
            queue: Queue::default(),
            tracked: HashMap::new(),
            followed: HashMap::new(),
            collecting: JoinSet::new(),
            notifier,
            outgoing: Some(outgoing),
            rng,
            running: HashMap::new(),
            slots: Arc::default(),
            passes: 0,
            objects: Objects::default(),
            asked: Asked::default(),
            named: None,
        })
    }

    /// Runs until `stop` is cancelled, then lets what is under way end, and gives the leases back.
    pub async fn run(mut self, stop: CancellationToken) {
        info!(seed = self.config.seed, owner = %self.config.owner, "engine starts");
        let mut workers: JoinSet<Report> = JoinSet::new();
        // It ends with the engine.
        let mut telling = JoinSet::new();
        if let Some(outgoing) = self.outgoing.take() {
            telling.spawn(self.notifier.clone().run(outgoing, stop.child_token()));
        }
        let mut watch = tokio::time::interval(self.config.watch_every);
        watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let breakers = self.cx.sessions.breaker_closed();
        // It is told of what closes from now on, whatever the loop does meanwhile.
        let mut closed = std::pin::pin!(breakers.notified());
        closed.as_mut().enable();
        let mut given_up_at = None;
        while !self.is_stopped(given_up_at) {
            self.health.turned();
            self.dispatch(&mut workers);
            let due = self.queue.next_due().filter(|_| self.has_room());
            tokio::select! {
                biased;
                () = stop.cancelled(), if !self.is_stopping => {
                    given_up_at = Some(Instant::now() + self.config.drain_for);
                    self.begin_to_stop(workers.len());
                }
                Some(done) = workers.join_next_with_id() => self.complete(done),
                answer = self.asked.next() => self.answered(answer),
                () = &mut closed => {
                    closed.set(breakers.notified());
                    closed.as_mut().enable();
                    self.go_on(|_| true);
                }
                _ = watch.tick() => self.watch(),
                // After the leases: many passes may wait for many limits.
                () = self.slots.notified() => {}
                () = sleep_until(due.into_iter().chain(given_up_at).min()) => {}
            }
            if self.is_stopping {
                self.hand_over();
            }
        }
        self.end(workers).await;
    }

    /// What is done every second or so.
    fn watch(&mut self) {
        // Renewing is work under way, too.
        self.hand_over();
        self.keep_leases();
        if !self.is_stopping {
            self.ask_for_heads();
        }
    }

    /// Nothing is held any more, or it takes too long to give it back.
    fn is_stopped(&self, given_up_at: Option<Instant>) -> bool {
        let is_late = given_up_at.is_some_and(|at| Instant::now() >= at);
        self.is_stopping && (self.world.environments.is_empty() || is_late)
    }

    /// Each environment is given back as soon as nothing is under way in it; others take it meanwhile.
    fn begin_to_stop(&mut self, under_way: usize) {
        info!(under_way, "stopping");
        self.health.set_stopping();
        self.is_stopping = true;
        self.members.leave();
        if let Some(beat) = self.members.next_beat(self.cx.clock.now()) {
            let store = self.cx.store.clone();
            self.ask(async move {
                if let Err(error) = store.beat(&beat).await {
                    warn!(%error, "the other daemons were not told; they learn it by the leases");
                }
                Answer::Told
            });
        }
        for name in self.world.environments.keys().cloned().collect::<Vec<_>>() {
            self.leave(&name);
        }
    }

    /// Starts passes while there is work and room.
    fn dispatch(&mut self, workers: &mut JoinSet<Report>) {
        let now = Instant::now();
        while self.has_room() {
            let full = self.full_lanes();
            let environments = &self.world.environments;
            let is_full = |(name, kind): &(Arc<str>, Arc<str>), priority| {
                let place = environments.get(name).map(|environment| &environment.place);
                place.is_some_and(|place| {
                    full.contains(&(Arc::clone(place), Arc::clone(kind), priority))
                })
            };
            let popped = self.queue.pop(now, |lane, priority| !is_full(lane, priority));
            let Some((key, priority)) = popped else {
                break;
            };
            let Some(snapshot) = self.snapshot(&key, priority) else {
                self.queue.done(&key);
                continue;
            };
            if snapshot.lease_end.is_over() {
                self.queue.done(&key);
                self.schedule(key, Next::Paused);
                continue;
            }
            self.passes += 1;
            let due = self.track(&key).due.take();
            let waited = due.map(|at| now.saturating_duration_since(at));
            self.cx.metrics.queue_seconds.observe(waited.unwrap_or_default().as_secs_f64());
            self.cx.metrics.active_workers.with_label_values(&[&*key.id.kind]).inc();
            let span = info_span!(
                "pass",
                environment = %key.environment,
                kind = %key.id.kind,
                object = %key.id.name,
                release = snapshot.release,
                pass = self.passes,
            );
            let (cx, timeout) = (self.cx.clone(), self.config.pass_timeout);
            let (epoch, slot) = (snapshot.epoch, snapshot.slot.clone());
            let digest = snapshot.wanted.as_ref().map(|wanted| wanted.digest.clone());
            let work = async move {
                let timed = tokio::time::timeout(timeout, Box::pin(pass(&cx, &snapshot)));
                match snapshot.lease_end.during(timed).await {
                    Some(Ok(report)) => report,
                    Some(Err(_)) => {
                        warn!(
                            seconds = timeout.as_secs(),
                            "the pass took too long and was given up"
                        );
                        Report::given_up()
                    }
                    None => {
                        warn!("the lease was over before the pass was; it was given up");
                        Report::lease_over()
                    }
                }
            };
            let task = workers.spawn(work.instrument(span));
            let running =
                Running { pass: self.passes, key, since: now, digest, epoch, priority, slot };
            self.running.insert(task.id(), running);
        }
        self.cx.metrics.queue_depth.set(i64::try_from(self.queue.depth()).unwrap_or(i64::MAX));
        self.observe_running();
    }

    fn observe_running(&self) {
        let seconds = || self.running.values().map(|r| r.since.elapsed().as_secs_f64());
        self.cx.metrics.unfinished_seconds.set(seconds().sum());
        self.cx.metrics.longest_running_seconds.set(seconds().fold(0.0, f64::max));
    }

    fn snapshot(&self, key: &ObjectKey, priority: Priority) -> Option<Snapshot> {
        // An environment whose release was never read looks as if everything had left it.
        let environment = self.world.get(key).filter(|e| e.is_loaded() && !e.is_leaving)?;
        let wanted = environment.objects.get(&key.id).cloned();
        let fields = wanted.iter().flat_map(|w| object_references(&w.object.spec));
        let resolved = fields.filter_map(|r: ObjectFieldRef| {
            let value = environment.resolve(&r)?.to_owned();
            Some((r, value))
        });
        // Deletes run backwards: what still refers to the object goes first.
        let dependents = match &wanted {
            Some(_) => Vec::new(),
            None => self.dependents(environment, &key.id),
        };
        let status = environment.statuses.get(&key.id);
        let is_other = |digest: &&String| wanted.as_ref().is_none_or(|w| w.digest != **digest);
        let begun = status.iter().flat_map(|status| &status.begun_digests).filter(is_other);
        let begun = begun.filter_map(|digest| self.objects.get(digest)).collect();
        Some(Snapshot {
            key: key.clone(),
            release: environment.head.release,
            suspended: environment.head.suspended,
            environment: Arc::clone(&environment.spec),
            status: status.cloned(),
            fields: resolved.collect(),
            wanted,
            previous: status.and_then(|status| self.objects.get(&status.synced_digest)),
            begun,
            taken_out: environment.taken_out.get(&key.id).cloned(),
            is_second: environment.waits_for_second(&key.id),
            weight: environment.weight_of(&key.id),
            dependents,
            asked_at: environment.asked_at(&key.id),
            is_unsure: self.tracked.get(key).is_some_and(|object| object.is_unsure),
            epoch: environment.lease.epoch,
            lease_end: environment.lease_end.clone(),
            slot: Slot::new(Arc::clone(&self.slots), priority == Priority::Resync),
        })
    }

    /// Another pass may be started: one that only waits for a limit takes nobody's place.
    fn has_room(&self) -> bool {
        let at_work = self.running.values().filter(|running| !running.slot.is_waiting());
        at_work.count() < self.config.concurrency
    }

    /// Places and kinds of which enough passes of one priority wait for a limit: another one would wait behind them.
    /// What waits in the queue instead is given out by its priority.
    fn full_lanes(&self) -> BTreeSet<(Arc<str>, Arc<str>, Priority)> {
        let mut waiting = BTreeMap::new();
        for running in self.running.values().filter(|running| running.slot.is_waiting()) {
            if let Some(environment) = self.world.get(&running.key) {
                let (place, kind) = (&environment.place, &running.key.id.kind);
                let lane = (Arc::clone(place), Arc::clone(kind), running.priority);
                *waiting.entry(lane).or_insert(0) += 1;
            }
        }
        waiting.into_iter().filter(|(_, n)| *n >= WAITING_MAX).map(|(lane, _)| lane).collect()
    }

    /// Objects that refer to this one in the form in which they were last acted on: those that are
    /// leaving too, and those whose new form was not carried out yet. One whose record cannot be read may
    /// refer to anything.
    fn dependents(&self, environment: &EnvironmentState, id: &ObjectId) -> Vec<String> {
        let others = environment.statuses.values().filter(|s| s.id() != *id);
        let refer = others.filter(|s| {
            let object = self.objects.get(&s.spec_digest);
            object.is_some_and(|o| object_references(&o.spec).iter().any(|r| r.id() == *id))
        });
        let unreadable = environment.unreadable.iter().filter(|other| *other != id);
        let unreadable = unreadable.map(|other| format!("{other} (its record cannot be read)"));
        refer.map(|s| s.id().to_string()).chain(unreadable).collect()
    }

    /// Records what a pass came to, and when the next one is due. A pass that panicked is a bug; its
    /// object is tried again like after any other failure.
    fn complete(&mut self, done: Result<(tokio::task::Id, Report), tokio::task::JoinError>) {
        let (task, report) = match done {
            Ok((task, report)) => (task, Some(report)),
            Err(error) => {
                error!(%error, "a pass died");
                (error.id(), None)
            }
        };
        let Some(Running { pass, key, since, epoch, .. }) = self.running.remove(&task) else {
            return;
        };
        self.track(&key).is_paused = false;
        let report = report.unwrap_or_else(Report::given_up);
        let seconds = since.elapsed().as_secs_f64();
        let (metrics, now) = (&self.cx.metrics, self.cx.clock.now());
        metrics.pass_ended(&key.id.kind, report.result, seconds, pass, now);
        self.queue.done(&key);
        if self.world.get(&key).is_none_or(|e| e.lease.epoch != epoch) {
            // It worked under a lease that is gone; what it learned is stale, and what it wrote may
            // have come after its record was read again.
            self.track(&key).is_unsure = true;
            return;
        }
        if let Err(error) = &report.outcome {
            metrics.store_errors.inc();
            warn!(object = %key, %error, "the pass could not be recorded");
            if matches!(error, StoreError::LeaseLost { .. }) {
                return self.drop_environment(&key.environment);
            }
        }
        match report.status {
            Learned::Status(status) => {
                self.track(&key).is_unsure = false;
                self.learn(&key, Some(status));
            }
            Learned::Gone => {
                self.track(&key).is_unsure = false;
                self.learn(&key, None);
            }
            Learned::Nothing => {
                self.track(&key).is_unsure = true;
            }
        }
        self.schedule(key, report.next);
    }

    /// Puts what a pass learned into the world, and wakes those that waited for it.
    fn learn(&mut self, key: &ObjectKey, mut status: Option<Arc<StatusRecord>>) {
        let lifted = std::mem::take(&mut self.track(key).flap_guard_lifted);
        if let Some(status) = status.as_mut().filter(|_| lifted) {
            Arc::make_mut(status).flap_guard.lift();
        }
        let Some(environment) = self.world.environments.get_mut(&key.environment) else {
            return;
        };
        environment.unreadable.remove(&key.id);
        let wake: Vec<ObjectId> = match status {
            Some(status) => {
                let before = environment.statuses.get(&key.id);
                let moved = before.as_ref().is_none_or(|b| {
                    b.outputs != status.outputs
                        || b.observed_generation != status.observed_generation
                });
                if let Some(at) = status.looked_at {
                    environment.looked_at.insert(key.id.clone(), at);
                }
                environment.statuses.insert(key.id.clone(), status);
                environment.dependents(&key.id).filter(|_| moved).cloned().collect()
            }
            None => {
                environment.statuses.remove(&key.id);
                // Others that are leaving may have waited for this one.
                let gone = |id: &&ObjectId| !environment.objects.contains_key(*id);
                environment.statuses.keys().filter(gone).cloned().collect()
            }
        };
        for id in wake {
            let key = ObjectKey { environment: Arc::clone(&key.environment), id };
            self.enqueue(key, Instant::now(), Priority::Edit);
        }
    }

    fn schedule(&mut self, key: ObjectKey, next: Next) {
        let now = Instant::now();
        let interval = self.world.get(&key).map(|e| e.spec.interval());
        let Some(interval) = interval else { return };
        let rng = self.rng.clone();
        let object = self.track(&key);
        let (delay, priority) = match next {
            Next::Never => {
                self.tracked.remove(&key);
                return;
            }
            Next::Resync => {
                object.reset();
                (rng.around(interval), Priority::Resync)
            }
            Next::Progress => {
                object.progressed();
                (object.waited(&rng), Priority::Edit)
            }
            Next::Soon => (object.waited(&rng), Priority::Edit),
            Next::Retry => (object.failed(&rng), Priority::Resync),
            // Nobody is blind for longer after an outage than without one.
            Next::Outage | Next::Paused => {
                object.is_paused = next == Next::Paused;
                let longest = interval.max(OUTAGE_LONGEST);
                (object.failed(&rng).min(longest), Priority::Resync)
            }
        };
        self.enqueue(key, now + delay, priority);
    }

    /// What is kept of an object.
    pub(super) fn track(&mut self, key: &ObjectKey) -> &mut TrackedObject {
        self.tracked.entry(key.clone()).or_default()
    }

    pub(super) fn enqueue(&mut self, key: ObjectKey, at: Instant, priority: Priority) {
        if self.queue.len() >= QUEUE_MAX && !self.queue.contains(&key) {
            error!(object = %key, "the queue is full; the object waits for the next start");
            return;
        }
        self.cx.metrics.queue_adds.inc();
        let due = &mut self.track(&key).due;
        *due = Some(due.map_or(at, |due| at.min(due)));
        self.queue.add(key, at, priority);
    }

    /// Ends what did not end by itself, and gives back what is left.
    async fn end(mut self, mut workers: JoinSet<Report>) {
        if !workers.is_empty() {
            warn!(given_up = workers.len(), "passes were given up; the next daemon observes first");
            workers.shutdown().await;
        }
        for name in self.world.environments.keys().cloned().collect::<Vec<_>>() {
            self.stand_by(&name);
        }
        let deadline = Instant::now() + RELEASE_TIMEOUT;
        while !self.asked.is_empty() {
            let answer = tokio::time::timeout_at(deadline, self.asked.next()).await;
            match answer {
                // What was taken meanwhile is given back too.
                Ok(Answer::Lease(followed)) => {
                    self.answered(Answer::Lease(followed));
                    self.hand_over();
                }
                Ok(_) => {}
                Err(_) => {
                    warn!("the store was not told of everything; leases end by themselves");
                    break;
                }
            }
        }
        // Last: a beat that was still on its way would bring the record back.
        let removed = self.cx.store.remove_member(&self.members.own().owner);
        if !matches!(tokio::time::timeout(RELEASE_TIMEOUT, removed).await, Ok(Ok(()))) {
            warn!("this daemon's record stays in the store; the others forget it");
        }
        info!("stopped");
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
