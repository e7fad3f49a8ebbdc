//! Worlds of the proof: one environment, `proof`, with objects made of [`super::specs`].

use std::time::Duration;

use serde_json::{Value, json};
use trueup::manifest::Set;
use trueup::model::condition_type;
use trueup::sandbox::REGION;
use trueup::store::StatusRecord;

use super::live::{Live, arn, live};
use super::specs::{Body, Request};
use crate::harness::{ARTIFACTS, Harness, parse};
use crate::sweep::PLANTED;

pub const ENVIRONMENT: &str = "proof";

/// An object of the environment.
pub fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "trueup.dev/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": ENVIRONMENT,
            // A function that changes between a zip and an image is replaced.
            "annotations": {"trueup.dev/allow-replace": "true"},
        },
        "spec": spec,
    })
}

pub fn environment(extra: Value) -> Value {
    let mut spec = json!({
        "aws": {"region": REGION, "accountId": "123456789012"},
        "artifacts": {"bucket": ARTIFACTS},
        // What fails stays, for the proof to look at.
        "rollout": {"rollback": "Manual"},
    });
    for (field, value) in extra.as_object().unwrap() {
        spec[field] = value.clone();
    }
    json!({
        "apiVersion": "trueup.dev/v1alpha1",
        "kind": "Environment",
        "metadata": {"name": ENVIRONMENT},
        "spec": spec,
    })
}

/// As JSON, which is YAML too.
pub fn documents(environment: &Value, objects: &[Value]) -> String {
    let documents = std::iter::once(environment).chain(objects);
    let texts: Vec<_> = documents.map(|d| serde_json::to_string_pretty(d).unwrap()).collect();
    texts.join("\n---\n")
}

pub fn set(environment: Value, objects: &[Value]) -> Set {
    parse(&documents(&environment, objects))
}

/// An account with the code and the secrets that the specs refer to.
pub async fn world() -> Harness {
    let mut harness = Harness::new().await;
    harness.watch_every = Duration::from_secs(3);
    harness.put_code("api.zip", b"code").await;
    harness.put_code("api-2.zip", b"other code").await;
    harness.put_code("web.zip", b"site").await;
    harness.put_code("web-2.zip", b"other site").await;
    for (secret, value) in [("first", "one"), ("second", "two")] {
        let text = json!({"key": format!("{PLANTED}-{value}"), "login": format!("user:{PLANTED}-{value}")});
        let create = harness.session.secretsmanager().create_secret();
        create
            .name(format!("proof/{secret}"))
            .secret_string(text.to_string())
            .send()
            .await
            .unwrap();
    }
    harness
}

/// Does by hand what a row says. Returns whether AWS took all of it.
pub async fn by_hand(harness: &Harness, kind: &str, name: &str, requests: &[Request]) -> bool {
    let status = harness.status(ENVIRONMENT, &format!("{kind}/{name}")).await;
    let app = status.and_then(|s| s.physical_id).unwrap_or_default();
    let name = format!("{ENVIRONMENT}-{name}");
    let arn = arn(kind, if kind == "Frontend" { &app } else { &name });
    let (_, tags) = harness.sandbox.ask("s3", "GET", &format!("/{name}?tagging"), "", "").await;
    // S3 takes a bucket's tags as a whole.
    let tags: Vec<_> = tags
        .split_inclusive("</Tag>")
        .filter_map(|tag| tag.split_once("<Tag>").map(|(_, rest)| format!("<Tag>{rest}")))
        .collect();
    let others: String = tags.iter().filter(|tag| !tag.contains(">team<")).cloned().collect();
    let alias = format!("/2015-03-31/functions/{name}/aliases/live");
    let (_, alias) = harness.sandbox.ask("lambda", "GET", &alias, "", "").await;
    let alias: Value = serde_json::from_str(&alias).unwrap_or_default();
    let version = alias["FunctionVersion"].as_str().unwrap_or_default();
    let fill = |text: &str, encode: bool| {
        let arn = if encode { arn.replace(':', "%3A").replace('/', "%2F") } else { arn.clone() };
        let text = text.replace("{name}", &name).replace("{app}", &app).replace("{arn}", &arn);
        let text = text.replace("{version}", version);
        text.replace("{tags}", &tags.concat()).replace("{other tags}", &others)
    };
    for request in requests {
        let body = match &request.body {
            Body::Json(Value::Null) => String::new(),
            Body::Json(body) => fill(&body.to_string(), false),
            Body::Xml(body) => fill(body, false),
        };
        let (path, target) = match request.service {
            "dynamodb" => ("/".to_owned(), format!("DynamoDB_20120810.{}", request.path)),
            "application-autoscaling" => {
                ("/".to_owned(), format!("AnyScaleFrontendService.{}", request.path))
            }
            _ => (fill(request.path, true), String::new()),
        };
        let (service, method) = (request.service, request.method);
        let (status, _) = harness.sandbox.ask(service, method, &path, &target, &body).await;
        if status >= 300 {
            return false;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    true
}

impl Harness {
    pub async fn live(&self) -> Live {
        live(&self.sandbox).await
    }

    /// AWS took writes and did not make them, until the flap guard stopped them: a person asks for another try.
    /// Returns whether there was any need.
    pub async fn lift_flap_guards(&self, statuses: &[StatusRecord]) -> bool {
        let is_flapping = |s: &&StatusRecord| {
            s.conditions.get(condition_type::STALLED).is_some_and(|c| c.reason == "Flapping")
        };
        let flapping: Vec<_> = statuses.iter().filter(is_flapping).collect();
        for status in &flapping {
            let id = Some(status.id().to_string());
            self.store.request_reconcile(ENVIRONMENT, id).await.unwrap();
        }
        !flapping.is_empty()
    }

    /// Settles: everything ready, and AWS done with what it does.
    pub async fn settle(&self) {
        self.until_ready(ENVIRONMENT).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
