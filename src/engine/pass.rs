//! One pass over one object: observe, plan, check, execute, observe again, record.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tracing::{debug, info, warn};

use super::decide;
use super::events::{DRIFT, Recorder};
use super::execute::creates_whole;
use super::lease::LeaseEnd;
use super::metrics::EngineMetrics;
use super::outcome::{Compared, DRIFTED, PassEnd, fields, set_conditions};
use super::patience;
use super::prepare::{Subject, aws_name, inputs, misplaced, unresolved};
use super::repeats::Repeats;
use super::secrets::Secrets;
use super::world::{TakenOut, Wanted};
use crate::aws::{AwsError, Session, Sessions, Slot};
use crate::kinds::environment::EnvironmentSpec;
use crate::kinds::{AnyKind, AnyStep, Desired, Intent, Observation, VERSION, kind};
use crate::model::{
    Clock, ConditionStatus, Conditions, DataSource, Object, ObjectFieldRef, ObjectKey, Part,
    condition_type,
};
use crate::plan::{
    Blocked, Change, Plan, WAITING_FOR_RELEASE, Waiting, is_for_rollout, render_changes,
};
use crate::store::{EventKind, Phase, Served, StatusRecord, Store, StoreError, SyncedInPart};

/// What all passes share.
pub struct Context {
    pub store: Store,
    pub store_id: Arc<str>,
    pub sessions: Sessions,
    pub secrets: Secrets,
    pub recorder: Recorder,
    pub repeats: Repeats,
    pub metrics: EngineMetrics,
    pub clock: Clock,
}

/// Everything that a pass works from, taken at one moment.
pub struct Snapshot {
    pub key: ObjectKey,
    pub release: u64,
    pub suspended: bool,
    pub environment: Arc<EnvironmentSpec>,
    /// `None` where the object is not in the release any more.
    pub wanted: Option<Wanted>,
    pub status: Option<Arc<StatusRecord>>,
    /// What the object's references resolve to.
    pub fields: HashMap<ObjectFieldRef, String>,
    /// The form in which the resource was last seen to be in full accord.
    pub previous: Option<Arc<Object>>,
    /// Other forms that writes were begun for since then.
    pub begun: Vec<Arc<Object>>,
    /// What the release says of the object's removal, where it says so.
    pub taken_out: Option<TakenOut>,
    /// The other objects of its release are made ready first.
    pub is_second: bool,
    /// The part of the requests that a new version may have; `None` where it gets all at once.
    pub weight: Option<Part>,
    /// Objects that must go before this one may.
    pub dependents: Vec<String>,
    /// When somebody last asked for another try.
    pub asked_at: Option<Timestamp>,
    /// The record in memory may not be the one in the store.
    pub is_unsure: bool,
    pub epoch: u64,
    pub lease_end: LeaseEnd,
    /// Knows while the pass only waits for a limit.
    pub slot: Slot,
}

/// Changes beside a question that a record names at most.
const HELD_MAX: usize = 200;

const CHANGED_BACK: &str = "the resource is as declared again; somebody else changed it back";

/// A last backup that is older is made again.
const LAST_BACKUP_COUNTS_FOR: SignedDuration = SignedDuration::from_hours(24);

/// When the object is worth another pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// After the environment's interval.
    Resync,
    /// Steps were taken: very soon.
    Progress,
    /// AWS or another object is busy.
    Soon,
    /// After a backoff.
    Retry,
    /// After a backoff that is capped near the interval: AWS fails, and that passes.
    Outage,
    /// As [`Self::Outage`], or as soon as what stopped it is over: a breaker, or a lease that was not renewed.
    Paused,
    /// Never: the object is gone.
    Never,
}

/// What is known of the object after a pass.
pub enum Learned {
    /// The record as the store has it.
    Status(Arc<StatusRecord>),
    /// The object is forgotten.
    Gone,
    /// The store may have something else than memory: it is read again.
    Nothing,
}

pub struct Report {
    pub next: Next,
    pub status: Learned,
    pub outcome: Result<(), StoreError>,
    pub result: &'static str,
}

