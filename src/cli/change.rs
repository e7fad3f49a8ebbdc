//! Rules for every act that moves a head: apply, delete, rollback.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::CliError;
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::kinds::kind;
use crate::model::{Object, ObjectId};

/// Refuses to drop what must be confirmed by name: tables and buckets everywhere, and anything in a
/// protected environment.
pub(super) fn check_removals(
    environment: &str,
    before: &[Object],
    after: &[Object],
    confirmed: &[ObjectId],
) -> Result<Vec<ObjectId>, CliError> {
    let kept: Vec<_> = after.iter().map(Object::id).collect();
    let removed: Vec<_> = before.iter().map(Object::id).filter(|id| !kept.contains(id)).collect();
    let is_protected = before.iter().chain(after).any(|o| {
        o.kind == environment::NAME
            && EnvironmentSpec::deserialize(&o.spec).is_ok_and(|s| s.protected == Some(true))
    });
    let unconfirmed: Vec<_> = removed
        .iter()
        .filter(|id| is_protected || kind(&id.kind).is_some_and(|k| k.holds_data()))
        .filter(|id| !confirmed.contains(id))
        .map(ToString::to_string)
        .collect();
    if unconfirmed.is_empty() {
        return Ok(removed);
    }
    let flags: Vec<_> = unconfirmed.iter().map(|id| format!("--confirm {id}")).collect();
    let why = if is_protected { "the environment is protected" } else { "it holds data" };
    Err(CliError::refused(format!(
        "{environment} would lose {}, and {why}; nothing was recorded. If that is meant, add: {}",
        unconfirmed.join(", "),
        flags.join(" ")
    )))
}

/// Whether the Environment changed where its objects live or what they are all tagged with.
pub(super) fn moves_all(before: &[Object], after: &[Object]) -> bool {
    let shared = |objects: &[Object]| {
        let environment = objects.iter().find(|o| o.kind == environment::NAME)?;
        Some((environment.spec.get("aws").cloned(), environment.spec.get("tags").cloned()))
    };
    !before.is_empty() && shared(before) != shared(after)
}

/// Objects of a release with some replaced, added, or taken out.
pub(super) fn merged(before: &[Object], given: Vec<Object>, prune: bool) -> Vec<Object> {
    let mut all: BTreeMap<ObjectId, Object> = BTreeMap::new();
    if !prune {
        all.extend(before.iter().map(|o| (o.id(), o.clone())));
    }
    all.extend(given.into_iter().map(|o| (o.id(), o)));
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, name: &str, spec: serde_json::Value) -> Object {
        serde_json::from_value(json!({
            "apiVersion": "trueup.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn tables_leave_only_when_confirmed_by_name() {
        let before = [object("Table", "orders", json!({})), object("Function", "api", json!({}))];
        let refused = check_removals("dev", &before, &[], &[]).unwrap_err().to_string();
        assert!(refused.contains("--confirm Table/orders"), "{refused}");
        assert!(!refused.contains("Function/api"), "{refused}");
        let confirmed = [ObjectId::new("Table", "orders")];
        assert_eq!(check_removals("dev", &before, &[], &confirmed).unwrap().len(), 2);
    }

    #[test]
    fn a_protected_environment_asks_for_every_object() {
        let before = [
            object("Environment", "prod", json!({"protected": true})),
            object("Function", "api", json!({})),
        ];
        let refused = check_removals("prod", &before, &before[..1], &[]).unwrap_err().to_string();
        assert!(refused.contains("--confirm Function/api"), "{refused}");
    }
}
