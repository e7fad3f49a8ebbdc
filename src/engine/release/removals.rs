//! What may leave an environment, and what has to be confirmed by name first.

use serde::Deserialize;

use super::Refused;
use crate::engine::removal::deletion_policy;
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::kinds::kind;
use crate::model::{DeletionPolicy, Object, ObjectId};

/// What a person has said may leave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Confirmed<'a> {
    /// These objects, by name.
    pub objects: &'a [ObjectId],
    /// So many resources may be deleted at most, whatever the environment says.
    pub deletions: Option<usize>,
}

impl Confirmed<'_> {
    /// However many: what is shown before anything is recorded, or undoes what a release has just brought.
    pub const ANY_NUMBER: Option<usize> = Some(usize::MAX);
}

/// The objects that leave. Refused where one must be confirmed by name and was not: tables and buckets
/// everywhere, anything in a protected environment. Refused too where more resources would be deleted than the
/// environment lets go at once, as it is before the release.
pub fn check_removals(
    environment: &str,
    before: &[Object],
    after: &[Object],
    confirmed: Confirmed<'_>,
) -> Result<Vec<ObjectId>, Refused> {
    let kept: Vec<_> = after.iter().map(Object::id).collect();
    let leaving: Vec<_> = before.iter().filter(|object| !kept.contains(&object.id())).collect();
    let removed: Vec<_> = leaving.iter().map(|object| object.id()).collect();
    let is_protected = specs(before).chain(specs(after)).any(|spec| spec.protected == Some(true));
    let needs_word =
        |id: &&ObjectId| is_protected || kind(&id.kind).is_some_and(|k| k.holds_data());
    let is_unconfirmed = |id: &&ObjectId| !confirmed.objects.contains(id);
    let unconfirmed: Vec<_> =
        removed.iter().filter(needs_word).filter(is_unconfirmed).cloned().collect();
    if !unconfirmed.is_empty() {
        return Err(Refused::Unconfirmed {
            environment: environment.to_owned(),
            objects: unconfirmed,
            is_protected,
        });
    }
    let objects = before.iter().filter(|object| object.kind != environment::NAME).count();
    let declared = specs(before).next().unwrap_or_default().deletions_max(objects);
    let most = confirmed.deletions.unwrap_or(declared);
    let deletes = |object: &&&Object| {
        object.kind != environment::NAME
            && kind(&object.kind)
                .is_some_and(|kind| deletion_policy(kind, &object.spec) == DeletionPolicy::Delete)
    };
    let deleted = leaving.iter().filter(deletes).map(|object| object.id());
    let deleted: Vec<_> = deleted.filter(|id| is_unconfirmed(&id)).collect();
    if deleted.len() > most {
        let environment = environment.to_owned();
        return Err(Refused::TooManyDeletions { environment, objects: deleted, most });
    }
    Ok(removed)
}

/// Objects whose resources are deleted when they leave, unless something protects them.
pub fn deleted<'a>(before: &'a [Object], after: &'a [Object]) -> impl Iterator<Item = &'a Object> {
    let leaves = |object: &&Object| !after.iter().any(|other| other.id() == object.id());
    let is_deleted = |object: &&Object| {
        kind(&object.kind)
            .is_some_and(|kind| deletion_policy(kind, &object.spec) == DeletionPolicy::Delete)
    };
    before.iter().filter(leaves).filter(is_deleted)
}

