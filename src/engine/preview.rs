//! What the daemon would do: the same observe, plan and check, printed instead of executed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use serde::Deserialize;

use super::decide::{self, HeldBack};
use super::execute::creates_whole;
use super::prepare::{Subject, aws_name, inputs, misplaced};
use super::removal::judge_removal;
use super::rollout;
use super::secrets::Secrets;
use super::world::TakenOut;
use crate::aws::{AwsError, Class, Service, Session, Sessions};
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::kinds::{AnyKind, AnyStep, Intent, kind};
use crate::model::{
    Clock, DataSource, DeletionPolicy, Object, ObjectFieldRef, ObjectId, ObjectKey, Part,
};
use crate::plan::{Plan, Waiting};
use crate::store::{Rollout, StatusRecord};

/// Objects that are observed at once.
const AT_ONCE: usize = 32;

/// What a preview knows besides the objects.
pub struct Known<'a> {
    /// The store's id, which the uids of objects are made from.
    pub store_id: &'a str,
    /// The records of the environment's objects, as the store has them.
    pub statuses: &'a [StatusRecord],
    /// The clock that the plans take the time from.
    pub clock: Clock,
    /// The environment is suspended.
    pub suspended: bool,
    /// Earlier forms of the objects, by content address.
    pub objects: BTreeMap<String, Object>,
    /// Objects whose form was confirmed by name.
    pub confirmed: BTreeSet<ObjectId>,
    /// Those that are confirmed anew: nothing was changed under that yet.
    pub confirmed_anew: BTreeSet<ObjectId>,
    /// The objects that are asked for; all where it is `None`.
    pub only: Option<&'a BTreeSet<ObjectId>>,
    /// What objects are restored from that have to be made.
    pub sources: BTreeMap<ObjectId, DataSource>,
    /// How far the environment's current release is.
    pub rollout: Option<&'a Rollout>,
    /// The objects are those of the current release.
    pub is_current: bool,
    /// Told after each object.
    pub looked_at: &'a (dyn Fn() + Sync),
}

/// What would be done to one object.
pub struct Preview {
    /// The object that the plan is for.
    pub id: ObjectId,
    /// Why the daemon would not write, where it would not.
    pub held_back: Option<HeldBack>,
    /// The plan, or why the resource could not be observed.
    pub plan: Result<Plan<AnyStep>, AwsError>,
}

/// Plans for `objects` as if they were the environment's release. `removed` are the objects that
/// would leave it.
pub async fn preview(
    sessions: &Sessions,
    environment: &str,
    objects: &[Object],
    removed: &[Object],
    known: &Known<'_>,
) -> Result<Vec<Preview>, AwsError> {
    let spec = objects
        .iter()
        .chain(removed)
        .find(|o| o.kind == environment::NAME)
        .and_then(|o| EnvironmentSpec::deserialize(&*o.spec).ok())
        .unwrap_or_default();
    let target = spec.target();
    let session = sessions.get(&target).await?;
    let account_id = session.account_id().await?;
    if let Some(blocked) = decide::wrong_account(&spec, &account_id) {
        return Err(AwsError::new(
            Class::Invalid,
            Service::Sts,
            "GetCallerIdentity",
            blocked.message,
        ));
    }
    let statuses: BTreeMap<ObjectId, &StatusRecord> =
        known.statuses.iter().map(|s| (s.id(), s)).collect();
    let work = Work {
        session: &session,
        secrets: Secrets::default(),
        environment,
        spec: &spec,
        account_id: &account_id,
        statuses: &statuses,
        known,
    };
    let kept = objects.iter().map(|object| (object, Intent::Keep));
    let leaving = removed.iter().map(|object| (object, Intent::Delete));
    let is_asked = |object: &Object| {
        let is_named = known.only.is_none_or(|only| only.contains(&object.id()));
        object.kind != environment::NAME && is_named
    };
    let subjects: Vec<_> = kept.chain(leaving).filter(|(object, _)| is_asked(object)).collect();
    let mut previews: Vec<_> = stream::iter(subjects)
        .map(|(object, intent)| work.one(object, intent))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    previews.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(previews)
}

struct Work<'a> {
    session: &'a Session,
    secrets: Secrets,
    environment: &'a str,
    spec: &'a EnvironmentSpec,
    account_id: &'a str,
    statuses: &'a BTreeMap<ObjectId, &'a StatusRecord>,
    known: &'a Known<'a>,
}

