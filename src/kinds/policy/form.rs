//! What AWS refuses of a policy that hangs on a resource, whatever is live. Pure.
//!
//! Guarantees: only what is refused for certain is a problem. What AWS may take is left to AWS: wildcards and variables
//! in resources, actions that stand in no list here.
//!
//! Sources: the grammar of policies
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>), and S3's own answers as they
//! stand in versity/versitygw issues 645, 647 and 650 and noobaa/noobaa-core issue 10058: "Invalid effect", "Policy has
//! invalid action", "Policy has invalid resource", "Action does not apply to any resource(s) in statement".

use serde_json::{Map, Value};

use crate::kinds::SpecProblem;

/// The most bytes of a policy, for S3 and DynamoDB alike:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html>.
const BYTES_MAX: usize = 20_480;

/// What a policy hangs on.
pub struct Of<'a> {
    /// The prefix of the service's actions, as `s3`.
    service: &'static str,
    /// The bucket whose resources alone it may name.
    bucket: Option<&'a str>,
}

impl<'a> Of<'a> {
    /// A bucket of this name.
    pub fn bucket(name: &'a str) -> Self {
        Self { service: "s3", bucket: Some(name) }
    }

    /// A table.
    pub fn table() -> Self {
        Self { service: "dynamodb", bucket: None }
    }
}

/// Actions that are about objects, and those that are about the bucket: the usual ones.
const OF_OBJECTS: [&str; 14] = [
    "getobject",
    "getobjectacl",
    "getobjecttagging",
    "getobjectversion",
    "putobject",
    "putobjectacl",
    "putobjecttagging",
    "putobjectretention",
    "putobjectlegalhold",
    "deleteobject",
    "deleteobjectversion",
    "restoreobject",
    "abortmultipartupload",
    "listmultipartuploadparts",
];
const OF_BUCKETS: [&str; 5] = [
    "listbucket",
    "listbucketversions",
    "listbucketmultipartuploads",
    "getbucketlocation",
    "getbucketpolicy",
];

/// What is against a policy that is not empty; `{}` takes one away.
pub fn check(at: &str, policy: &Map<String, Value>, of: &Of<'_>) -> Vec<SpecProblem> {
    if policy.is_empty() {
        return Vec::new();
    }
    let problem = |path: String, message: String| SpecProblem::new(path, message);
    let mut problems = Vec::new();
    if let Some(version) = policy.get("Version")
        && !["2012-10-17", "2008-10-17"].iter().any(|known| version == known)
    {
        let message = "the version of the policy language is 2012-10-17, or 2008-10-17".to_owned();
        problems.push(problem(format!("{at}.Version"), message));
    }
    let bytes = Value::from(policy.clone()).to_string().len();
    if bytes > BYTES_MAX {
        let message = format!("the policy has {bytes} bytes; AWS takes {BYTES_MAX}");
        problems.push(problem(at.to_owned(), message));
    }
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => {
            let message = "a policy has a Statement: a list of one or more".to_owned();
            problems.push(problem(format!("{at}.Statement"), message));
            return problems;
        }
    };
    for (i, statement) in statements.iter().enumerate() {
        let at = format!("{at}.Statement[{i}]");
        let against = check_statement(statement, of);
        problems.extend(against.map(|(member, message)| problem(format!("{at}{member}"), message)));
    }
    problems
}

