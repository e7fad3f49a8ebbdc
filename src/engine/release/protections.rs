//! What a rollback does not take back: the protections that stand in the release that it leaves. Pure.
//!
//! Guarantees: whatever keeps data, or keeps trueup's hands off, was declared last by a person, and is undone by a
//! person alone. A release that failed for another reason takes no `deletionPolicy: Retain` with it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Current, needs_approval};
use crate::engine::removal::deletion_policy;
use crate::kinds::environment::{self, Approval, DriftPolicy};
use crate::kinds::kind;
use crate::model::{DeletionPolicy, Object, annotation};

/// Whether what keeps trueup from writing stays too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All: nobody asked to go back.
    All,
    /// What keeps data and accounts safe. A person asked for the earlier state, and `suspend`, `ignore` or
    /// `drift: Report` of the release that is left would keep trueup from writing it.
    Safety,
}

/// Puts the protections of the current objects into what becomes current in their place.
pub(super) fn keep_protections(objects: &mut [Object], current: &Current, kept: Kept) {
    for object in objects.iter_mut() {
        let present = current.objects.iter().find(|present| present.id() == object.id());
        let Some(present) = present else { continue };
        if object.kind == environment::NAME {
            keep_of_environment(object, present, kept);
        } else {
            keep_of_resource(object, present, kept);
        }
    }
    if needs_approval(current) {
        // A rollback waits for nobody, so it does not take away that releases have to be approved.
        for object in objects.iter_mut().filter(|object| object.kind == environment::NAME) {
            set(object, "approval", json!(Approval::Required));
        }
    }
}

fn keep_of_environment(object: &mut Object, present: &Object, kept: Kept) {
    for field in ["protected", "requireSignature"] {
        if present.spec.get(field) == Some(&Value::Bool(true)) {
            set(object, field, Value::Bool(true));
        }
    }
    let report = json!(DriftPolicy::Report);
    if kept == Kept::All && present.spec.pointer("/reconcile/drift") == Some(&report) {
        let mut reconcile = object.spec.get("reconcile").cloned().unwrap_or(json!({}));
        if let Some(fields) = reconcile.as_object_mut() {
            fields.insert("drift".to_owned(), report);
            set(object, "reconcile", reconcile);
        }
    }
}

/// Puts what protects a resource into a form that was not written for it.
pub(super) fn keep_safe(object: &mut Object, present: &Object) {
    keep_of_resource(object, present, Kept::Safety);
}

fn keep_of_resource(object: &mut Object, present: &Object, kept: Kept) {
    let policy = |object: &Object| kind(&object.kind).map(|k| deletion_policy(k, &object.spec));
    let retain = Some(DeletionPolicy::Retain);
    if policy(present) == retain && policy(object) != retain {
        set(object, "deletionPolicy", json!(DeletionPolicy::Retain));
    }
    if object.denies(annotation::LAST_BACKUP) && !present.denies(annotation::LAST_BACKUP) {
        object.metadata.annotations.remove(annotation::LAST_BACKUP);
    }
    if object.annotated(annotation::ALLOW_REPLACE) && !present.annotated(annotation::ALLOW_REPLACE)
    {
        object.metadata.annotations.remove(annotation::ALLOW_REPLACE);
    }
    if kept == Kept::Safety {
        return;
    }
    if present.annotated(annotation::SUSPEND) {
        let suspend = (annotation::SUSPEND.to_owned(), "true".to_owned());
        object.metadata.annotations.extend([suspend]);
    }
    let paths = |object: &Object| object.spec.get("ignore").and_then(Value::as_array).cloned();
    let mut ignored = paths(object).unwrap_or_default();
    let added: Vec<_> =
        paths(present).into_iter().flatten().filter(|path| !ignored.contains(path)).collect();
    if !added.is_empty() {
        ignored.extend(added);
        set(object, "ignore", Value::Array(ignored));
    }
}