impl Work<'_> {
    async fn one(&self, object: &Object, intent: Intent) -> Preview {
        let planned = self.plan(object, intent).await;
        (self.known.looked_at)();
        let (plan, is_drift) = match planned {
            Ok((plan, is_drift)) => (Ok(plan), is_drift),
            Err(error) => (Err(error), false),
        };
        // A removal asks neither the drift policy nor the object: `stays` has said what protects it.
        let held_back = match intent {
            Intent::Keep => {
                let now = self.known.clock.now();
                decide::held_back(self.spec, self.known.suspended, object, is_drift, now)
            }
            Intent::Delete => self.known.suspended.then_some(HeldBack::EnvironmentSuspended),
        };
        Preview { id: object.id(), held_back, plan }
    }

    /// What becomes of a resource whose object leaves, where that is no deletion. Whoever takes it out is
    /// asked for what has to be confirmed; here it counts as confirmed.
    fn stays(&self, object: &Object) -> Option<Plan<AnyStep>> {
        let key = ObjectKey { environment: self.environment.into(), id: object.id() };
        let object = Arc::new(object.clone());
        let digest = String::new();
        let taken_out = TakenOut { object, digest, confirmed: true, at: None, release: 0 };
        match judge_removal(&key, Some(&taken_out), self.spec.protected == Some(true)) {
            Ok(DeletionPolicy::Delete) => None,
            Ok(DeletionPolicy::Retain) => {
                let message =
                    "the resource stays in AWS, and trueup does not manage it any more".to_owned();
                let waiting = Some(Waiting { reason: "Retained", message });
                Some(Plan { waiting, ..Plan::default() })
            }
            Err(blocked) => Some(Plan { blocked: Some(blocked), ..Plan::default() }),
        }
    }

    /// Which part of its requests a new version would get.
    fn weight(
        &self,
        kind: &dyn AnyKind,
        object: &Object,
        status: Option<&StatusRecord>,
    ) -> Option<Part> {
        let (shifting, known) = (kind.shifting(&object.spec), self.known);
        // What was never observed in its present form changed with the release.
        let generation = status.map_or(u64::MAX, |status| status.observed_generation);
        match known.rollout {
            Some(rollout) if known.is_current => {
                rollout::weight(rollout, &object.id(), generation, &shifting)
            }
            before => rollout::weight_to_come(before, &shifting),
        }
    }

    /// The plan, and whether what differs is drift.
    async fn plan(
        &self,
        object: &Object,
        intent: Intent,
    ) -> Result<(Plan<AnyStep>, bool), AwsError> {
        let id = object.id();
        let Some(kind) = kind(&object.kind) else {
            return Ok((Plan::default(), false));
        };
        if let (Intent::Delete, Some(stays)) = (intent, self.stays(object)) {
            return Ok((stays, false));
        }
        let key = ObjectKey { environment: self.environment.into(), id: id.clone() };
        let status = self.statuses.get(&id).copied();
        let place = format!("{}/{}", self.account_id, self.session.region());
        let moved = status.and_then(|s| misplaced(s, &place, &aws_name(kind, object, &key)));
        if moved.is_some() {
            return Ok((Plan { blocked: moved, ..Plan::default() }, false));
        }
        let earlier = |digest: &String| self.known.objects.get(digest);
        let previous = status.and_then(|s| earlier(&s.synced_digest));
        let digest = object.digest();
        let begun = status.iter().flat_map(|s| &s.begun_digests).filter(|begun| **begun != digest);
        let now = self.known.clock.now();
        let generation = status.map_or(0, |status| status.observed_generation);
        let used = match self.known.confirmed_anew.contains(&id) {
            true => Some(Vec::new()),
            false => decide::used_confirmation(status, generation, now),
        };
        let subject = Subject {
            key,
            kind,
            object,
            environment: self.spec,
            status,
            previous,
            begun: begun.filter_map(earlier).collect(),
            confirmed: used.is_some() && self.known.confirmed.contains(&id),
            used: used.unwrap_or_default(),
            asked_at: None,
            backed_up_since: None,
            weight: self.weight(kind, object, status),
            store_id: self.known.store_id,
        };
        // The daemon waits for what does not exist yet; a preview names it.
        let resolve = |r: &ObjectFieldRef| {
            let known = self.statuses.get(&r.id()).and_then(|s| s.outputs.get(&r.field)).cloned();
            Some(
                known.unwrap_or_else(|| {
                    format!("({} of {}, known once it is made)", r.field, r.id())
                }),
            )
        };
        let mut desired = subject.desired(self.session, &self.secrets, resolve).await?;
        desired.source = self.known.sources.get(&id).cloned();
        let inputs = inputs(&desired);
        let is_drift = status.is_some_and(|status| {
            // A form that came meanwhile and was never seen in accord makes it another generation.
            let is_same_form = status.synced_digest == object.digest()
                && status.observed_generation <= status.synced_generation;
            decide::was_in_accord(status, is_same_form, &inputs)
        });
        let lost = status
            .filter(|_| kind.holds_data() && desired.source.is_none())
            .and_then(|status| decide::data_lost(self.spec, status, &desired));
        let mut observation = kind.observe(self.session, desired, intent, now).await?;
        if observation.plan.steps.first().is_some_and(creates_whole) {
            observation.plan.blocked = observation.plan.blocked.or(lost);
        }
        let is_drift = is_drift
            || status.filter(|status| status.spec_digest == digest).is_some_and(|status| {
                let generation = status.observed_generation;
                let plan = &observation.plan;
                decide::is_all_drift(
                    plan,
                    &decide::drifted_beside(plan, status, generation, &inputs),
                )
            });
        match observation.failure {
            Some(error) if observation.plan.is_settled() => Err(error),
            _ => Ok((observation.plan, is_drift)),
        }
    }
}
