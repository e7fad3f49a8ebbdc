//! Secrets in every place that takes one, through failures whose messages repeat them: no log, event,
//! status, diff, metric or error shows one. Every other test of the suite is swept as well, when its
//! world ends.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use trueup::model::condition_type;
use trueup::sandbox::Fault;

use super::figure;
use super::served::Served;
use super::specs::{proof, with};
use super::world::{ENVIRONMENT, documents, environment, object, set, world};
use crate::harness::{ARTIFACTS, DAEMON, statuses};
use crate::sweep::{PLANTED, leak, leaks, swept_bytes};

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
        harness.sandbox.faults().inject(fault.parse::<Fault>().unwrap().of(DAEMON));
    }
    harness.start().await;
    harness.settle().await;
    // Somebody puts another secret there by hand; it is a difference, and no less a secret.
    let by_hand = json!({"Environment": {"Variables": {"KEY": "planted-secret-by-hand", "MORE": "planted-secret-more"}}});
    let path = "/2015-03-31/functions/proof-it/configuration";
    harness.sandbox.ask("lambda", "PUT", path, "", &by_hand.to_string()).await;
    let set = set(environment(json!({})), &secretive());
    harness.observe(ENVIRONMENT).await;
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
fn no_verb_of_the_binary_and_no_daemon_shows_a_secret() {
    let aws = Served::start();
    aws.done(&["init", "--bucket", ARTIFACTS]);
    for code in ["api.zip", "web.zip"] {
        aws.ask("s3", "PUT", &format!("/{ARTIFACTS}/{code}"), "", "code");
    }
    let values = json!({"key": format!("{PLANTED}-key"), "login": format!("user:{PLANTED}-login")});
    for name in ["proof/first", "proof/second"] {
        let secret = json!({"Name": name, "SecretString": values.to_string()});
        let target = "secretsmanager.CreateSecret";
        aws.ask("secretsmanager", "POST", "/", target, &secret.to_string());
    }
    let fault = |text: &str, caller: &str| {
        aws.sandbox.faults().inject(text.parse::<Fault>().unwrap().of(caller));
    };
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let manifests = documents(&environment(json!({})), &secretive());
    std::fs::write(file.path(), manifests).unwrap();
    let file = file.path().to_str().unwrap();
    aws.done(&["validate", "-f", file]);
    aws.trueup(&["apply", "-f", file, "--dry-run"]);
    aws.apply(Path::new(file));
    // What AWS refuses, it repeats.
    fault("lambda:CreateFunction=invalid*1", DAEMON);
    fault("amplify:CreateApp=invalid*1", DAEMON);
    let daemon = aws.daemon();
    aws.until("both are ready", || {
        let statuses = aws.runtime.block_on(statuses(&aws.store, ENVIRONMENT));
        statuses.iter().filter(|s| s.conditions.is_true(condition_type::READY)).count() == 2
    });
    assert!(daemon.log().contains("injected"), "AWS repeated what it was sent: {}", daemon.log());
    daemon.kill();
    let by_hand = json!({"Environment": {"Variables": {"KEY": format!("{PLANTED}-by-hand")}}});
    let path = "/2015-03-31/functions/proof-it/configuration";
    aws.ask("lambda", "PUT", path, "", &by_hand.to_string());
    // Each verb's output is swept.
    let differs = aws.trueup(&["diff", ENVIRONMENT]);
    assert!(String::from_utf8_lossy(&differs.stdout).contains("(sensitive)"), "{differs:?}");
    fault("lambda:GetFunction=garbage*9", "OPERATOR");
    assert_eq!(aws.trueup(&["diff", ENVIRONMENT]).status.code(), Some(2));
    for verb in [
        vec!["get", ENVIRONMENT, "-o", "json"],
        vec!["get", ENVIRONMENT, "-o", "yaml"],
        vec!["describe", ENVIRONMENT, "Function/it"],
        vec!["describe", ENVIRONMENT, "Frontend/it"],
        vec!["events", ENVIRONMENT],
        vec!["history", ENVIRONMENT],
    ] {
        aws.done(&verb);
    }
    figure("secrets", "none in what the verbs print and the daemon logs");
}

#[test]
fn the_sweep_finds_what_leaks() {
    assert!(leak("KEY=planted-secret-one").is_some());
    assert!(leak("dXNlcjpwbGFudGVkLXNlY3JldC1vbmU=").is_some());
    assert_eq!(leak("KEY=(sensitive)"), None);
}
