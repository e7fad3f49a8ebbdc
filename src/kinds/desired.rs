//! The desired side of a comparison: a typed spec with everything that it refers to resolved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::policy;
use crate::aws::tags;
use crate::model::{
    DataSource, ObjectFieldRef, ObjectKey, Part, Path, Secret, SecretRef, Segment, StartedJob,
    ValueFrom,
};
use crate::plan::{
    Blocked, Change, IgnoredAbsent, PartlyBlocked, Shape, complete, diff, fill_ignored,
};

/// The values behind a spec's references. The engine resolves all of them before it plans.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// What other objects published, by the references to it.
    pub fields: HashMap<ObjectFieldRef, String>,
    /// The values of secrets, by where they are kept.
    pub secrets: HashMap<SecretRef, Secret>,
}

impl Resolved {
    /// What another object published; `None` where that is not resolved.
    pub fn field(&self, reference: &ObjectFieldRef) -> Option<&str> {
        self.fields.get(reference).map(String::as_str)
    }

    /// A value that is given in place or comes from elsewhere, and whether it is a secret. One that
    /// is not resolved is empty; the engine plans only when all are.
    pub fn value(&self, value: Option<&str>, from: Option<&ValueFrom>) -> (Secret, bool) {
        let Some(from) = from else {
            return (Secret::new(value.unwrap_or_default()), false);
        };
        match &from.object_ref {
            Some(reference) => (Secret::new(self.field(reference).unwrap_or_default()), false),
            None => (self.secret(from).cloned().unwrap_or_else(|| Secret::new("")), true),
        }
    }

    /// The secret that a value comes from; `None` where it comes from an object, or is not resolved.
    pub fn secret(&self, from: &ValueFrom) -> Option<&Secret> {
        self.secrets.get(&from.secret()?)
    }
}

/// What one object asks for.
#[derive(Clone, Debug)]
pub struct Desired<S> {
    /// The object's environment, kind and name.
    pub key: ObjectKey,
    /// Stable for this object of this store; see `store`.
    pub uid: String,
    /// The resource's name in AWS.
    pub aws_name: String,
    /// What the manifest asks for.
    pub spec: S,
    /// Fields that the manifest sets to null: what they stand for is asked to be absent.
    pub cleared: Vec<Path>,
    /// The spec that the resource was last seen to be in full accord with: what it declares was declared by
    /// somebody.
    pub previous: Option<Arc<Value>>,
    /// Other specs that writes were begun for since then: what they declare may be live, too.
    pub begun: Vec<Arc<Value>>,
    /// Somebody confirmed this form of the object by its name: it may delete, open or lose what is live.
    pub confirmed: bool,
    /// Changes that were confirmed and made: [`Self::ask`] asks about them again.
    pub used: Vec<Path>,
    /// Every tag that the resource shall carry: the environment's, the object's, and ours.
    pub tags: BTreeMap<String, String>,
    /// Paths left out of the diff and of every write.
    pub ignore: Vec<Path>,
    /// Fields that could not be read: nothing is known of them, and nothing is written there.
    pub unread: Vec<Path>,
    /// The id that AWS gave to the resource, when it was last seen.
    pub physical_id: Option<String>,
    /// The job that was started last.
    pub job: Option<StartedJob>,
    /// The version that was published last.
    pub published: Option<String>,
    /// Every version that trueup published and that is not gone, as far as is recorded.
    pub versions: Vec<String>,
    /// The version that this form of the object had when it was ready before; it may be gone.
    pub served: Option<String>,
    /// The version that was this form when it was last ready, whatever form the resource has now.
    pub proven: Option<String>,
    /// The part of the requests that a new version may have; `None` where it gets all at once.
    pub weight: Option<Part>,
    /// When somebody last asked for another try.
    pub asked_at: Option<Timestamp>,
    /// The values behind the spec's references.
    pub resolved: Resolved,
    /// What a resource that has to be made is restored from.
    pub source: Option<DataSource>,
    /// When a create was begun whose end was not recorded yet.
    pub create_begun: Option<Timestamp>,
    /// The resource was seen as ours before.
    pub is_known: bool,
    /// The manifest takes over a resource that is not ours.
    pub adopt: bool,
    /// The uid of the trueup object whose resource the manifest takes over.
    pub adopt_from: Option<String>,
    /// The manifest allows to delete and create the resource again.
    pub allow_replace: bool,
    /// Before data are deleted that somebody asked to delete, they are backed up once more.
    pub keeps_last_backup: bool,
    /// A last backup counts if it was made since then: one of an earlier removal lacks what was written afterwards.
    pub backed_up_since: Option<Timestamp>,
    /// The environment is protected, or the object's deletionPolicy is Retain.
    pub is_kept: bool,
}

