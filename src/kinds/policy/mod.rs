//! Policy documents compared by meaning.
//!
//! Two policies are the same where they differ only in the order of statements, actions, resources
//! or principals, in a list of one against its element, or, as a principal, in the two ways to write an
//! account: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>.
//! Anywhere else an account's number is a number. Actions and the keys of conditions have no case:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html> and
//! `reference_policies_elements_condition.html` beside it.

mod form;

pub(super) use form::{Of, check};

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::model::canonical_json;

/// A text that is equal for policies that mean the same.
pub fn canonical(policy: &Value) -> String {
    canonical_json(&normalized(policy, ""))
}

fn normalized(value: &Value, key: &str) -> Value {
    match value {
        Value::Object(map) if key == "Condition" => conditions(map),
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
        Value::String(text) if ACTIONS.contains(&key) => {
            sorted(vec![Value::String(text.to_ascii_lowercase())])
        }
        Value::String(text) if key == ACCOUNTS => sorted(vec![Value::String(account(text))]),
        Value::String(_) => sorted(vec![value.clone()]),
        // Condition values: true and "true" are the same.
        Value::Bool(_) | Value::Number(_) => sorted(vec![Value::String(value.to_string())]),
        Value::Null => Value::Null,
    }
}

/// Keys whose value is one text and never a list.
const SINGLE: [&str; 4] = ["Version", "Id", "Sid", "Effect"];

/// What names actions.
const ACTIONS: [&str; 2] = ["Action", "NotAction"];

/// Operators, and in them the keys. Two spellings of one key stay two.
fn conditions(operators: &Map<String, Value>) -> Value {
    let lowered = |keys: &Map<String, Value>| {
        let names: BTreeSet<_> = keys.keys().map(|name| name.to_ascii_lowercase()).collect();
        let is_clear = names.len() == keys.len();
        let name = |name: &String| if is_clear { name.to_ascii_lowercase() } else { name.clone() };
        let keys = keys.iter().map(|(key, value)| (name(key), normalized(value, "")));
        Value::Object(keys.collect())
    };
    let operators = operators.iter().map(|(operator, keys)| {
        let keys = keys.as_object().map_or_else(|| normalized(keys, ""), lowered);
        (operator.clone(), keys)
    });
    Value::Object(operators.collect())
}

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

/// What a live policy narrows and a wanted one does not: its Denies, and the conditions of what it allows. Each by
/// its Sid, or its place. What an earlier form of the manifest declared just so is not among them.
pub(super) fn lost_limits(live: &Value, wanted: &Value, before: &[&Value]) -> Vec<String> {
    let limits = Limits::new(wanted, before);
    statements(live).iter().enumerate().filter(|(_, s)| limits.is_lost(s)).map(name).collect()
}

/// Which limits of a live policy a wanted one would take away.
struct Limits {
    wanted: Vec<Value>,
    before: Vec<Value>,
}

impl Limits {
    fn new(wanted: &Value, before: &[&Value]) -> Self {
        let before = before.iter().flat_map(|policy| statements(policy)).collect();
        Self { wanted: statements(wanted), before }
    }

    /// `statement` is in its one form.
    fn is_lost(&self, statement: &Value) -> bool {
        if self.wanted.contains(statement) || self.before.contains(statement) {
            return false;
        }
        statement["Effect"] == "Deny" || self.wanted.iter().any(|wanted| widens(statement, wanted))
    }
}

/// The policy that may be written while a person is asked about lost limits: the wanted one with the limits that are live,
/// and without what would go around them. `None` where it is live already. What was given stands in it as it was given.
pub(super) fn keeping_limits(live: &Value, wanted: &Value, before: &[&Value]) -> Option<Value> {
    let limits = Limits::new(wanted, before);
    let one_form = |statement: &Value| normalized(statement, "");
    let kept: Vec<_> =
        given(live).into_iter().filter(|live| limits.is_lost(&one_form(live))).collect();
    let goes_around =
        |wanted: &&Value| kept.iter().any(|live| widens(&one_form(live), &one_form(wanted)));
    let wanted_ones = given(wanted).into_iter().filter(|wanted| !goes_around(wanted));
    let mut policy = wanted.clone();
    policy["Statement"] = wanted_ones.chain(kept.iter().copied()).cloned().collect();
    (canonical(&policy) != canonical(live)).then_some(policy)
}

