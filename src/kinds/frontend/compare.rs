//! The two sides of a frontend's comparison, and the settings that a write takes from it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use schemars::schema_for;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::kinds::{
    Comparison, DeclaredEnv, Desired, EnvVar, LiveSide, Unasked, Variables, comparable, only,
    readable,
};
use crate::model::{Path, Secret, ValueFrom, canonical_json, digest_of};
use crate::plan::{Blocked, Change, Shape, sensitive};

use super::observe::{LiveBranch, LiveFrontend};
use super::spec::*;

pub(super) static SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::of(schema_for!(FrontendSpec).as_value(), &[]));

/// The conditions of live rules that a declared rule of the same source and target would lose, and that no manifest
/// ever gave it: without one a rule meets every visitor.
pub(super) fn lost_conditions(
    desired: &Desired<FrontendSpec>,
    live: &LiveFrontend,
    changes: &[Change],
) -> Vec<Unasked> {
    if !changes.iter().any(|change| change.path.root() == "customRules") {
        return Vec::new();
    }
    let is_same = |one: &CustomRule, other: &CustomRule| {
        (&one.source, &one.target) == (&other.source, &other.target)
    };
    let rules = |spec: &Value| Vec::<CustomRule>::deserialize(spec.get("customRules")?).ok();
    let earlier: Vec<_> = desired.earlier().filter_map(rules).flatten().collect();
    let wanted = desired.spec.custom_rules.as_deref().unwrap_or_default();
    let is_lost = |rule: &&CustomRule| {
        let known = |other: &CustomRule| is_same(other, rule) && other.condition == rule.condition;
        rule.condition.as_ref().is_some_and(|condition| !condition.is_empty())
            && wanted.iter().any(|other| is_same(other, rule) && other.condition.is_none())
            && !wanted.iter().chain(&earlier).any(known)
    };
    let lost = live.spec.custom_rules.iter().flatten().filter(is_lost);
    let told = |rule: &CustomRule| Unasked {
        path: Path::default().field("customRules"),
        lost: format!("customRules[{}].condition", rule.source),
    };
    lost.map(told).collect()
}

/// What CreateApp and UpdateApp write.
#[derive(Clone, Debug, PartialEq)]
pub struct AppSettings {
    pub spec: FrontendSpec,
    pub build_spec: Option<String>,
    pub env: Option<Variables>,
    /// `Some(None)` turns basic authentication off. Base64 of `user:password`.
    pub basic_auth: Option<Option<Secret>>,
    pub token: Option<Secret>,
    pub branch: BranchSettings,
}

/// What CreateBranch and UpdateBranch write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BranchSettings {
    /// Its `env` and `basic_auth` are not used.
    pub spec: BranchSpec,
    pub env: Option<Variables>,
    /// `Some(None)` takes the branch's own login away. Base64 of `user:password`.
    pub basic_auth: Option<Option<Secret>>,
}

impl BranchSettings {
    /// The same with nothing but some fields of the branch.
    pub(super) fn only(&self, fields: &BTreeSet<&str>) -> Result<Self, Blocked> {
        Ok(Self {
            spec: only(&self.spec, fields, json!({"name": self.spec.name}))?,
            env: self.env.clone().filter(|_| fields.contains("env")),
            basic_auth: self.basic_auth.clone().filter(|_| fields.contains("basicAuth")),
        })
    }
}

impl AppSettings {
    /// The same with nothing but some fields of the app: what else stands in a manifest need not be valid
    /// any more, as a role that somebody deleted. The repository's address stays: it says which kind of
    /// token goes with it.
    pub(super) fn only(&self, fields: &BTreeSet<&str>) -> Result<Self, Blocked> {
        let kept = json!({"branch": self.spec.branch, "repository": self.spec.repository});
        Ok(Self {
            spec: only(&self.spec, fields, kept)?,
            build_spec: self.build_spec.clone().filter(|_| fields.contains("build")),
            env: self.env.clone().filter(|_| fields.contains("env")),
            basic_auth: self.basic_auth.clone().filter(|_| fields.contains("basicAuth")),
            token: self.token.clone(),
            branch: BranchSettings::default(),
        })
    }
}

