//! The desired state of every environment, in memory, with what is known of its resources.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use super::follow::Objects;
use super::lease::LeaseEnd;
use crate::aws::Target;
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::model::{
    Object, ObjectFieldRef, ObjectId, ObjectKey, condition_type, object_references,
};
use crate::store::{Head, Lease, Release, Rollout, StatusRecord, StoreError};

/// An object as the current release has it.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub object: Arc<Object>,
    pub generation: u64,
    pub digest: String,
    /// This form was confirmed by the object's name.
    pub confirmed: bool,
}

/// An object that was taken out of the environment, in the form that was declared last.
#[derive(Clone, Debug)]
pub struct TakenOut {
    pub object: Arc<Object>,
    pub digest: String,
    /// The removal was confirmed by the object's name.
    pub confirmed: bool,
    /// When it was taken out; `None` where nobody said.
    pub at: Option<Timestamp>,
    /// The first release without it; 0 where nobody said.
    pub release: u64,
}

/// One environment.
#[derive(Clone, Debug)]
pub struct EnvironmentState {
    pub head: Head,
    pub spec: Arc<EnvironmentSpec>,
    /// Where its calls go: environments with the same place share AWS's quotas.
    pub place: Arc<str>,
    pub lease: Lease,
    /// Shared with the passes that rely on the lease.
    pub lease_end: LeaseEnd,
    /// It is another daemon's from now on: nothing more is begun, and the lease is given back once nothing is
    /// under way.
    pub is_leaving: bool,
    /// When its records are read again, where the daemon of before did not give it back.
    pub reread_at: Option<Instant>,
    /// How far the current release is; `None` until it was begun.
    pub rollout: Option<Rollout>,
    /// The same as the store has it.
    pub recorded: Option<Rollout>,
    /// When the current release was recorded.
    pub released_at: Option<Timestamp>,
    /// The commit that it was applied from; empty where that is not known.
    pub commit: String,
    pub objects: BTreeMap<ObjectId, Wanted>,
    /// What the release says was taken out. An object that is in neither list is nobody's to delete.
    pub taken_out: BTreeMap<ObjectId, TakenOut>,
    pub statuses: BTreeMap<ObjectId, Arc<StatusRecord>>,
    /// Objects whose record in the store cannot be read: nothing is done about them until it can.
    pub unreadable: BTreeSet<ObjectId>,
    pub looked_at: HashMap<ObjectId, Timestamp>,
    /// Who refers to an object.
    dependents: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
}

impl EnvironmentState {
    pub fn new(
        head: Head,
        (lease, lease_end): (Lease, LeaseEnd),
        statuses: BTreeMap<ObjectId, Arc<StatusRecord>>,
        unreadable: BTreeSet<ObjectId>,
        rollout: Option<Rollout>,
    ) -> Self {
        Self {
            head,
            lease,
            lease_end,
            is_leaving: false,
            reread_at: None,
            recorded: rollout.clone(),
            rollout,
            released_at: None,
            commit: String::new(),
            spec: Arc::default(),
            place: Arc::default(),
            objects: BTreeMap::new(),
            taken_out: BTreeMap::new(),
            statuses,
            unreadable,
            looked_at: HashMap::new(),
            dependents: BTreeMap::new(),
        }
    }

    /// Puts a release in place. Returns the objects that are new, changed, or gone from it; all of
    /// them where the environment itself changed.
    pub fn load(
        &mut self,
        head: Head,
        release: &Release,
        specs: &Objects,
    ) -> Result<Vec<ObjectId>, StoreError> {
        let find = |digest: &String| {
            let what = || format!("object {digest} of release {}", release.number);
            specs.get(digest).ok_or_else(|| StoreError::Missing { what: what() })
        };
        let mut objects = BTreeMap::new();
        let mut taken_out = BTreeMap::new();
        for left in &release.left {
            let (object, digest) = (find(&left.digest)?, left.digest.clone());
            taken_out.insert(
                left.id(),
                TakenOut {
                    object,
                    digest,
                    confirmed: left.confirmed,
                    at: Some(left.at),
                    release: left.release,
                },
            );
        }
        for entry in &release.objects {
            let wanted = Wanted {
                object: find(&entry.digest)?,
                generation: entry.generation,
                digest: entry.digest.clone(),
                confirmed: entry.confirmed,
            };
            objects.insert(entry.id(), wanted);
        }
        // A release without its Environment tears down, and must know where.
        let id = ObjectId::new(environment::NAME, head.environment.as_str());
        let declared = objects.remove(&id).map(|wanted| wanted.object);
        let declared = declared.or_else(|| taken_out.remove(&id).map(|left| left.object));
        let spec = match declared {
            Some(object) => environment_spec(&object, release.number)?,
            None => (*self.spec).clone(),
        };
        let everything = *self.spec != spec || self.head.suspended != head.suspended;
        let known = self.ids();
        let changed = known
            .iter()
            .chain(objects.keys())
            .filter(|id| {
                let form = |w: &Wanted| (w.digest.clone(), w.generation, w.confirmed);
                let (before, after) = (self.objects.get(*id).map(form), objects.get(*id).map(form));
                everything || before != after || after.is_none()
            })
            .cloned()
            .collect::<BTreeSet<_>>();
        self.dependents = dependents(&objects);
        self.looked_at.retain(|id, _| objects.contains_key(id));
        self.objects = objects;
        self.taken_out = taken_out;
        let Target { account_id, region, endpoint_url, .. } = spec.target();
        let place = [account_id, region, endpoint_url].map(Option::unwrap_or_default);
        self.place = place.join(" ").into();
        self.spec = Arc::new(spec);
        self.head = head;
        self.released_at = Some(release.created_at);
        self.commit.clone_from(&release.commit);
        Ok(changed.into_iter().collect())
    }

