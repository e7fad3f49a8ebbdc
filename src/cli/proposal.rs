//! What an environment would be: manifests, checked against what is there and packaged. Nothing is
//! written.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::confirm::Confirmation;
use super::out::note;
use super::{CliError, Connected};
use crate::engine::release::{Confirmed, Current, check_removals, merged};
use crate::kinds::environment::{self, Artifacts, EnvironmentSpec};
use crate::manifest::package::{Package, package};
use crate::manifest::{Scope, Set};
use crate::model::{Object, ObjectId};
use crate::store::content_digest;

/// With `--prune` nothing that is not given stays.
pub(super) fn scope_of(prune: bool) -> Scope {
    if prune { Scope::Whole } else { Scope::Part }
}

/// What may leave although it holds data.
#[derive(Clone, Copy, Debug)]
pub(super) enum Removable {
    Confirmed,
    /// A preview shows what would leave; it is confirmed at `apply`.
    All,
}

/// One environment as it would be.
pub(super) struct Proposal {
    pub environment: String,
    pub current: Current,
    pub objects: Vec<Object>,
    /// Those of the objects that the manifests give.
    pub given: BTreeSet<ObjectId>,
    pub removed: Vec<ObjectId>,
    /// Objects of the environment that are confirmed by name.
    pub named: BTreeSet<ObjectId>,
    pub packages: Vec<Package>,
    pub spec: EnvironmentSpec,
}

impl Proposal {
    /// The same content as the current release has, and nothing is confirmed that was not.
    pub fn is_unchanged(&self) -> bool {
        let digest = content_digest(&self.objects);
        let same = self.current.release.as_ref().is_some_and(|release| release.digest == digest);
        let current = &self.current;
        let is_unused =
            |id: &ObjectId| current.confirmed.contains(id) && !current.used.contains(id);
        same && self.named.iter().all(is_unused)
    }

    /// The objects whose form is confirmed: by this call, or by an earlier one that gave the same form.
    pub fn confirmed(&self) -> BTreeSet<ObjectId> {
        let before = &self.current.confirmed;
        let same = |object: &&Object| {
            before.contains(&object.id()) && self.current.objects.contains(object)
        };
        let unchanged = self.objects.iter().filter(same).map(Object::id);
        self.named.iter().cloned().chain(unchanged).collect()
    }

    /// Those of them whose confirmation was used for nothing yet.
    pub fn confirmed_anew(&self) -> BTreeSet<ObjectId> {
        let is_unused = |id: &ObjectId| self.named.contains(id) || !self.current.used.contains(id);
        self.confirmed().into_iter().filter(is_unused).collect()
    }

    pub fn removed_objects(&self) -> Vec<Object> {
        let is_removed = |o: &&Object| self.removed.contains(&o.id());
        self.current.objects.iter().filter(is_removed).cloned().collect()
    }
}

/// A damaged release is of no use to merge into.
fn advise_prune(error: CliError) -> CliError {
    match error {
        CliError::Store(error) if error.is_damage() => CliError::refused(format!(
            "{error}. Nothing was recorded. To go on without the damaged release, apply the environment's \
             whole manifests with --prune, or go back with `trueup rollback`"
        )),
        other => other,
    }
}

/// Environments that are followed to where a release comes from.
const PROMOTIONS_MAX: usize = 20;

/// The Environments, beside those of the set, that its releases are promoted from, and theirs, and so on.
async fn promoted_from(connected: &Connected, set: &Set, names: &BTreeSet<String>) -> Vec<Object> {
    let source = |object: &Object| {
        let spec = EnvironmentSpec::deserialize(&*object.spec).ok()?;
        Some(spec.promotion?.from)
    };
    let is_environment = |object: &&Object| object.kind == environment::NAME;
    let mut wanted: Vec<String> = set.objects().filter(is_environment).filter_map(source).collect();
    let mut found: Vec<Object> = Vec::new();
    while let Some(name) = wanted.pop() {
        let is_known = names.contains(&name) || found.iter().any(|o| o.environment() == name);
        if is_known || found.len() == PROMOTIONS_MAX {
            continue;
        }
        // What cannot be read there is not for this environment to say.
        let Ok(current) = connected.current(&name).await else { continue };
        let environment = current.objects.into_iter().find(|o| is_environment(&o));
        wanted.extend(environment.as_ref().and_then(source));
        found.extend(environment);
    }
    found
}

