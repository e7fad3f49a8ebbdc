//! What a table loses by going from one declared form to another. Pure.

use serde_json::json;

use super::spec::{GlobalIndex, TableSpec};
use crate::kinds::policy;

pub(super) fn losses(before: &TableSpec, after: &TableSpec) -> Vec<String> {
    let mut losses = Vec::new();
    let names = |indexes: &Option<Vec<GlobalIndex>>| -> Vec<String> {
        indexes.iter().flatten().map(|index| index.name.clone()).collect()
    };
    // Who does not declare indexes leaves them as they are.
    if after.global_secondary_indexes.is_some() {
        let kept = names(&after.global_secondary_indexes);
        let gone = names(&before.global_secondary_indexes);
        let gone = gone.into_iter().filter(|name| !kept.contains(name));
        losses.extend(gone.map(|name| format!("index {name} is deleted")));
    }
    let expires = |spec: &TableSpec| {
        spec.ttl.as_ref().filter(|ttl| ttl.enabled).map(|ttl| ttl.attribute.clone())
    };
    if let Some(attribute) = expires(after).filter(|_| expires(after) != expires(before)) {
        losses.push(format!("items expire by their attribute {attribute}"));
    }
    // Without a number DynamoDB keeps them for 35 days:
    // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PointInTimeRecoverySpecification.html.
    let days = |spec: &TableSpec| {
        let recovery = spec.point_in_time_recovery.as_ref()?;
        let days = recovery.recovery_period_in_days.unwrap_or(35);
        Some(if recovery.enabled { days } else { 0 })
    };
    if let (Some(before), Some(after)) = (days(before), days(after))
        && after < before
    {
        losses.push(format!("backups reach back {after} days instead of {before}"));
    }
    if before.deletion_protection == Some(true) && after.deletion_protection == Some(false) {
        losses.push("anybody may delete the table".to_owned());
    }
    if let (Some(before), Some(after)) = (&before.resource_policy, &after.resource_policy) {
        losses.extend(policy::weakened(&json!(before), &json!(after), "resource policy"));
    }
    losses
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_index_an_expiry_backups_and_protection_are_losses_where_they_go_or_come() {
        let spec = |more: Value| -> TableSpec {
            let mut spec = json!({"partitionKey": {"name": "id", "type": "S"}});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(spec).unwrap()
        };
        let index = json!({"globalSecondaryIndexes": [{
            "name": "by-day", "partitionKey": {"name": "day", "type": "S"}, "projection": {"type": "ALL"},
        }]});
        let none = json!({"globalSecondaryIndexes": []});
        let ttl = |attribute: &str| json!({"ttl": {"enabled": true, "attribute": attribute}});
        let backups = |days: i32| json!({"pointInTimeRecovery": {"enabled": true, "recoveryPeriodInDays": days}});
        let guard = |on: bool| json!({"deletionProtection": on});
        let off = json!({"pointInTimeRecovery": {"enabled": false}});
        let policy = |effect: &str| {
            json!({"resourcePolicy": {"Version": "2012-10-17", "Statement": [
                {"Sid": "s", "Effect": effect, "Principal": "*", "Action": "dynamodb:*", "Resource": "*"},
            ]}})
        };
        for (before, after, expected) in [
            (index.clone(), none, vec!["index by-day is deleted"]),
            (index.clone(), json!({}), vec![]),
            (json!({}), index, vec![]),
            (json!({}), ttl("a"), vec!["items expire by their attribute a"]),
            (ttl("b"), ttl("a"), vec!["items expire by their attribute a"]),
            (ttl("a"), ttl("a"), vec![]),
            (backups(30), backups(7), vec!["backups reach back 7 days instead of 30"]),
            (backups(7), off, vec!["backups reach back 0 days instead of 7"]),
            (backups(7), backups(30), vec![]),
            (guard(true), guard(false), vec!["anybody may delete the table"]),
            (guard(true), json!({}), vec![]),
            (guard(false), guard(true), vec![]),
            (
                policy("Deny"),
                policy("Allow"),
                vec![
                    "the resource policy has no Statement[s] any more",
                    "Statement[s] of the resource policy lets everybody in",
                ],
            ),
            (policy("Deny"), json!({}), vec![]),
            (policy("Allow"), policy("Deny"), vec![]),
        ] {
            assert_eq!(
                losses(&spec(before.clone()), &spec(after.clone())),
                expected,
                "{before} {after}"
            );
        }
    }
}
