//! What asks a person waits by itself: everything else of the object is repaired meanwhile, what closes a door above all.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Harness, shop, with_shop};

/// An environment that is ready.
async fn ready(yaml: &str) -> Harness {
    let harness = with_shop().await;
    harness.apply(yaml).await;
    harness.until_ready("shop").await;
    harness
}

/// Looks again, and waits for the question.
async fn asked(harness: &Harness, id: &str) -> String {
    harness.observe("shop").await;
    let (reason, message) = harness.until_stalled("shop", id).await;
    assert_eq!(reason, "ConfirmationNeeded", "{message}");
    tokio::time::sleep(Duration::from_secs(300)).await;
    message
}

const RULE: &str = "<LifecycleConfiguration><Rule><ID>tmp</ID><Status>Enabled</Status><Filter><Prefix>{}</Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";

#[tokio::test(start_paused = true)]
async fn a_bucket_that_somebody_opens_is_closed_while_a_rule_is_asked_about() {
    let closed =
        ["blockPublicAcls", "ignorePublicAcls", "blockPublicPolicy", "restrictPublicBuckets"];
    let all = closed.map(|field| format!("{field}: true")).join(", ");
    let spec = format!(
        "  publicAccessBlock: {{ {all} }}\n  lifecycle:\n    - {{ id: tmp, expirationDays: 1 }}"
    );
    let harness = ready(&shop().replace("  versioning: Enabled", &spec)).await;
    let open = "<PublicAccessBlockConfiguration><BlockPublicAcls>false</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls><BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    let block = async || harness.s3("GET", "/shop-assets?publicAccessBlock", "").await;
    harness.s3("PUT", "/shop-assets?publicAccessBlock", open).await;
    assert!(!block().await.contains("true"), "it was opened");
    harness.s3("PUT", "/shop-assets?lifecycle", &RULE.replace("{}", "tmp/")).await;
    let message = asked(&harness, "Bucket/assets").await;
    assert!(message.starts_with("lifecycle[tmp].prefix is set"), "{message}");
    assert!(!block().await.contains("false"), "it is closed again");
    assert!(harness.s3("GET", "/shop-assets?lifecycle", "").await.contains("tmp/"), "kept");
}