/// Compares an app with its spec. Secrets, and variables that the spec does not know, take part as
/// digests.
pub(super) fn compare(
    desired: &Desired<FrontendSpec>,
    live: &LiveFrontend,
    exists: bool,
) -> Result<(Comparison, AppSettings), Blocked> {
    let spec = &desired.spec;
    let env = declared_env(desired, spec.env.as_deref());
    let branch_env = declared_env(desired, spec.branch.env.as_deref());
    let login = |auth: Option<&BasicAuth>, field| {
        auth.map(|auth| credentials(desired, auth, field)).transpose()
    };
    let basic_auth = login(spec.basic_auth.as_ref(), "basicAuth")?;
    let branch_login = login(spec.branch.basic_auth.as_ref(), "branch.basicAuth")?;
    let nothing = LiveBranch::default();
    let branch = live.branch.as_ref().unwrap_or(&nothing);
    let mut declared = comparable(&with_defaults(spec), &desired.tags);
    let mut seen = comparable(&live.spec, &live.tags);
    for side in [&mut declared, &mut seen] {
        if let Value::Object(fields) = side {
            for field in ["build", "artifact", "env", "basicAuth"] {
                fields.remove(field);
            }
            for field in ["env", "basicAuth"] {
                fields["branch"].as_object_mut().map(|branch| branch.remove(field));
            }
        }
    }
    if let Some(Value::Object(fields)) = declared.get_mut("repository") {
        fields.remove("tokenFrom");
    }
    for (field, facet) in &live.facets {
        seen[field] = facet.words.clone();
    }
    if let Some(build) = spec.build.as_ref().and_then(Build::specification) {
        declared["build"] = json!(build.trim_end());
        seen["build"] = json!(live.build_spec.trim_end());
    }
    if spec.custom_headers.is_some() {
        for side in [&mut declared, &mut seen] {
            let text = side["customHeaders"].as_str().unwrap_or_default();
            side["customHeaders"] = json!(by_meaning(text));
        }
    }
    if let Some(env) = &env {
        declared["env"] = env.comparable();
        seen["env"] = env.comparable_live(&live.env);
    }
    if let Some(env) = &branch_env {
        declared["branch"]["env"] = env.comparable();
        seen["branch"]["env"] = env.comparable_live(&branch.env);
    }
    let side = |secret: Option<&Secret>| secret.map_or(json!(""), |s| sensitive(s.reveal()));
    if let Some(wanted) = &basic_auth {
        declared["basicAuth"] = side(wanted.as_ref());
        seen["basicAuth"] = side(live.basic_auth.as_ref());
    }
    if let Some(wanted) = &branch_login {
        declared["branch"]["basicAuth"] = side(wanted.as_ref());
        seen["branch"]["basicAuth"] = side(branch.basic_auth.as_ref());
    }
    let side = if exists { LiveSide::Resource(&seen) } else { LiveSide::Nothing(&seen) };
    let compared = desired.compare(declared, side, &SHAPE);
    let effective = effective(spec, &compared.effective)?;
    let of_branch = &compared.effective["branch"]["env"];
    let settings = AppSettings {
        branch: BranchSettings {
            spec: effective.branch.clone(),
            env: branch_env.map(|env| env.effective(of_branch, &branch.env)),
            basic_auth: branch_login,
        },
        spec: effective,
        build_spec: spec.build.as_ref().and_then(Build::specification),
        env: env.map(|env| env.effective(&compared.effective["env"], &live.env)),
        basic_auth,
        token: spec
            .repository
            .as_ref()
            .and_then(|r| r.token_from.as_ref())
            .and_then(|from| desired.resolved.secret(from))
            .cloned(),
    };
    Ok((compared, settings))
}

/// Custom headers are YAML or JSON, and Amplify may give one back as the other:
/// <https://docs.aws.amazon.com/amplify/latest/userguide/custom-header-YAML-format.html>. What is neither
/// is compared as it is written.
fn by_meaning(text: &str) -> String {
    match serde_saphyr::from_str::<Value>(text) {
        // Amplify may show the list alone: aws-cloudformation/cloudformation-coverage-roadmap, issue 2511.
        Ok(Value::Object(mut value)) if value.len() == 1 && value.contains_key("customHeaders") => {
            canonical_json(&value["customHeaders"].take())
        }
        Ok(value @ (Value::Object(_) | Value::Array(_))) => canonical_json(&value),
        _ => text.trim_end().to_owned(),
    }
}

