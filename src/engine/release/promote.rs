//! What moves from one environment to another: code and artifacts; everything else stays each environment's own.
//! Pure.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::protections::keep_safe;
use crate::kinds::S3Location;
use crate::kinds::environment::Artifacts;
use crate::model::{Object, ObjectId};

/// The fields that hold what was built.
pub const BUILT: [&str; 2] = ["code", "artifact"];

/// Where in S3 lies what an object runs.
pub fn packages_in(object: &Object) -> Vec<S3Location> {
    let built = BUILT.iter().filter_map(|field| object.spec.get(field)?.get("s3"));
    built.filter_map(|place| S3Location::deserialize(place).ok()).collect()
}

/// Which objects move, and how much of them.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Those alone; every object of both environments where it is empty.
    pub only: Vec<ObjectId>,
    /// Objects of which everything moves, not what was built alone.
    pub whole: Vec<ObjectId>,
}

/// What another environment becomes.
#[derive(Debug, Default)]
pub struct Promotion {
    /// All its objects.
    pub objects: Vec<Object>,
    /// Those that change.
    pub changed: Vec<ObjectId>,
    /// What has to be in the other environment's bucket first.
    pub copies: Vec<Copied>,
    /// Objects that only the first environment has: their manifests say what they are in the other.
    pub missing: Vec<ObjectId>,
}

/// A package that moves from one bucket to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The object that runs the package.
    pub object: ObjectId,
    /// Where it lies now.
    pub from: S3Location,
    /// Where it has to lie, for the other environment.
    pub to: S3Location,
}

/// Puts what was built for `from` into the objects of `to`. `buckets` are the artifacts of both environments: what
/// trueup packaged for the first lies in its bucket, and is copied to the other's.
pub fn promote(
    from: &[Object],
    to: &[Object],
    buckets: (Option<&Artifacts>, Option<&Artifacts>),
    selection: &Selection,
) -> Promotion {
    let mut promotion = Promotion::default();
    let is_meant = |id: &ObjectId| {
        let is_named = selection.only.contains(id) || selection.whole.contains(id);
        is_named || selection.only.is_empty()
    };
    for object in to {
        let source = from.iter().find(|o| o.id() == object.id()).filter(|o| is_meant(&o.id()));
        let mut moved = object.clone();
        if let Some(source) = source {
            let is_whole = selection.whole.contains(&object.id());
            take(source, &mut moved, is_whole, buckets, &mut promotion.copies);
        }
        if moved != *object {
            promotion.changed.push(object.id());
        }
        promotion.objects.push(moved);
    }
    let is_new = |o: &&Object| is_meant(&o.id()) && !to.iter().any(|other| other.id() == o.id());
    let has_build = |o: &&Object| BUILT.iter().any(|field| o.spec.get(field).is_some());
    promotion.missing = from.iter().filter(is_new).filter(has_build).map(Object::id).collect();
    promotion
}