/// Checks a set against what is there, packages its code, and says what each environment would be.
/// What is confirmed may leave, or get a form that opens or deletes more; of each environment so many resources
/// may be deleted at most as `deletions` says, or the environment. Writes nothing.
pub(super) async fn propose(
    connected: &Connected,
    set: &Set,
    prune: bool,
    removable: Removable,
    confirmed: &[Confirmation],
    deletions: Option<usize>,
) -> Result<Vec<Proposal>, CliError> {
    if set.is_empty() {
        return Err(CliError::refused("the manifests hold no object; nothing was recorded"));
    }
    let names: BTreeSet<String> = set.objects().map(|o| o.environment().to_owned()).collect();
    let mut current = BTreeMap::new();
    for name in &names {
        let known = match prune {
            true => connected.current_or_damage(name).await,
            false => connected.current(name).await.map_err(advise_prune),
        };
        current.insert(name.clone(), known?);
    }
    let existing: Vec<Object> = match prune {
        true => Vec::new(),
        false => current.values().flat_map(|c| c.objects.iter().cloned()).collect(),
    };
    let mut known = promoted_from(connected, set, &names).await;
    known.extend(existing.iter().cloned());
    set.check_with(&known)?;
    for warnings in [set.check_environments(), set.advice()].into_iter().flatten() {
        note!("{}", warnings.warnings());
    }
    let environments: BTreeMap<String, EnvironmentSpec> = existing
        .iter()
        .chain(set.objects())
        .filter(|o| o.kind == environment::NAME)
        .filter_map(|o| {
            Some((o.environment().to_owned(), EnvironmentSpec::deserialize(&*o.spec).ok()?))
        })
        .collect();
    let artifacts = |name: &str| -> Option<Artifacts> { environments.get(name)?.artifacts.clone() };
    let (objects, mut packages) = package(set, artifacts)?;
    let has = |name: &str, id: &ObjectId| {
        let before = current.get(name).is_some_and(|c| c.objects.iter().any(|o| o.id() == *id));
        before || objects.iter().any(|o| o.environment() == name && o.id() == *id)
    };
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    Confirmation::check(confirmed, &all, has)?;
    let mut proposals = Vec::new();
    for name in names {
        let current = current.remove(&name).unwrap_or_default();
        let given: Vec<_> = objects.iter().filter(|o| o.environment() == name).cloned().collect();
        let ids = given.iter().map(Object::id).collect();
        let objects = merged(&current.objects, given, prune);
        let named: Vec<_> = Confirmation::of(confirmed, &name).cloned().collect();
        let (removable, deletions) = match removable {
            Removable::Confirmed => (named.clone(), deletions),
            Removable::All => {
                (current.objects.iter().map(Object::id).collect(), Confirmed::ANY_NUMBER)
            }
        };
        let may_leave = Confirmed { objects: &removable, deletions };
        let removed = check_removals(&name, &current.objects, &objects, may_leave)?;
        let of_this = |id: &ObjectId| objects.iter().any(|o| o.id() == *id);
        let named = named.into_iter().filter(of_this).collect();
        let spec = environments.get(&name).cloned().unwrap_or_default();
        let (mine, rest) = packages.into_iter().partition(|p: &Package| p.environment == name);
        packages = rest;
        proposals.push(Proposal {
            environment: name,
            current,
            objects,
            given: ids,
            removed,
            named,
            packages: mine,
            spec,
        });
    }
    Ok(proposals)
}
