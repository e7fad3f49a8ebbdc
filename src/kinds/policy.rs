//! Policy documents compared by meaning.
//!
//! Two policies are the same where they differ only in the order of statements, actions, resources
//! or principals, in a list of one against its element, or, as a principal, in the two ways to write an
//! account: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>.
//! Anywhere else an account's number is a number.

use serde_json::{Map, Value};

use crate::model::canonical_json;

/// A text that is equal for policies that mean the same.
pub fn canonical(policy: &Value) -> String {
    canonical_json(&normalized(policy, ""))
}

fn normalized(value: &Value, key: &str) -> Value {
    match value {
        Value::Object(map) => object(map, is_principal(key)),
        // A text becomes a list of one, which joins the list that it stands in.
        Value::Array(items) => sorted(
            items
                .iter()
                .flat_map(|item| match normalized(item, key) {
                    Value::Array(inner) => inner,
                    other => vec![other],
                })
                .collect(),
        ),
        Value::String(text) if key == "Principal" && text == "*" => {
            serde_json::json!({"AWS": ["*"]})
        }
        Value::String(text) if SINGLE.contains(&key) => Value::String(text.clone()),
        Value::String(text) if key == ACCOUNTS => sorted(vec![Value::String(account(text))]),
        Value::String(_) => sorted(vec![value.clone()]),
        // Condition values: true and "true" are the same.
        Value::Bool(_) | Value::Number(_) => sorted(vec![Value::String(value.to_string())]),
        Value::Null => Value::Null,
    }
}

/// Keys whose value is one text and never a list.
const SINGLE: [&str; 4] = ["Version", "Id", "Sid", "Effect"];

/// Stands for the key `AWS` of a principal: what it lists may be accounts.
const ACCOUNTS: &str = "Principal.AWS";

fn is_principal(key: &str) -> bool {
    key == "Principal" || key == "NotPrincipal"
}

fn object(map: &Map<String, Value>, of_principal: bool) -> Value {
    let mut out = Map::new();
    for (name, value) in map {
        let empty = value.as_str() == Some("");
        if (name == "Sid" || name == "Id") && empty {
            continue;
        }
        let one_statement = name == "Statement" && value.is_object();
        let context = if of_principal && name == "AWS" { ACCOUNTS } else { name.as_str() };
        let inner = normalized(value, context);
        let inner = if one_statement { Value::Array(vec![inner]) } else { inner };
        out.insert(name.clone(), inner);
    }
    Value::Object(out)
}

/// AWS stores an account's number as its root ARN, in the account's own partition.
fn account(text: &str) -> String {
    let root = text.strip_prefix("arn:aws").and_then(|rest| rest.strip_suffix(":root"));
    let number = root.and_then(|rest| rest.split_once(":iam::")).map(|(_, number)| number);
    number.unwrap_or(text).to_owned()
}

fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_key(canonical_json);
    items.dedup();
    Value::Array(items)
}

/// A spec's policy as one text, equal for policies that mean the same.
pub(super) fn by_meaning(mut value: Value, field: &str) -> Value {
    if let Some(policy) = value.get_mut(field)
        && policy.as_object().is_some_and(|p| !p.is_empty())
    {
        *policy = Value::String(canonical(policy));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn statement(extra: Value) -> Value {
        let mut statement =
            json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"});
        for (key, value) in extra.as_object().unwrap() {
            statement[key] = value.clone();
        }
        json!({"Version": "2012-10-17", "Statement": [statement]})
    }

    #[test]
    fn what_means_the_same_reads_the_same() {
        let cases = [
            (json!({"Action": ["a", "b"]}), json!({"Action": ["b", "a"]})),
            (json!({"Action": ["a"]}), json!({"Action": "a"})),
            (json!({"Principal": "*"}), json!({"Principal": {"AWS": "*"}})),
            (
                json!({"Principal": {"AWS": "123456789012"}}),
                json!({"Principal": {"AWS": ["arn:aws:iam::123456789012:root"]}}),
            ),
            (
                json!({"Principal": {"AWS": "123456789012"}}),
                json!({"Principal": {"AWS": "arn:aws-us-gov:iam::123456789012:root"}}),
            ),
            (
                json!({"NotPrincipal": {"AWS": ["123456789012", "*"]}}),
                json!({"NotPrincipal": {"AWS": ["*", "arn:aws-cn:iam::123456789012:root"]}}),
            ),
            (
                json!({"Condition": {"Bool": {"aws:SecureTransport": false}}}),
                json!({"Condition": {"Bool": {"aws:SecureTransport": ["false"]}}}),
            ),
            (json!({"Sid": ""}), json!({})),
        ];
        for (a, b) in cases {
            let (a, b) = (statement(a), statement(b));
            assert_eq!(canonical(&a), canonical(&b), "{a} {b}");
        }
    }

    #[test]
    fn what_means_something_else_does_not() {
        let base = canonical(&statement(json!({})));
        for other in [
            json!({"Effect": "Deny"}),
            json!({"Action": "s3:*"}),
            json!({"Principal": "*"}),
            json!({"Sid": "x"}),
        ] {
            assert_ne!(base, canonical(&statement(other.clone())), "{other}");
        }
    }

    #[test]
    fn an_account_is_its_root_as_a_principal_alone() {
        let by = |extra: Value| canonical(&statement(extra));
        for key in ["aws:PrincipalArn", "aws:SourceAccount"] {
            let of = |value: &str| json!({"Condition": {"StringEquals": {key: value}}});
            let root = by(of("arn:aws:iam::123456789012:root"));
            assert_ne!(by(of("123456789012")), root, "{key}");
        }
        let federated = |value: &str| by(json!({"Principal": {"Federated": value}}));
        assert_ne!(federated("123456789012"), federated("arn:aws:iam::123456789012:root"));
    }

    #[test]
    fn a_single_statement_may_stand_without_its_list() {
        let listed = statement(json!({}));
        let mut bare = listed.clone();
        bare["Statement"] = listed["Statement"][0].clone();
        assert_eq!(canonical(&listed), canonical(&bare));
    }
}
