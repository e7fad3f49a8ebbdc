//! The desired state of every environment, in memory, with what is known of its resources.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use crate::kinds::environment::{self, EnvironmentSpec};
use crate::model::{Object, ObjectFieldRef, ObjectId, ObjectKey, object_references};
use crate::store::{Head, Lease, Release, StatusRecord, StoreError};

/// An object as the current release has it.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub object: Arc<Object>,
    pub generation: u64,
    pub digest: String,
}

/// One environment.
#[derive(Clone, Debug)]
pub struct EnvironmentState {
    pub head: Head,
    pub spec: Arc<EnvironmentSpec>,
    pub lease: Lease,
    pub objects: BTreeMap<ObjectId, Wanted>,
    pub statuses: BTreeMap<ObjectId, StatusRecord>,
    pub looked_at: HashMap<ObjectId, Timestamp>,
    /// Who refers to an object.
    dependents: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
}

impl EnvironmentState {
    pub fn new(head: Head, lease: Lease, statuses: Vec<StatusRecord>) -> Self {
        Self {
            head,
            lease,
            spec: Arc::default(),
            objects: BTreeMap::new(),
            statuses: statuses.into_iter().map(|s| (s.id(), s)).collect(),
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
        specs: &BTreeMap<String, Arc<Object>>,
    ) -> Result<Vec<ObjectId>, StoreError> {
        let mut objects = BTreeMap::new();
        // A release without its Environment tears down, and must know where.
        let mut spec = (*self.spec).clone();
        for entry in &release.objects {
            // Leaving one out would delete it.
            let missing = || StoreError::Missing { what: format!("object {}", entry.digest) };
            let object = specs.get(&entry.digest).ok_or_else(missing)?;
            if entry.kind == environment::NAME {
                spec = EnvironmentSpec::deserialize(&object.spec).map_err(|_| missing())?;
                continue;
            }
            let wanted = Wanted {
                object: Arc::clone(object),
                generation: entry.generation,
                digest: entry.digest.clone(),
            };
            objects.insert(entry.id(), wanted);
        }
        let everything = *self.spec != spec || self.head.suspended != head.suspended;
        let known = self.objects.keys().chain(self.statuses.keys()).chain(objects.keys());
        let changed = known
            .filter(|id| {
                let before = self.objects.get(*id).map(|w| (&w.digest, w.generation));
                let after = objects.get(*id).map(|w| (&w.digest, w.generation));
                everything || before != after || after.is_none()
            })
            .cloned()
            .collect::<BTreeSet<_>>();
        self.dependents = dependents(&objects);
        self.looked_at.retain(|id, _| objects.contains_key(id));
        self.objects = objects;
        self.spec = Arc::new(spec);
        self.head = head;
        Ok(changed.into_iter().collect())
    }

    /// A release was read: what is not among the objects has really left.
    pub fn is_loaded(&self) -> bool {
        self.head.release > 0
    }

    /// Every object that is worth a look: those of the release, and those that are leaving.
    pub fn ids(&self) -> BTreeSet<ObjectId> {
        self.objects.keys().chain(self.statuses.keys()).cloned().collect()
    }

    pub fn dependents(&self, id: &ObjectId) -> impl Iterator<Item = &ObjectId> {
        self.dependents.get(id).into_iter().flatten()
    }

    /// The value behind a reference, once what it refers to exists. Should the value change, those
    /// that refer to it are looked at again.
    pub fn resolve(&self, reference: &ObjectFieldRef) -> Option<&str> {
        let status = self.statuses.get(&reference.id())?;
        status.created_at?;
        status.outputs.get(&reference.field).map(String::as_str)
    }

    /// Every object was looked at no longer ago than this; `None` while one was never looked at.
    pub fn oldest_look(&self) -> Option<Timestamp> {
        self.objects.keys().map(|id| self.looked_at.get(id).copied()).min().flatten()
    }
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