/// The statements of one policy that another one does not have, by their names, in their one form.
pub(super) fn besides(policy: &Value, other: &Value) -> Vec<(String, Value)> {
    let (all, other) = (statements(policy), statements(other));
    let only = all.iter().enumerate().filter(|(_, statement)| !other.contains(statement));
    only.map(|(i, statement)| (name_of((i, statement)), statement.clone())).collect()
}

/// The statements as they were given.
fn given(policy: &Value) -> Vec<&Value> {
    match &policy["Statement"] {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// What one policy keeps out and another one lets in, in words. `what` is the policy's name.
pub(super) fn weakened(before: &Value, after: &Value, what: &str) -> Vec<String> {
    let lost = lost_limits(before, after, &[]).into_iter();
    let lost = lost.map(|statement| format!("the {what} has no {statement} any more"));
    let opened = opened_to_all(before, after).into_iter();
    lost.chain(opened.map(|statement| format!("{statement} of the {what} lets everybody in")))
        .collect()
}

/// What a policy allows everybody without a condition, and another one did not. Each by its Sid, or its place.
fn opened_to_all(before: &Value, after: &Value) -> Vec<String> {
    let before = statements(before);
    let is_public = |statement: &Value| {
        let no_condition = statement["Condition"].as_object().is_none_or(serde_json::Map::is_empty);
        let to_all = !statement["NotPrincipal"].is_null()
            || words(&statement["Principal"]).iter().any(|word| word == "*");
        statement["Effect"] == "Allow" && to_all && no_condition
    };
    let is_new = |statement: &Value| is_public(statement) && !before.contains(statement);
    let after = statements(after);
    after.iter().enumerate().filter(|(_, s)| is_new(s)).map(name).collect()
}

/// What a statement is called: its Sid, or its place.
fn name(statement: (usize, &Value)) -> String {
    format!("Statement[{}]", name_of(statement))
}

fn name_of((place, statement): (usize, &Value)) -> String {
    statement["Sid"].as_str().map_or_else(|| place.to_string(), str::to_owned)
}

/// Whether a wanted Allow lets through what a live one allows under a condition that it does not have.
fn widens(live: &Value, wanted: &Value) -> bool {
    let keys = |statement: &Value| -> Vec<(String, String)> {
        let operators = statement["Condition"].as_object().into_iter().flatten();
        let keys = operators.flat_map(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.map(|(key, _)| (operator.clone(), key.to_ascii_lowercase())).collect::<Vec<_>>()
        });
        keys.collect()
    };
    let wanted_keys = keys(wanted);
    let loses = keys(live).iter().any(|key| !wanted_keys.contains(key));
    let overlaps = ["Principal", "Action", "Resource"]
        .iter()
        .all(|member| overlap(&words(&live[*member]), &words(&wanted[*member])));
    live["Effect"] == "Allow" && wanted["Effect"] == "Allow" && loses && overlaps
}

/// Every word of a member, whatever its form.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(words).collect(),
        Value::Object(fields) => fields.values().flat_map(words).collect(),
        _ => Vec::new(),
    }
}

/// Whether two lists have something in common. What is not there at all, as NotAction has it, may have anything.
fn overlap(one: &[String], other: &[String]) -> bool {
    let meets = |one: &str, other: &str| {
        let begins = |pattern: &str, text: &str| {
            pattern.split_once('*').is_some_and(|(start, _)| text.starts_with(start))
        };
        one.eq_ignore_ascii_case(other) || begins(one, other) || begins(other, one)
    };
    one.is_empty() || other.is_empty() || one.iter().any(|a| other.iter().any(|b| meets(a, b)))
}

