//! Permissions, the policy statements that Lambda makes of them, and the steps by which those become as declared. Pure.
//!
//! Guarantees:
//! - A statement is a whole: a condition that the manifest leaves out is removed.
//! - What a statement says and a [`Permission`] cannot is kept beside it ([`Statement::foreign`]), so that
//!   nobody takes such a statement for one that it is not.

use std::collections::BTreeMap;

use serde_json::Value;

use super::compare::Settings;
use super::facets::FunctionRef;
use super::observe::LiveFunction;
use super::plan::FunctionStep;
use super::spec::{FunctionSpec, Permission, UrlAuthType};
use crate::kinds::{UnknownWord, split_off, word};
use crate::model::{Path, Segment};
use crate::plan::{Blocked, Change, PartlyBlocked, Plan, Verb};

/// A statement of a function's resource policy, as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    pub permission: Permission,
    /// What AddPermission has no parameter for, as `Condition.IpAddress`: its names in the policy.
    pub foreign: Vec<String>,
}

/// Statements that a URL without authentication needs; both since October 2025:
/// <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>.
const PUBLIC_URL: &str = "trueup-public-url";
const PUBLIC_URL_INVOKE: &str = "trueup-public-url-invoke";

/// The ids of both.
pub(super) const IMPLIED: [&str; 2] = [PUBLIC_URL, PUBLIC_URL_INVOKE];

const INVOKE: &str = "lambda:InvokeFunction";

/// The permissions that a spec asks for, with those that its URL implies. `None` where it asks for
/// none and leaves the others alone.
pub(super) fn declared(spec: &FunctionSpec) -> Option<Vec<Permission>> {
    let is_public = spec.url.as_ref().and_then(|u| u.auth_type) == Some(UrlAuthType::NONE);
    if spec.permissions.is_none() && spec.url.is_none() {
        return None;
    }
    let mut all: Vec<_> = spec.permissions.iter().flatten().cloned().collect();
    for permission in &mut all {
        permission.action.get_or_insert_with(|| INVOKE.to_owned());
        permission.principal = account_number(&permission.principal);
    }
    if is_public {
        all.push(Permission {
            id: PUBLIC_URL.to_owned(),
            action: Some("lambda:InvokeFunctionUrl".to_owned()),
            principal: "*".to_owned(),
            function_url_auth_type: Some(UrlAuthType::NONE),
            ..Permission::default()
        });
        all.push(Permission {
            id: PUBLIC_URL_INVOKE.to_owned(),
            action: Some(INVOKE.to_owned()),
            principal: "*".to_owned(),
            invoked_via_function_url: Some(true),
            ..Permission::default()
        });
    }
    Some(all)
}

/// Whether a statement is one of those that a public URL implies.
pub(super) fn is_implied(id: &str) -> bool {
    IMPLIED.contains(&id)
}

/// The live permissions that the spec speaks about: all where it lists them, otherwise only those
/// that its URL implies.
pub(super) fn concerned(spec: &FunctionSpec, live: &[Statement]) -> Vec<Permission> {
    let all = live.iter().map(|statement| &statement.permission);
    all.filter(|p| spec.permissions.is_some() || is_implied(&p.id)).cloned().collect()
}

/// The fields of a permission that narrow whom or what it lets in.
const NARROWING: &[&str] = &[
    "sourceArn",
    "sourceAccount",
    "principalOrgId",
    "functionUrlAuthType",
    "invokedViaFunctionUrl",
    "eventSourceToken",
];

/// A change that takes a condition away from a statement and puts none in its place.
pub(super) fn opens(change: &Change) -> bool {
    let field = change.path.0.get(2).map(|_| change.path.fields());
    let field = field.as_deref().and_then(|path| path.strip_prefix("permissions."));
    let is_taken_away = change.live.is_some() && change.desired.is_none();
    is_taken_away && field.is_some_and(|field| NARROWING.contains(&field))
}

/// The changes of permissions that are not wanted at all.
pub(super) fn split_unwanted(changes: &mut Vec<Change>, settings: &Settings) -> Vec<Change> {
    let wanted = settings.spec.permissions.as_deref().unwrap_or_default();
    let is_unwanted = |change: &mut Change| {
        change.path.root() == "permissions"
            && match change.path.0.get(1) {
                Some(Segment::Element(id)) => wanted.iter().all(|permission| permission.id != *id),
                _ => wanted.is_empty(),
            }
    };
    changes.extract_if(.., is_unwanted).collect()
}

fn not_writable(id: &str, foreign: &[String]) -> Blocked {
    let message = format!(
        "permissions[{id}] differs, and its live statement has {}, which trueup cannot write again. Nothing \
         of it was written. Give the permission another id, or remove the statement by hand",
        foreign.join(", ")
    );
    Blocked { reason: "NotWritable", message }
}