impl<S> Desired<S> {
    /// The same object with another form of its spec, as the typed one.
    pub fn with_spec<T>(self, spec: T) -> Desired<T> {
        Desired {
            key: self.key,
            uid: self.uid,
            aws_name: self.aws_name,
            spec,
            cleared: self.cleared,
            previous: self.previous,
            begun: self.begun,
            confirmed: self.confirmed,
            used: self.used,
            tags: self.tags,
            ignore: self.ignore,
            unread: self.unread,
            physical_id: self.physical_id,
            job: self.job,
            published: self.published,
            versions: self.versions,
            served: self.served,
            proven: self.proven,
            weight: self.weight,
            asked_at: self.asked_at,
            resolved: self.resolved,
            source: self.source,
            create_begun: self.create_begun,
            is_known: self.is_known,
            adopt: self.adopt,
            adopt_from: self.adopt_from,
            allow_replace: self.allow_replace,
            keeps_last_backup: self.keeps_last_backup,
            backed_up_since: self.backed_up_since,
            is_kept: self.is_kept,
        }
    }

    /// Compares what is declared with what was seen, which is nothing where the resource does not exist.
    /// `declared` and `live` come from [`comparable`].
    ///
    /// What is ignored is given once, to a resource that trueup makes, and left alone from the first accord on.
    /// Whose a resource is, is never ignored.
    pub fn compare(&self, mut declared: Value, live: LiveSide<'_>, shape: &Shape) -> Comparison {
        let (exists, live) = match live {
            LiveSide::Nothing(live) => (false, live),
            LiveSide::Resource(live) => (true, live),
        };
        for path in &self.cleared {
            set_null(&mut declared, &path.0);
        }
        let is_new = !exists || self.create_begun.is_some();
        let ignored = if is_new { &[][..] } else { &self.ignore };
        let ignored = [ignored, &self.unread].concat();
        self.put_ownership(&mut declared);
        if ignored.is_empty() {
            let changes = diff(&declared, live, shape);
            return Comparison { effective: complete(&declared, live, shape), changes };
        }
        let mut written = declared.clone();
        fill_ignored(&mut declared, live, &ignored, shape, IgnoredAbsent::Dropped);
        fill_ignored(&mut written, live, &ignored, shape, IgnoredAbsent::Kept);
        for side in [&mut declared, &mut written] {
            self.put_ownership(side);
        }
        let changes = diff(&declared, live, shape);
        Comparison { effective: complete(&written, live, shape), changes }
    }

    /// The same object, with some paths left as they are.
    pub fn holding(&self, paths: &[Path]) -> Self
    where
        S: Clone,
    {
        let mut held = self.clone();
        held.unread.extend_from_slice(paths);
        held
    }

    fn put_ownership(&self, value: &mut Value) {
        let ours = self.tags.iter().filter(|(name, _)| name.starts_with(tags::PREFIX));
        for (name, tag) in ours {
            if !value["tags"].is_object() {
                value["tags"] = json!({});
            }
            value["tags"][name] = json!(tag);
        }
    }

    /// Whether the manifest says something of a field: a value, or null.
    pub fn declares(&self, declared: &Value, field: &str) -> bool {
        declared.get(field).is_some_and(|value| !value.is_null())
            || self.cleared.iter().any(|path| path.root() == field)
    }

    /// The forms that may have left something on the resource: the one that it was last in full accord with,
    /// and those that were begun since.
    pub fn earlier(&self) -> impl Iterator<Item = &Value> {
        self.previous.iter().chain(&self.begun).map(Arc::as_ref)
    }

