//! The two sides of a frontend's comparison, and the settings that a write takes from it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::kinds::{Comparison, DeclaredEnv, Desired, Variables, comparable, readable};
use crate::model::{Secret, ValueFrom, digest_of};
use crate::plan::{Blocked, ListRule, Shape, sensitive};

use super::observe::LiveFrontend;
use super::spec::*;

pub(super) const SHAPE: Shape = Shape {
    lists: &[("env", ListRule::Keyed("name")), ("domain.subdomains", ListRule::Keyed("prefix"))],
    wholes: &[],
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
    Ok(FrontendSpec { build: spec.build.clone(), artifact: spec.artifact.clone(), ..read })
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