/// A statement cannot be changed: it is removed and added again.
pub(super) fn push(
    plan: &mut Plan<FunctionStep>,
    changes: &mut Vec<Change>,
    settings: &Settings,
    of: &FunctionRef,
    seen: &LiveFunction,
) {
    let wanted = settings.spec.permissions.as_deref().unwrap_or_default();
    let mut by_id: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for change in split_off(changes, &["permissions"]) {
        match change.path.0.get(1) {
            Some(Segment::Element(id)) => by_id.entry(id.clone()).or_default().push(change),
            // Declared empty as a whole.
            _ => {
                for statement in &seen.permissions {
                    by_id.entry(statement.permission.id.clone()).or_default().push(change.clone());
                }
            }
        }
    }
    for (id, changes) in by_id {
        let live = seen.permissions.iter().find(|statement| statement.permission.id == id);
        let is_wanted = wanted.iter().any(|permission| permission.id == id);
        if let Some(statement) = live.filter(|live| is_wanted && !live.foreign.is_empty()) {
            let path = Path::default().field("permissions").element(&id);
            let why = not_writable(&id, &statement.foreign);
            plan.block_part(PartlyBlocked { paths: vec![path], why });
            continue;
        }
        if live.is_some() {
            let step = FunctionStep::RemovePermission(of.clone(), id.clone());
            plan.push(Verb::Delete, format!("permission {id}"), changes.clone(), step)
                .stands_alone();
        }
        if let Some(permission) = wanted.iter().find(|p| p.id == id) {
            let step = FunctionStep::AddPermission(of.clone(), permission.clone());
            plan.push(Verb::Create, format!("permission {id}"), changes, step).stands_alone();
        }
    }
}

/// Why a resource policy cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("the function's resource policy is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("the function's resource policy has no list of statements")]
    NoStatements,
    #[error(transparent)]
    Word(#[from] UnknownWord),
}

/// Reads a resource policy back into permissions.
pub(super) fn from_policy(policy: &str) -> Result<Vec<Statement>, Unreadable> {
    let policy: Value = serde_json::from_str(policy)?;
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        // The policy language lets a single statement stand without its list.
        one @ Value::Object(_) => std::slice::from_ref(one),
        _ => return Err(Unreadable::NoStatements),
    };
    let read: Result<_, UnknownWord> = statements.iter().map(from_statement).collect();
    Ok(read?)
}

/// The conditions that AddPermission makes, by their keys in small letters, and the operators that it was
/// seen to write them with:
/// <https://docs.aws.amazon.com/lambda/latest/dg/permissions-function-services.html>.
const CONDITIONS: &[(&str, &[&str])] = &[
    ("aws:sourcearn", &["ArnLike", "StringLike"]),
    ("aws:sourceaccount", &["StringEquals"]),
    ("aws:principalorgid", &["StringEquals"]),
    ("lambda:functionurlauthtype", &["StringEquals"]),
    ("lambda:invokedviafunctionurl", &["Bool"]),
    ("lambda:eventsourcetoken", &["StringEquals"]),
];

fn from_statement(statement: &Value) -> Result<Statement, UnknownWord> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut foreign = Vec::new();
    let mut conditions = BTreeMap::new();
    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
        for (key, value) in keys.as_object().into_iter().flatten() {
            let name = key.to_ascii_lowercase();
            let is_ours = CONDITIONS
                .iter()
                .any(|(known, by)| *known == name && by.contains(&operator.as_str()));
            // One value stands by itself or alone in a list.
            let single = match value {
                Value::Array(values) if values.len() == 1 => &values[0],
                other => other,
            };
            match single {
                Value::String(value) if is_ours => conditions.insert(name, value.clone()),
                Value::Bool(value) if is_ours => conditions.insert(name, value.to_string()),
                _ => {
                    foreign.push(format!("Condition.{operator}.{key}"));
                    None
                }
            };
        }
    }
    let principal = match &statement["Principal"] {
        Value::Object(map) => match (map.len(), map.values().next().and_then(text)) {
            (1, Some(principal)) => principal,
            _ => {
                foreign.push("Principal".to_owned());
                statement["Principal"].to_string()
            }
        },
        other => text(other).unwrap_or_default(),
    };
    if statement["Action"].is_array() {
        foreign.push("Action".to_owned());
    }
    for member in ["NotAction", "NotPrincipal", "NotResource"] {
        if !statement[member].is_null() {
            foreign.push(member.to_owned());
        }
    }
    if statement["Effect"] == "Deny" {
        foreign.push("Effect".to_owned());
    }
    let auth_type = conditions.remove("lambda:functionurlauthtype");
    let permission = Permission {
        id: text(&statement["Sid"]).unwrap_or_default(),
        action: text(&statement["Action"]),
        principal: account_number(&principal),
        source_arn: conditions.remove("aws:sourcearn"),
        source_account: conditions.remove("aws:sourceaccount"),
        principal_org_id: conditions.remove("aws:principalorgid"),
        function_url_auth_type: auth_type
            .map(|kind| word("permissions.functionUrlAuthType", &kind))
            .transpose()?,
        invoked_via_function_url: conditions
            .remove("lambda:invokedviafunctionurl")
            .map(|value| value.eq_ignore_ascii_case("true")),
        event_source_token: conditions.remove("lambda:eventsourcetoken"),
    };
    Ok(Statement { permission, foreign })
}