/// Amplify points a subdomain at one branch; ours unless the manifest names another.
fn with_defaults(spec: &FrontendSpec) -> FrontendSpec {
    let mut spec = spec.clone();
    for subdomain in spec.domain.iter_mut().flat_map(|d| d.subdomains.iter_mut().flatten()) {
        subdomain.branch.get_or_insert_with(|| spec.branch.name.clone());
    }
    spec
}

fn effective(spec: &FrontendSpec, effective: &Value) -> Result<FrontendSpec, Blocked> {
    let mut effective = effective.clone();
    if let Value::Object(fields) = &mut effective {
        for field in ["build", "env", "basicAuth"] {
            fields.remove(field);
        }
        for field in ["env", "basicAuth"] {
            fields["branch"].as_object_mut().map(|branch| branch.remove(field));
        }
    }
    let read: FrontendSpec = readable(&effective)?;
    Ok(FrontendSpec {
        build: spec.build.clone(),
        artifact: spec.artifact.clone(),
        custom_headers: spec.custom_headers.clone().filter(|_| read.custom_headers.is_some()),
        ..read
    })
}

fn declared_env(desired: &Desired<FrontendSpec>, env: Option<&[EnvVar]>) -> Option<DeclaredEnv> {
    env.map(|env| DeclaredEnv::new(env, &desired.resolved))
}

/// As Amplify takes them: in base64, of `user:password`. It takes any other text, too, and nobody gets in then.
/// <https://docs.aws.amazon.com/amplify/latest/APIReference/API_CreateApp.html>
fn credentials(
    desired: &Desired<FrontendSpec>,
    auth: &BasicAuth,
    field: &str,
) -> Result<Option<Secret>, Blocked> {
    let from: Option<&ValueFrom> = auth.credentials_from.as_ref();
    let Some(secret) = from.and_then(|from| desired.resolved.secret(from)) else { return Ok(None) };
    if secret.reveal().split_once(':').is_none_or(|(user, _)| user.is_empty()) {
        let message = format!(
            "the secret of {field} is not of the form `user:password`, which Amplify asks for; put the user's name and a \
             colon before the password"
        );
        return Err(Blocked { reason: "SecretMalformed", message });
    }
    Ok(Some(Secret::new(BASE64_STANDARD.encode(secret.reveal()))))
}

/// What a release of the frontend is told apart by: its artifact, or, where Amplify builds it,
/// everything that the build depends on.
pub(super) fn release_digest(desired: &Desired<FrontendSpec>) -> Option<String> {
    let spec = &desired.spec;
    if let Some(artifact) = &spec.artifact {
        let s3 = artifact.s3.as_ref()?;
        return Some(s3.sha256.clone().unwrap_or_else(|| digest_of(s3)));
    }
    spec.repository.as_ref()?;
    let digests = |env: Option<&[EnvVar]>| {
        let env = declared_env(desired, env)?;
        let one = |(name, value): (&String, &Secret)| json!([name, digest_of(&value.reveal())]);
        Some(env.values().iter().map(one).collect::<Vec<_>>())
    };
    let env = digests(spec.env.as_deref());
    // A login changes nothing of a build.
    let branch = BranchSpec { basic_auth: None, ..spec.branch.clone() };
    let mut built_from = vec![
        json!(spec.repository),
        json!(spec.build),
        json!(branch),
        json!(spec.platform),
        json!(env),
    ];
    built_from.extend(digests(spec.branch.env.as_deref()).map(Value::from));
    Some(digest_of(&built_from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_headers_are_compared_by_what_they_say() {
        let yaml = "customHeaders:\n  - pattern: '*.json'\n    headers:\n      - key: X-A\n        value: 'b'\n";
        let as_json =
            r#"{"customHeaders":[{"headers":[{"value":"b","key":"X-A"}],"pattern":"*.json"}]}"#;
        assert_eq!(by_meaning(yaml), by_meaning(as_json));
        let bare = r#"[{"pattern":"*.json","headers":[{"key":"X-A","value":"b"}]}]"#;
        assert_eq!(by_meaning(yaml), by_meaning(bare), "as Amplify may show it");
        assert_ne!(by_meaning(yaml), by_meaning(&as_json.replace("X-A", "X-B")));
        assert_eq!(by_meaning("no: [headers"), "no: [headers");
    }
}