/// The member, with its dot, and what is against it.
fn check_statement<'a>(
    statement: &'a Value,
    of: &'a Of<'_>,
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    let has = |member: &str| !statement[member].is_null();
    let none = |one: &str, other: &str| !has(one) && !has(other);
    let effect = &statement["Effect"];
    let is_effect = effect == "Allow" || effect == "Deny";
    let effect = (!is_effect).then(|| match effect.as_str() {
        Some(word) => (".Effect", format!("`{word}` is no effect: write Allow or Deny")),
        None => ("", "add Effect: Allow or Deny".to_owned()),
    });
    let principal = none("Principal", "NotPrincipal")
        .then(|| ("", "a policy of a resource says whom it is about: add Principal".to_owned()));
    let is_empty = |member: &str| statement[member].as_array().is_some_and(Vec::is_empty);
    let action =
        (none("Action", "NotAction") || is_empty("Action")).then(|| ("", "add Action".to_owned()));
    let resource = (none("Resource", "NotResource") || is_empty("Resource"))
        .then(|| ("", "add Resource".to_owned()));
    let pairs =
        [("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")];
    let both = pairs.into_iter().find(|(one, other)| has(one) && has(other));
    let both = both.map(|(one, other)| ("", format!("give {one} or {other}, not both")));
    let condition = unknown_operator(&statement["Condition"]);
    let condition = condition.map(|operator| {
        (".Condition", format!("`{operator}` is no operator of conditions, as StringEquals is"))
    });
    let named = |member: &'static str| texts(&statement[member]).map(move |text| (member, text));
    let mut actions = named("Action").chain(named("NotAction"));
    let foreign = actions.find(|(_, action)| !is_of(action, of.service)).map(|(member, action)| {
        let member = if member == "Action" { ".Action" } else { ".NotAction" };
        (member, format!("`{action}` is not an action of {}", of.service))
    });
    let elsewhere = of.bucket.and_then(|bucket| {
        let mut resources = texts(&statement["Resource"]);
        let other = resources.find(|resource| !may_be_in(resource, bucket))?;
        Some((".Resource", format!("`{other}` is not in the bucket {bucket}")))
    });
    let misses = of.bucket.and_then(|_| {
        let mut actions = texts(&statement["Action"]);
        let idle =
            actions.find_map(|action| Some((action, applies_to_none(action, statement)?)))?;
        Some((".Resource", format!("`{}` applies to none of these resources: {}", idle.0, idle.1)))
    });
    let found = [effect, principal, action, resource, both, condition, foreign, elsewhere, misses];
    found.into_iter().flatten()
}

/// Operators of conditions, without `ForAllValues:` and `ForAnyValue:` before and `IfExists` behind them:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>.
const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnNotEquals",
    "ArnLike",
    "ArnNotLike",
    "Null",
];

fn unknown_operator(condition: &Value) -> Option<&String> {
    let is_known = |operator: &str| {
        let bare = operator.rsplit_once(':').map_or(operator, |(set, bare)| match set {
            "ForAllValues" | "ForAnyValue" => bare,
            _ => operator,
        });
        let bare = bare.strip_suffix("IfExists").unwrap_or(bare);
        OPERATORS.iter().any(|known| known.eq_ignore_ascii_case(bare))
    };
    condition.as_object()?.keys().find(|operator| !is_known(operator))
}

