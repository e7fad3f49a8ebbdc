//! Whether the resource of an object that left its release may be deleted. Pure.
//!
//! Guarantees: whatever protects the resource is taken from the form that was declared last, and from the
//! environment as it is declared now. What no release says was taken out is not deleted.

use serde_json::Value;

use super::world::TakenOut;
use crate::kinds::{AnyKind, kind};
use crate::model::{DeletionPolicy, ObjectKey, annotation};
use crate::plan::Blocked;

/// What becomes of the resource of an object that leaves: what holds data stays, unless its manifest says
/// otherwise.
pub fn deletion_policy(kind: &dyn AnyKind, spec: &Value) -> DeletionPolicy {
    kind.common(spec).deletion_policy.unwrap_or(match kind.holds_data() {
        true => DeletionPolicy::Retain,
        false => DeletionPolicy::Delete,
    })
}

/// What is to become of the resource, or why a person has to say so first. `taken_out` is what the
/// current release says of the object's removal.
pub fn judge_removal(
    key: &ObjectKey,
    taken_out: Option<&TakenOut>,
    environment_is_protected: bool,
) -> Result<DeletionPolicy, Blocked> {
    let (environment, id) = (&key.environment, &key.id);
    let blocked = |reason, message| Err(Blocked { reason, message });
    let Some(taken_out) = taken_out else {
        let message = format!(
            "the release does not have {id}, and does not say that it was taken out; nothing is \
             deleted. Apply its manifest again, or take it out with `trueup delete {environment} {id}`"
        );
        return blocked("RemovalUnrecorded", message);
    };
    let object = &taken_out.object;
    let Some(kind) = kind(&object.kind) else {
        let message = format!("this version of trueup does not know the kind {}", object.kind);
        return blocked("UnknownKind", message);
    };
    let policy = deletion_policy(kind, &object.spec);
    if policy == DeletionPolicy::Retain {
        return Ok(policy);
    }
    if object.annotated(annotation::SUSPEND) {
        let message = format!(
            "{id} was taken out while its manifest said {}: \"true\"; nothing is deleted. Apply it \
             once more without the annotation, then take it out again",
            annotation::SUSPEND
        );
        return blocked("Suspended", message);
    }
    if (environment_is_protected || kind.holds_data()) && !taken_out.confirmed {
        let why =
            if environment_is_protected { "the environment is protected" } else { "it holds data" };
        let message = format!(
            "{why}, and nobody confirmed that {id} is to be deleted. Confirm it with `trueup delete \
             {environment} {id} --confirm {id}`, or apply its manifest again to keep it"
        );
        return blocked("Unconfirmed", message);
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::model::ObjectId;

    fn judged(kind: &str, manifest: Option<Value>, confirmed: bool, protected: bool) -> String {
        let key = ObjectKey { environment: "dev".into(), id: ObjectId::new(kind, "it") };
        let taken_out = manifest.map(|mut object| {
            object["apiVersion"] = json!("trueup.dev/v1alpha1");
            object["kind"] = json!(kind);
            object["metadata"]["name"] = json!("it");
            let object = Arc::new(serde_json::from_value(object).unwrap());
            TakenOut { object, digest: String::new(), confirmed, at: None, release: 0 }
        });
        match judge_removal(&key, taken_out.as_ref(), protected) {
            Ok(policy) => format!("{policy:?}"),
            Err(blocked) => blocked.reason.to_owned(),
        }
    }

    #[test]
    fn what_protects_the_last_form_protects_the_resource() {
        let plain = json!({"metadata": {}, "spec": {}});
        let deletes = json!({"metadata": {}, "spec": {"deletionPolicy": "Delete"}});
        let retains = json!({"metadata": {}, "spec": {"deletionPolicy": "Retain"}});
        let suspended = json!({
            "metadata": {"annotations": {"trueup.dev/suspend": "true"}},
            "spec": {"deletionPolicy": "Delete"},
        });
        let (confirmed, protected) = (true, true);
        for (kind, manifest, is_confirmed, is_protected, expected) in [
            ("Function", Some(&plain), !confirmed, !protected, "Delete"),
            ("Function", Some(&plain), !confirmed, protected, "Unconfirmed"),
            ("Function", Some(&plain), confirmed, protected, "Delete"),
            ("Function", Some(&retains), confirmed, protected, "Retain"),
            ("Function", Some(&suspended), confirmed, !protected, "Suspended"),
            ("Function", None, confirmed, !protected, "RemovalUnrecorded"),
            ("Table", Some(&plain), !confirmed, !protected, "Retain"),
            ("Table", Some(&deletes), !confirmed, !protected, "Unconfirmed"),
            ("Table", Some(&deletes), confirmed, !protected, "Delete"),
            ("Table", Some(&suspended), confirmed, !protected, "Suspended"),
            ("Table", None, confirmed, !protected, "RemovalUnrecorded"),
            ("Queue", Some(&deletes), confirmed, !protected, "UnknownKind"),
        ] {
            let got = judged(kind, manifest.cloned(), is_confirmed, is_protected);
            assert_eq!(got, expected, "{kind} {manifest:?} {is_confirmed} {is_protected}");
        }
    }
}