fn take(
    source: &Object,
    moved: &mut Object,
    is_whole: bool,
    (ours, theirs): (Option<&Artifacts>, Option<&Artifacts>),
    copies: &mut Vec<Copied>,
) {
    let id = moved.id();
    let before = moved.clone();
    if is_whole {
        // A resource keeps the name that it has in AWS.
        let name = moved.spec.get("name").cloned();
        moved.spec = Arc::clone(&source.spec);
        if let Some(fields) = Arc::make_mut(&mut moved.spec).as_object_mut() {
            fields.remove("name");
            fields.extend(name.map(|name| ("name".to_owned(), name)));
        }
        keep_safe(moved, &before);
    }
    for field in BUILT {
        let Some(built) = source.spec.get(field) else { continue };
        let spec = Arc::make_mut(&mut moved.spec);
        spec[field] = built.clone();
        let Ok(from) = S3Location::deserialize(&built["s3"]) else { continue };
        let is_ours = ours.is_some_and(|ours| ours.bucket == from.bucket);
        let (Some(theirs), true, Some(sha256)) = (theirs, is_ours, &from.sha256) else { continue };
        // By its digest, as a package lies everywhere: it takes no other's place.
        let key = format!("{}{sha256}.zip", theirs.prefix.as_deref().unwrap_or_default());
        let to = S3Location { bucket: theirs.bucket.clone(), key, version: None, ..from.clone() };
        spec[field] = json!({ "s3": to });
        if to != from {
            copies.push(Copied { object: id.clone(), from, to });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::object;
    use super::*;

    /// `build` is the digest of what it runs, in short.
    fn function(memory: u32, build: &str, bucket: &str) -> Object {
        let (prefix, sha256) =
            (if bucket == "live" { "production/" } else { "" }, build.repeat(32));
        let key = format!("{prefix}{sha256}.zip");
        let s3 = json!({"bucket": bucket, "key": key, "sha256": sha256});
        object("Function", "api", json!({"memorySize": memory, "code": {"s3": s3}}))
    }

    fn bucket(name: &str, prefix: Option<&str>) -> Artifacts {
        Artifacts { bucket: name.to_owned(), prefix: prefix.map(str::to_owned) }
    }

    #[test]
    fn code_moves_and_everything_else_stays() {
        let (ours, theirs) = (bucket("staging", None), bucket("live", Some("production/")));
        let from = [function(128, "ab", "staging"), object("Table", "orders", json!({"a": 1}))];
        let to = [function(1024, "01", "live"), object("Table", "orders", json!({"a": 2}))];
        let buckets = (Some(&ours), Some(&theirs));
        let promotion = promote(&from, &to, buckets, &Selection::default());
        assert_eq!(promotion.objects[0], function(1024, "ab", "live"));
        assert_eq!(promotion.objects[1], to[1]);
        assert_eq!(promotion.changed, [to[0].id()]);
        assert_eq!(promotion.copies[0].to.key, format!("production/{}.zip", "ab".repeat(32)));
        let again = promote(&from, &promotion.objects, buckets, &Selection::default());
        assert_eq!(again.changed, [], "promoting again changes nothing");
    }

    #[test]
    fn what_is_named_moves_and_as_a_whole_where_that_is_asked_for() {
        let (ours, theirs) = (bucket("one", None), bucket("one", None));
        let from = [function(128, "ab", "one"), object("Frontend", "web", json!({"artifact": 1}))];
        let to = [function(1024, "01", "one")];
        let buckets = (Some(&ours), Some(&theirs));
        let web = ObjectId::new("Frontend", "web");
        let api = to[0].id();
        for (selection, memory, build, missing) in [
            (Selection::default(), 1024, "ab", vec![web.clone()]),
            (Selection { only: vec![web.clone()], ..Selection::default() }, 1024, "01", vec![web]),
            (Selection { only: vec![api.clone()], ..Selection::default() }, 1024, "ab", vec![]),
            (Selection { whole: vec![api.clone()], only: vec![api] }, 128, "ab", vec![]),
        ] {
            let promotion = promote(&from, &to, buckets, &selection);
            assert_eq!(promotion.objects[0], function(memory, build, "one"), "{selection:?}");
            assert_eq!(promotion.missing, missing, "{selection:?}");
            assert_eq!(promotion.copies, [], "one bucket");
        }
    }
    #[test]
    fn what_keeps_a_resource_stays_whatever_moves() {
        let from = [object("Table", "orders", json!({"a": 1, "deletionPolicy": "Delete"}))];
        let id = from[0].id();
        let whole = Selection { whole: vec![id], ..Selection::default() };
        for (own, expected) in [("Retain", "Retain"), ("Delete", "Delete")] {
            let to = [object("Table", "orders", json!({"a": 2, "deletionPolicy": own}))];
            let spec = &promote(&from, &to, (None, None), &whole).objects[0].spec;
            assert_eq!(**spec, json!({"a": 1, "deletionPolicy": expected}), "{own}");
        }
    }
}