impl Report {
    /// Of a pass that did not end by itself.
    pub fn given_up() -> Self {
        Self { next: Next::Retry, status: Learned::Nothing, outcome: Ok(()), result: "error" }
    }

    /// Of a pass whose lease was over before its end. It goes on when the lease is renewed.
    pub fn lease_over() -> Self {
        Self { next: Next::Paused, ..Self::given_up() }
    }
}

pub(super) struct Pass<'a> {
    pub(super) cx: &'a Context,
    pub(super) snapshot: &'a Snapshot,
    /// The record as the store has it.
    pub(super) before: Option<Arc<StatusRecord>>,
    pub(super) record: StatusRecord,
    /// The resource differs although it was in full accord with this release before.
    pub(super) drifted: bool,
    /// This pass's plan has been counted for the flap guard.
    pub(super) counted: bool,
    /// What the object's desired state depends on besides its own manifest, as a digest.
    inputs: String,
    /// Something that is not ours has the name of what was to be deleted.
    pub(super) left_behind: bool,
}

/// Nothing is done about an object whose record cannot be trusted, and a person is told.
async fn unreadable(cx: &Context, snapshot: &Snapshot, error: StoreError) -> Report {
    if error.is_damage() {
        let (key, release) = (&snapshot.key, snapshot.release);
        let (kind, message) = (EventKind::Warning, error.to_string());
        cx.recorder.record(key, release, kind, "RecordDamaged", &message).await;
    }
    Report { outcome: Err(error), ..Report::given_up() }
}

/// Makes one pass. Failures of AWS end in conditions; only the store's own come back as errors.
pub async fn pass(cx: &Context, snapshot: &Snapshot) -> Report {
    let (environment, id) = (&snapshot.key.environment, &snapshot.key.id);
    let before = match snapshot.is_unsure {
        false => snapshot.status.clone(),
        true => match cx.store.status_of(environment, id).await {
            Ok(status) => status.map(Arc::new),
            Err(error) => return unreadable(cx, snapshot, error).await,
        },
    };
    let uid = Store::uid(&cx.store_id, &snapshot.key);
    if let Some(other) = before.as_ref().filter(|record| record.uid != uid) {
        // The ownership tags of its resource have the uid of the record.
        let how = format!("it is of the uid {}, and the store's id makes {uid}", other.uid);
        let what = format!("the record of {}, or the store's id", snapshot.key);
        return unreadable(cx, snapshot, StoreError::Damaged { what, how }).await;
    }
    let mut record = before.as_deref().cloned().unwrap_or_else(|| StatusRecord {
        kind: id.kind.to_string(),
        name: id.name.to_string(),
        ..StatusRecord::default()
    });
    record.epoch = snapshot.epoch;
    record.uid = uid;
    let synced = record.conditions.get(condition_type::SYNCED);
    let drifted = synced.is_some_and(|c| c.reason == DRIFTED);
    let mut pass = Pass {
        cx,
        snapshot,
        before,
        record,
        drifted,
        counted: false,
        left_behind: false,
        inputs: String::new(),
    };
    let done = match &snapshot.wanted {
        Some(wanted) => pass.keep(wanted).await,
        None => pass.leave().await,
    };
    let (next, forget, outcome) = match done {
        Ok(Done::Next(next)) => (next, false, Ok(())),
        Ok(Done::Gone) => (Next::Never, true, Ok(())),
        Err(error) => (Next::Retry, false, Err(error)),
    };
    let result = match (&outcome, next) {
        (Err(_), _) | (_, Next::Retry | Next::Outage | Next::Paused) => "error",
        (_, Next::Soon | Next::Progress) => "requeue",
        (_, Next::Resync) => "requeue_after",
        (_, Next::Never) => "success",
    };
    let status = match &outcome {
        Err(_) => Learned::Nothing,
        Ok(()) if forget => Learned::Gone,
        Ok(()) => Learned::Status(Arc::new(pass.record)),
    };
    Report { next, status, outcome, result }
}

pub(super) enum Done {
    Next(Next),
    Gone,
}

