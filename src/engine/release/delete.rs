//! Taking objects out of an environment.

use std::collections::BTreeMap;

use super::{Confirmed, Current, MoveError, Refused, Submitted, check_removals, submit};
use crate::kinds::environment;
use crate::model::{Object, ObjectId, object_references};
use crate::store::{Cause, Head, NewRelease, Store};

/// Takes objects out: those of the current release, and those that left an earlier one and are still there.
pub async fn delete(
    store: &Store,
    head: &Head,
    current: Current,
    objects: &[ObjectId],
    confirmed: &[ObjectId],
    new: NewRelease,
) -> Result<Submitted, MoveError> {
    let name = &head.environment;
    let mut statuses = store.statuses(name).await?;
    let has_records = !statuses.is_empty();
    let is_current = |id: &ObjectId| current.objects.iter().any(|o| o.id() == *id);
    let mut taken_out = BTreeMap::new();
    for id in objects.iter().filter(|id| !is_current(id)) {
        // It left the release, and is still there.
        let status = statuses.remove(id).ok_or_else(|| Refused::NoSuchObject {
            environment: name.clone(),
            object: id.clone(),
        })?;
        taken_out.insert(id.clone(), status?.spec_digest);
    }
    let kept: Vec<_> =
        current.objects.iter().filter(|o| !objects.contains(&o.id())).cloned().collect();
    check_references(&kept, objects)?;
    let takes_environment = objects.iter().any(|id| &*id.kind == environment::NAME);
    if takes_environment && (has_records || !kept.is_empty()) {
        return Err(Refused::EnvironmentInUse { environment: name.clone() }.into());
    }
    taken_out.retain(|_, digest| !digest.is_empty());
    let digests = taken_out.values().cloned().collect();
    let mut before = current.objects.clone();
    before.extend(store.objects(name, &digests).await?.into_values());
    // Each was named.
    let may_leave = Confirmed { objects: confirmed, deletions: Confirmed::ANY_NUMBER };
    check_removals(name, &before, &kept, may_leave)?;
    let confirmed = confirmed.iter().cloned().collect();
    let holds = head.holds_after_apply();
    let new =
        NewRelease { cause: Cause::Delete, objects: kept, confirmed, taken_out, holds, ..new };
    Ok(submit(store, name, &current, new).await?)
}

fn check_references(kept: &[Object], leaving: &[ObjectId]) -> Result<(), Refused> {
    for object in kept {
        let references = object_references(&object.spec);
        if let Some(reference) = references.iter().find(|r| leaving.contains(&r.id())) {
            return Err(Refused::StillReferredTo { object: object.id(), to: reference.id() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::object;
    use super::*;

    #[test]
    fn what_is_referred_to_leaves_only_with_those_that_refer() {
        let reference = json!({"objectRef": {"kind": "Table", "name": "orders", "field": "arn"}});
        let api =
            object("Function", "api", json!({"env": [{"name": "T", "valueFrom": reference}]}));
        let orders = ObjectId::new("Table", "orders");
        let refused = check_references(&[api], std::slice::from_ref(&orders)).unwrap_err();
        assert!(refused.to_string().contains("Function/api refers to Table/orders"), "{refused}");
        assert!(check_references(&[], &[orders]).is_ok());
    }
}