#[tokio::test(start_paused = true)]
async fn two_questions_are_one_that_names_both() {
    let statement = |sid: &str, effect: &str| json!({"Sid": sid, "Effect": effect, "Principal": {"AWS": "123456789012"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop-assets/*"});
    let policy = |statements: &[Value]| json!({"Version": "2012-10-17", "Statement": statements});
    let declared = policy(&[statement("read", "Allow")]);
    let spec =
        format!("  policy: {declared}\n  lifecycle:\n    - {{ id: tmp, expirationDays: 1 }}");
    let harness = ready(&shop().replace("  versioning: Enabled", &spec)).await;
    let by_hand = policy(&[statement("read", "Allow"), statement("locked", "Deny")]);
    harness.s3("PUT", "/shop-assets?policy", &by_hand.to_string()).await;
    harness.s3("PUT", "/shop-assets?lifecycle", &RULE.replace("{}", "tmp/")).await;
    let message = asked(&harness, "Bucket/assets").await;
    for lost in ["lifecycle[tmp].prefix", "policy.Statement[locked]"] {
        assert!(message.contains(lost), "{lost}: {message}");
    }
}

/// Somebody adds a Deny and an Allow to a policy: the Deny is asked about, and does not shield the Allow.
#[tokio::test(start_paused = true)]
async fn what_a_policy_opens_is_closed_while_one_of_its_limits_is_asked_about() {
    let statement = |sid: &str, effect: &str, who: Value| json!({"Sid": sid, "Effect": effect, "Principal": who, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop-assets/*"});
    let policy = |statements: &[Value]| json!({"Version": "2012-10-17", "Statement": statements});
    let read = || statement("read", "Allow", json!({"AWS": "123456789012"}));
    for (mode, is_closed) in [("Correct", true), ("Report", false)] {
        let spec = format!("  policy: {}", policy(&[read()]));
        let drift = format!("  reconcile: {{ drift: {mode} }}\n  artifacts:");
        let form = shop().replace("  versioning: Enabled", &spec).replace("  artifacts:", &drift);
        let harness = ready(&form).await;
        let locked = || statement("locked", "Deny", json!("*"));
        let put = async |statements: &[Value]| {
            harness.s3("PUT", "/shop-assets?policy", &policy(statements).to_string()).await;
        };
        put(&[read(), locked()]).await;
        let message = asked(&harness, "Bucket/assets").await;
        assert!(message.starts_with("policy.Statement[locked] is set"), "{message}");
        put(&[read(), locked(), statement("evil", "Allow", json!("*"))]).await;
        harness.observe("shop").await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        let live = harness.s3("GET", "/shop-assets?policy", "").await;
        assert!(live.contains("locked") && live.contains("read"), "{live}");
        assert_eq!(!live.contains("evil"), is_closed, "{mode}: {live}");
        let told = harness.events("shop").await;
        let is_told = told.iter().any(|event| {
            event.reason == "DriftDetected" && event.message.contains("policy.Statement[evil]")
        });
        assert!(is_told, "{mode}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_that_somebody_opens_is_closed_while_a_condition_is_asked_about() {
    let spec = "  alias: live\n  url: { authType: AWS_IAM }\n  permissions:\n    - { id: s3, principal: s3.amazonaws.com, sourceArn: \"arn:aws:s3:::shop-assets\" }";
    let harness = ready(&shop().replace("  alias: live", spec)).await;
    let policy = "/2015-03-31/functions/shop-api/policy";
    let url = "/2021-10-31/functions/shop-api/url?Qualifier=live";
    harness.lambda("PUT", url, json!({"AuthType": "NONE"})).await;
    assert_eq!(harness.lambda("GET", url, Value::Null).await["AuthType"], "NONE");
    let of_alias = format!("{policy}?Qualifier=live");
    harness.lambda("DELETE", &format!("{policy}/s3?Qualifier=live"), Value::Null).await;
    let narrower = json!({
        "StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com",
        "SourceArn": "arn:aws:s3:::shop-assets", "SourceAccount": "123456789012",
    });
    harness.lambda("POST", &of_alias, narrower).await;
    let configuration = "/2015-03-31/functions/shop-api/configuration";
    harness.lambda("PUT", configuration, json!({"MemorySize": 128})).await;
    let message = asked(&harness, "Function/api").await;
    assert!(message.starts_with("permissions[s3].sourceAccount is set"), "{message}");
    assert_eq!(harness.lambda("GET", url, Value::Null).await["AuthType"], "AWS_IAM");
    assert_eq!(harness.lambda("GET", configuration, Value::Null).await["MemorySize"], 512);
    let kept = harness.lambda("GET", &of_alias, Value::Null).await.to_string();
    assert!(kept.contains("SourceAccount"), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_somebody_unprotects_is_protected_while_an_index_is_asked_about() {
    let spec = "  deletionProtection: true\n  globalSecondaryIndexes: []\n  partitionKey: { name: id, type: S }";
    let harness = ready(&shop().replace("  partitionKey: { name: id, type: S }", spec)).await;
    let by_hand = json!({
        "TableName": "shop-orders",
        "AttributeDefinitions": [{"AttributeName": "sku", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "bySku", "KeySchema": [{"AttributeName": "sku", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }}],
    });
    harness.dynamodb("UpdateTable", by_hand).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let off = json!({"TableName": "shop-orders", "DeletionProtectionEnabled": false});
    harness.dynamodb("UpdateTable", off).await;
    let table = async || {
        harness.dynamodb("DescribeTable", json!({"TableName": "shop-orders"})).await["Table"]
            .clone()
    };
    let message = asked(&harness, "Table/orders").await;
    assert!(message.starts_with("globalSecondaryIndexes[bySku] is set"), "{message}");
    let live = table().await;
    assert_eq!(live["DeletionProtectionEnabled"], true);
    assert_eq!(live["GlobalSecondaryIndexes"][0]["IndexName"], "bySku");
}

/// A door that somebody opens again and again is closed each time: what was written had its effect, and the question
/// is none of its business.
#[tokio::test(start_paused = true)]
async fn a_door_that_is_opened_often_is_closed_as_often_while_a_question_stands() {
    let spec = "  publicAccessBlock: { blockPublicPolicy: true }\n  lifecycle:\n    - { id: tmp, expirationDays: 1 }";
    let harness = ready(&shop().replace("  versioning: Enabled", spec)).await;
    harness.s3("PUT", "/shop-assets?lifecycle", &RULE.replace("{}", "tmp/")).await;
    asked(&harness, "Bucket/assets").await;
    let open = "<PublicAccessBlockConfiguration><BlockPublicPolicy>false</BlockPublicPolicy></PublicAccessBlockConfiguration>";
    for time in 1..=6 {
        harness.s3("PUT", "/shop-assets?publicAccessBlock", open).await;
        // The environment is looked at every minute.
        tokio::time::sleep(Duration::from_secs(90)).await;
        let block = harness.s3("GET", "/shop-assets?publicAccessBlock", "").await;
        assert!(block.contains("<BlockPublicPolicy>true<"), "time {time}: {block}");
    }
}

/// Beside a question, drift is what it is elsewhere: told, counted, and mended or only reported.
#[tokio::test(start_paused = true)]
async fn drift_beside_a_question_is_told_and_goes_by_the_policy() {
    let spec = |tag: &str| {
        format!(
            "  publicAccessBlock: {{ blockPublicPolicy: true }}\n  tags: {{ team: {tag} }}\n  lifecycle:\n    - {{ id: tmp, expirationDays: 1 }}"
        )
    };
    for (policy, expected) in [("Correct", "true"), ("Report", "false")] {
        let form = |tag: &str| {
            let drift = format!("  reconcile: {{ drift: {policy} }}\n  artifacts:");
            shop().replace("  versioning: Enabled", &spec(tag)).replace("  artifacts:", &drift)
        };
        let harness = ready(&form("a")).await;
        harness.s3("PUT", "/shop-assets?lifecycle", &RULE.replace("{}", "tmp/")).await;
        harness.apply(&form("b")).await;
        asked(&harness, "Bucket/assets").await;
        let tags = harness.s3("GET", "/shop-assets?tagging", "").await;
        assert!(tags.contains("<Value>b</Value>"), "a release is carried out: {tags}");
        let open = "<PublicAccessBlockConfiguration><BlockPublicPolicy>false</BlockPublicPolicy></PublicAccessBlockConfiguration>";
        harness.s3("PUT", "/shop-assets?publicAccessBlock", open).await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        let block = harness.s3("GET", "/shop-assets?publicAccessBlock", "").await;
        let is = format!("<BlockPublicPolicy>{expected}<");
        assert!(block.contains(&is), "{policy}: {block}");
        let told = harness.events("shop").await;
        let told = told.iter().filter(|event| event.object == "Bucket/assets");
        let told: Vec<_> = told.map(|event| (&*event.reason, event.message.as_str())).collect();
        let drift: Vec<_> = told
            .iter()
            .filter(|(reason, text)| {
                *reason == "DriftDetected" && text.contains("publicAccessBlock")
            })
            .collect();
        assert_eq!(drift.len(), 1, "{policy}: {told:?}");
        let corrected = told.iter().any(|(reason, _)| *reason == "DriftCorrected");
        assert_eq!(corrected, policy == "Correct", "{policy}: {told:?}");
    }
}

/// Lambda works on one part of a release while another part is asked about: the next step of the release is no drift.
#[tokio::test(start_paused = true)]
async fn what_a_release_still_has_to_do_beside_a_question_is_no_drift() {
    let spec = |memory: u32| {
        let permission = "  alias: live\n  permissions:\n    - { id: s3, principal: s3.amazonaws.com, sourceArn: \"arn:aws:s3:::shop-assets\" }";
        shop()
            .replace("  alias: live", permission)
            .replace("memorySize: 512", &format!("memorySize: {memory}"))
            .replace("  artifacts:", "  reconcile: { drift: Report }\n  artifacts:")
    };
    let harness = ready(&spec(512)).await;
    let policy = "/2015-03-31/functions/shop-api/policy";
    harness.lambda("DELETE", &format!("{policy}/s3?Qualifier=live"), Value::Null).await;
    let narrower = json!({
        "StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com",
        "SourceArn": "arn:aws:s3:::shop-assets", "SourceAccount": "123456789012",
    });
    harness.lambda("POST", &format!("{policy}?Qualifier=live"), narrower).await;
    harness.apply(&spec(1024)).await;
    asked(&harness, "Function/api").await;
    let alias = "/2015-03-31/functions/shop-api/aliases/live";
    assert_eq!(harness.lambda("GET", alias, Value::Null).await["FunctionVersion"], "2");
    let told = harness.events("shop").await;
    let drift = told.iter().filter(|event| event.reason.starts_with("Drift"));
    let of_release: Vec<_> = drift
        .map(|event| &event.message)
        .filter(|message| message.contains("alias") || message.contains("memorySize"))
        .collect();
    assert!(of_release.is_empty(), "{of_release:?}");
}

/// A form that was asked about was never live as a whole: its words are nobody's permission.
#[tokio::test(start_paused = true)]
async fn what_waits_for_an_answer_counts_as_declared_by_nobody() {
    let rules = |rule: &str, tag: &str| {
        shop().replace(
            "  versioning: Enabled",
            &format!("  tags: {{ team: {tag} }}\n  lifecycle:\n    - {{ id: tmp, {rule}expirationDays: 1 }}\n    - {{ id: kept, expirationDays: 30 }}"),
        )
    };
    let harness = ready(&rules("", "a")).await;
    let live = format!(
        "{}{}",
        RULE.replace("{}", "tmp/").replace("</LifecycleConfiguration>", ""),
        "<Rule><ID>kept</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>"
    );
    harness.s3("PUT", "/shop-assets?lifecycle", &live).await;
    asked(&harness, "Bucket/assets").await;
    // It names a prefix for the first rule, and is asked about for the second.
    harness.apply(&rules("prefix: temp/, ", "b")).await;
    asked(&harness, "Bucket/assets").await;
    let tags = harness.s3("GET", "/shop-assets?tagging", "").await;
    assert!(tags.contains("<Value>b</Value>"), "the rest of it was written: {tags}");
    harness.apply(&rules("", "b")).await;
    let message = asked(&harness, "Bucket/assets").await;
    assert!(message.contains("lifecycle[tmp].prefix"), "{message}");
    assert!(harness.s3("GET", "/shop-assets?lifecycle", "").await.contains("temp/"), "kept");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_opened_to_what_waits() {
    let statement = |sid: &str, effect: &str, who: &str| json!({"Sid": sid, "Effect": effect, "Principal": who, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop-assets/*"});
    let policy = |statements: &[Value]| json!({"Version": "2012-10-17", "Statement": statements});
    let spec = |policy: &Value, on: bool| {
        let block =
            format!("  publicAccessBlock: {{ restrictPublicBuckets: {on} }}\n  policy: {policy}");
        shop().replace("  versioning: Enabled", &block)
    };
    let open = policy(&[statement("read", "Allow", "*")]);
    let harness = ready(&spec(&open, true)).await;
    let by_hand = policy(&[statement("read", "Allow", "*"), statement("locked", "Deny", "*")]);
    harness.s3("PUT", "/shop-assets?policy", &by_hand.to_string()).await;
    let narrow = policy(&[
        json!({"Sid": "read", "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop-assets/*"}),
    ]);
    harness.apply(&spec(&narrow, false)).await;
    asked(&harness, "Bucket/assets").await;
    let block = harness.s3("GET", "/shop-assets?publicAccessBlock", "").await;
    assert!(
        block.contains("<RestrictPublicBuckets>true<"),
        "the public policy still stands: {block}"
    );
}
