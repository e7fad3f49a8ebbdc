//! Taking a plan's steps, and the flap guard: the limit on plans without effect.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use tracing::{debug, info, warn};

use super::decide;
use super::outcome::PassEnd;
use super::pass::{Pass, Ready};
use super::world::Wanted;
use crate::aws::{AwsError, Class};
use crate::kinds::{AnyStep, KeptVersions, Outcome};
use crate::model::{StartedJob, condition_type, digest_of};
use crate::plan::{Blocked, Plan, Scope, Step, Verb, Waiting, render_changes};
use crate::store::{CarriedOut, EventKind, Phase, StatusRecord, StoreError};

/// Old versions are collected this often, or tried to be.
const COLLECT_VERSIONS_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Times that the same plan is carried out without effect before the flap guard stops it.
const SAME_PLAN_MAX: u32 = 3;

/// How long AWS may take to show what was written: its control planes are eventually consistent.
const SHOWN_WITHIN: SignedDuration = SignedDuration::from_secs(10);

const FLAPPING: &str = "Flapping";

impl Pass<'_> {
    /// The same plan was carried out often enough to see that it has no effect.
    pub(super) fn flapping(&self, plan: &Plan<AnyStep>, generation: u64) -> Option<Blocked> {
        let is_too_often = |carried: &CarriedOut| carried.count >= SAME_PLAN_MAX;
        let jobs = plan.steps.iter().filter_map(|step| self.record.flap_guard.of(&job_key(step)?));
        if !jobs.chain(self.same_plan(plan, generation)).any(is_too_often) {
            return None;
        }
        let stalled = self.record.conditions.get(condition_type::STALLED);
        if stalled.is_none_or(|c| c.reason != FLAPPING) {
            let (environment, kind) = (&self.snapshot.key.environment, &self.snapshot.key.id.kind);
            self.cx.metrics.flapping.with_label_values(&[&**environment, &**kind]).inc();
        }
        Some(flapping(plan))
    }

    /// What the record says of the same plan.
    fn same_plan(&self, plan: &Plan<AnyStep>, generation: u64) -> Option<&CarriedOut> {
        self.record.flap_guard.of(&plan_digest(plan, generation))
    }

    /// The same plan was carried out a moment ago: AWS may not show it yet.
    pub(super) fn just_written(&self, plan: &Plan<AnyStep>, generation: u64) -> Option<Waiting> {
        let at = self.same_plan(plan, generation)?.at;
        let is_recent = self.cx.clock.now().duration_since(at) < SHOWN_WITHIN;
        is_recent.then(|| Waiting {
            reason: "NotShownYet",
            message: "it was written a moment ago, and AWS does not show it yet".to_owned(),
        })
    }

    /// Takes the steps in order, up to the first that AWS is busy with.
    pub(super) async fn execute(
        &mut self,
        ready: &Ready,
        plan: &Plan<AnyStep>,
        generation: u64,
    ) -> Result<Result<(), PassEnd>, StoreError> {
        // A form of which a part waits for a person is not live as a whole: what it declares there was never live.
        let is_new_form = plan.partly_blocked.is_none() && self.record.begin();
        let begins_with_create = plan.steps.first().is_some_and(creates_whole);
        // Known before it may be live: what a form declares is not taken for somebody else's later. A create
        // records itself. A drift is seen before it is mended: the condition names the fields even if the
        // repair fails.
        if self.drifted || is_new_form && !begins_with_create {
            self.put().await?;
        }
        let digest = plan_digest(plan, generation);
        let mut refused = None;
        for step in &plan.steps {
            match self.take(ready, step, &digest).await? {
                Ok(()) => {}
                // One that AWS refuses does not hold back those that do not need it.
                Err(PassEnd::WriteFailed(error)) if step.stands_alone && is_refused(&error) => {
                    refused.get_or_insert(PassEnd::WriteFailed(error));
                }
                Err(end) => return Ok(Err(refused.unwrap_or(end))),
            }
        }
        Ok(refused.map_or(Ok(()), Err))
    }

    /// Takes one step, and records what must not be lost.
    async fn take(
        &mut self,
        ready: &Ready,
        step: &Step<AnyStep>,
        plan: &str,
    ) -> Result<Result<(), PassEnd>, StoreError> {
        if !self.snapshot.lease_end.lasts() {
            return Ok(Err(lease_renewing()));
        }
        if step.verb == Verb::Delete && step.scope == Scope::Whole && !self.is_current().await? {
            let message = "the environment has moved to another release; checking again".to_owned();
            return Ok(Err(PassEnd::Waiting(Waiting { reason: "ReleaseMoved", message })));
        }
        let before = self.record.clone();
        self.note_intent(ready, step).await?;
        let outcome = match step.call.apply(&ready.session).await {
            Ok(outcome) if outcome.is_waiting => {
                let message = format!("AWS prepares: {}", describe(step));
                return Ok(Err(PassEnd::Waiting(Waiting { reason: "Preparing", message })));
            }
            Ok(outcome) => outcome,
            Err(error) => {
                let request = error.request_id.as_deref();
                // The end of the pass tells people.
                debug!(step = %describe(step), %error, request, "step failed");
                if error.class != Class::Unknown {
                    // AWS refused the create, so nothing was created. A resource that appears later
                    // belongs to somebody else, unless an earlier create of ours made it. Where it is
                    // there after all, its versions are those that the record names.
                    let StatusRecord {
                        phase,
                        job,
                        flap_guard,
                        source,
                        served,
                        published_for,
                        was_found,
                        ..
                    } = before;
                    let record = &mut self.record;
                    (record.phase, record.job, record.flap_guard) = (phase, job, flap_guard);
                    (record.source, record.served, record.published_for) =
                        (source, served, published_for);
                    record.was_found = was_found;
                }
                // What may pass by itself is made the next time.
                if error.is_half_made && !may_pass(&error) {
                    self.count_for_flap_guard(plan);
                }
                return Ok(Err(PassEnd::WriteFailed(error)));
            }
        };
        info!(step = %describe(step), "step taken");
        if ready.desired.confirmed {
            self.note_confirmed(step);
        }
        if !outcome.is_unchanged {
            self.count_for_flap_guard(plan);
        }
        self.tell_taken(step).await;
        Ok(self.note_outcome(step, outcome))
    }

    /// What a confirmed form took away or changed: its confirmation is good for no other change of that.
    fn note_confirmed(&mut self, step: &Step<AnyStep>) {
        let Some(wanted) = &self.snapshot.wanted else { return };
        let now = self.cx.clock.now();
        for change in step.changes.iter().filter(|change| change.live.is_some()) {
            self.record.note_confirmed(wanted.generation, change.path.to_string(), now);
        }
    }

    /// Records what a crash must not lose: that a resource is about to be made, or a job to be started.
    async fn note_intent(&mut self, ready: &Ready, step: &Step<AnyStep>) -> Result<(), StoreError> {
        if creates_whole(step) {
            // They were of a resource that is gone, and the new one numbers its jobs and versions anew.
            self.record.job = None;
            self.record.was_found = false;
            self.record.forget_served();
            self.record.source.clone_from(&ready.desired.source);
            self.record.phase = Phase::Creating { since: self.cx.clock.now() };
            self.put().await?;
        }
        if let Scope::Job(digest) = &step.scope {
            let (digest, at) = (digest.clone(), self.cx.clock.now());
            self.record.job = Some(StartedJob { digest, at, id: None });
            // Whatever comes of it, and with whatever else it is planned: it counts.
            if let Some(key) = job_key(step) {
                self.record.flap_guard.count(&key, at);
            }
            self.put().await?;
        }
        Ok(())
    }

    /// Tells people of a step that AWS took.
    async fn tell_taken(&self, step: &Step<AnyStep>) {
        let reason = match step.verb {
            Verb::Create => "Created",
            Verb::Update => "Updated",
            Verb::Delete => "Deleted",
        };
        match &self.record.source {
            Some(source) if creates_whole(step) => {
                let message = format!("{}, from {source}", describe(step));
                self.event(EventKind::Normal, "Restoring", &message).await;
            }
            _ => self.event(EventKind::Normal, reason, &describe(step)).await,
        }
    }

    /// Remembers what AWS answered to a step. Where it works on, the steps after it wait.
    fn note_outcome(&mut self, step: &Step<AnyStep>, outcome: Outcome) -> Result<(), PassEnd> {
        if step.verb == Verb::Delete && step.scope == Scope::Whole {
            self.record.phase = Phase::Deleting;
        }
        if outcome.physical_id.is_some() {
            self.record.physical_id = outcome.physical_id;
        }
        if let (Some(job), Some(id)) = (&mut self.record.job, outcome.job) {
            job.id = Some(id);
        }
        if let Some(version) = outcome.version {
            self.record.note_version(version, self.snapshot.release);
        }
        match outcome.in_progress {
            true => Err(PassEnd::Progressing(format!("AWS works on: {}", describe(step)))),
            false => Ok(()),
        }
    }

    /// Deletes versions that nothing needs any more. That it fails changes nothing about the object; it is tried
    /// again after a while.
    pub(super) async fn collect_versions(&mut self, ready: &Ready, wanted: &Wanted) {
        let kept = ready.kind.versions_kept(&wanted.object.spec);
        let now = self.cx.clock.now();
        let is_recent = self
            .record
            .collected_at
            .is_some_and(|at| now.duration_since(at) < COLLECT_VERSIONS_EVERY);
        let environment = &self.snapshot.environment;
        let held =
            decide::held_back(environment, self.snapshot.suspended, &wanted.object, false, now)
                .is_some();
        let is_over = !self.snapshot.lease_end.lasts();
        if self.record.versions.len() <= kept || is_recent || held || is_over {
            return;
        }
        self.record.collected_at = Some(now);
        let name = &ready.desired.aws_name;
        let named = match self.versions_in_history(environment.history_limit()).await {
            Ok(named) => named,
            Err(error) => {
                warn!(%error, "old versions stay: what the history names cannot be read; tried again in an hour");
                return;
            }
        };
        let (published, kept) = (&self.record.versions, &KeptVersions { newest: kept, named });
        match ready.kind.collect_versions(&ready.session, name, published, kept).await {
            Ok(gone) if gone.is_empty() => {}
            Ok(gone) => {
                self.record.versions.retain(|version| !gone.contains(version));
                let message = format!(
                    "old versions {}: neither an alias nor the history names them",
                    gone.join(", ")
                );
                self.event(EventKind::Normal, "VersionsDeleted", &message).await;
            }
            Err(error) => {
                warn!(%error, "old versions could not be deleted; tried again in an hour");
            }
        }
    }

    /// The versions of this object that the newest releases have: by their rollouts, and by the object's own record,
    /// since it may have become ready only after its release was over.
    async fn versions_in_history(&self, limit: usize) -> Result<BTreeSet<String>, StoreError> {
        let key = &self.snapshot.key;
        let (mut named, mut oldest) = (BTreeSet::new(), self.snapshot.release);
        for (release, rollout) in self.cx.store.rollouts(&key.environment, limit).await? {
            named.extend(rollout?.versions_of(&key.id).map(str::to_owned));
            oldest = oldest.min(release);
        }
        named.extend(self.record.served_since(oldest).map(str::to_owned));
        Ok(named)
    }

    /// What a deletion goes by is still what the environment declares: nobody has moved its head since, to
    /// a form that protects the resource, or suspended it.
    async fn is_current(&self) -> Result<bool, StoreError> {
        let head = self.cx.store.existing_head(&self.snapshot.key.environment).await?;
        Ok(head.release == self.snapshot.release && head.suspended == self.snapshot.suspended)
    }

    /// Counts a plan once, however many of its steps are taken in one pass.
    fn count_for_flap_guard(&mut self, plan: &str) {
        if std::mem::replace(&mut self.counted, true) {
            return;
        }
        self.record.flap_guard.count(plan, self.cx.clock.now());
    }
}

