//! Delivery: does what `rollout` plans. Each environment's rollout is looked at whenever the heads are, and its
//! records, events and rollbacks go to the store beside the loop, in order, one task at a time.
//!
//! Guarantees: a head is moved only after it is recorded why; what could not be written is written later, before
//! anything that follows from it. Decides nothing: `rollout` does.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{info, warn};

use super::lease::LeaseEnd;
use super::pass::Context;
use super::prepare::aws_name;
use super::queue::Priority;
use super::release::{MoveError, rollback_leaves, undo};
use super::rollout::{
    self, Action, ObjectState, Policy, Seen, Watched, asks, begin, give_time, has_frontend,
    leaves_late, object_state, plan, waits_for_second,
};
use super::runner::Engine;
use super::watch::Answer;
use super::world::{EnvironmentState, Wanted};
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::kinds::{Shifting, kind};
use crate::model::{ObjectId, ObjectKey, Part, condition_type};
use crate::plan::is_for_rollout;
use crate::store::{EventKind, Release, Rollout, Shift, Stage, StatusRecord, StoreError};

/// What is still to be told to the store of an environment's rollouts.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    actions: VecDeque<Action>,
    /// A task is at it.
    pub is_under_way: bool,
    /// Why the present rollout's rollback was refused.
    refused: Option<String>,
}

impl Outbox {
    fn is_empty(&self) -> bool {
        self.actions.is_empty() && !self.is_under_way
    }
}

/// Actions that wait for the store at most; the oldest are lost, which only says less of releases that are over.
const OUTBOX_MAX: usize = 100;

/// What came of telling the store.
pub(super) struct Delivered {
    pub environment: Arc<str>,
    pub epoch: u64,
    /// What is still to be told, after a failure.
    left: VecDeque<Action>,
    error: Option<StoreError>,
    refused: Option<String>,
    moved: bool,
    /// The newest rollout that the store has now, where it was written.
    recorded: Option<Rollout>,
}

/// The rollout is at another place, where other objects wait.
fn is_elsewhere(before: &Rollout, now: &Rollout) -> bool {
    let place = |rollout: &Rollout| (rollout.release, rollout.stage(), rollout.second_open);
    place(before) != place(now)
}

/// How a new version of an object gets its requests.
fn shifting(wanted: &Wanted) -> Shifting {
    kind(&wanted.object.kind).map(|kind| kind.shifting(&wanted.object.spec)).unwrap_or_default()
}

impl EnvironmentState {
    /// An object waits until the other objects of its release are ready.
    pub(super) fn waits_for_second(&self, id: &ObjectId) -> bool {
        self.rollout.as_ref().is_some_and(|rollout| self.waits_under(rollout, id))
    }

    fn waits_under(&self, rollout: &Rollout, id: &ObjectId) -> bool {
        match self.objects.contains_key(id) {
            true => !rollout.second_open && self.is_second(rollout, id),
            false => {
                let is_second = |other| self.is_second(rollout, other);
                let left_at = self.taken_out.get(id).map(|left| left.release);
                !self.gives_its_name(id)
                    && leaves_late(rollout, id, left_at, || self.objects.keys().any(is_second))
            }
        }
    }

    /// Another object of the release is to have the name in AWS of one that leaves, and can be made only once that is
    /// gone. What holds data is not deleted for that: the release says that the name is taken.
    fn gives_its_name(&self, id: &ObjectId) -> bool {
        let Some(kind) = kind(&id.kind).filter(|kind| !kind.holds_data()) else { return false };
        let name = self.statuses.get(id).map(|status| status.aws_name.as_str());
        let same_kind = self.objects.iter().filter(|(other, _)| other.kind == id.kind);
        let mut names = same_kind.map(|(other, wanted)| {
            let environment = self.head.environment.as_str().into();
            aws_name(kind, &wanted.object, &ObjectKey { environment, id: other.clone() })
        });
        name.is_some_and(|name| !name.is_empty() && names.any(|taken| taken == name))
    }

    /// An object of the release is of those that move when the others are ready.
    fn is_second(&self, rollout: &Rollout, id: &ObjectId) -> bool {
        let Some(wanted) = self.objects.get(id) else { return false };
        let is_changed = rollout::is_changed(rollout, wanted.generation);
        let status = self.statuses.get(id);
        let began_at = rollout.begun_at().unwrap_or(Timestamp::MIN);
        waits_for_second(rollout.order, id, is_changed, status.map(Arc::as_ref), began_at)
    }

    /// The objects that wait as long as the rollout is this.
    fn waiting_under(&self, rollout: &Rollout) -> BTreeSet<ObjectId> {
        self.ids().into_iter().filter(|id| self.waits_under(rollout, id)).collect()
    }

