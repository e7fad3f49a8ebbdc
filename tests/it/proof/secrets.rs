//! Secrets in every place that takes one, through failures whose messages repeat them: no log, event,
//! status, diff, metric or error shows one. Every other test of the suite is swept as well, when its
//! world ends.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::figure;
use super::specs::{proof, with};
use super::world::{ENVIRONMENT, environment, object, set, world};
use crate::harness::DAEMON;
use crate::sweep::{leak, leaks, swept_bytes};

fn from(key: &str) -> Value {
    json!({"secretsManager": {"secretId": "proof/first", "key": key}})
}

fn secretive() -> Vec<Value> {
    let env = json!([{"name": "KEY", "valueFrom": from("key")}, {"name": "LOGIN", "valueFrom": from("login")}]);
    let frontend = with(
        &proof("Frontend").full,
        &json!({
            "artifact": null, "env": env, "basicAuth": {"credentialsFrom": from("login")},
            "repository": {"url": "https://github.com/a/web", "tokenFrom": from("key")},
        }),
    );
    vec![
        object("Function", "it", &with(&proof("Function").full, &json!({ "env": env }))),
        object("Frontend", "it", &frontend),
    ]
}

#[tokio::test(start_paused = true)]
async fn no_secret_leaves_its_place() {
    let mut harness = world().await;
    harness.apply_set(set(environment(json!({})), &secretive())).await;
    for fault in [
        "lambda:CreateFunction=garbage*2",
        "lambda:CreateFunction=invalid*1",
        "amplify:CreateApp=denied*2",
        "amplify:CreateApp=invalid*1",
        "lambda:GetFunction=garbage*3",
    ] {
        harness
            .sandbox
            .faults()
            .inject(fault.parse::<trueup::sandbox::Fault>().unwrap().of(DAEMON));
    }
    harness.start().await;
    harness.settle().await;
    // Somebody puts another secret there by hand; it is a difference, and no less a secret.
    let by_hand = json!({"Environment": {"Variables": {"KEY": "planted-secret-by-hand", "MORE": "planted-secret-more"}}});
    let path = "/2015-03-31/functions/proof-it/configuration";
    harness.sandbox.ask("lambda", "PUT", path, "", &by_hand.to_string()).await;
    let set = set(environment(json!({})), &secretive());
    harness.look(ENVIRONMENT).await;
    harness.settle().await;
    for object in set.objects() {
        for shown in [format!("{object:?}"), serde_json::to_string(object).unwrap()] {
            assert_eq!(leak(&shown), None);
        }
    }
    assert_eq!(leaks(&harness.sandbox, crate::harness::TABLE, &harness.registry), [""; 0]);
    let events = harness.events(ENVIRONMENT).await;
    assert!(
        events.iter().any(|e| e.message.contains("(sensitive)")),
        "the drift was seen: {events:#?}"
    );
    let repeating: BTreeSet<_> = events
        .iter()
        .filter(|e| e.message.contains("injected") && e.message.contains("(sensitive)"))
        .map(|e| &e.object)
        .collect();
    assert_eq!(repeating.len(), 2, "AWS repeated secrets of both objects: {events:#?}");
    figure(
        "secrets",
        &format!(
            "none in {} KiB of logs, events, statuses and metrics so far",
            swept_bytes() / 1024
        ),
    );
}

#[test]
fn the_sweep_finds_what_leaks() {
    assert!(leak("KEY=planted-secret-one").is_some());
    assert!(leak("dXNlcjpwbGFudGVkLXNlY3JldC1vbmU=").is_some());
    assert_eq!(leak("KEY=(sensitive)"), None);
}