/// An account given by its number comes back as its root ARN.
fn account_number(principal: &str) -> String {
    let root = principal.strip_prefix("arn:aws").and_then(|rest| rest.strip_suffix(":root"));
    let number = root.and_then(|rest| rest.split_once(":iam::")).map(|(_, number)| number);
    number.unwrap_or(principal).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_policy_reads_back_as_the_permissions_that_made_it() {
        let policy = json!({"Statement": [
            {"Sid": "s3", "Action": INVOKE, "Principal": {"Service": "s3.amazonaws.com"},
             "Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}},
            {"Sid": "other", "Action": INVOKE, "Principal": {"AWS": "arn:aws:iam::210987654321:root"}},
            {"Sid": "url", "Action": "lambda:InvokeFunctionUrl", "Principal": "*", "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}},
        ]});
        let read = permissions_of(&policy);
        assert_eq!(read[0].permission.source_arn.as_deref(), Some("arn:aws:s3:::b"));
        assert_eq!(read[0].permission.source_account.as_deref(), Some("123456789012"));
        assert_eq!(read[1].permission.principal, "210987654321");
        assert_eq!(read[2].permission.function_url_auth_type, Some(UrlAuthType::NONE));
        assert!(read.iter().all(|statement| statement.foreign.is_empty()), "{read:?}");
    }

    fn permissions_of(policy: &Value) -> Vec<Statement> {
        from_policy(&policy.to_string()).expect("a readable policy")
    }

    #[test]
    fn what_a_permission_cannot_say_is_named() {
        for (statement, foreign) in [
            (
                json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}),
                "Condition.IpAddress.aws:SourceIp",
            ),
            (
                json!({"Condition": {"StringNotEquals": {"AWS:SourceAccount": "123456789012"}}}),
                "Condition.StringNotEquals.AWS:SourceAccount",
            ),
            (
                json!({"Condition": {"ArnLike": {"AWS:SourceArn": ["a", "b"]}}}),
                "Condition.ArnLike.AWS:SourceArn",
            ),
            (json!({"Action": ["lambda:InvokeFunction", "lambda:GetFunction"]}), "Action"),
            (json!({"Principal": {"AWS": ["a", "b"]}}), "Principal"),
            (json!({"Effect": "Deny"}), "Effect"),
        ] {
            let mut whole =
                json!({"Sid": "x", "Effect": "Allow", "Action": INVOKE, "Principal": "*"});
            for (member, value) in statement.as_object().unwrap() {
                whole[member] = value.clone();
            }
            let read = permissions_of(&json!({"Statement": whole}));
            assert_eq!(read[0].foreign, [foreign]);
        }
        let token =
            json!({"Sid": "x", "Condition": {"StringEquals": {"lambda:EventSourceToken": "t"}}});
        let read = permissions_of(&json!({"Statement": [token]}));
        assert_eq!(read[0].permission.event_source_token.as_deref(), Some("t"));
    }

    #[test]
    fn a_policy_that_cannot_be_read_is_not_an_empty_one() {
        for policy in ["", "not json", "{}", r#"{"Statement": "x"}"#] {
            assert!(from_policy(policy).is_err(), "{policy}");
        }
    }

    #[test]
    fn a_public_url_implies_its_permissions_and_leaves_the_rest_alone() {
        let mut spec = FunctionSpec::default();
        assert_eq!(declared(&spec), None);
        spec.url = Some(super::super::FunctionUrl {
            auth_type: Some(UrlAuthType::NONE),
            ..Default::default()
        });
        let implied = declared(&spec).unwrap();
        assert_eq!(implied.len(), 2);
        let by_hand = Permission { id: "by-hand".to_owned(), ..Permission::default() };
        let live = [implied.clone(), vec![by_hand]].concat();
        let live = live.into_iter().map(|permission| Statement { permission, foreign: vec![] });
        let live: Vec<_> = live.collect();
        assert_eq!(concerned(&spec, &live), implied);
        spec.permissions = Some(Vec::new());
        assert_eq!(concerned(&spec, &live).len(), 3);
    }
}