    /// Which part of its requests a new version of an object may have: by what is recorded, so that no daemon
    /// takes back what another one gave.
    pub(super) fn weight_of(&self, id: &ObjectId) -> Option<Part> {
        let wanted = self.objects.get(id)?;
        let shifting = shifting(wanted);
        let is_present = |rollout: &&Rollout| rollout.release == self.head.release;
        match self.recorded.as_ref().filter(is_present) {
            Some(rollout) => rollout::weight(rollout, id, wanted.generation, &shifting),
            // It is begun, and not recorded yet: nothing was given.
            None => match self.rollout.as_ref().filter(is_present) {
                Some(rollout) => rollout::weight(rollout, id, wanted.generation, &shifting)
                    .map(|_| Part::default()),
                None => rollout::weight_to_come(self.recorded.as_ref(), &shifting),
            },
        }
    }

    /// The objects that said that they wait for the rollout.
    fn told_to_wait(&self) -> BTreeSet<ObjectId> {
        let waits = |status: &StatusRecord| {
            let ready = status.conditions.get(condition_type::READY);
            ready.is_some_and(|ready| is_for_rollout(&ready.reason))
        };
        let waiting = self.statuses.iter().filter(|(_, status)| waits(status));
        waiting.map(|(id, _)| id.clone()).collect()
    }

    fn rollout_policy(&self) -> Policy {
        let spec: &EnvironmentSpec = &self.spec;
        Policy {
            progress_deadline: spec.progress_deadline(),
            bake_time: spec.bake_time(),
            rolls_back: spec.rolls_back(),
        }
    }

    fn watched(&self) -> Watched {
        Watched {
            alarms: self.spec.alarms().to_vec(),
            waits_for_alarms: self.spec.waits_for_alarms(),
            checks: self.spec.checks(&self.commit, has_frontend(self.objects.keys())),
        }
    }
}

impl Engine {
    /// Begins with a release that was loaded, unless its rollout is known already.
    pub(super) fn begin_rollout(&mut self, name: &Arc<str>, release: &Release) {
        let now = self.cx.clock.now();
        let Some(environment) = self.world.environments.get_mut(name) else { return };
        let before = environment.rollout.as_ref();
        if before.is_some_and(|before| before.release == release.number) {
            // Taken over: it is recorded under this lease, which fences off the daemon of before.
            self.give_time(name);
            let rollout = self.world.environments.get(name).and_then(|e| e.rollout.clone());
            let again = rollout.filter(|rollout| rollout.stage() != Stage::Over);
            self.take_actions(
                name,
                again.map(|r| Action::Become(Box::new(r))).into_iter().collect(),
            );
            return;
        }
        // A head that was set back by hand begins anew.
        let before = before.filter(|before| before.release < release.number);
        let begun = begin(before, release, environment.rollout_policy(), now);
        if let Some(closed) = &begun.closed {
            self.cx.metrics.rollout.moved(name, before, closed);
        }
        environment.rollout = Some(begun.rollout.clone());
        let records = begun.closed.into_iter().chain([begun.rollout]);
        let records = records.map(|rollout| Action::Become(Box::new(rollout)));
        let mut actions: Vec<_> = records.collect();
        actions.extend(begun.told);
        self.environment(name).outbox.refused = None;
        self.take_actions(name, actions);
        self.deliver(name);
    }

    /// Nobody worked on a rollout for a while: its objects get their time from now on, a few times at most.
    pub(super) fn give_time(&mut self, name: &Arc<str>) {
        let now = self.cx.clock.now();
        let Some(environment) = self.world.environments.get_mut(name) else { return };
        let policy = environment.rollout_policy();
        if let Some(rollout) = &mut environment.rollout {
            give_time(rollout, &policy, now);
        }
    }

    /// Plans the rollout of every environment that this daemon has.
    pub(super) fn deliver_all(&mut self) {
        for name in self.world.environments.keys().cloned().collect::<Vec<_>>() {
            self.deliver(&name);
        }
    }

