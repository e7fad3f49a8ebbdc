//! The two sides of a function's comparison, and the settings that a write takes from it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use schemars::schema_for;
use serde_json::{Value, json};

use crate::kinds::{
    Comparison, DeclaredEnv, Desired, LiveSide, S3Location, Variables, comparable, only, readable,
};
use crate::model::sha256_hex;
use crate::plan::{Blocked, Shape};

use super::observe::LiveFunction;
use super::permission;
use super::provisioned;
use super::spec::*;

pub(super) static SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::of(schema_for!(FunctionSpec).as_value(), &[]));

/// The tag that remembers which bare S3 location the code came from, and what it was then.
pub(super) const CODE_TAG: &str = "trueup.dev/code";

/// What a create or an update of the configuration writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The effective spec, with the permissions that it implies; its `env` is not used.
    pub spec: FunctionSpec,
    pub env: Option<Variables>,
}

impl Settings {
    /// The same with nothing but some fields, for a write that changes only those: what else stands in a
    /// function need not be valid any more, as a layer that somebody deleted.
    pub(super) fn only(&self, fields: &BTreeSet<&str>) -> Result<Self, Blocked> {
        // What every function has is there, and empty where it is not to be sent.
        let spec = only(&self.spec, fields, json!({"role": "", "code": {}}))?;
        let env = self.env.clone().filter(|_| fields.contains("env"));
        Ok(Self { spec, env })
    }
}

/// Compares a function with its spec. Values of secrets, and of variables that the spec does not
/// know, take part as digests.
pub(super) fn compare(
    desired: &Desired<FunctionSpec>,
    live: &LiveFunction,
    exists: bool,
) -> Result<(Comparison, Settings), Blocked> {
    let env = desired.spec.env.as_ref().map(|env| DeclaredEnv::new(env, &desired.resolved));
    let mut declared = comparable(&desired.spec, &desired.tags);
    let mut seen = comparable(&live.spec, &live.tags);
    for side in [&mut declared, &mut seen] {
        if let Value::Object(fields) = side {
            for field in ["alias", "rollout", "env", "permissions", "code"] {
                fields.remove(field);
            }
        }
    }
    seen["reservedConcurrency"] = json!(-1);
    seen["recursiveLoop"] = json!("Terminate");
    seen["aliasDescription"] = json!("");
    for (field, facet) in &live.facets {
        seen[field] = facet.words.clone();
    }
    if let Some(provisioned) = provisioned::seen(desired, live) {
        seen[provisioned::FIELD] = provisioned;
    }
    settle_cors(&mut declared, &mut seen);
    settle_vpc(&mut declared, &seen);
    // Destinations that shall not be there are not, where nothing is set at all.
    let is_cleared = |value: &Value| value.as_object().is_some_and(|o| o.values().all(|v| v == ""));
    if is_cleared(&declared["async"]) && seen["async"].is_null() {
        declared["async"] = json!({});
    }
    if let Some(env) = &env {
        declared["env"] = env.comparable();
        seen["env"] = env.comparable_live(&live.env);
    }
    if let Some(permissions) = permission::declared(&desired.spec) {
        let live = permission::concerned(&desired.spec, &live.permissions);
        declared["permissions"] = json!(permissions);
        seen["permissions"] = json!(live);
    }
    let (want, have) = code(&desired.spec.code, live);
    declared["code"] = want;
    seen["code"] = have;
    let levels = declared["logging"].clone();
    let side = if exists { LiveSide::Resource(&seen) } else { LiveSide::Nothing(&seen) };
    let mut compared = desired.compare(declared, side, &SHAPE);
    let effective = &mut compared.effective;
    settle_levels(effective, &levels);
    let mut variables = Value::Null;
    if let Value::Object(fields) = effective {
        variables = fields.remove("env").unwrap_or_default();
        fields.insert("code".to_owned(), json!(desired.spec.code));
    }
    let settings = Settings {
        spec: readable(effective)?,
        env: env.map(|env| env.effective(&variables, &live.env)),
    };
    Ok((compared, settings))
}

