//! Permissions and the policy statements that Lambda makes of them.

use serde_json::{Value, json};

use super::spec::{FunctionSpec, Permission, UrlAuthType};

/// Statements that a URL without authentication needs; both since October 2025:
/// <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>.
const PUBLIC_URL: &str = "trueup-public-url";
const PUBLIC_URL_INVOKE: &str = "trueup-public-url-invoke";

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
    id == PUBLIC_URL || id == PUBLIC_URL_INVOKE
}

/// The live permissions that the spec speaks about: all where it lists them, otherwise only those
/// that its URL implies.
pub(super) fn concerned(spec: &FunctionSpec, live: &[Permission]) -> Vec<Permission> {
    live.iter().filter(|p| spec.permissions.is_some() || is_implied(&p.id)).cloned().collect()
}

/// What is compared with the live permissions. A statement is a whole: a condition that it does not
/// set is asked to be absent, because with another condition it permits something else.
pub(super) fn comparable(declared: &[Permission], live: &[Permission]) -> Value {
    let whole = |permission: &Permission| {
        let mut whole = json!(permission);
        let seen = live.iter().find(|p| p.id == permission.id).map(|p| json!(p));
        for field in seen.iter().filter_map(Value::as_object).flat_map(|fields| fields.keys()) {
            if whole.get(field).is_none() {
                whole[field] = json!("");
            }
        }
        whole
    };
    declared.iter().map(whole).collect()
}

/// Reads a resource policy back into permissions.
pub(super) fn from_policy(policy: &str) -> Vec<Permission> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
    statements.iter().map(from_statement).collect()
}

fn from_statement(statement: &Value) -> Permission {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let condition = |key: &str| {
        let operators = statement["Condition"].as_object()?;
        let mut values = operators.values().filter_map(|o| o.as_object()).flatten();
        let (_, value) = values.find(|(name, _)| name.eq_ignore_ascii_case(key))?;
        value.as_str().map(str::to_owned).or_else(|| Some(value.to_string()))
    };
    let principal = match &statement["Principal"] {
        Value::Object(map) => map.values().next().and_then(text).unwrap_or_default(),
        other => text(other).unwrap_or_default(),
    };
    Permission {
        id: text(&statement["Sid"]).unwrap_or_default(),
        action: text(&statement["Action"]),
        principal: account_number(&principal),
        source_arn: condition("aws:SourceArn"),
        source_account: condition("aws:SourceAccount"),
        principal_org_id: condition("aws:PrincipalOrgID"),
        function_url_auth_type: condition("lambda:FunctionUrlAuthType")
            .and_then(|t| serde_json::from_value(json!(t)).ok()),
        invoked_via_function_url: condition("lambda:InvokedViaFunctionUrl").map(|v| v == "true"),
    }
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

    #[test]
    fn a_policy_reads_back_as_the_permissions_that_made_it() {
        let policy = json!({"Statement": [
            {"Sid": "s3", "Action": INVOKE, "Principal": {"Service": "s3.amazonaws.com"},
             "Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}},
            {"Sid": "other", "Action": INVOKE, "Principal": {"AWS": "arn:aws:iam::210987654321:root"}},
            {"Sid": "url", "Action": "lambda:InvokeFunctionUrl", "Principal": "*", "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}},
        ]});
        let read = from_policy(&policy.to_string());
        assert_eq!(read[0].source_arn.as_deref(), Some("arn:aws:s3:::b"));
        assert_eq!(read[0].source_account.as_deref(), Some("123456789012"));
        assert_eq!(read[1].principal, "210987654321");
        assert_eq!(read[2].function_url_auth_type, Some(UrlAuthType::NONE));
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
        assert_eq!(concerned(&spec, &live), implied);
        spec.permissions = Some(Vec::new());
        assert_eq!(concerned(&spec, &live).len(), 3);
    }
}