pub(super) fn creates_whole(step: &Step<AnyStep>) -> bool {
    step.verb == Verb::Create && step.scope == Scope::Whole
}

/// What is under way would outlast the lease.
fn lease_renewing() -> PassEnd {
    let message = "the lease is too short to write by, and is being renewed".to_owned();
    PassEnd::Waiting(Waiting { reason: "LeaseRenewing", message })
}

/// AWS has answered, and will not make it: what comes next may be made all the same.
fn is_refused(error: &AwsError) -> bool {
    matches!(
        error.class,
        Class::Invalid | Class::Denied | Class::NotFound | Class::NotReady | Class::Conflict
    )
}

/// What the flap guard knows a job by.
fn job_key<S>(step: &Step<S>) -> Option<String> {
    match &step.scope {
        Scope::Job(digest) => Some(format!("job {digest}")),
        _ => None,
    }
}

fn may_pass(error: &AwsError) -> bool {
    use Class::*;
    // What was just made may not be found for a moment.
    matches!(error.class, Throttled | Transient | Unknown | Conflict | NotReady | NotFound)
}

fn describe<S>(step: &Step<S>) -> String {
    let changes = render_changes(&step.changes);
    // What a new resource is made with stands in its manifest.
    if changes.is_empty() || step.scope == Scope::Whole {
        return step.what.clone();
    }
    format!("{} ({})", step.what, changes.join("; "))
}