    /// A release was read: what is not among the objects has really left.
    pub fn is_loaded(&self) -> bool {
        self.head.release > 0
    }

    /// Every object that is to be observed: those of the release, and those that are leaving.
    pub fn ids(&self) -> BTreeSet<ObjectId> {
        let known = self.objects.keys().chain(self.statuses.keys());
        known.chain(&self.unreadable).cloned().collect()
    }

    /// The resource was seen to be as the release wants it, be it by another daemon.
    pub fn was_carried_out(&self, id: &ObjectId) -> bool {
        let done = self.statuses.get(id).map(|status| status.synced_generation);
        self.objects.get(id).is_some_and(|wanted| done >= Some(wanted.generation))
    }

    /// When somebody last asked for another try of an object.
    pub fn asked_at(&self, id: &ObjectId) -> Option<Timestamp> {
        let request = self.head.reconcile.as_ref()?;
        let is_meant = request.object.as_ref().is_none_or(|object| *object == id.to_string());
        is_meant.then_some(request.at)
    }

    /// Objects that the environment does without, at present.
    pub fn degraded(&self) -> impl Iterator<Item = &ObjectId> {
        let is_ready = |id: &ObjectId| {
            let status = self.statuses.get(id);
            status.is_some_and(|status| status.conditions.is_true(condition_type::READY))
        };
        let optional = self.objects.iter().filter(|(_, wanted)| wanted.object.is_optional());
        optional.map(|(id, _)| id).filter(move |id| !is_ready(id))
    }

    pub fn dependents(&self, id: &ObjectId) -> impl Iterator<Item = &ObjectId> {
        self.dependents.get(id).into_iter().flatten()
    }

    /// The value behind a reference, once what it refers to exists. Should the value change, those
    /// that refer to it are observed again.
    pub fn resolve(&self, reference: &ObjectFieldRef) -> Option<&str> {
        let status = self.statuses.get(&reference.id())?;
        status.created_at?;
        status.outputs.get(&reference.field).map(String::as_str)
    }

    /// Every object was observed no longer ago than this; `None` while one was never observed.
    pub fn oldest_observation(&self) -> Option<Timestamp> {
        self.objects.keys().map(|id| self.looked_at.get(id).copied()).min().flatten()
    }

    /// The same of those that could be read when they were last tried. The records of the others say since when
    /// they cannot be, and one of them says nothing of its siblings.
    pub fn oldest_of_readable(&self) -> Option<Timestamp> {
        let readable = self
            .objects
            .keys()
            .filter(|id| self.statuses.get(*id).is_none_or(|status| status.is_readable()));
        readable.map(|id| self.looked_at.get(id).copied()).min().flatten()
    }
}

fn environment_spec(object: &Object, release: u64) -> Result<EnvironmentSpec, StoreError> {
    EnvironmentSpec::deserialize(&*object.spec).map_err(|error| StoreError::Damaged {
        what: format!("{} of release {release}", object.id()),
        how: error.to_string(),
    })
}

fn dependents(objects: &BTreeMap<ObjectId, Wanted>) -> BTreeMap<ObjectId, BTreeSet<ObjectId>> {
    let mut dependents: BTreeMap<ObjectId, BTreeSet<ObjectId>> = BTreeMap::new();
    for (id, wanted) in objects {
        for reference in object_references(&wanted.object.spec) {
            dependents.entry(reference.id()).or_default().insert(id.clone());
        }
    }
    dependents
}

/// Every environment that this daemon holds the lease of.
#[derive(Debug, Default)]
pub struct World {
    pub environments: BTreeMap<Arc<str>, EnvironmentState>,
}

impl World {
    pub fn get(&self, key: &ObjectKey) -> Option<&EnvironmentState> {
        self.environments.get(&key.environment)
    }
}
