//! What may leave an environment, and what has to be confirmed by name first.

use serde::Deserialize;

use super::Refused;
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::kinds::kind;
use crate::model::{Object, ObjectId};

/// The objects that leave. Refused where one must be confirmed by name and was not: tables and buckets
/// everywhere, anything in a protected environment.
pub fn check_removals(
    environment: &str,
    before: &[Object],
    after: &[Object],
    confirmed: &[ObjectId],
) -> Result<Vec<ObjectId>, Refused> {
    let kept: Vec<_> = after.iter().map(Object::id).collect();
    let removed: Vec<_> = before.iter().map(Object::id).filter(|id| !kept.contains(id)).collect();
    let is_protected = before.iter().chain(after).any(|o| {
        o.kind == environment::NAME
            && EnvironmentSpec::deserialize(&*o.spec).is_ok_and(|s| s.protected == Some(true))
    });
    let needs_word =
        |id: &&ObjectId| is_protected || kind(&id.kind).is_some_and(|k| k.holds_data());
    let unconfirmed: Vec<_> =
        removed.iter().filter(needs_word).filter(|id| !confirmed.contains(id)).cloned().collect();
    if unconfirmed.is_empty() {
        return Ok(removed);
    }
    Err(Refused::Unconfirmed {
        environment: environment.to_owned(),
        objects: unconfirmed,
        is_protected,
    })
}

/// What data, or way back to it, goes with the new forms of objects that stay, by object.
pub fn losses(before: &[Object], after: &[Object]) -> Vec<(ObjectId, String)> {
    let mut losses = Vec::new();
    for object in after {
        let Some(earlier) = before.iter().find(|earlier| earlier.id() == object.id()) else {
            continue;
        };
        let lost = kind(&object.kind).map(|kind| kind.losses(&earlier.spec, &object.spec));
        losses.extend(lost.into_iter().flatten().map(|what| (object.id(), what)));
    }
    losses
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::object;
    use super::*;

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