/// Text logs have no levels: those of the JSON logs before, which nobody declared, do not go along.
fn settle_levels(effective: &mut Value, declared: &Value) {
    let Some(Value::Object(logging)) = effective.get_mut("logging") else { return };
    if logging.get("logFormat") == Some(&json!("Text")) {
        let is_level = |field: &str| ["applicationLogLevel", "systemLogLevel"].contains(&field);
        logging.retain(|field, _| !is_level(field) || declared.get(field).is_some());
    }
}

/// A VPC without subnets and security groups is none, said by two empty lists, or of a function that is in
/// none.
fn settle_vpc(declared: &mut Value, seen: &Value) {
    let Some(Value::Object(vpc)) = declared.get_mut("vpc") else { return };
    let list = |name: &str| vpc.get(name).and_then(Value::as_array);
    let lists = ["subnetIds", "securityGroupIds"].map(list);
    let is_none = lists.iter().all(|list| list.is_none_or(Vec::is_empty));
    let is_left = lists.iter().all(|list| list.is_some_and(Vec::is_empty));
    let wants_more = vpc.get("ipv6AllowedForDualStack") == Some(&json!(true));
    if !wants_more && (is_left || is_none && seen["vpc"].is_null()) {
        vpc.clear();
    }
}

/// Names of headers have no case, and Lambda keeps them in lower case: go-to-k/cdk-real-drift, issue 874.
fn lower_headers(side: &mut Value) {
    for field in ["allowHeaders", "exposeHeaders"] {
        let headers = side.pointer_mut(&format!("/url/cors/{field}")).and_then(Value::as_array_mut);
        for header in headers.into_iter().flatten() {
            if let Value::String(name) = header {
                *name = name.to_ascii_lowercase();
            }
        }
    }
}

/// What CORS has where nothing is set: AWS may show it or not. What is declared stays what it is: one usual value
/// among others clears nothing.
fn settle_cors(declared: &mut Value, seen: &mut Value) {
    for side in [&mut *declared, &mut *seen] {
        lower_headers(side);
    }
    let Some(Value::Object(wanted)) = declared.pointer_mut("/url/cors") else { return };
    let usual = |field: &str| match field {
        "allowCredentials" => json!(false),
        "maxAge" => json!(0),
        _ => json!([]),
    };
    match seen.pointer_mut("/url/cors") {
        Some(Value::Object(live)) => {
            for field in wanted.keys() {
                live.entry(field.clone()).or_insert_with(|| usual(field));
            }
        }
        _ if wanted.iter().all(|(field, value)| *value == usual(field)) => wanted.clear(),
        _ => {}
    }
}

/// Code compares by its image, by its digest, or by where it came from when it was last deployed.
fn code(code: &Code, live: &LiveFunction) -> (Value, Value) {
    match code {
        Code { image: Some(image), .. } => (json!({"image": image}), json!({"image": live.image})),
        Code { s3: Some(S3Location { sha256: Some(hex), .. }), .. } => {
            (json!({"sha256": base64_of_hex(hex)}), json!({"sha256": live.code_sha256}))
        }
        Code { s3: Some(location), .. } => {
            let remembered = live.tags.get(CODE_TAG).map(String::as_str);
            let expected = code_tag(location, &live.code_sha256);
            let seen = if remembered == Some(expected.as_str()) {
                json!(location)
            } else {
                json!({"sha256": live.code_sha256})
            };
            (json!({"s3": location}), json!({"s3": seen}))
        }
        _ => (json!({}), json!({})),
    }
}

/// The value of [`CODE_TAG`]: a digest of the location, and the code's own at that time.
pub(super) fn code_tag(location: &S3Location, code_sha256: &str) -> String {
    let place = json!(location).to_string();
    format!("{}@{code_sha256}", &sha256_hex(place)[..16])
}

/// Lambda writes digests in base64.
fn base64_of_hex(text: &str) -> String {
    BASE64_STANDARD.encode(hex::decode(text).unwrap_or_default())
}