    /// Of changes that would delete, open or lose what is live, those that nobody asked for: no form of the
    /// manifest that was begun since the resource was last as declared says what is live there. They are asked
    /// for, not made.
    pub fn unasked<'a>(
        &self,
        widening: impl Iterator<Item = &'a Change>,
        shape: &Shape,
    ) -> Vec<Unasked> {
        let was_declared = |change: &Change| {
            let mut before = self.earlier().filter_map(|spec| shape.at(spec, &change.path));
            before.any(|before| covers(before, change.live.as_ref()))
        };
        let unasked = widening.filter(|change| !was_declared(change));
        let told =
            |change: &Change| Unasked { path: change.path.clone(), lost: change.path.to_string() };
        unasked.map(told).collect()
    }

    /// The limits of a live policy that the declared one would take away, and that no manifest ever declared.
    pub fn unasked_policy(&self, field: &str, live: Option<&Value>) -> Vec<Unasked>
    where
        S: Serialize,
    {
        let Some((live, wanted, before)) = self.policies(field, live) else { return Vec::new() };
        let before: Vec<_> = before.iter().collect();
        let lost = policy::lost_limits(live, &wanted, &before);
        let told = |statement: String| {
            let lost = format!("{field}.{statement}");
            // A name that is no path stands for the whole policy.
            let path = lost.parse().unwrap_or_else(|_| Path::default().field(field));
            Unasked { path, lost }
        };
        lost.into_iter().map(told).collect()
    }

    /// What is written of a policy while a person is asked about its limits, and what that changes. `None` where nothing
    /// is to be written.
    pub fn policy_beside(&self, field: &str, live: Option<&Value>) -> Option<(Value, Vec<Change>)>
    where
        S: Serialize,
    {
        let (live, wanted, before) = self.policies(field, live)?;
        let before: Vec<_> = before.iter().collect();
        let written = policy::keeping_limits(live, &wanted, &before)?;
        let at = |name: &str| Path::default().field(field).field("Statement").element(name);
        let mut sides: BTreeMap<String, (Option<Value>, Option<Value>)> = BTreeMap::new();
        for (name, statement) in policy::besides(live, &written) {
            sides.entry(name).or_default().0 = Some(statement);
        }
        for (name, statement) in policy::besides(&written, live) {
            sides.entry(name).or_default().1 = Some(statement);
        }
        let change =
            |(name, (live, desired)): (String, _)| Change { path: at(&name), live, desired };
        let changes = sides.into_iter().map(change).collect();
        Some((written, changes))
    }

    /// A live policy, the declared one that differs from it, and those of earlier forms.
    fn policies<'a>(
        &self,
        field: &str,
        live: Option<&'a Value>,
    ) -> Option<(&'a Value, Value, Vec<Value>)>
    where
        S: Serialize,
    {
        let mut declared = json!(self.spec);
        let is_ignored = self.ignore.iter().any(|path| path.to_string() == field);
        let is_declared = self.declares(&declared, field) && !is_ignored;
        let live = live.filter(|live| live.is_object() && is_declared)?;
        let before = self.earlier().filter_map(|spec| spec.get(field)).cloned().collect();
        Some((live, declared[field].take(), before))
    }

    /// Whether the resource may be deleted and made again: its manifest allows it and asks for another kind of
    /// content than before, so that it is not somebody's change by hand that is answered; and what is protected or
    /// retained is confirmed by name. `is_same` says whether an earlier form asked for the same kind of content.
    pub fn may_replace(&self, is_same: impl Fn(&Value) -> bool) -> bool {
        let was_asked_before = self.previous.as_deref().is_some_and(is_same);
        self.allow_replace && !was_asked_before && (!self.is_kept || self.confirmed)
    }

    /// Asks for what changes would take away, unless there is none or a person confirmed it. One question names all
    /// of it: a confirmation is good for all, too.
    pub fn ask(&self, mut unasked: Vec<Unasked>) -> Option<PartlyBlocked> {
        // A rule that was changed once is another one now: a confirmation was for that one.
        let is_used = |path: &Path| {
            let path = path.to_element();
            let meets = |used: &Path| used.0.starts_with(&path.0) || path.0.starts_with(&used.0);
            self.used.iter().map(Path::to_element).any(|used| meets(&used))
        };
        unasked.retain(|unasked| !self.confirmed || is_used(&unasked.path));
        if unasked.is_empty() {
            return None;
        }
        let lost: Vec<_> = unasked.iter().map(|unasked| &*unasked.lost).collect();
        let message = format!(
            "{} is set on the live resource and in no manifest. This change would take it away, and so delete, \
             open or lose something. The change waits. Declare it in the manifest, or confirm that it \
             goes with `trueup apply --confirm {}`",
            lost.join(", "),
            self.key.id
        );
        let why = Blocked { reason: "ConfirmationNeeded", message };
        Some(PartlyBlocked {
            paths: unasked.into_iter().map(|unasked| unasked.path).collect(),
            why,
        })
    }
}

/// What a change would take away although no manifest ever had it.
pub struct Unasked {
    /// The change that waits until a person has answered.
    pub path: Path,
    /// What would be lost, for people.
    pub lost: String,
}

/// Whether an earlier declaration named everything that is live: of a map every key, as of a filter's tags.
fn covers(before: &Value, live: Option<&Value>) -> bool {
    match (before, live) {
        (Value::Object(before), Some(Value::Object(live))) => live
            .iter()
            .all(|(name, live)| before.get(name).is_some_and(|before| covers(before, Some(live)))),
        _ => true,
    }
}

fn set_null(value: &mut Value, path: &[Segment]) {
    match (path, value) {
        ([Segment::Field(name)], Value::Object(map)) => {
            map.insert(name.clone(), Value::Null);
        }
        ([Segment::Field(name), rest @ ..], Value::Object(map)) => {
            let inner = map.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            set_null(inner, rest);
        }
        _ => {}
    }
}

