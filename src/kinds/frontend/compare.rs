//! The two sides of a frontend's comparison, and the settings that a write takes from it.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::kinds::{Comparison, DeclaredEnv, Desired, Variables, comparable, readable};
use crate::model::{Secret, ValueFrom, canonical_json, digest_of};
use crate::plan::{Blocked, ListRule, Shape, sensitive};

use super::observe::LiveFrontend;
use super::spec::*;

pub(super) const SHAPE: Shape = Shape {
    lists: &[("env", ListRule::Keyed("name")), ("domain.subdomains", ListRule::Keyed("prefix"))],
    wholes: &["customRules", "domain.subdomains"],
    needed: &[],
};

/// What CreateApp and UpdateApp write.
#[derive(Clone, Debug, PartialEq)]
pub struct AppSettings {
    pub spec: FrontendSpec,
    pub build_spec: Option<String>,
    pub env: Option<Variables>,
    /// `Some(None)` turns basic authentication off. Base64 of `user:password`.
    pub basic_auth: Option<Option<Secret>>,
    pub token: Option<Secret>,
}

impl AppSettings {
    /// The same with nothing but some fields of the app: what else stands in a manifest need not be valid
    /// any more, as a role that somebody deleted. The repository's address stays: it says which kind of
    /// token goes with it.
    pub(super) fn only(&self, fields: &BTreeSet<&str>) -> Self {
        let has = |field: &str| fields.contains(field);
        let spec = FrontendSpec {
            description: self.spec.description.clone().filter(|_| has("description")),
            platform: self.spec.platform.filter(|_| has("platform")),
            custom_rules: self.spec.custom_rules.clone().filter(|_| has("customRules")),
            custom_headers: self.spec.custom_headers.clone().filter(|_| has("customHeaders")),
            service_role: self.spec.service_role.clone().filter(|_| has("serviceRole")),
            compute_role: self.spec.compute_role.clone().filter(|_| has("computeRole")),
            cache_config: self.spec.cache_config.filter(|_| has("cacheConfig")),
            job_config: self.spec.job_config.filter(|_| has("jobConfig")),
            repository: self.spec.repository.clone(),
            ..FrontendSpec::default()
        };
        Self {
            spec,
            build_spec: self.build_spec.clone().filter(|_| has("build")),
            env: self.env.clone().filter(|_| has("env")),
            basic_auth: self.basic_auth.clone().filter(|_| has("basicAuth")),
            token: self.token.clone(),
        }
    }
}

/// Compares an app with its spec. Secrets, and variables that the spec does not know, take part as
/// digests.
pub(super) fn compare(
    desired: &Desired<FrontendSpec>,
    live: &LiveFrontend,
) -> Result<(Comparison, AppSettings), Blocked> {
    let spec = &desired.spec;
    let env = declared_env(desired);
    let basic_auth = spec.basic_auth.as_ref().map(|auth| credentials(desired, auth));
    let mut declared = comparable(&with_defaults(spec), &desired.tags);
    let mut seen = comparable(&live.spec, &live.tags);
    for side in [&mut declared, &mut seen] {
        if let Value::Object(fields) = side {
            for field in ["build", "artifact", "env", "basicAuth"] {
                fields.remove(field);
            }
        }
    }
    if let Some(Value::Object(fields)) = declared.get_mut("repository") {
        fields.remove("tokenFrom");
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
    if let Some(wanted) = &basic_auth {
        let side = |secret: Option<&Secret>| secret.map_or(json!(""), |s| sensitive(s.reveal()));
        declared["basicAuth"] = side(wanted.as_ref());
        seen["basicAuth"] = side(live.basic_auth.as_ref());
    }
    let compared = desired.compare(declared, &seen, &SHAPE);
    let settings = AppSettings {
        spec: effective(spec, &compared.effective)?,
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
    }
    let read: FrontendSpec = readable(&effective)?;
    Ok(FrontendSpec {
        build: spec.build.clone(),
        artifact: spec.artifact.clone(),
        custom_headers: spec.custom_headers.clone().filter(|_| read.custom_headers.is_some()),
        ..read
    })
}

fn declared_env(desired: &Desired<FrontendSpec>) -> Option<DeclaredEnv> {
    let env = desired.spec.env.as_ref()?;
    Some(DeclaredEnv::new(env, &desired.resolved))
}

fn credentials(desired: &Desired<FrontendSpec>, auth: &BasicAuth) -> Option<Secret> {
    let from: &ValueFrom = auth.credentials_from.as_ref()?;
    let secret = desired.resolved.secret(from)?;
    Some(Secret::new(BASE64_STANDARD.encode(secret.reveal())))
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
    let env = declared_env(desired).map(|env| {
        let digests =
            env.values().iter().map(|(name, value)| json!([name, digest_of(&value.reveal())]));
        digests.collect::<Vec<_>>()
    });
    Some(digest_of(&json!([spec.repository, spec.build, spec.branch, spec.platform, env])))
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
        assert_ne!(by_meaning(yaml), by_meaning(&as_json.replace("X-A", "X-B")));
        assert_eq!(by_meaning("no: [headers"), "no: [headers");
    }
}
