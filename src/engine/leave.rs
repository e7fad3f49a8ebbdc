//! The other half of a pass: an object that left its release.

use jiff::SignedDuration;
use tracing::info;

use super::outcome::{Compared, PassEnd, set_conditions};
use super::pass::{Done, Next, Pass, Refusal, Snapshot};
use super::removal::judge_removal;
use crate::kinds::{Intent, kind};
use crate::model::{DeletionPolicy, Object};
use crate::plan::{Blocked, WAITING_FOR_RELEASE, Waiting, is_for_rollout};
use crate::store::{EventKind, Phase, StoreError};

/// Objects that refer to one that leaves, named in its condition; the rest is counted.
const DEPENDENTS_SHOWN_MAX: usize = 10;

/// How long a resource that we did not delete has to be gone before its object is forgotten.
const CERTAIN_AFTER: SignedDuration = SignedDuration::from_secs(60);

impl Pass<'_> {
    /// The object left the release: its resource is deleted or let go, and then forgotten.
    pub(super) async fn leave(&mut self) -> Result<Done, StoreError> {
        if self.before.is_none() {
            return Ok(Done::Gone);
        }
        if self.record.spec_digest.is_empty() {
            return self.forget("LetGo", "nothing was made of it yet").await;
        }
        if self.snapshot.suspended {
            return Ok(Done::Next(Next::Resync));
        }
        if self.snapshot.is_second {
            let message =
                "deleted once the release is over: a rollback before that would need it again";
            let (reason, message) = (WAITING_FOR_RELEASE, message.to_owned());
            return self.tell(PassEnd::Waiting(Waiting { reason, message })).await;
        }
        // It is told what to do by the form that was declared last, and deleted by the one that made it.
        let removal = match self.removal() {
            Ok(removal) => removal,
            Err(blocked) => return self.tell(PassEnd::Blocked(blocked)).await,
        };
        if !self.snapshot.dependents.is_empty() {
            return self.tell(PassEnd::Waiting(held(&self.snapshot.dependents))).await;
        }
        if removal == DeletionPolicy::Retain {
            let message =
                "the object left the release; the AWS resource stays (deletionPolicy: Retain)";
            return self.forget("Retained", message).await;
        }
        let digests = [self.record.spec_digest.clone()].into();
        let environment = &self.snapshot.key.environment;
        let mut objects = self.cx.store.objects(environment, &digests).await?;
        let Some(object) = objects.pop_first().map(|(_, object)| object) else {
            let what = format!("object {} of {environment}", self.record.spec_digest);
            return Err(StoreError::Missing { what });
        };
        let end = match self.try_delete(&object).await? {
            Some(end) => end,
            None if self.left_behind => {
                let message = "an AWS resource of its name belongs to somebody else, and stays";
                return self.forget("LetGo", message).await;
            }
            None => return self.forget("Deleted", "the AWS resource is gone").await,
        };
        self.tell(end).await
    }

    fn removal(&self) -> Result<DeletionPolicy, Blocked> {
        let Snapshot { key, taken_out, environment, .. } = self.snapshot;
        judge_removal(key, taken_out.as_ref(), environment.protected == Some(true))
    }

    /// Says how far the teardown is, and when it goes on.
    async fn tell(&mut self, end: PassEnd) -> Result<Done, StoreError> {
        let generation = self.record.observed_generation;
        let now = self.cx.clock.now();
        let compared = Compared::Differs(&[]);
        set_conditions(&mut self.record.conditions, &end, compared, generation, now);
        if let Some((reason, message)) = end.failure() {
            self.event(EventKind::Warning, reason, &message).await;
        }
        self.save().await?;
        self.log(&end);
        Ok(Done::Next(match &end {
            PassEnd::Progressing(_) => Next::Progress,
            PassEnd::Waiting(waiting) if is_for_rollout(waiting.reason) => Next::Resync,
            PassEnd::Waiting(_) => Next::Soon,
            _ => Next::Retry,
        }))
    }

    /// `None` once nothing of ours is left.
    async fn try_delete(&mut self, object: &Object) -> Result<Option<PassEnd>, StoreError> {
        let ready = match self.desired(object).await {
            Ok(ready) => ready,
            Err(Refusal::Blocked(blocked)) => return Ok(Some(PassEnd::Blocked(blocked))),
            Err(Refusal::Failed(error)) => return Ok(Some(PassEnd::ObserveFailed(error))),
        };
        let observation = match self.observe(&ready, Intent::Delete).await {
            Ok(observation) => observation,
            Err(error) => return Ok(Some(PassEnd::ObserveFailed(error))),
        };
        if observation.plan.is_settled() {
            self.left_behind = observation.facts.exists;
            return Ok(self.missing());
        }
        self.record.phase = self.record.phase.seen_leaving();
        if let Some(blocked) = observation.plan.blocked {
            return Ok(Some(PassEnd::Blocked(blocked)));
        }
        if let (true, Some(waiting)) =
            (observation.plan.steps.is_empty(), observation.plan.waiting.clone())
        {
            return Ok(Some(PassEnd::Waiting(waiting)));
        }
        let generation = self.record.observed_generation;
        if let Some(flapping) = self.flapping(&observation.plan, generation) {
            return Ok(Some(PassEnd::Blocked(flapping)));
        }
        if let Some(waiting) = self.just_written(&observation.plan, generation) {
            return Ok(Some(PassEnd::Waiting(waiting)));
        }
        match self.execute(&ready, &observation.plan, generation).await? {
            Ok(()) => Ok(Some(PassEnd::Progressing("deleted; checking again".to_owned()))),
            Err(end) => Ok(Some(end)),
        }
    }

    /// What is gone without our doing is observed a while longer: forgotten too early, it would be left
    /// behind. `None` once it is certain.
    fn missing(&mut self) -> Option<PassEnd> {
        let is_our_doing = self.record.phase == Phase::Deleting || self.record.created_at.is_none();
        if is_our_doing {
            return None;
        }
        let now = self.cx.clock.now();
        let since = match self.record.phase {
            Phase::Missing { since } => since,
            _ => now,
        };
        self.record.phase = Phase::Missing { since };
        if now.duration_since(since) >= CERTAIN_AFTER {
            return None;
        }
        let message = match self.left_behind {
            true => "another resource has its name now; checking again for 60 s",
            false => "it disappeared outside trueup; checking again for 60 s",
        };
        let message = message.to_owned();
        Some(PassEnd::Waiting(Waiting { reason: "Missing", message }))
    }

    async fn forget(&mut self, reason: &str, message: &str) -> Result<Done, StoreError> {
        let key = &self.snapshot.key;
        if kind(&key.id.kind).is_some_and(|kind| kind.holds_data()) {
            // One of its name that comes later begins without.
            self.cx.store.forget_data_source(&key.environment, &key.id).await?;
        }
        self.cx.store.delete_status(&key.environment, &key.id, self.snapshot.epoch).await?;
        info!(reason, detail = message, "object forgotten");
        self.event(EventKind::Normal, reason, message).await;
        Ok(Done::Gone)
    }
}

fn held(dependents: &[String]) -> Waiting {
    let shown = dependents[..dependents.len().min(DEPENDENTS_SHOWN_MAX)].join(", ");
    let more = dependents.len().saturating_sub(DEPENDENTS_SHOWN_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!("waiting for its dependents to be deleted: {shown}{more}");
    Waiting { reason: "DependentsRemain", message }
}