/// The fields of a spec that are null, outside of lists: an element of a list is a whole, and leaves out
/// what it does not want.
pub(super) fn nulls(spec: &Value) -> Vec<Path> {
    fn walk(value: &Value, at: &Path, out: &mut Vec<Path>) {
        for (name, inner) in value.as_object().into_iter().flatten() {
            let here = at.field(name);
            match inner {
                Value::Null => out.push(here),
                inner => walk(inner, &here, out),
            }
        }
    }
    let mut out = Vec::new();
    walk(spec, &Path::default(), &mut out);
    out
}

/// The live side of a comparison.
#[derive(Clone, Copy, Debug)]
pub enum LiveSide<'a> {
    /// There is no resource; what stands for it.
    Nothing(&'a Value),
    /// The resource as it was observed.
    Resource(&'a Value),
}

/// What [`Desired::compare`] found.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// What a write uses: the declared spec with ignored paths, and the undeclared rest of declared
    /// facets, taken from the live one.
    pub effective: Value,
    /// What is declared and differs from the live side.
    pub changes: Vec<Change>,
}

impl Comparison {
    /// The tags that a write puts on: the desired ones, where they are not ignored.
    pub fn tags(&self, desired: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let effective = |name: &String| self.effective["tags"][name].as_str().map(str::to_owned);
        desired.keys().filter_map(|name| Some((name.clone(), effective(name)?))).collect()
    }

    /// The effective value as a spec again, for the fields that a write takes from it.
    pub fn effective_spec<S: DeserializeOwned>(&self) -> Result<S, Blocked> {
        readable(&self.effective)
    }
}

/// A spec with nothing but some of its fields, and `needed` for those that every such spec has: a write that
/// changes a few fields says nothing of the others.
pub fn only<S: Serialize + DeserializeOwned>(
    spec: &S,
    fields: &BTreeSet<&str>,
    mut needed: Value,
) -> Result<S, Blocked> {
    if let Value::Object(all) = json!(spec) {
        for (field, value) in all.into_iter().filter(|(field, _)| fields.contains(field.as_str())) {
            needed[field] = value;
        }
    }
    readable(&needed)
}

/// A value as a spec. One that cannot be read stops the plan: there is nothing that could be written
/// instead.
pub fn readable<S: DeserializeOwned>(value: &Value) -> Result<S, Blocked> {
    S::deserialize(value).map_err(|error| Blocked {
        reason: "NotPlannable",
        message: format!(
            "the manifest and the live resource do not go together ({error}); nothing was written. This \
             is a fault of trueup"
        ),
    })
}

/// A spec as it is compared: without the fields that are about trueup and not about AWS, and with
/// the tags that shall be there.
pub fn comparable(spec: &impl Serialize, tags: &BTreeMap<String, String>) -> Value {
    let mut value = serde_json::to_value(spec).unwrap_or_default();
    if let Value::Object(map) = &mut value {
        for field in ["name", "deletionPolicy", "ignore"] {
            map.remove(field);
        }
        let tags: Map<_, _> = tags
            .iter()
            .filter(|(name, _)| !name.starts_with(tags::AWS_PREFIX))
            .map(|(name, value)| (name.clone(), Value::String(value.clone())))
            .collect();
        map.insert("tags".to_owned(), Value::Object(tags));
    }
    value
}

/// Takes the changes of some facets out of a list of changes.
pub fn split_off(changes: &mut Vec<Change>, roots: &[&str]) -> Vec<Change> {
    let (taken, rest) =
        std::mem::take(changes).into_iter().partition(|change| roots.contains(&change.path.root()));
    *changes = rest;
    taken
}

#[cfg(test)]
impl<S: DeserializeOwned> Desired<S> {
    /// An object of a planner's test: `dev/Kind/name` with a spec, and no tags but its own.
    pub(super) fn sample(kind: &str, spec: Value) -> Self {
        let key =
            ObjectKey { environment: "dev".into(), id: crate::model::ObjectId::new(kind, "it") };
        Self {
            tags: tags::ownership(&key, "uid"),
            uid: "uid".to_owned(),
            aws_name: "dev-it".to_owned(),
            cleared: nulls(&spec),
            previous: None,
            begun: Vec::new(),
            confirmed: false,
            used: Vec::new(),
            spec: serde_json::from_value(spec).expect("a valid spec"),
            ignore: Vec::new(),
            unread: Vec::new(),
            physical_id: None,
            job: None,
            published: None,
            versions: Vec::new(),
            served: None,
            proven: None,
            weight: None,
            asked_at: None,
            resolved: Resolved::default(),
            source: None,
            create_begun: None,
            is_known: false,
            adopt: false,
            adopt_from: None,
            allow_replace: false,
            keeps_last_backup: false,
            backed_up_since: None,
            is_kept: false,
            key,
        }
    }
}