/// Validation has made every spec a map; what is none stalls by itself.
fn set(object: &mut Object, field: &str, value: Value) {
    let spec: Option<&mut Map<_, _>> = Arc::make_mut(&mut object.spec).as_object_mut();
    if let Some(spec) = spec {
        spec.insert(field.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::object;
    use super::*;

    fn kept(kind: &str, target: Value, present: Value, kept: Kept) -> Value {
        let made = |form: Value| -> Object {
            let mut object = object(kind, "it", form["spec"].clone());
            let annotations = form.get("annotations").cloned().unwrap_or(json!({}));
            object.metadata.annotations = serde_json::from_value(annotations).unwrap();
            object
        };
        let mut objects = [made(target)];
        let current = Current { objects: vec![made(present)], ..Current::default() };
        keep_protections(&mut objects, &current, kept);
        let annotations = &objects[0].metadata.annotations;
        json!({"spec": objects[0].spec, "annotations": annotations})
    }

    #[test]
    fn what_was_protected_last_is_protected_after_a_rollback() {
        let form =
            |spec: Value, annotations: Value| json!({"spec": spec, "annotations": annotations});
        let plain = |spec: Value| form(spec, json!({}));
        let of = |name: &str, value: &str| form(json!({}), json!({name: value}));
        let none = || form(json!({}), json!({}));
        let rows = [
            // What keeps data and accounts safe stays in every rollback.
            (
                "Function",
                plain(json!({"memorySize": 128})),
                plain(json!({"memorySize": 512, "deletionPolicy": "Retain"})),
                plain(json!({"memorySize": 128, "deletionPolicy": "Retain"})),
                plain(json!({"memorySize": 128, "deletionPolicy": "Retain"})),
            ),
            (
                "Table",
                plain(json!({"deletionPolicy": "Delete"})),
                none(),
                plain(json!({"deletionPolicy": "Retain"})),
                plain(json!({"deletionPolicy": "Retain"})),
            ),
            ("Table", none(), plain(json!({"deletionPolicy": "Retain"})), none(), none()),
            ("Table", of(annotation::LAST_BACKUP, "false"), none(), none(), none()),
            ("Function", of(annotation::ALLOW_REPLACE, "true"), none(), none(), none()),
            (
                "Environment",
                plain(json!({"protected": false})),
                plain(json!({"protected": true, "requireSignature": true, "approval": "Required"})),
                plain(json!({"protected": true, "requireSignature": true, "approval": "Required"})),
                plain(json!({"protected": true, "requireSignature": true, "approval": "Required"})),
            ),
            // What keeps trueup from writing gives way to a person who wants the earlier state.
            (
                "Function",
                none(),
                of(annotation::SUSPEND, "true"),
                of(annotation::SUSPEND, "true"),
                none(),
            ),
            (
                "Function",
                plain(json!({"ignore": ["timeout"]})),
                plain(json!({"ignore": ["memorySize", "timeout"]})),
                plain(json!({"ignore": ["timeout", "memorySize"]})),
                plain(json!({"ignore": ["timeout"]})),
            ),
            (
                "Environment",
                plain(json!({"reconcile": {"interval": "30s"}})),
                plain(json!({"reconcile": {"drift": "Report"}})),
                plain(json!({"reconcile": {"interval": "30s", "drift": "Report"}})),
                plain(json!({"reconcile": {"interval": "30s"}})),
            ),
            // What the release that is left no longer protects is as the earlier one has it.
            (
                "Function",
                form(json!({"deletionPolicy": "Retain"}), json!({annotation::SUSPEND: "true"})),
                plain(json!({"deletionPolicy": "Delete"})),
                form(json!({"deletionPolicy": "Retain"}), json!({annotation::SUSPEND: "true"})),
                form(json!({"deletionPolicy": "Retain"}), json!({annotation::SUSPEND: "true"})),
            ),
        ];
        for (kind, target, present, all, safety) in rows {
            for (which, expected) in [(Kept::All, all), (Kept::Safety, safety)] {
                let result = kept(kind, target.clone(), present.clone(), which);
                assert_eq!(result, expected, "{kind} {target} after {present}, {which:?}");
            }
        }
    }
}
