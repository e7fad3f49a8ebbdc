//! What a bucket loses by going from one declared form to another. Pure.

use super::spec::{BucketSpec, LifecycleRule, Versioning};

pub(super) fn losses(before: &BucketSpec, after: &BucketSpec) -> Vec<String> {
    let mut losses = Vec::new();
    if before.versioning == Some(Versioning::Enabled)
        && after.versioning == Some(Versioning::Suspended)
    {
        losses.push("what is overwritten or deleted leaves no version any more".to_owned());
    }
    let earlier = before.lifecycle.iter().flatten();
    for rule in after.lifecycle.iter().flatten().filter(|rule| expires(rule)) {
        // The same filter, and no sooner.
        let is_no_worse =
            earlier.clone().any(|other| other.id == rule.id && !is_sooner(other, rule));
        if !is_no_worse {
            losses.push(format!("lifecycle rule {} deletes objects, or sooner than now", rule.id));
        }
    }
    losses
}

fn expires(rule: &LifecycleRule) -> bool {
    rule.enabled != Some(false)
        && (rule.expiration_days.is_some()
            || rule.expiration_date.is_some()
            || rule.noncurrent_version_expiration_days.is_some())
}

/// A rule deletes what another one left, or earlier.
fn is_sooner(before: &LifecycleRule, after: &LifecycleRule) -> bool {
    let days = |before: Option<i32>, after: Option<i32>| match (before, after) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) => after < before,
    };
    let filter = |rule: &LifecycleRule| {
        let LifecycleRule { prefix, tags, object_size_greater_than, object_size_less_than, .. } =
            rule;
        (prefix.clone(), tags.clone(), *object_size_greater_than, *object_size_less_than)
    };
    before.enabled == Some(false)
        || filter(before) != filter(after)
        || before.expiration_date != after.expiration_date && after.expiration_date.is_some()
        || days(before.expiration_days, after.expiration_days)
        || days(before.noncurrent_version_expiration_days, after.noncurrent_version_expiration_days)
        || after.newer_noncurrent_versions < before.newer_noncurrent_versions
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_expires_sooner_or_leaves_no_version_is_a_loss() {
        let spec = |spec: Value| -> BucketSpec { serde_json::from_value(spec).unwrap() };
        let rule = |more: Value| {
            let mut rule = json!({"id": "logs", "prefix": "logs/"});
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"lifecycle": [rule]})
        };
        let sooner = vec!["lifecycle rule logs deletes objects, or sooner than now"];
        let versioning = |state: &str| json!({"versioning": state});
        for (before, after, expected) in [
            (
                rule(json!({"expirationDays": 90})),
                rule(json!({"expirationDays": 30})),
                sooner.clone(),
            ),
            (rule(json!({"expirationDays": 30})), rule(json!({"expirationDays": 90})), vec![]),
            (json!({}), rule(json!({"expirationDays": 90})), sooner.clone()),
            (
                rule(json!({"expirationDays": 30})),
                rule(json!({"expirationDays": 30, "prefix": ""})),
                sooner,
            ),
            (rule(json!({"expirationDays": 30})), json!({}), vec![]),
            (json!({}), rule(json!({"expirationDays": 3, "enabled": false})), vec![]),
            (
                versioning("Enabled"),
                versioning("Suspended"),
                vec!["what is overwritten or deleted leaves no version any more"],
            ),
            (versioning("Suspended"), versioning("Enabled"), vec![]),
        ] {
            assert_eq!(
                losses(&spec(before.clone()), &spec(after.clone())),
                expected,
                "{before} {after}"
            );
        }
    }
}