    /// Plans an environment's rollout, tells the store, and asks what it waits for.
    pub(super) fn deliver(&mut self, name: &Arc<str>) {
        let tracked = self.environment(name);
        let (refused, is_told) = (tracked.outbox.refused.clone(), tracked.outbox.is_empty());
        let signals = std::mem::take(&mut tracked.listening.signals);
        let now = self.cx.clock.now();
        // Whose lease is over may not know what another daemon has done since.
        let is_ours = |e: &&EnvironmentState| !e.is_leaving && !e.lease_end.is_over();
        let environment = self.world.environments.get(name).filter(|_| is_told).filter(is_ours);
        let planned = environment.and_then(|e| {
            let rollout =
                e.rollout.as_ref().filter(|r| e.is_loaded() && r.stage() != Stage::Over)?;
            let began_at = rollout.begun_at()?;
            let objects: Vec<_> = e
                .objects
                .iter()
                .map(|(id, wanted)| {
                    let status = e.statuses.get(id).map(Arc::as_ref);
                    let order = rollout.order;
                    let is_changed = rollout::is_changed(rollout, wanted.generation);
                    let state =
                        object_state(id, wanted.generation, status, is_changed, order, began_at);
                    let shifting = if is_changed { shifting(wanted) } else { Shifting::default() };
                    let is_optional = e.spec.tolerates_optional() && wanted.object.is_optional();
                    ObjectState { shifting, is_optional, ..state }
                })
                .collect();
            let watched = e.watched();
            let seen = Seen {
                environment: name,
                policy: e.rollout_policy(),
                watched: &watched,
                signals: &signals,
                objects: &objects,
                is_suspended: e.head.suspended,
                decision: e.head.decision.as_ref(),
                refused: refused.as_deref(),
            };
            Some((plan(rollout, &seen, now), asks(rollout, &seen, now)))
        });
        self.environment(name).listening.signals = signals;
        if let Some((actions, asks)) = planned {
            self.listen(name, asks);
            self.take_actions(name, actions);
        }
        self.empty_outbox(name);
    }

    /// What a rollout becomes holds at once; that it is recorded may take a while.
    fn take_actions(&mut self, name: &Arc<str>, actions: Vec<Action>) {
        for action in &actions {
            let Action::Become(rollout) = action else { continue };
            let Some(environment) = self.world.environments.get_mut(name) else { return };
            if environment.rollout.as_ref().is_some_and(|known| known.release > rollout.release) {
                continue;
            }
            let before = environment.rollout.replace((**rollout).clone());
            let before = before.filter(|before| before.release == rollout.release);
            self.cx.metrics.rollout.moved(name, before.as_ref(), rollout);
            let verdict_before = before.as_ref().map(|before| before.verdict);
            if verdict_before.is_some_and(|verdict| verdict != rollout.verdict) {
                info!(environment = %name, release = rollout.release, verdict = %rollout.verdict,
                    reason = %rollout.reason, detail = %rollout.message, "rollout");
            }
            let stage_before = before.as_ref().map(Rollout::stage);
            if stage_before != Some(rollout.stage()) {
                self.environment(name).outbox.refused = None;
            }
            let is_retried =
                stage_before == Some(Stage::Waiting) && rollout.stage() == Stage::First;
            if is_retried {
                self.wake(name, EnvironmentState::ids);
            } else if let Some(before) = before.filter(|before| is_elsewhere(before, rollout)) {
                self.wake(name, |environment| {
                    let waits = environment.waiting_under(rollout);
                    let mut waited = environment.waiting_under(&before);
                    waited.retain(|id| !waits.contains(id));
                    waited.extend(environment.told_to_wait());
                    waited
                });
            }
        }
        let outbox = &mut self.environment(name).outbox;
        outbox.actions.extend(actions);
        let surplus = outbox.actions.len().saturating_sub(OUTBOX_MAX);
        outbox.actions.drain(..surplus);
    }

    /// What the store has of a rollout is acted on from now on.
    fn recorded(&mut self, name: &Arc<str>, rollout: Rollout) {
        let Some(environment) = self.world.environments.get_mut(name) else { return };
        let before = environment.recorded.replace(rollout.clone());
        if before.as_ref().is_none_or(|before| is_elsewhere(before, &rollout)) {
            // What a version may have follows from what is recorded.
            self.wake(name, EnvironmentState::told_to_wait);
        }
        let before = before.filter(|before| before.release == rollout.release);
        let shifts = before.map(|before| before.shifts).unwrap_or_default();
        let is_new = |shift: &&Shift| !shifts.contains(shift);
        let shifted = rollout.shifts.iter().filter(is_new).map(Shift::id).collect();
        self.wake(name, |_| shifted);
    }

    /// Another release says who waits for what.
    pub(super) fn wake_waiting(&mut self, name: &Arc<str>) {
        self.wake(name, EnvironmentState::told_to_wait);
    }

    /// Objects go on at once.
    fn wake(
        &mut self,
        name: &Arc<str>,
        which: impl FnOnce(&EnvironmentState) -> BTreeSet<ObjectId>,
    ) {
        let ids = self.world.environments.get(name).map(which).unwrap_or_default();
        for id in ids {
            let key = ObjectKey { environment: Arc::clone(name), id };
            self.track(&key).reset();
            self.enqueue(key, Instant::now(), Priority::Edit);
        }
    }