/// Equal for plans that would do the same for the same release, whatever they find: a value that reads
/// differently each time is no other plan.
fn plan_digest<S>(plan: &Plan<S>, generation: u64) -> String {
    let wanted = |step: &Step<S>| -> Vec<String> {
        let changes = step.changes.iter();
        changes.map(|change| format!("{} {:?}", change.path, change.desired)).collect()
    };
    let steps: Vec<_> = plan
        .steps
        .iter()
        .map(|step| match step.scope {
            // What a new resource is made with stands in its manifest.
            Scope::Whole => format!("{:?} {}", step.verb, step.what),
            _ => format!("{:?} {} {:?}", step.verb, step.what, wanted(step)),
        })
        .collect();
    digest_of(&(generation, steps))
}

fn flapping<S>(plan: &Plan<S>) -> Blocked {
    let steps: Vec<_> = plan.steps.iter().map(describe).collect();
    Blocked {
        reason: FLAPPING,
        message: format!(
            "written {SAME_PLAN_MAX} times without effect: {}. Either something changes it back or \
             AWS reads it otherwise; correct the manifest or list the path under ignore, or ask for \
             another try with `trueup reconcile`",
            steps.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Change, Verb};

    #[test]
    fn a_plan_is_the_same_whatever_is_live() {
        let plan = |path: &str, live: &str, desired: &str| {
            let mut plan = Plan::default();
            let change = Change::of(path, Some(live.to_owned()), desired);
            plan.push(Verb::Update, "configuration", vec![change], ());
            plan_digest(&plan, 7)
        };
        let first = plan("description", "odd 1", "the shop");
        assert_eq!(first, plan("description", "odd 2", "the shop"), "it reads otherwise each time");
        assert_ne!(first, plan("description", "odd 1", "the store"));
        assert_ne!(first, plan("handler", "odd 1", "the shop"));
    }
}