fn specs(objects: &[Object]) -> impl Iterator<Item = EnvironmentSpec> {
    let environments = objects.iter().filter(|object| object.kind == environment::NAME);
    environments.filter_map(|object| EnvironmentSpec::deserialize(&*object.spec).ok())
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

/// Fields that a form declares and an earlier one does not, by object. Going back leaves them in AWS as they are.
pub fn left_as_they_are(before: &[Object], after: &[Object]) -> Vec<(ObjectId, Vec<String>)> {
    let fields = |object: &Object| {
        let said = object.spec.as_object().into_iter().flatten();
        // These say what trueup does, and stand nowhere in AWS.
        let said = said
            .filter(|(name, _)| !["deletionPolicy", "ignore", "rollout"].contains(&name.as_str()));
        said.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let of = |object: &Object| {
        let present = before.iter().find(|present| present.id() == object.id())?;
        let (known, mut more) = (fields(object), fields(present));
        more.retain(|name| !known.contains(name));
        (!more.is_empty() && object.kind != environment::NAME).then(|| (object.id(), more))
    };
    after.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::object;
    use super::*;

    #[test]
    fn tables_leave_only_when_confirmed_by_name() {
        let before = [object("Table", "orders", json!({})), object("Function", "api", json!({}))];
        let refused =
            check_removals("dev", &before, &[], Confirmed::default()).unwrap_err().to_string();
        assert!(refused.contains("--confirm Table/orders"), "{refused}");
        assert!(!refused.contains("Function/api"), "{refused}");
        let named = [ObjectId::new("Table", "orders")];
        let confirmed = Confirmed { objects: &named, ..Confirmed::default() };
        assert_eq!(check_removals("dev", &before, &[], confirmed).unwrap().len(), 2);
    }

    #[test]
    fn a_protected_environment_asks_for_every_object() {
        let before = [
            object("Environment", "prod", json!({"protected": true})),
            object("Function", "api", json!({})),
        ];
        let refused = check_removals("prod", &before, &before[..1], Confirmed::default());
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("--confirm Function/api"), "{refused}");
    }

    #[test]
    fn more_resources_than_an_environment_lets_go_at_once_are_refused() {
        let functions =
            |count: usize| (0..count).map(|i| object("Function", &format!("f{i}"), json!({})));
        let retained = |count: usize| {
            let kept = json!({"deletionPolicy": "Retain"});
            (0..count).map(move |i| object("Function", &format!("kept{i}"), kept.clone()))
        };
        let environment = |spec| object("Environment", "dev", spec);
        let limited = json!({"reconcile": {"maxDeletions": 2}});
        let names: Vec<_> = functions(1).map(|object| object.id()).collect();
        for (what, spec, all, left, confirmed, refused) in [
            ("ten of ten", json!({}), 10, 0, Confirmed::default(), None),
            (
                "eleven of eleven",
                json!({}),
                11,
                0,
                Confirmed::default(),
                Some("--confirm-deletions 11"),
            ),
            ("a third of sixty", json!({}), 57, 37, Confirmed::default(), None),
            (
                "more than a third of sixty",
                json!({}),
                57,
                36,
                Confirmed::default(),
                Some("at most 20"),
            ),
            ("two where two may go", limited.clone(), 5, 3, Confirmed::default(), None),
            (
                "three where two may go",
                limited.clone(),
                5,
                2,
                Confirmed::default(),
                Some("at most 2"),
            ),
            (
                "three, one of them by name",
                limited.clone(),
                3,
                0,
                Confirmed { objects: &names, deletions: None },
                None,
            ),
            (
                "as many as were confirmed",
                limited.clone(),
                5,
                0,
                Confirmed { objects: &[], deletions: Some(5) },
                None,
            ),
            (
                "more than were confirmed",
                json!({}),
                5,
                0,
                Confirmed { objects: &[], deletions: Some(4) },
                Some("at most 4"),
            ),
        ] {
            // What is retained is not deleted.
            let before: Vec<_> =
                [environment(spec)].into_iter().chain(functions(all)).chain(retained(3)).collect();
            let after: Vec<_> = before[..1].iter().cloned().chain(functions(left)).collect();
            let checked = check_removals("dev", &before, &after, confirmed);
            match (checked, refused) {
                (Ok(removed), None) => assert_eq!(removed.len(), all - left + 3, "{what}"),
                (Err(error), Some(says)) => {
                    assert!(error.to_string().contains(says), "{what}: {error}");
                }
                (checked, _) => panic!("{what}: {checked:?}"),
            }
        }
        // The release cannot lift its own limit.
        let before: Vec<_> = [environment(limited)].into_iter().chain(functions(5)).collect();
        let after = [environment(json!({"reconcile": {"maxDeletions": 100}}))];
        assert!(check_removals("dev", &before, &after, Confirmed::default()).is_err());
    }
}