impl Pass<'_> {
    /// The object is in the release: makes its resource so.
    async fn keep(&mut self, wanted: &Wanted) -> Result<Done, StoreError> {
        if self.record.created_at.is_none() {
            self.record.spec_digest.clone_from(&wanted.digest);
        }
        // What a new release changes is no drift.
        self.drifted &= self.record.synced_generation >= wanted.generation;
        if self.record.spec_digest != wanted.digest {
            self.record.refused_since = None;
        }
        let (end, observation) = self.try_keep(wanted).await?;
        let end = self.with_patience(end).await;
        let changes = observation.as_ref().map(|l| l.plan.changes.clone()).unwrap_or_default();
        let now = self.cx.clock.now();
        if let Some(observation) = &observation {
            self.note(observation, wanted, now);
        }
        let is_busy = matches!(end, PassEnd::Waiting(_));
        let same = observation.as_ref().is_some_and(|observation| !differs(observation));
        // What does not wait for a person is as declared: what was written had an effect, and drift of it is looked for
        // as of anything else.
        let only_asks = matches!(end, PassEnd::Blocked(_))
            && observation.as_ref().is_some_and(|seen| only_asks(&seen.plan));
        let is_settled_beside = only_asks
            && observation
                .as_ref()
                .is_some_and(|seen| seen.plan.waiting.is_none() && seen.failure.is_none());
        if is_settled_beside {
            self.settle_in_part(wanted.generation, &changes, now).await;
        }
        let compared = match self.drifted {
            _ if is_busy && same && self.was_in_sync(wanted) => Compared::InSync,
            true => Compared::Drifted(&changes),
            false => Compared::Differs(&changes),
        };
        let unread = observation.as_ref().and_then(|observation| observation.failure.clone());
        let shown = shown(&end, unread);
        let drifted_since = drifted_since(&self.record.conditions);
        set_conditions(&mut self.record.conditions, &shown, compared, wanted.generation, now);
        if matches!(end, PassEnd::Settled) {
            self.settle(wanted, drifted_since, now).await?;
        }
        if let Some((reason, message)) = shown.failure() {
            self.record.failing = true;
            self.event(EventKind::Warning, reason, &message).await;
        }
        // A write that fails beside a question does not hide it.
        let asks = observation.as_ref().and_then(|seen| seen.plan.partly_blocked.as_ref());
        if let (PassEnd::WriteFailed(_), Some(part)) = (&end, asks) {
            self.event(EventKind::Warning, part.why.reason, &part.why.message).await;
        }
        self.save().await?;
        self.log(&shown);
        let waiting = observation.as_ref().and_then(|seen| seen.plan.waiting.as_ref());
        let next = match waiting.filter(|_| only_asks) {
            _ if is_settled_beside => Next::Resync,
            // AWS is still busy with another part of it.
            Some(waiting) => next_after(&PassEnd::Waiting(waiting.clone())),
            None => next_after(&end),
        };
        Ok(Done::Next(next))
    }

    /// Remembers what was seen.
    fn note(&mut self, observation: &Observation, wanted: &Wanted, now: Timestamp) {
        self.record.looked_at = Some(now);
        self.record.observed_generation = wanted.generation;
        // What is not ours is not referred to.
        if observation.facts.exists && observation.facts.owned {
            self.record.outputs.clone_from(&observation.outputs);
        }
        // An adoption that never got as far as its tags has made nothing ours.
        if observation.facts.tagged {
            if self.record.created_at.is_none() {
                self.record.was_found = self.record.phase.create_begun().is_none();
            }
            self.record.created_at.get_or_insert(now);
            self.record.phase = self.record.phase.seen();
        }
        self.record.next_version.clone_from(&observation.next_version);
        if observation.physical_id.is_some() {
            self.record.physical_id.clone_from(&observation.physical_id);
        }
    }

    /// Remembers that the resource is as declared, and tells people where that is news.
    async fn settle(
        &mut self,
        wanted: &Wanted,
        drifted_since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let first = self.record.synced_generation < wanted.generation;
        self.record.synced_generation = wanted.generation;
        self.record.settle(&wanted.digest);
        self.record.synced_inputs.clone_from(&self.inputs);
        if let Some(version) = self.record.outputs.get(VERSION).cloned() {
            let (digest, inputs) = (wanted.digest.clone(), self.inputs.clone());
            let since_release = self.snapshot.release;
            self.record.note_served(Served { digest, inputs, version, since_release });
        }
        self.record.phase = Phase::Created;
        self.restored().await?;
        // A count for the flap guard says that steps were taken.
        let mended = self.record.flap_guard.lift();
        if self.drifted {
            self.record.failing = false;
        }
        if self.drifted && mended {
            self.corrected(drifted_since, now).await;
        } else if self.drifted {
            self.event(EventKind::Normal, "DriftGone", CHANGED_BACK).await;
        } else if std::mem::take(&mut self.record.failing) {
            self.event(EventKind::Normal, "Recovered", "the resource is as declared").await;
        } else if first {
            self.event(EventKind::Normal, "Synced", "the resource is as declared").await;
        }
        Ok(())
    }

    /// Remembers that all but what a person is asked about is as declared, and tells people where that is news.
    async fn settle_in_part(&mut self, generation: u64, left: &[Change], now: Timestamp) {
        let mended = self.record.flap_guard.lift();
        let (inputs, held) = (self.inputs.clone(), left.iter().take(HELD_MAX));
        let held = held.map(|change| change.path.to_string()).collect();
        let settled = SyncedInPart { generation, inputs, held, drifted_since: None };
        let before = self.record.synced_in_part.take();
        // Of more than that, nobody could say what waited.
        self.record.synced_in_part = Some(settled).filter(|_| left.len() <= HELD_MAX);
        let differs_more = |before: &SyncedInPart| {
            left.iter().any(|change| !before.held.contains(&change.path.to_string()))
        };
        // What drifted is not repaired: it waits, too, now that the question stands.
        let before = before.filter(|before| !differs_more(before));
        match before.and_then(|before| before.drifted_since) {
            Some(since) if mended => self.corrected(Some(since), now).await,
            Some(_) => self.event(EventKind::Normal, "DriftGone", CHANGED_BACK).await,
            None => {}
        }
    }

    /// What was restored is as declared, or is there without having been: it is not restored from the same once more.
    /// Whoever fills a bucket says when that is over.
    async fn restored(&mut self) -> Result<(), StoreError> {
        let key = &self.snapshot.key;
        let made_from = self.record.source.take();
        let was_ready =
            self.before.as_ref().is_some_and(|b| b.conditions.is_true(condition_type::READY));
        let holds_data = kind(&key.id.kind).is_some_and(|kind| kind.holds_data());
        if !holds_data || was_ready && made_from.is_none() {
            return Ok(());
        }
        match self.cx.store.data_source(&key.environment, &key.id).await? {
            None | Some(DataSource::Contents { .. }) => {}
            Some(_) => self.cx.store.forget_data_source(&key.environment, &key.id).await?,
        }
        // A bucket is filled now.
        let is_whole = |source: &DataSource| !matches!(source, DataSource::Contents { .. });
        if let Some(source) = made_from.filter(is_whole) {
            self.event(EventKind::Normal, "Restored", &format!("from {source}")).await;
        }
        Ok(())
    }

    /// Tells a refusal that may pass by itself from one that lasts.
    async fn with_patience(&mut self, end: PassEnd) -> PassEnd {
        match end {
            PassEnd::WriteFailed(error) if patience::is_refusal(&error) => {
                let now = self.cx.clock.now();
                let since = *self.record.refused_since.get_or_insert(now);
                let made_at = self.record.created_at.or(self.record.phase.create_begun());
                let was_final = error.class.is_terminal();
                let error = patience::judged(error, since, made_at, now);
                if was_final && !error.class.is_terminal() {
                    let message = format!("{error}; it may pass by itself, and is tried again");
                    self.event(EventKind::Warning, error.class.reason(), &message).await;
                }
                PassEnd::WriteFailed(error)
            }
            // What could not be observed, or was throttled, was neither refused nor taken.
            end @ (PassEnd::ObserveFailed(_) | PassEnd::WriteFailed(_)) => end,
            end => {
                self.record.refused_since = None;
                end
            }
        }
    }

    /// Observes, writes where there is something to write, and observes again.
    async fn try_keep(
        &mut self,
        wanted: &Wanted,
    ) -> Result<(PassEnd, Option<Observation>), StoreError> {
        let resolve = |r: &ObjectFieldRef| self.snapshot.fields.get(r).cloned();
        if let Some(reference) = unresolved(&wanted.object, resolve).first() {
            let message = format!("{} has no {} yet", reference.id(), reference.field);
            let waiting = Waiting { reason: "DependencyNotReady", message };
            return Ok((PassEnd::Waiting(waiting), None));
        }
        let mut ready = match self.desired(&wanted.object).await {
            Ok(ready) => ready,
            Err(Refusal::Blocked(blocked)) => return Ok((PassEnd::Blocked(blocked), None)),
            Err(Refusal::Failed(error)) => return Ok((PassEnd::ObserveFailed(error), None)),
        };
        // From here on it is acted on in this form; until here a deletion goes by the one before.
        self.record.spec_digest.clone_from(&wanted.digest);
        self.inputs = inputs(&ready.desired);
        let (observation, lost) = match self.observe_to_keep(&mut ready).await? {
            Ok(observed) => observed,
            Err(error) => return Ok((PassEnd::ObserveFailed(error), None)),
        };
        if let Some(end) =
            self.settled_or_stuck(wanted, &observation, lost, ready.desired.source.is_some()).await
        {
            if matches!(end, PassEnd::Settled) {
                self.collect_versions(&ready, wanted).await;
            }
            return Ok((end, Some(observation)));
        }
        if let Err(end) = self.execute(&ready, &observation.plan, wanted.generation).await? {
            return Ok((end, Some(observation)));
        }
        // Green means observed: what was written is read back.
        let desired = &mut ready.desired;
        desired.physical_id.clone_from(&self.record.physical_id);
        desired.create_begun = self.record.phase.create_begun();
        desired.job.clone_from(&self.record.job);
        desired.published.clone_from(&self.record.published);
        desired.versions.clone_from(&self.record.versions);
        match self.observe(&ready, Intent::Keep).await {
            Ok(again) => {
                let obstacle = again.plan.obstacle().filter(|_| again.plan.steps.is_empty());
                let end = match (obstacle, &again.plan.waiting) {
                    _ if again.plan.is_settled() => settled(&again),
                    (Some(blocked), _) => PassEnd::Blocked(blocked.clone()),
                    (_, Some(waiting)) => PassEnd::Waiting(waiting.clone()),
                    _ => PassEnd::Progressing("changes were made; checking again".to_owned()),
                };
                Ok((end, Some(again)))
            }
            Err(error) => Ok((PassEnd::ObserveFailed(error), Some(observation))),
        }
    }

    /// Observes. A resource that holds data and has to be made is planned for by what it is restored from; where nothing
    /// says what that is, it may be lost.
    async fn observe_to_keep(
        &self,
        ready: &mut Ready,
    ) -> Result<Result<(Observation, Option<Blocked>), AwsError>, StoreError> {
        // A table that is being made from an export is observed with its import.
        ready.desired.source.clone_from(&self.record.source);
        let observation = match self.observe(ready, Intent::Keep).await {
            Ok(observation) => observation,
            Err(error) => return Ok(Err(error)),
        };
        let is_made = observation.plan.steps.first().is_some_and(creates_whole);
        if !ready.kind.holds_data() || !is_made {
            return Ok(Ok((observation, None)));
        }
        let key = &self.snapshot.key;
        let source = self.cx.store.data_source(&key.environment, &key.id).await?;
        let observation = if source == ready.desired.source {
            observation
        } else {
            ready.desired.source = source;
            match self.observe(ready, Intent::Keep).await {
                Ok(again) => again,
                Err(error) => return Ok(Err(error)),
            }
        };
        let lost = match ready.desired.source {
            Some(_) => None,
            None => decide::data_lost(&self.snapshot.environment, &self.record, &ready.desired),
        };
        Ok(Ok((observation, lost)))
    }

    /// How it ends where nothing is to be written now.
    async fn settled_or_stuck(
        &mut self,
        wanted: &Wanted,
        observation: &Observation,
        lost: Option<Blocked>,
        is_restored: bool,
    ) -> Option<PassEnd> {
        let plan = &observation.plan;
        if plan.is_settled() {
            return Some(settled(observation));
        }
        // What is restored is made, whatever becomes of drift.
        let was_in_accord = self.was_in_accord(wanted) && !is_restored;
        if differs(observation) && self.was_in_sync(wanted) {
            self.found_drift(observation).await;
        }
        let beside = decide::drifted_beside(plan, &self.record, wanted.generation, &self.inputs);
        let is_drift_to_mend = decide::is_all_drift(plan, &beside);
        if !beside.is_empty() {
            self.found_drift_beside(&beside).await;
        }
        if let Some(blocked) = plan.blocked.clone().or(lost) {
            return Some(PassEnd::Blocked(blocked));
        }
        // What a person has to see to in a part of it is told once the other parts are written.
        let obstacle = plan.obstacle().cloned().map(PassEnd::Blocked);
        if plan.steps.is_empty() {
            return obstacle.or_else(|| plan.waiting.clone().map(PassEnd::Waiting));
        }
        let (environment, object) = (&self.snapshot.environment, &wanted.object);
        let (now, is_drift) = (self.cx.clock.now(), was_in_accord || is_drift_to_mend);
        if let Some(held) =
            decide::held_back(environment, self.snapshot.suspended, object, is_drift, now)
        {
            if obstacle.is_some() {
                return obstacle;
            }
            let (exists, reason) = (observation.facts.exists, held.reason());
            return Some(PassEnd::Reported {
                exists,
                carried_out: exists && was_in_accord,
                reason,
            });
        }
        if self.snapshot.is_second {
            let message = "the other objects of the release are made ready first".to_owned();
            return Some(PassEnd::Waiting(Waiting { reason: WAITING_FOR_RELEASE, message }));
        }
        let flapping = self.flapping(plan, wanted.generation).map(PassEnd::Blocked);
        flapping.or_else(|| self.just_written(plan, wanted.generation).map(PassEnd::Waiting))
    }

    /// The resource was seen to be as this release, and what it refers to, want it.
    fn was_in_accord(&self, wanted: &Wanted) -> bool {
        let is_same_form = self.record.synced_generation >= wanted.generation;
        decide::was_in_accord(&self.record, is_same_form, &self.inputs)
    }

    /// It was so at the last observation, too.
    fn was_in_sync(&self, wanted: &Wanted) -> bool {
        self.was_in_accord(wanted) && self.record.conditions.is_true(condition_type::SYNCED)
    }

    /// What an observation needs, the account checked against the environment's.
    pub(super) async fn desired(&mut self, object: &Object) -> Result<Ready, Refusal> {
        let target = self.snapshot.environment.target();
        let session = self.cx.sessions.get(&target).await?.working_in(self.snapshot.slot.clone());
        let account_id = session.account_id().await?;
        if let Some(blocked) = decide::wrong_account(&self.snapshot.environment, &account_id) {
            return Err(Refusal::Blocked(blocked));
        }
        let Some(kind) = kind(&object.kind) else {
            let message = format!("this version of trueup does not know the kind {}", object.kind);
            return Err(Refusal::Blocked(Blocked { reason: "UnknownKind", message }));
        };
        let place = format!("{account_id}/{}", session.region());
        // A resource that exists is neither moved nor renamed.
        let name = aws_name(kind, object, &self.snapshot.key);
        if let Some(blocked) = misplaced(&self.record, &place, &name) {
            return Err(Refusal::Blocked(blocked));
        }
        let store = &self.cx.store;
        if kind.name() == "Table" && name == store.table() && store.place().await? == place {
            return Err(Refusal::Blocked(decide::own_store(&name)));
        }
        self.record.place = place;
        let wanted = self.snapshot.wanted.as_ref();
        let generation = wanted.map_or(0, |wanted| wanted.generation);
        let used =
            decide::used_confirmation(self.before.as_deref(), generation, self.cx.clock.now());
        let subject = Subject {
            key: self.snapshot.key.clone(),
            kind,
            object,
            environment: &self.snapshot.environment,
            status: Some(&self.record),
            previous: self.snapshot.previous.as_deref(),
            begun: self.snapshot.begun.iter().map(Arc::as_ref).collect(),
            confirmed: wanted.is_some_and(|wanted| {
                used.is_some()
                    && decide::is_confirmed(wanted.confirmed, generation, self.before.as_deref())
            }),
            used: used.unwrap_or_default(),
            asked_at: self.snapshot.asked_at,
            backed_up_since: self.backed_up_since(),
            weight: self.snapshot.weight.clone(),
            store_id: &self.cx.store_id,
        };
        let resolve = |r: &ObjectFieldRef| self.snapshot.fields.get(r).cloned();
        let desired = subject.desired(&session, &self.cx.secrets, resolve).await?;
        self.record.aws_name.clone_from(&desired.aws_name);
        Ok(Ready { kind, session, desired })
    }

    /// Since when a last backup counts: since the object was taken out, and for a day. What cannot be deleted for long
    /// goes on being written.
    fn backed_up_since(&self) -> Option<Timestamp> {
        let taken_out_at = self.snapshot.taken_out.as_ref()?.at?;
        let day_ago = self.cx.clock.now().checked_sub(LAST_BACKUP_COUNTS_FOR).ok()?;
        Some(taken_out_at.max(day_ago))
    }

    pub(super) async fn observe(
        &self,
        ready: &Ready,
        intent: Intent,
    ) -> Result<Observation, AwsError> {
        let Ready { kind, session, desired } = ready;
        kind.observe(session, desired.clone(), intent, self.cx.clock.now()).await
    }

    /// Tells people of drift beside a question, once. `Synced` is False for the question already.
    async fn found_drift_beside(&mut self, changes: &[Change]) {
        let now = self.cx.clock.now();
        let Some(before) = &mut self.record.synced_in_part else { return };
        if before.drifted_since.replace(before.drifted_since.unwrap_or(now)).is_some() {
            return;
        }
        info!(fields = %fields(changes), "drift");
        self.tell_drift(&render_changes(changes).join("; ")).await;
    }

    async fn tell_drift(&self, message: &str) {
        let (environment, kind) = (&self.snapshot.key.environment, &self.snapshot.key.id.kind);
        let labels = [&**environment, &**kind];
        self.cx.metrics.drift_detected.with_label_values(&labels).inc();
        self.event(EventKind::Warning, DRIFT, message).await;
    }

    async fn found_drift(&mut self, observation: &Observation) {
        self.drifted = true;
        let message = if observation.facts.exists {
            render_changes(&observation.plan.changes).join("; ")
        } else {
            "the resource is gone".to_owned()
        };
        let fields = fields(&observation.plan.changes);
        info!(%fields, "drift");
        let generation = self.record.observed_generation;
        let (status, now) = (ConditionStatus::False, self.cx.clock.now());
        self.record.conditions.set(
            condition_type::SYNCED,
            status,
            DRIFTED,
            fields,
            generation,
            now,
        );
        self.tell_drift(&message).await;
    }

    async fn corrected(&self, since: Option<Timestamp>, now: Timestamp) {
        let (environment, kind) = (&self.snapshot.key.environment, &self.snapshot.key.id.kind);
        let labels = [&**environment, &**kind];
        self.cx.metrics.drift_corrected.with_label_values(&labels).inc();
        if let Some(since) = since {
            let took = now.duration_since(since).as_secs_f64().max(0.0);
            self.cx.metrics.repair_seconds.with_label_values(&[&**kind]).observe(took);
        }
        self.event(EventKind::Normal, "DriftCorrected", "the resource is as declared again").await;
    }

    pub(super) fn log(&self, end: &PassEnd) {
        match end {
            PassEnd::Settled => debug!("as declared"),
            PassEnd::Progressing(message) => info!(detail = message, "progressing"),
            PassEnd::Waiting(waiting) => {
                info!(reason = waiting.reason, detail = %waiting.message, "waiting");
            }
            PassEnd::Reported { reason, .. } => info!(reason, "differs; nothing is written"),
            PassEnd::Blocked(blocked) => {
                warn!(reason = blocked.reason, detail = %blocked.message, "stalled");
            }
            PassEnd::ObserveFailed(error) | PassEnd::WriteFailed(error) => {
                let (request, reason) = (error.request_id.as_deref(), error.class.reason());
                match self.cx.repeats.untold(&self.snapshot.key, error, self.cx.clock.now()) {
                    None => debug!(reason, %error, request, "failed"),
                    Some(0) => warn!(reason, %error, request, "failed"),
                    Some(untold) => warn!(reason, %error, request, untold, "failed"),
                }
            }
        }
    }

    pub(super) async fn event(&self, kind: EventKind, reason: &str, message: &str) {
        let (key, release) = (&self.snapshot.key, self.snapshot.release);
        self.cx.recorder.record(key, release, kind, reason, message).await;
    }

    pub(super) async fn put(&self) -> Result<(), StoreError> {
        self.cx.store.put_status(&self.snapshot.key.environment, &self.record).await
    }

    /// Writes the record if anything but the time of the observation changed.
    pub(super) async fn save(&self) -> Result<(), StoreError> {
        let same = self.before.as_deref().is_some_and(|before| self.record.says_the_same(before));
        if same { Ok(()) } else { self.put().await }
    }
}