    fn empty_outbox(&mut self, name: &Arc<str>) {
        let environment = self.world.environments.get(name).filter(|e| !e.is_leaving);
        let Some(environment) = environment else { return };
        let (epoch, rollout) = (environment.lease.epoch, environment.rollout.clone());
        let lease_end = environment.lease_end.clone();
        let Some(rollout) = rollout else { return };
        let outbox = &mut self.environment(name).outbox;
        if outbox.is_under_way || outbox.actions.is_empty() {
            return;
        }
        outbox.is_under_way = true;
        let actions = std::mem::take(&mut outbox.actions);
        let (cx, environment) = (Arc::clone(&self.cx), Arc::clone(name));
        self.ask(async move {
            let told = tell_store(&cx, environment, (epoch, lease_end), &rollout, actions).await;
            Answer::Delivered(Box::new(told))
        });
    }

    pub(super) fn delivered(&mut self, delivered: Delivered) {
        let Delivered { environment: name, epoch, left, error, refused, moved, recorded } =
            delivered;
        if self.world.environments.get(&name).is_none_or(|e| e.lease.epoch != epoch) {
            // It was told under a lease that is gone.
            return;
        }
        if let Some(recorded) = recorded {
            self.recorded(&name, recorded);
        }
        let outbox = &mut self.environment(&name).outbox;
        outbox.is_under_way = false;
        let is_told = left.is_empty();
        for action in left.into_iter().rev() {
            outbox.actions.push_front(action);
        }
        outbox.refused = refused.or(outbox.refused.take());
        if let Some(error) = error {
            self.cx.metrics.store_errors.inc();
            warn!(environment = %name, %error, "the rollout could not be recorded");
            if matches!(error, StoreError::LeaseLost { .. }) {
                self.drop_environment(&name);
            }
            // The next look at the heads tries again.
            return;
        }
        if moved {
            // What follows goes by the release that is current now.
            self.ask_for_heads();
        } else if is_told {
            // What waits for the lease to be renewed is told at the next look at the heads.
            self.deliver(&name);
        }
    }
}

/// Tells the store in order, up to the first failure.
async fn tell_store(
    cx: &Context,
    environment: Arc<str>,
    (epoch, lease_end): (u64, LeaseEnd),
    present: &Rollout,
    mut actions: VecDeque<Action>,
) -> Delivered {
    let id = ObjectId::new(environment::NAME, Arc::clone(&environment));
    let key = ObjectKey { environment: Arc::clone(&environment), id };
    let (mut error, mut refused, mut moved, mut recorded) = (None, None, false, None);
    while let Some(action) = actions.pop_front() {
        if !lease_end.lasts() {
            // It is being renewed, or is another daemon's.
            actions.push_front(action);
            break;
        }
        let done = match &action {
            Action::Become(rollout) => {
                let rollout = Rollout { epoch, ..(**rollout).clone() };
                let put = cx.store.put_rollout(&environment, &rollout).await;
                if put.is_ok() && rollout.release == present.release {
                    recorded = Some(rollout);
                }
                put
            }
            Action::Tell { release, kind, reason, message } => {
                cx.recorder.record(&key, *release, *kind, reason, message).await;
                Ok(())
            }
            Action::RollBack { to } => {
                match undo(&cx.store, &cx.sessions, &environment, present, *to).await {
                    Ok((release, left)) => {
                        info!(%environment, release = release.number, to, "rolled back");
                        if !left.is_empty() {
                            let message = rollback_leaves(&left, present.release);
                            let (kind, reason) = (EventKind::Warning, "NotRolledBack");
                            cx.recorder.record(&key, release.number, kind, reason, &message).await;
                        }
                        moved = true;
                        Ok(())
                    }
                    // Somebody was faster: the new release says what becomes of this one.
                    Err(MoveError::Store(StoreError::HeadMoved { .. })) => {
                        moved = true;
                        Ok(())
                    }
                    Err(why @ (MoveError::Refused(_) | MoveError::Transfer(_))) => {
                        refused = Some(why.to_string());
                        Ok(())
                    }
                    // What the earlier release needs of the store is gone for good.
                    Err(MoveError::Store(why)) if why.is_damage() => {
                        refused = Some(why.to_string());
                        Ok(())
                    }
                    Err(MoveError::Store(why)) => Err(why),
                }
            }
        };
        if let Err(why) = done {
            // A rollback is planned anew.
            if !matches!(action, Action::RollBack { .. }) {
                actions.push_front(action);
            }
            error = Some(why);
            break;
        }
    }
    Delivered { environment, epoch, left: actions, error, refused, moved, recorded }
}
