//! A disaster and its end on the command line: every verb of docs/recovery.md, with the real binary and a daemon
//! beside it; and no secret in what is kept.

use std::process::Output;

use serde_json::{Value, json};

use crate::proof::kill::{MANIFESTS, shop_folder};
use crate::proof::served::Served;
use crate::sweep::{PLANTED, leak};

const RECOVERY: &str = "reconcile: { interval: 1s }\n  \
     recovery: { rpo: 24h, rto: 2h, backups: { bucket: artifacts, prefix: vault/, schedule: \"0 3 * * *\" } }";
const VAULT: &str = "s3://artifacts/vault/";

fn manifests() -> String {
    let secretive = "  env:\n    - { name: KEY, valueFrom: { secretsManager: { secretId: proof/first, key: key } } }\n";
    let manifests = MANIFESTS
        .replace("reconcile: { interval: 10s }", RECOVERY)
        .replace("  env:\n", secretive)
        .replace("versioning: Enabled, ", "")
        .replace("  ttl: { attribute: expiresAt }\n", "  pointInTimeRecovery: { enabled: true }\n");
    assert!(manifests.contains("rpo") && manifests.contains("proof/first"));
    assert!(manifests.contains("pointInTimeRecovery"));
    manifests
}

/// Asks DynamoDB as a client would.
fn dynamodb(aws: &Served, operation: &str, body: &Value) -> Value {
    let target = format!("DynamoDB_20120810.{operation}");
    let body = body.to_string();
    let asked = aws.sandbox.ask("dynamodb", "POST", "/", &target, &body);
    let (status, said) = aws.runtime.block_on(asked);
    assert!(status < 300, "{operation}: {said}");
    serde_json::from_str(&said).unwrap()
}

fn items(aws: &Served) -> u64 {
    dynamodb(aws, "Scan", &json!({"TableName": "proof-orders"}))["Count"].as_u64().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every object below the vault, with what is in it.
fn vault(aws: &Served) -> Vec<(String, String)> {
    let (_, listed) = aws.runtime.block_on(aws.sandbox.ask(
        "s3",
        "GET",
        "/artifacts?list-type=2&prefix=vault/",
        "",
        "",
    ));
    let keys = listed.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
    keys.map(|key| {
        let path = format!("/artifacts/{key}");
        let (status, body) = aws.runtime.block_on(aws.sandbox.ask("s3", "GET", &path, "", ""));
        assert_eq!(status, 200, "{key}");
        (key.to_owned(), body)
    })
    .collect()
}

#[test]
fn a_disaster_is_prepared_for_and_mended_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let aws = Served::start();
    let key = json!({"key": format!("{PLANTED}-of-the-vault")}).to_string();
    let secret =
        json!({"Name": "proof/first", "SecretString": key, "ClientRequestToken": "a".repeat(32)});
    aws.ask("secretsmanager", "POST", "/", "secretsmanager.CreateSecret", &secret.to_string());
    aws.done(&["init", "--bucket", "artifacts"]);
    aws.apply(&shop_folder(folder.path(), &manifests()));
    let daemon = aws.daemon();
    aws.done(&["wait", "proof", "--timeout", "100s"]);
    let item = json!({"TableName": "proof-orders", "Item": {"id": {"S": "an order"}}});
    dynamodb(&aws, "PutItem", &item);
    aws.ask("s3", "PUT", "/proof-assets/a.txt", "", "a page");

    // It is prepared for.
    let created = aws.trueup(&["backup", "create", "proof"]);
    assert!(
        String::from_utf8_lossy(&created.stderr).contains("go on with --resume"),
        "{created:?}"
    );
    let id = said(&created).split_whitespace().next().unwrap().to_owned();
    let listed: Value =
        serde_json::from_str(&said(&aws.trueup(&["backup", "list", "proof", "-o", "json"])))
            .unwrap();
    assert_eq!(listed["items"][0]["id"], id.as_str(), "{listed:#}");
    let verified = said(&aws.trueup(&["backup", "verify", "proof"]));
    assert!(verified.contains(&id), "{verified}");
    let judged = || said(&aws.trueup(&["get", "recovery", "-o", "json"]));
    assert!(judged().contains("it was never rehearsed"), "{}", judged());
    let refused = aws.trueup(&["backup", "delete", "proof", &id]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && why.contains("--even-the-newest"), "{why}");
    let kept = vault(&aws);
    let leaked: Vec<_> = kept.iter().filter_map(|(key, body)| Some((key, leak(body)?))).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    assert!(kept.iter().any(|(_, body)| body.contains("proof/first")), "the reference is in it");

    // One table is gone. The daemon makes certain of that for a minute.
    dynamodb(&aws, "DeleteTable", &json!({"TableName": "proof-orders"}));
    aws.until("the daemon says that data are lost", || {
        let told = aws.trueup(&["describe", "proof", "Table/orders"]);
        String::from_utf8_lossy(&told.stdout).contains("DataLost")
    });
    let planned = said(&aws.trueup(&["restore", "proof", "--dry-run"]));
    assert!(
        planned.starts_with("Table/orders from ") && planned.ends_with("nothing was done\n"),
        "{planned}"
    );
    assert!(said(&aws.trueup(&["restore", "proof"])).ends_with("restored\n"));
    aws.done(&["wait", "proof", "--timeout", "100s"]);
    assert_eq!(items(&aws), 1, "its item is back");
    let built = said(&aws.trueup(&["drill", "proof"]));
    assert!(built.contains("proof-drill"), "{built}");
    assert!(judged().contains("\"ObjectivesMet\""), "{}", judged());

    // Everything is gone, the store too.
    daemon.terminate();
    dynamodb(&aws, "DeleteTable", &json!({"TableName": "proof-orders"}));
    dynamodb(&aws, "DeleteTable", &json!({"TableName": "trueup"}));
    aws.ask("lambda", "DELETE", "/2015-03-31/functions/proof-api", "", "");
    aws.ask("s3", "DELETE", "/proof-assets/a.txt", "", "");
    aws.ask("s3", "DELETE", "/proof-assets", "", "");
    let elsewhere = said(&aws.trueup(&["backup", "list", "proof", "--vault", VAULT]));
    assert!(elsewhere.contains(&id), "{elsewhere}");
    let rehydrate = ["rehydrate", "proof", "--vault", VAULT, "--from", &id];
    let planned = said(&aws.trueup(&[&rehydrate[..], &["--dry-run"]].concat()));
    assert!(
        planned.contains("it takes at least ") && planned.contains("nothing was done"),
        "{planned}"
    );
    let whole = std::thread::scope(|scope| {
        let operator = scope.spawn(|| aws.trueup(&rehydrate));
        let has_store = || aws.trueup(&["history", "proof"]).status.success();
        aws.until("the desired state is back", has_store);
        let daemon = aws.daemon();
        let whole = said(&operator.join().unwrap());
        daemon.terminate();
        whole
    });
    assert!(whole.contains("proof is whole: "), "{whole}");
    assert_eq!(items(&aws), 1);
    let (status, page) =
        aws.runtime.block_on(aws.sandbox.ask("s3", "GET", "/proof-assets/a.txt", "", ""));
    assert_eq!((status, page.as_str()), (200, "a page"));
    assert!(!said(&aws.trueup(&["history", "proof"])).is_empty());
    said(&aws.trueup(&["backup", "delete", "proof", &id, "--even-the-newest"]));
}