/// The statements in their one form.
fn statements(policy: &Value) -> Vec<Value> {
    match &normalized(policy, "")["Statement"] {
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    }
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

    #[test]
    fn a_deny_and_a_condition_that_somebody_put_there_are_not_lost_unasked() {
        let with = |member: &str, value: Value, statement: &Value| {
            let mut statement = statement.clone();
            statement[member] = value;
            statement
        };
        let statement = |sid: &str, effect: &str, condition: bool| {
            let mut statement = serde_json::json!({
                "Sid": sid, "Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": "*",
            });
            if condition {
                statement["Condition"] = serde_json::json!({"Bool": {"aws:SecureTransport": true}});
            }
            statement
        };
        let policy = |statements: &[&Value]| serde_json::json!({"Statement": statements});
        let allow = statement("read", "Allow", false);
        let narrow = statement("read", "Allow", true);
        let deny = statement("no", "Deny", false);
        let wanted = policy(&[&allow]);
        for (live, before, expected) in [
            (policy(&[&allow]), None, vec![]),
            (policy(&[&allow, &deny]), None, vec!["Statement[no]"]),
            (policy(&[&allow, &deny]), Some(policy(&[&deny])), vec![]),
            (policy(&[&narrow]), None, vec!["Statement[read]"]),
            (policy(&[&narrow]), Some(policy(&[&narrow])), vec![]),
            (policy(&[&statement("more", "Allow", false)]), None, vec![]),
            (policy(&[&with("Sid", json!("other"), &narrow)]), None, vec!["Statement[other]"]),
            (policy(&[&with("Resource", json!("a"), &narrow)]), None, vec!["Statement[read]"]),
            (policy(&[&with("Action", json!("s3:PutObject"), &narrow)]), None, vec![]),
        ] {
            let before: Vec<_> = before.iter().collect();
            assert_eq!(lost_limits(&live, &wanted, before.as_slice()), expected, "{live}");
        }
        assert_eq!(lost_limits(&policy(&[&deny]), &serde_json::json!({}), &[]), ["Statement[no]"]);
    }

    #[test]
    fn beside_a_limit_that_is_asked_about_the_rest_is_as_declared() {
        let statement = |sid: &str, effect: &str, condition: Option<&str>| {
            let mut statement = json!({
                "Sid": sid, "Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*",
            });
            if let Some(vpc) = condition {
                statement["Condition"] = json!({"StringEquals": {"aws:SourceVpc": vpc}});
            }
            statement
        };
        let policy =
            |statements: &[Value]| json!({"Version": "2012-10-17", "Statement": statements});
        let read = || statement("read", "Allow", None);
        let narrow = || statement("read", "Allow", Some("vpc-1"));
        let (deny, evil) =
            (|| statement("no", "Deny", None), || statement("evil", "Allow", Some("x")));
        let mut more = read();
        more["Action"] = json!("s3:PutObject");
        for (what, live, wanted, expected) in [
            ("a Deny stays, and nothing else differs", vec![read(), deny()], vec![read()], None),
            (
                "an Allow that came with it goes",
                vec![
                    read(),
                    deny(),
                    json!({"Sid": "evil", "Effect": "Allow", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "*"}),
                ],
                vec![read()],
                Some(vec![read(), deny()]),
            ),
            (
                "what is added is added",
                vec![read(), deny()],
                vec![read(), more.clone()],
                Some(vec![read(), more.clone(), deny()]),
            ),
            ("a narrower Allow stays alone", vec![narrow()], vec![read()], None),
            (
                "what is added beside it goes not around it",
                vec![narrow()],
                vec![read(), more.clone()],
                Some(vec![more, narrow()]),
            ),
            ("two narrower ones stay", vec![narrow(), evil()], vec![read()], None),
        ] {
            let written = keeping_limits(&policy(&live), &policy(&wanted), &[]);
            assert_eq!(written, expected.map(|expected| policy(&expected)), "{what}");
        }
    }

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
            (json!({"Action": "S3:getobject"}), json!({"Action": ["s3:GetObject"]})),
            (
                json!({"Condition": {"StringLike": {"AWS:sourceip": "A"}}}),
                json!({"Condition": {"StringLike": {"aws:SourceIp": ["A"]}}}),
            ),
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
            json!({"Resource": "arn:aws:s3:::B/*"}),
            json!({"Sid": "x"}),
        ] {
            assert_ne!(base, canonical(&statement(other.clone())), "{other}");
        }
    }

    #[test]
    fn an_account_is_its_root_as_a_principal_alone() {
        let by = |extra: Value| canonical(&statement(extra));
        for (one, other) in [
            (json!({"StringLike": {"a:b": "X"}}), json!({"StringLike": {"a:b": "x"}})),
            (
                json!({"StringLike": {"a:b": "x", "A:b": "y"}}),
                json!({"StringLike": {"a:b": "y", "A:b": "x"}}),
            ),
        ] {
            let of = |condition: &Value| by(json!({ "Condition": condition }));
            assert_ne!(of(&one), of(&other), "values have a case");
        }
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