/// A part of the plan waits for a person, and nothing else is to be done.
fn only_asks(plan: &Plan<AnyStep>) -> bool {
    plan.steps.is_empty() && plan.blocked.is_none() && plan.partly_blocked.is_some()
}

/// When the object's turn comes again.
fn next_after(end: &PassEnd) -> Next {
    match end {
        PassEnd::Settled | PassEnd::Reported { .. } => Next::Resync,
        PassEnd::Progressing(_) => Next::Progress,
        PassEnd::Waiting(waiting) if is_for_rollout(waiting.reason) => Next::Resync,
        PassEnd::Waiting(_) => Next::Soon,
        PassEnd::ObserveFailed(error) | PassEnd::WriteFailed(error) => match error {
            _ if error.is_paused() => Next::Paused,
            _ if !error.class.is_terminal() => Next::Outage,
            _ => Next::Retry,
        },
        PassEnd::Blocked(_) => Next::Retry,
    }
}

/// What people are told of how a pass ended: a part that may not be read is said while the work on the others goes
/// on, and before what may only have failed because of it.
fn shown(end: &PassEnd, unread: Option<AwsError>) -> PassEnd {
    match (end, unread) {
        (PassEnd::Progressing(_) | PassEnd::Waiting(_) | PassEnd::WriteFailed(_), Some(error))
            if error.class.is_terminal() =>
        {
            PassEnd::ObserveFailed(error)
        }
        _ => end.clone(),
    }
}

/// All that could be read is as declared.
fn settled(observation: &Observation) -> PassEnd {
    observation.failure.clone().map_or(PassEnd::Settled, PassEnd::ObserveFailed)
}

/// There is something to mend. AWS that is only busy (a deployment of a push, a table that scales) is
/// no difference.
fn differs(observation: &Observation) -> bool {
    !observation.plan.changes.is_empty()
        || !observation.plan.steps.is_empty()
        || !observation.facts.exists
}

/// What an observation needs.
pub(super) struct Ready {
    pub(super) kind: &'static dyn AnyKind,
    pub(super) session: Session,
    pub(super) desired: Desired<Arc<serde_json::Value>>,
}

/// Why an observation cannot even begin.
pub(super) enum Refusal {
    Blocked(Blocked),
    Failed(AwsError),
}

impl From<AwsError> for Refusal {
    fn from(error: AwsError) -> Self {
        Self::Failed(error)
    }
}

/// When the drift that is recorded was first seen.
pub(super) fn drifted_since(conditions: &Conditions) -> Option<Timestamp> {
    let synced = conditions.get(condition_type::SYNCED)?;
    (synced.reason == DRIFTED).then_some(synced.last_transition_time)
}