/// A member that is one text or a list of texts.
fn texts(member: &Value) -> impl Iterator<Item = &str> {
    let list = match member {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    list.iter().filter_map(Value::as_str)
}

fn is_of(action: &str, service: &str) -> bool {
    action == "*"
        || action
            .split_once(':')
            .is_some_and(|(prefix, name)| prefix.eq_ignore_ascii_case(service) && !name.is_empty())
}

/// Whether a resource can be the bucket or in it. A wildcard or a variable in the bucket's name may stand for it.
fn may_be_in(resource: &str, bucket: &str) -> bool {
    if resource == "*" {
        return true;
    }
    let parts: Vec<_> = resource.splitn(6, ':').collect();
    let [arn, _, service, _, _, place] = parts[..] else { return false };
    let named = place.split('/').next().unwrap_or_default();
    arn == "arn" && service == "s3" && (named == bucket || named.contains(['*', '?', '$']))
}

/// What an action needs, where none of the statement's resources is such. A wildcard, which stands for slashes, too, and a
/// variable may be either.
fn applies_to_none(action: &str, statement: &Value) -> Option<&'static str> {
    let name = action.split_once(':')?.1.to_ascii_lowercase();
    let mut resources = texts(&statement["Resource"]).peekable();
    resources.peek()?;
    let is_open = |text: &str| text.contains(['*', '?', '$']);
    if OF_OBJECTS.contains(&&*name) {
        let misses = resources.all(|resource| !resource.contains('/') && !is_open(resource));
        return misses.then_some("objects are written as arn:aws:s3:::BUCKET/*");
    }
    if OF_BUCKETS.contains(&&*name) {
        let is_object = |resource: &str| resource.split_once('/').is_some_and(|(b, _)| !is_open(b));
        let misses = resources.all(is_object);
        return misses.then_some("the bucket itself is written as arn:aws:s3:::BUCKET");
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn against(policy: &Value, of: &Of<'_>) -> Vec<String> {
        let found = check("policy", policy.as_object().unwrap(), of);
        found.into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn what_aws_refuses_of_a_policy_is_said_with_its_place() {
        let statement = |changes: Value| {
            let mut statement = json!({
                "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*",
            });
            for (member, value) in changes.as_object().unwrap() {
                statement[member] = value.clone();
            }
            json!({"Version": "2012-10-17", "Statement": [statement]})
        };
        let on = |action: Value, resource: Value| {
            statement(json!({"Action": action, "Resource": resource}))
        };
        let long = "x".repeat(BYTES_MAX);
        for (policy, expected) in [
            (json!({}), None),
            (statement(json!({})), None),
            (json!({"Statement": statement(json!({}))["Statement"][0]}), None),
            (json!({"Version": "2012-10-17"}), Some("policy.Statement")),
            (json!({"Statement": []}), Some("policy.Statement")),
            (
                json!({"Version": "2012-10-18", "Statement": statement(json!({}))["Statement"]}),
                Some("policy.Version"),
            ),
            (statement(json!({"Sid": long})), Some("policy")),
            (statement(json!({"Effect": "allow"})), Some("policy.Statement[0].Effect")),
            (statement(json!({"Principal": null})), Some("policy.Statement[0]")),
            (statement(json!({"Principal": null, "NotPrincipal": {"AWS": "123456789012"}})), None),
            (statement(json!({"Resource": null})), Some("policy.Statement[0]")),
            (on(json!("dynamodb:GetItem"), json!("*")), Some("policy.Statement[0].Action")),
            (on(json!(["S3:getobject", "*"]), json!("arn:aws:s3:::shop/*")), None),
            (
                on(json!("s3:GetObject"), json!("arn:aws:s3:::other/*")),
                Some("policy.Statement[0].Resource"),
            ),
            (on(json!("s3:GetObject"), json!("shop/*")), Some("policy.Statement[0].Resource")),
            (on(json!("s3:GetObject"), json!("arn:aws-cn:s3:::shop/a")), None),
            (on(json!("s3:GetObject"), json!("arn:aws:s3:::*/*")), None),
            (
                on(json!("s3:GetObject"), json!("arn:aws:s3:::shop")),
                Some("policy.Statement[0].Resource"),
            ),
            (
                on(
                    json!(["s3:GetObject", "s3:ListBucket"]),
                    json!(["arn:aws:s3:::shop", "arn:aws:s3:::shop/*"]),
                ),
                None,
            ),
            (
                on(json!("s3:ListBucket"), json!("arn:aws:s3:::shop/*")),
                Some("policy.Statement[0].Resource"),
            ),
            (on(json!("s3:Get*"), json!("arn:aws:s3:::shop")), None),
            (on(json!("s3:GetObject"), json!("*")), None),
            (on(json!("s3:GetObject"), json!("arn:aws:s3:::shop*")), None),
            (on(json!([]), json!("arn:aws:s3:::shop/*")), Some("policy.Statement[0]")),
            (statement(json!({"NotAction": "s3:PutObject"})), Some("policy.Statement[0]")),
            (
                statement(json!({"Condition": {"StringEqual": {"a": "b"}}})),
                Some("policy.Statement[0].Condition"),
            ),
            (
                statement(json!({"Condition": {"aws:SecureTransport": "false"}})),
                Some("policy.Statement[0].Condition"),
            ),
            (
                statement(
                    json!({"Condition": {"ForAnyValue:StringLikeIfExists": {"a": "b"}, "bool": {"c": true}}}),
                ),
                None,
            ),
            (on(json!("s3:ListBucket"), json!("arn:aws:s3:::${aws:PrincipalTag/bucket}")), None),
            (
                statement(json!({"Action": null, "NotAction": "ec2:*"})),
                Some("policy.Statement[0].NotAction"),
            ),
        ] {
            let found = against(&policy, &Of::bucket("shop"));
            assert_eq!(found, expected.iter().copied().collect::<Vec<_>>(), "{policy}");
        }
        let of_table = |action: &str| {
            let resource = "arn:aws:dynamodb:us-east-1:123456789012:table/orders";
            against(&on(json!(action), json!(resource)), &Of::table())
        };
        assert_eq!(of_table("dynamodb:GetItem"), [""; 0]);
        assert_eq!(of_table("s3:GetObject"), ["policy.Statement[0].Action"]);
    }
}
